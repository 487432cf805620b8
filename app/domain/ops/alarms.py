"""People are told of an incident: once when it has held for a while, once a day while it lasts and nobody is on it, and
when it is over. Every channel that is configured is told, all at once, so that one which is down (it may be the very
thing that failed) silences none of the others; told means that at least one took it.

At least once: a claim is a short lease, so what a process that died was about to tell is told by another, perhaps a
second time. Nothing goes over the wire while a transaction is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from functools import partial
from typing import Any

import structlog
from sqlalchemy import case, select, update

from app.config import Config
from app.display import duration
from app.domain.models import Alarm, AlarmOccasion, AlarmOutcome, Incident, IncidentTone
from app.domain.ops.runbook import advice
from app.extensions import db, settings
from app.gateways import slack, webhook
from app.gateways.errands import Errands, Late
from app.gateways.mail import Relay, RelayError, RelayRefusedUs, Verdict, domain_of

log = structlog.get_logger(__name__)

SLACK, EMAIL, WEBHOOK = "slack", "email", "webhook"
SECONDS = 5.0
"""What all channels together may take for one notice."""
LEASE = timedelta(seconds=60)
AGAIN = timedelta(minutes=5)
"""When nobody took it."""
REMIND = timedelta(days=1)


@dataclass(frozen=True)
class Notice:
    """What is to be told, and of what. `incident_id` 0 = a test."""

    incident_id: int
    key: str
    occasion: AlarmOccasion
    tone: str
    sentence: str
    since: datetime
    """As the check tells it, which may be earlier than the first look that found it."""
    opened_at: datetime
    closed_at: datetime | None
    follows: Sequence[str]
    why: str
    url: str
    now: datetime
    is_worse: bool = False
    """It was only worth a look when it opened."""

    @property
    def subject(self) -> str:
        lead = {AlarmOccasion.CLOSED: "Over: ", AlarmOccasion.REMINDER: "Still: "}.get(self.occasion, "")
        return flat(f"Porchlight: {lead}{self.sentence}")

    @property
    def lasted(self) -> str:
        return duration(((self.closed_at or self.now) - self.since).total_seconds())

    @property
    def lines(self) -> list[str]:
        """In words, the subject aside."""
        moment = self.since.astimezone(UTC)
        since = f"{moment:%a} {moment.day} {moment:%b %H:%M} UTC"
        if self.occasion is AlarmOccasion.CLOSED:
            return [f"It is over, by itself or because somebody mended it. It was so since {since}, for {self.lasted}."]
        said = [f"It is so since {since}, for {self.lasted} now."]
        said += ["It got worse: at first it was only worth a look."] if self.is_worse else []
        said += [self.why] if self.why else []
        said += ["So, too: " + "; ".join(self.follows) + "."] if self.follows else []
        if self.occasion is AlarmOccasion.REMINDER:
            said.append("You are told once a day until it is over or somebody says “I am on it”.")
        return said

    @property
    def steps(self) -> Sequence[str]:
        return () if self.occasion is AlarmOccasion.CLOSED else advice(self.key).steps


def flat(words: str) -> str:
    """In one line, without control characters: what stands in a head of a mail (RFC 5322) or a line of a list."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())


@dataclass(frozen=True)
class Told:
    is_sent: bool
    words: str


@dataclass(frozen=True)
class Channel:
    """A way to people. `where`, for a page: which channel or whom; no token, no address that may hold a secret."""

    name: str
    where: str
    tell: Callable[[Notice], Told]
    reach: Callable[[], Told]
    """Would it take one? Tells nobody."""


_errands: Errands[Told] = Errands()


def channels(config: Config | None = None) -> list[Channel]:
    """Those that are configured."""
    config = config or settings()
    found = []
    if config.alarm_slack_channel and config.slack_bot_token:
        found.append(_slack(config))
    if config.alarm_email:
        found.append(_email(config))
    if config.alarm_webhook_url:
        found.append(_webhook(config))
    return found


def tell_due(now: datetime | None = None) -> int:
    """Tell what is due, oldest first, and stop after a few seconds: the next look goes on. Talks to gateways, so it
    commits by itself. Returns how many were told. Nothing is claimed while no channel is configured."""
    ways = channels()
    if not ways:
        return 0
    clock_stands, told, began = now is not None, 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        now = now if clock_stands and now else datetime.now(UTC)
        notice = _claim(now)
        db.session.commit()
        if notice is None:
            break
        outcomes = tell(notice, ways)
        _record(notice, outcomes, now)
        db.session.commit()
        told += any(outcome.is_sent for outcome in outcomes.values())
    return told


