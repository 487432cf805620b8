"""What the house leans on, put together for a page: whether each answers now, and how it was in the last two weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.models import AlarmOutcome, EventType
from app.domain.ops import alarms, probing
from app.domain.ops.queries import AnyRow
from app.domain.ops.queries import integrations as rows_of
from app.gateways.probes import Answer

DAYS = 14
HOURS = 24
USES = {
    probing.POSTGRESQL: "Holds everything. Without it nothing goes.",
    probing.REDIS: "Wakes the workers. Without it the scheduler does the runs, slowly; nothing is lost.",
    probing.MAIL: "Takes the mail. Without it mail waits, and goes out later.",
    probing.MONGO: "The old system, kept in step. Without it changes wait on both sides.",
    probing.SLACK: "Tells people of alarms. Without it the other channels do.",
    probing.SENTRY: "Is told of errors. Without it they are in the ledger alone.",
}
"""What each is for, and what is lost without it."""
SETTINGS = {probing.MONGO: "LEGACY_MONGO_URL", probing.SLACK: "SLACK_BOT_TOKEN", probing.SENTRY: "SENTRY_DSN"}
"""What has to be set for it to be there at all."""
IN_VAIN = (EventType.FAILED, EventType.DEFERRED, EventType.UNKNOWN, EventType.REJECTED)


@dataclass(frozen=True)
class Rate:
    """How often something was tried, and how often in vain."""

    tried: int = 0
    failed: int = 0

    def one_more(self, failed: int = 0) -> Rate:
        return Rate(self.tried + 1, self.failed + failed)

    @property
    def words(self) -> str:
        """“0.4 %”, “none”; a dash when it was never tried."""
        if not self.tried:
            return "–"
        if not self.failed:
            return "none"
        share = 100 * self.failed / self.tried
        return f"{share:.0f} %" if share >= 10 else f"{max(share, 0.1):.1f} %"


@dataclass(frozen=True)
class Day:
    """One cell of the strip."""

    label: str
    rate: Rate

    @property
    def state(self) -> str:
        """As the strip knows them: green all day, amber now and then away, red for a tenth of the day and more."""
        if not self.rate.tried:
            return "due"
        if not self.rate.failed:
            return "succeeded"
        return "failed" if self.rate.failed >= self.rate.tried / 10 else "late"


@dataclass(frozen=True)
class Sends:
    """What was really handed over, beside the questions: mails to the relay, alarms to Slack."""

    noun: str
    day: Rate | None
    """None: not told by the day."""
    span: Rate
    span_words: str
    last_success: datetime | None
    is_part: bool = False
    """Only the newest were counted."""


@dataclass(frozen=True)
class Integration:
    name: str
    answer: Answer | None
    """None: it is not set up."""
    last_success: datetime | None = None
    last_failure: datetime | None = None
    last_words: str = ""
    """What the last failure said."""
    day: Rate = Rate()
    fortnight: Rate = Rate()
    half_ms: float | None = None
    most_ms: float | None = None
    days: Sequence[Day] = ()
    hours: Sequence[tuple[str, float | None, float | None]] = ()
    """Each hour: its label, the half and the 19 in 20 of milliseconds."""
    sends: Sends | None = None

    @property
    def uses(self) -> str:
        return USES[self.name]

    @property
    def setting(self) -> str:
        return SETTINGS.get(self.name, "")

    @property
    def key(self) -> str:
        """For ids on a page."""
        return self.name.lower().replace(" ", "-")

    @property
    def tone(self) -> str:
        if self.answer is None:
            return "idle"
        return "good" if self.answer.is_up else "bad"

    @property
    def finding(self) -> str:
        """“Last 24 hours: half answered within 2 ms, the slowest 5 % after 9 ms; 3 of 1,440 questions failed”."""
        if not self.day.tried:
            return "Not asked in the last 24 hours"
        failed = f"{self.day.failed:,} of {self.day.tried:,} questions failed" if self.day.failed else "none failed"
        if self.half_ms is None:
            return f"No answer in the last 24 hours; {failed}"
        half, most = _ms(self.half_ms), _ms(self.most_ms)
        return f"Last 24 hours: half answered within {half}, the slowest 5 % after {most}; {failed}"

    @property
    def strip_words(self) -> str:
        """The strip for those who cannot see it."""
        bad = [f"{day.label} {day.rate.words} failed" for day in self.days if day.rate.failed]
        return f"{self.name}, last {DAYS} days: {', '.join(bad) or 'no failure'}"


def look(time_zone: str, now: datetime | None = None, answers: Mapping[str, Answer] | None = None) -> list[Integration]:
    """Every integration, those that are not set up last: five statements. `answers`: what the network says now."""
    now, zone = now or datetime.now(UTC), ZoneInfo(time_zone)
    answers = answers or {}
    past = _past(now, zone, time_zone)
    found = []
    for name in probing.INTEGRATIONS:
        answer = answers.get(name)
        if answer is None and name in SETTINGS:
            found.append(Integration(name, None))
            continue
        found.append(_integration(name, answer, past, now, zone))
    return sorted(found, key=lambda each: each.answer is None)


@dataclass
class _Past:
    days: dict[str, list[AnyRow]] = field(default_factory=dict)
    hours: dict[str, dict[datetime | None, AnyRow]] = field(default_factory=dict)
    last_success: dict[str, datetime] = field(default_factory=dict)
    last_failure: dict[str, datetime] = field(default_factory=dict)
    last_words: dict[str, str] = field(default_factory=dict)


def _past(now: datetime, zone: ZoneInfo, time_zone: str) -> _Past:
    past = _Past()
    today = now.astimezone(zone).date()
    first = today - timedelta(days=DAYS - 1)
    for row in rows_of.days(datetime(first.year, first.month, first.day, tzinfo=zone), now, time_zone):
        past.days.setdefault(row.name, []).append(row)
        for newest, moment in ((past.last_success, row.last_success), (past.last_failure, row.last_failure)):
            if moment is not None:
                newest[row.name] = moment
    for row in rows_of.hours(_first_hour(now), now):
        past.hours.setdefault(row.name, {})[row.hour] = row
    past.last_words = rows_of.words_at(past.last_failure)
    return past


def _integration(name: str, answer: Answer | None, past: _Past, now: datetime, zone: ZoneInfo) -> Integration:
    """The newest answer counts, whoever asked: the reader's own question too, where it is not among the rows."""
    answer = answer or Answer(is_up=False, words="was not asked")
    found = _by_rows(name, answer, past, now, zone)
    written = max((moment for moment in (found.last_success, found.last_failure) if moment), default=None)
    own = answer.checked_at
    if own is None or (written is not None and own <= written):
        is_up = found.last_failure is None or (found.last_success or found.last_failure) > found.last_failure
        if own is None or is_up == answer.is_up:
            return found
        words = "answers" if is_up else found.last_words
        return replace(found, answer=Answer(is_up, words, None, written))
    if answer.is_up:
        return replace(found, last_success=own, day=found.day.one_more(), fortnight=found.fortnight.one_more())
    return replace(
        found,
        last_failure=own,
        last_words=answer.words,
        day=found.day.one_more(failed=1),
        fortnight=found.fortnight.one_more(failed=1),
    )


