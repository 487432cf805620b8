"""What to do about each check: a line or two for whoever is called at night. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """`title` asks the question that `steps` answer, in order."""

    title: str
    steps: tuple[str, ...]


_SEE_RUN = "Open the run named here: its error says what went wrong. Run it again when the cause is gone."
_ADVICE: dict[str, Advice] = {
    "silent:scheduler": Advice(
        "How to start it again",
        (
            "Start the Procfile’s line “scheduler” (env TZ=UTC flask scheduler), and read the end of its log.",
            "Nothing is lost: due times that passed are made up for by the next run, and listed as missed.",
            "Two schedulers may run, on two hosts; then one may die unnoticed by everybody else.",
        ),
    ),
    "silent:worker": Advice(
        "How to restart it",
        (
            "Start the Procfile’s line that works this queue (flask worker {subject}), and read the end of its log.",
            "Nothing is lost: the runs wait in PostgreSQL, and are taken as soon as a worker is there.",
            "Killed again and again? Look at the memory on the page of workers, and at the host.",
        ),
    ),
    "overdue": Advice(
        "How to make up for it",
        (
            "Look whether the scheduler and a worker of its queue are alive; start what is silent.",
            "Then press “Run now” on the page of runs: a late run covers what was missed.",
        ),
    ),
    "unwritten": Advice(
        "How to put it on the clock",
        ("Start the scheduler: it writes the schedule when it starts. After a deploy, restart it.",),
    ),
    "stuck": Advice(
        "How to get it moving",
        (
            "A worker of “{subject}” is alive and takes nothing: restart it.",
            "Is Redis in order? Empty or restarted is no harm, read-only or full is.",
        ),
    ),
    "busy": Advice(
        "What to do about it",
        (
            "Nothing, if it is a long import or a large mailing: what is due is taken in its turn.",
            "If it is so every day, start another worker of “{subject}”.",
        ),
    ),
    "held": Advice(
        "How to free it",
        ("The scheduler and each sweep take such runs back. Restart the scheduler, and read its log.",),
    ),
    "failing": Advice(
        "What to look at",
        (_SEE_RUN, "“Run again” does the same work from the start; doing it twice is harmless."),
    ),
    "unbalanced": Advice(
        "How to find the rows",
        (
            "The page of the balance lists the rows that nothing accounts for, one by one.",
            "This is a fault of Porchlight, not of the host: keep the list, and report it.",
        ),
    ),
    "mail:waiting": Advice(
        "How to get it sent",
        (
            "Is a worker of “messages” alive, and does the relay take mail? The page of integrations says so.",
            "Mail that waits too long expires, and says so; it is never sent late without a word.",
        ),
    ),
    "mail:unknown": Advice(
        "How to settle it",
        (
            "The connection to the relay was lost after the content had begun, so nobody here can say.",
            "Where RELAY_LOG is set, the log is asked after 2, 10 and 60 minutes, and what it never had goes out once more.",
            "Else ask the relay’s log for the Message-ID, which is on the message’s page.",
            "On the page of messages, say that it was sent, or send it again.",
        ),
    ),
    "canary:missing": Advice(
        "How to find it",
        (
            "Its mail is a message like any other: “flask alerts why” with the numbers named here shows where it stands.",
            "If it was sent, look into the mailbox of CANARY_ADDRESS, its spam folder, and the relay’s log.",
            "If it was not, buyers get no mail either: look at the stages of this page, from the left.",
        ),
    ),
    "canary:bounces": Advice(
        "How to find out",
        (
            "Among so many mails some always come back.",
            "Send one to an address that does not exist, and follow the bounce.",
            "Usually the mailbox of MAIL_FROM is not read, or the provider’s webhook points elsewhere.",
        ),
    ),
    "halted": Advice(
        "How to decide",
        (
            "Open Held mail: it shows the numbers, what is usual at that hour, and a sample as the buyers would get it.",
            "Approve, and what is still true goes out slowly. Discard, and every home of it says so. Both want a reason.",
            "What nobody decides about for a week is dropped.",
        ),
    ),
    "approval": Advice(
        "Who is asked",
        ("Held mail lists what waits for which buyer. Their agent decides, or anybody of the staff.",),
    ),
    "feed": Advice(
        "How to get it going",
        (
            "Is a file of “{subject}” on the page of imports, failed? Its page says which rows and why.",
            "If none has come, ask who sends it. Until then no match says nothing: tell buyers who ask.",
        ),
    ),
    "paused": Advice(
        "How to end it",
        (
            "Press “Resume” on the page of the schedule: it owes its due times from then on, and none of the pause.",
            "Or say “I am on it” on the page of this incident: then nobody is reminded any more.",
        ),
    ),
    "unreachable:Redis": Advice(
        "How to bring it back",
        (
            "Start Redis again. It holds hints only: empty is as good as full.",
            "Until then the scheduler does what must be done by itself, slowly.",
        ),
    ),
    "unreachable": Advice(
        "What to look at",
        ("Is it up, and does the address in the settings still lead there? `flask doctor` asks again, in words.",),
    ),
}
_ELSE = Advice("What to look at", ("`flask doctor` asks everything again, in words.",))


def advice(key: str) -> Advice:
    """For a check's key: its own, or that of the family it belongs to."""
    family = key
    while family not in _ADVICE and ":" in family:
        family = family.rpartition(":")[0]
    found = _ADVICE.get(family, _ELSE)
    subject = key.removeprefix(family).removeprefix(":")
    return Advice(found.title, tuple(step.replace("{subject}", subject) for step in found.steps))
