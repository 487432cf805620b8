"""What waits for each buyer, and the mail that would come of it now: built and looked at like any other, then taken back.
Nothing is sent, nothing counts as told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import NamedTuple

from app.domain.digests.build import build_for
from app.domain.digests.decide import IN_WORDS, DropReason
from app.domain.digests.holds.preview import preview as look_at
from app.domain.errors import Conflict, Invalid
from app.domain.messages.mime import Letter, Mailbox, assemble
from app.domain.messages.preview import disarm
from app.domain.messages.queue import Gone
from app.domain.models import Contact, User
from app.domain.proof import queries
from app.extensions import db, settings
from app.gateways.mail import Relay, RelayError, Verdict, domain_of

SECONDS = 20
"""One letter to a relay, asked for by somebody who looks at the page."""


class Preview(NamedTuple):
    """What one buyer would get, and when: a letter, or in words why there would be none."""

    contact: Contact
    due_at: datetime
    letter: Letter | None
    reason: str
    more: int
    """Further letters of the same moment: those of searches whose mails an agent approves."""


def preview_of(office_id: int, contact_id: int, now: datetime | None = None) -> Preview:
    """The next mail of one buyer as it would be at its due moment, from what waits for them now. Writes nothing: what is
    built is taken back, also when it fails. Raises NotFound, also for another office's."""
    now = now or datetime.now(UTC)
    contact = queries.buyer(office_id, contact_id)
    due_at = max(queries.due_of(contact.id) or now, now)
    built = db.session.begin_nested()
    try:
        build_for(contact.id, due_at, due_at)
        digests = queries.digests_of_window(contact.id, due_at)
        looked = [look_at(digest, due_at) for digest in digests]
    finally:
        built.rollback()
        db.session.expire_all()
    letters = [one for one in looked if isinstance(one, Letter)]
    if letters:
        return Preview(contact, due_at, letters[0], "", len(letters) - 1)
    gone = next((one for one in looked if isinstance(one, Gone)), None)
    if gone is not None:
        return Preview(contact, due_at, None, _in_words(gone.reason), 0)
    return Preview(contact, due_at, None, "Nothing waits that may go by then.", 0)


def send_to(user: User, shown: Preview) -> None:
    """Send a preview to who asked for it, labelled as one, without the buyer's keys. Straight to the relay: it is no
    message of ours, and stands in no sum. Raises Invalid when there is no letter, Conflict when it was not taken."""
    if shown.letter is None:
        raise Invalid("There is nothing to send: no mail would come of what waits.")
    config = settings()
    letter = shown.letter
    marked = replace(
        letter,
        recipient=Mailbox(user.email, user.full_name),
        reply_to=None,
        subject=f"[Preview for {shown.contact.full_name}] {letter.subject}",
        text="Preview: the buyer has not been sent this.\n\n" + disarm(letter.text),
        html=disarm(letter.html),
        envelope_sender=parseaddr(config.mail_from)[1],
        headers=(("Auto-Submitted", "auto-generated"),),
        also=(),
    )
    line = Relay(
        config.smtp_url, hostname=domain_of(config.mail_from), answer_seconds=SECONDS - 1, message_seconds=SECONDS
    )
    try:
        with line:
            outcome = line.deliver(marked.envelope_sender, user.email, assemble(marked))
    except RelayError as error:
        raise Conflict("The relay cannot be reached, so the preview was not sent. Try again in a while.") from error
    if outcome.state is not Verdict.ACCEPTED:
        raise Conflict(f"The relay did not take the preview: {outcome.reply or 'no answer'}")


def _in_words(reason: str) -> str:
    """Why no mail would come of it."""
    try:
        return IN_WORDS[DropReason(reason)]
    except (KeyError, ValueError):
        return "The last look would leave nothing to say."