def trial(now: datetime | None = None) -> Notice:
    """One that says it is only a test."""
    now = now or datetime.now(UTC)
    return Notice(
        incident_id=0,
        key="test",
        occasion=AlarmOccasion.OPENED,
        tone="bad",
        sentence="This is a test of the alarm",
        since=now,
        opened_at=now,
        closed_at=None,
        follows=(),
        why="Somebody wanted to see whether it arrives. Nothing is wrong.",
        url=f"{settings().public_url.rstrip('/')}/ops/incidents",
        now=now,
    )


def tell(notice: Notice, ways: Sequence[Channel]) -> dict[str, Told]:
    """Each channel in a thread of its own; one that takes longer than 5 s is said to have failed, though it may still
    take it, and is told nothing else until it has. Never raises."""

    def try_one(way: Channel) -> Told:
        try:
            return way.tell(notice)
        except Exception as error:
            return Told(is_sent=False, words=f"could not be told ({type(error).__name__})")

    found = _errands.run({(way.name, way.where): partial(try_one, way) for way in ways}, SECONDS + 0.5)
    outcomes = {way.name: found[way.name, way.where] for way in ways}
    return {
        name: Told(is_sent=False, words=outcome.words) if isinstance(outcome, Late) else outcome
        for name, outcome in outcomes.items()
    }


# --- The claim and its end ---


def _claim(now: datetime) -> Notice | None:
    """Take the notice that has been due longest, for a minute."""
    oldest = (
        select(Incident.id)
        .where(Incident.next_notice_at <= now)
        .order_by(Incident.next_notice_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    found = db.session.scalar(
        update(Incident)
        .where(Incident.id == oldest)
        .values(next_notice_at=now + LEASE)
        .returning(Incident)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if found is None:
        return None
    occasion = AlarmOccasion.OPENED if found.notified_at is None else AlarmOccasion.REMINDER
    return Notice(
        incident_id=found.id,
        key=found.key,
        occasion=AlarmOccasion.CLOSED if found.closed_at else occasion,
        tone=found.tone,
        sentence=flat(found.sentence),
        since=found.since,
        opened_at=found.opened_at,
        closed_at=found.closed_at,
        follows=tuple(map(flat, found.detail.get("follows", ()))),
        why=flat(found.detail.get("why", "")),
        url=f"{settings().public_url.rstrip('/')}/ops/incidents/{found.id}",
        now=now,
        is_worse="worse_at" in found.detail,
    )


def _record(notice: Notice, outcomes: Mapping[str, Told], now: datetime) -> None:
    """Write down each try, and when it is to be told again. What changed meanwhile counts: an incident that closed
    while its opening was told is told to be over; one that somebody is on is not told again."""
    for name, outcome in outcomes.items():
        state = AlarmOutcome.SENT if outcome.is_sent else AlarmOutcome.FAILED
        db.session.add(
            Alarm(
                incident_id=notice.incident_id,
                occasion=notice.occasion.value,
                channel=name,
                outcome=state.value,
                words=outcome.words[:500],
                created_at=now,
            )
        )
    is_told = any(outcome.is_sent for outcome in outcomes.values())
    if notice.occasion is AlarmOccasion.CLOSED:
        is_old_news = notice.closed_at is not None and now - notice.closed_at > REMIND
        upcoming: Any = None if is_told or is_old_news else now + AGAIN
    else:
        upcoming = case(
            (Incident.closed_at.is_not(None), now if is_told else None),
            (Incident.acknowledged_at.is_not(None), None),
            else_=now + (REMIND if is_told else AGAIN),
        )
    changes: dict[str, Any] = {"next_notice_at": upcoming}
    if is_told and notice.occasion is AlarmOccasion.OPENED:
        changes["notified_at"] = now
    db.session.execute(
        update(Incident)
        .where(Incident.id == notice.incident_id)
        .values(**changes)
        .execution_options(synchronize_session=False)
    )
    say = log.info if is_told else log.error
    said = {name: "sent" if outcome.is_sent else outcome.words for name, outcome in outcomes.items()}
    say("alarm.told" if is_told else "alarm.untold", incident_id=notice.incident_id, key=notice.key, **said)


# --- The channels ---


def _slack(config: Config) -> Channel:
    bot = slack.Slack(config.slack_bot_token, config.slack_api_url, SECONDS)

    def tell_slack(notice: Notice) -> Told:
        mark = ":red_circle:" if notice.tone == IncidentTone.BAD else ":large_yellow_circle:"
        mark = ":large_green_circle:" if notice.occasion is AlarmOccasion.CLOSED else mark
        parts = [f"{mark} *{slack.escape(notice.subject)}*", *map(slack.escape, notice.lines)]
        parts += [f"• {slack.escape(step)}" for step in notice.steps]
        parts.append(f"<{notice.url}|Open it>")
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(parts)[:3000]}}]
        answer = bot.post(config.alarm_slack_channel, slack.escape(notice.subject), blocks)
        return Told(answer.is_ok, answer.words)

    def reach_slack() -> Told:
        answer = bot.whoami()
        return Told(answer.is_ok, answer.words)

    return Channel(SLACK, config.alarm_slack_channel, tell_slack, reach_slack)