def _by_rows(name: str, answer: Answer, past: _Past, now: datetime, zone: ZoneInfo) -> Integration:
    hours = past.hours.get(name, {})
    by_day = {row.day: Rate(row.asked, row.failed) for row in past.days.get(name, ())}
    whole = hours.get(None)
    half, most = (whole.ms if whole else None) or (None, None)
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    begins = [_first_hour(now) + timedelta(hours=step) for step in range(HOURS)]
    return Integration(
        name=name,
        answer=answer,
        last_success=past.last_success.get(name),
        last_failure=past.last_failure.get(name),
        last_words=past.last_words.get(name, ""),
        day=Rate(whole.asked, whole.failed) if whole else Rate(),
        fortnight=Rate(sum(rate.tried for rate in by_day.values()), sum(rate.failed for rate in by_day.values())),
        half_ms=half,
        most_ms=most,
        days=[Day(f"{day:%b} {day.day}", by_day.get(day, Rate())) for day in days],
        hours=[
            (f"{begin.astimezone(zone):%H:%M}", *((hours[begin].ms if begin in hours else None) or (None, None)))
            for begin in begins
        ],
        sends=_sends(name, now),
    )


def _first_hour(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def _sends(name: str, now: datetime) -> Sends | None:
    if name == probing.MAIL:
        ends = rows_of.mails(now)
        good = ends.get(EventType.SENT)
        bad = [ends[word] for word in IN_VAIN if word in ends]
        day, week = (
            Rate((getattr(good, span) if good else 0) + sum(getattr(row, span) for row in bad), failed)
            for span, failed in (("day", sum(row.day for row in bad)), ("week", sum(row.week for row in bad)))
        )
        is_part = sum(row.week for row in ends.values()) >= rows_of.MOST_MAILS
        return Sends("mail", day, week, "7 days", good.newest if good else None, is_part)
    if name == probing.SLACK:
        told = rows_of.alarms(alarms.SLACK, now - timedelta(days=DAYS), now)
        sent, failed = told.get(AlarmOutcome.SENT), told.get(AlarmOutcome.FAILED)
        counts = (sent.n if sent else 0), (failed.n if failed else 0)
        return Sends("alarm", None, Rate(sum(counts), counts[1]), f"{DAYS} days", sent.newest if sent else None)
    return None


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"
