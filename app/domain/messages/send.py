"""Messages that are due go to the relay: one attempt in flight on a connection, each outcome committed.

One transaction says how message k ended, has the last look at k+1 and marks it begun; then k+1 goes out. A sender that
dies at any moment leaves at most one message of which nobody can say whether it arrived.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple, Protocol
from uuid import uuid4

import sentry_sdk
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from app.crash import crash_point
from app.domain.messages import queries, queue
from app.domain.messages.mime import Letter, assemble
from app.domain.messages.pace import Gate, domain_of_recipient
from app.domain.messages.queue import CHUNK, Gone, Queued
from app.domain.moments import database_now
from app.extensions import db, settings
from app.gateways.mail import Outcome, Phase, RelayError, RelayRefusedUs, Transport, Verdict
from app.gateways.transport import transport

log = structlog.get_logger(__name__)

MOST_SKIPPED = 20
"""Last looks in a row that may end messages before how the one before them ended is committed."""
MOST_BLOCKED = 20
"""Refusals in a row that are about us, not the address, before a run stops: more would not convince it."""
KEEP_TRYING_SECONDS = 15.0
"""How long a sender that knows an outcome waits for a database that has gone away."""

COUNTS = ("sent", "suppressed", "dropped", "failed", "retried", "unknown", "expired")
_COUNTED = {
    Verdict.ACCEPTED: "sent",
    Verdict.RETRY: "retried",
    Verdict.REFUSED: "failed",
    Verdict.UNKNOWN: "unknown",
}

Composer = Callable[[Queued, datetime], Letter | Gone]
"""Has the last look at a message and writes it (PA-19), in the transaction that marks it begun. Each stream has one."""


class Progress(Protocol):
    def __call__(self, step: str, done: int = 0, total: int | None = None) -> None: ...


class NotAllWritten(Exception):
    """Some messages could not be written, a fault of ours; they wait for another try. All others went out."""


class Attempt(NamedTuple):
    message: Queued
    letter: Letter


def send_due(
    composers: Mapping[str, Composer],
    *,
    limit: int = 100_000,
    chunk: int = CHUNK,
    now: datetime | None = None,
    stop: Callable[[], bool] | None = None,
    deadline: float | None = None,
    progress: Progress | None = None,
    relay: Transport | None = None,
    holder: queue.Holder | None = None,
    gate: Gate | None = None,
) -> dict[str, int]:
    """Send what is due. Call it as `send_due(COMPOSERS, …)` with COMPOSERS from app.domain.digests.letters.

    Talks to a gateway, so it commits by itself. `chunk` messages are claimed at a time. `stop` is asked before each message (True = end soon), `deadline` is a
    time.monotonic() value after which none is begun; what is claimed then is queued again. With `now` the clock stands
    still there. `gate`: how many a second a domain gets. `holder`: the run that this is a part of; when it is over, what it held is taken back. Returns counts:
    sent, suppressed, dropped, failed, retried, unknown, expired.

    Raises RelayError when the relay cannot be reached or refuses us (nothing of what was not tried is lost or counted),
    and NotAllWritten at the end. Safe to run several at once.
    """
    config = settings()
    own = relay or transport(config)
    sender = _Sender(
        composers,
        own,
        limit=limit,
        chunk=chunk,
        now=now,
        stop=stop,
        deadline=deadline,
        progress=progress,
        holder=holder,
        gate=gate or Gate(config.mails_per_second),
    )
    with own, one_connection():
        return sender.run()


@contextmanager
def one_connection() -> Iterator[None]:
    """Work on one database connection for as long as this lasts. A session takes one anew for each transaction, and
    asks it whether it still lives: a round trip for each message."""
    db.session.commit()
    usual = db.session()
    if isinstance(usual.bind, Connection):  # it does already
        yield
        return
    with db.engine.connect() as connection:
        db.session.registry.set(Session(bind=connection))  # type: ignore[arg-type]  # a plain one is all it needs
        try:
            yield
        finally:
            db.session.close()
            db.session.registry.set(usual)


class _Sender:
    def __init__(
        self,
        composers: Mapping[str, Composer],
        relay: Transport,
        *,
        limit: int,
        chunk: int,
        now: datetime | None,
        stop: Callable[[], bool] | None,
        deadline: float | None,
        progress: Progress | None,
        holder: queue.Holder | None,
        gate: Gate,
    ) -> None:
        self.composers, self.relay, self.limit, self.chunk = composers, relay, limit, chunk
        self.fixed_now, self.stop, self.deadline, self.progress = now, stop, deadline, progress
        self.holder = holder
        self.lease = timedelta(seconds=settings().message_lease_seconds)
        self.gate = gate
        self.counts: Counter[str] = Counter()
        self.token = uuid4()
        self.renewed = 0.0
        self.asked: tuple[datetime, float] | None = None
        """What PostgreSQL said it was, and when."""
        self.known: tuple[Queued, Outcome] | None = None
        """How the last attempt ended, until that is committed."""
        self.is_written = False
        """It is, in the transaction at hand."""
        self.writing: Queued | None = None
        self.blocked = 0
        self.errors: list[Exception] = []

    def now(self) -> datetime:
        """PostgreSQL's clock, asked once a chunk: a lease must mean the same to whoever takes it back."""
        if self.fixed_now is not None:
            return self.fixed_now
        if self.asked is None:
            self.asked = database_now(), time.monotonic()
        then, at = self.asked
        return then + timedelta(seconds=time.monotonic() - at)

    def must_end(self) -> bool:
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return late or (self.stop is not None and self.stop())

    def run(self) -> dict[str, int]:
        queue.reap(self.now())
        total = queries.due_count(self.now())
        db.session.commit()
        taken = 0
        while taken < self.limit and not self.must_end():
            claimed = self._claim(min(self.chunk, self.limit - taken))
            if not any(claimed):
                break
            taken += len(claimed.ours) + len(claimed.ended) + claimed.postponed
            self.counts.update(state.value for state in claimed.ended)
            if claimed.ours:
                self._send_chunk(deque(claimed.ours), taken, total)
        if self.errors:
            raise NotAllWritten(f"{len(self.errors)} messages could not be written") from self.errors[0]
        return {name: self.counts[name] for name in COUNTS}

    def _claim(self, limit: int) -> queue.Claimed:
        self.token, self.asked = uuid4(), None
        claimed = queue.claim(self.token, self.now(), self.now() + self.lease, limit, holder=self.holder)
        db.session.commit()
        self.renewed = time.monotonic()
        crash_point("claim_committed")
        return claimed

    def _send_chunk(self, waiting: deque[Queued], taken: int, total: int) -> None:
        try:
            while True:
                attempt = self._advance(waiting)
                if attempt is not None:
                    self._deliver(attempt)
                elif not waiting or self.must_end():
                    return
                if self.progress is not None:
                    self.progress("sending", taken - len(waiting), max(total, taken))
        except BaseException:
            db.session.rollback()
            raise
        finally:
            self._commit_outcome()
            queue.release(self.token)
            db.session.commit()

    def _advance(self, waiting: deque[Queued]) -> Attempt | None:
        """Commit how the last attempt ended together with the begin of the next; None when none was begun."""
        if self.must_end() or not waiting:
            self._commit_outcome()
            return None
        self._make_way(waiting)
        if not self.relay.is_open:
            self._commit_outcome()
            self.relay.open()
        if self.known is not None:
            crash_point("before_settle")
        self.writing = None
        self.is_written = False
        try:
            if not self._may_wait(waiting):
                self._write_outcome()
            attempt = self._begin_next(waiting)
            if not self.is_written:
                self._write_outcome()
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            self._commit_outcome()
            self._defer(error)
            return None
        if self.known is not None:
            self.known = None
            crash_point("after_settle")
        return attempt

    def _make_way(self, waiting: deque[Queued]) -> None:
        """Put one first whose domain has not had enough for this second; wait when all have."""
        while True:
            shortest = 1.0
            for _ in range(len(waiting)):
                wait = self.gate.wait(domain_of_recipient(waiting[0].recipient))
                if not wait:
                    return
                shortest = min(shortest, wait)
                waiting.rotate(-1)
            self._commit_outcome()
            time.sleep(shortest)

    def _may_wait(self, waiting: deque[Queued]) -> bool:
        """Is how the last one ended of no concern to the last look at the next? Then both are written at once."""
        if self.known is None or self.known[1].state is not Verdict.ACCEPTED:
            return False
        before = self.known[0]
        return all(
            (each.contact_id, each.recipient) != (before.contact_id, before.recipient)
            for each in islice(waiting, MOST_SKIPPED)
        )

    def _begin_next(self, waiting: deque[Queued]) -> Attempt | None:
        self._keep_lease()
        for _ in range(MOST_SKIPPED):
            if not waiting:
                return None
            self.writing = message = waiting.popleft()
            now = self.now()
            made = self.composers[message.stream](message, now)
            if isinstance(made, Gone):
                if queue.give_up(message, made, self.token, now):
                    self.counts[made.state.value] += 1
                continue
            until = now + self.lease + timedelta(seconds=self.relay.message_seconds)
            if self._begin(message, made, now, until):
                return Attempt(message, made)
            log.warning("message.lease_lost", message_id=message.id)
        return None

    def _begin(self, message: Queued, letter: Letter, now: datetime, until: datetime) -> bool:
        if self.known is None or self.is_written:
            return queue.begin(message, letter, self.token, now, until)
        before, outcome = self.known
        settled, begun = queue.settle_sent_and_begin(
            self.known, message, letter, token=self.token, now=now, until=until
        )
        self.is_written = True
        if not settled:
            log.warning("message.settled_elsewhere", message_id=before.id, outcome=outcome.state.value)
        return begun

    def _deliver(self, attempt: Attempt) -> None:
        message, letter = attempt
        try:
            outcome = self.relay.deliver(letter.envelope_sender, letter.recipient.address, assemble(letter))
        except RelayError:
            queue.put_back(message, self.token, begun=True)
            db.session.commit()
            raise
        self.known = message, outcome
        self.counts[_COUNTED[outcome.state]] += 1
        log.info("message.attempted", message_id=message.id, outcome=outcome.state.value, phase=outcome.phase.value)
        self._mind_blocks(outcome)

    def _mind_blocks(self, outcome: Outcome) -> None:
        """A row of refusals that are not about the addresses is about us: stop before more of them are spent."""
        is_block = outcome.state is Verdict.REFUSED and (
            outcome.phase is Phase.AWAIT250 or outcome.enhanced.startswith(("5.6.", "5.7."))
        )
        self.blocked = self.blocked + 1 if is_block else 0
        if self.blocked >= MOST_BLOCKED:
            raise RelayRefusedUs(f"{self.blocked} messages in a row were refused, the last with: {outcome.reply}")

    def _write_outcome(self) -> None:
        if self.known is not None:
            self.is_written = True
            message, outcome = self.known
            if not queue.settle(message, outcome, self.token, self.now()):
                log.warning("message.settled_elsewhere", message_id=message.id, outcome=outcome.state.value)

    def _commit_outcome(self) -> None:
        """Commit what is known of the last attempt, and keep trying for a while: forgotten, it would be unknown for
        ever. Saying it twice is harmless."""
        until = time.monotonic() + KEEP_TRYING_SECONDS
        while self.known is not None:
            crash_point("before_settle")
            try:
                self._write_outcome()
                db.session.commit()
                self.known = None
                crash_point("after_settle")
            except (OperationalError, InterfaceError):
                db.session.rollback()
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def _defer(self, error: Exception) -> None:
        """A message that could not be written waits for another try; the others go on (PA-18)."""
        if self.writing is None:
            if isinstance(error, (OperationalError, InterfaceError)):
                return  # the database came back: what was known is committed, and nothing was begun
            raise error
        message, now = self.writing, self.now()
        log.error("message.not_written", message_id=message.id, error=type(error).__name__, exc_info=error)
        sentry_sdk.capture_exception(error)
        self.errors.append(error)
        self.counts["retried"] += 1
        reply = f"could not be written: {type(error).__name__}"
        queue.put_back(
            message, self.token, begun=False, not_before=now + queue.backoff(message.attempts + 1), reply=reply
        )
        db.session.commit()

    def _keep_lease(self) -> None:
        if time.monotonic() - self.renewed > self.lease.total_seconds() / 3:
            queue.renew(self.token, self.now() + self.lease)
            self.renewed = time.monotonic()