def _email(config: Config) -> Channel:
    def relay() -> Relay:
        hostname = domain_of(config.mail_from)
        return Relay(config.smtp_url, hostname=hostname, answer_seconds=SECONDS - 1, message_seconds=SECONDS)

    def tell_by_mail(notice: Notice) -> Told:
        """Straight to the relay: the queue of messages may be what stands still."""
        taken: list[str] = []
        refused: list[str] = []
        with relay() as line:
            for address in config.alarm_email:
                content = letter(notice, config.mail_from, address)
                try:
                    outcome = line.deliver(parseaddr(config.mail_from)[1], address, content)
                except RelayError as error:
                    return Told(is_sent=bool(taken), words=_no_relay(error))
                (taken if outcome.state is Verdict.ACCEPTED else refused).append(outcome.reply)
        words = f"{len(taken)} of {len(config.alarm_email)} taken"
        return Told(bool(taken), words + (f"; {refused[0]}" if refused else ""))

    def reach_relay() -> Told:
        try:
            with relay() as line:
                line.open()
        except RelayError as error:
            return Told(is_sent=False, words=_no_relay(error))
        return Told(is_sent=True, words="the relay takes mail")

    return Channel(EMAIL, ", ".join(config.alarm_email), tell_by_mail, reach_relay)


def _no_relay(error: RelayError) -> str:
    """Without the relay's address, which is the operator's affair."""
    return "the relay refuses us" if isinstance(error, RelayRefusedUs) else "the relay cannot be reached"


def letter(notice: Notice, sender: str, recipient: str) -> bytes:
    """The mail, plain text, RFC 5322."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = notice.subject
    mail["Date"] = format_datetime(notice.now)
    mail["Message-ID"] = make_msgid("alarm", domain_of(sender))
    mail["Auto-Submitted"] = "auto-generated"
    paragraphs = [f"{notice.sentence}.", *notice.lines]
    if notice.steps:
        paragraphs.append("\n".join([f"{advice(notice.key).title}:", *(f"- {step}" for step in notice.steps)]))
    paragraphs.append(notice.url)
    mail.set_content("\n\n".join(paragraphs) + "\n", cte="quoted-printable")
    return mail.as_bytes()


def _webhook(config: Config) -> Channel:
    def tell_webhook(notice: Notice) -> Told:
        content = {
            "occasion": notice.occasion.value,
            "incident": notice.incident_id,
            "key": notice.key,
            "tone": notice.tone,
            "sentence": notice.sentence,
            "since": notice.since.isoformat(),
            "opened_at": notice.opened_at.isoformat(),
            "closed_at": notice.closed_at.isoformat() if notice.closed_at else None,
            "follows": list(notice.follows),
            "url": notice.url,
        }
        key = webhook.key_from(config.secret_key)
        answer = webhook.post(config.alarm_webhook_url, content, key=key, seconds=SECONDS)
        return Told(answer.is_ok, answer.words)

    def reach_webhook() -> Told:
        answer = webhook.connect(config.alarm_webhook_url, seconds=SECONDS)
        return Told(answer.is_ok, answer.words)

    return Channel(WEBHOOK, webhook.host_of(config.alarm_webhook_url), tell_webhook, reach_webhook)
