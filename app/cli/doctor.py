"""flask doctor: the questions of the operations page and of /readyz, in words, for a terminal or a deploy script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import click
from flask import Flask
from flask.cli import with_appcontext

from app.display import ago_words, duration
from app.domain.models import AlarmOutcome
from app.domain.moments import skew
from app.domain.ops import alarms, health, probing, words
from app.domain.ops.balance import balance
from app.domain.ops.health import Tone
from app.domain.ops.queries import incidents
from app.domain.ops.queries.overview import stage_counts, volumes
from app.domain.ops.registry import registry
from app.domain.ops.stages import stages
from app.extensions import settings
from app.gateways.webhook import key_from

MARKS = {Tone.GOOD: ("ok", "green"), Tone.WAIT: ("look", "yellow"), Tone.BAD: ("BAD", "red")}


MOST_SKEW = 2.0
"""Seconds between two clocks that are worth no word."""


class Finding(NamedTuple):
    tone: Tone
    subject: str
    words: str


def register(app: Flask) -> None:
    app.cli.add_command(doctor)


@click.command("doctor")
@click.option("--test-alarm", is_flag=True, help="Send a test alarm through each channel, and say what became of it.")
@click.option("--webhook-key", is_flag=True, help="Show the key that a receiver of webhooks checks signatures with.")
@with_appcontext
def doctor(*, test_alarm: bool, webhook_key: bool) -> None:
    """Is everything well? Exit code 0: yes, or nothing worse than worth a look. 1: something is broken."""
    if webhook_key:
        click.echo(key_from(settings().secret_key))
        return
    is_broken = False
    for finding in try_alarms() if test_alarm else examine():
        mark, colour = MARKS[finding.tone]
        click.echo(f"{click.style(f'{mark:>4}', fg=colour)}  {finding.subject:<22} {finding.words}")
        is_broken = is_broken or finding.tone is Tone.BAD
    sys.exit(1 if is_broken else 0)


def examine(now: datetime | None = None) -> Iterator[Finding]:
    """Each check and what it found. Stops after the servers when the database cannot be read."""
    now = now or datetime.now(UTC)
    answers = probing.ask()
    for name, answer in answers.items():
        tone = Tone.GOOD if answer.is_up else Tone.WAIT if name == probing.REDIS else Tone.BAD
        took = f", {answer.ms:.0f} ms" if answer.ms is not None and answer.is_up else ""
        yield Finding(tone, name, answer.words + took)
    if not (answers[probing.POSTGRESQL].is_up and answers[probing.SCHEMA].is_up):
        yield Finding(Tone.BAD, "Everything else", "cannot be judged without the database")
        return
    yield clocks(skew())
    signs = health.vitals(now)
    yield from _processes(signs, now)
    yield from _schedules(signs, now)
    yield from _failures(signs, now)
    yield from _oldest(signs, now)
    for line in balance(now - timedelta(hours=24), now):
        said = " + ".join(f"{part.count:,} {part.label}" for part in line.shown)
        left = f"; {line.remainder:,} left over" if line.remainder else ""
        yield Finding(Tone.BAD if line.remainder else Tone.GOOD, line.title, f"{line.total:,} = {said}{left} (24 h)")
    if signs.unknown:
        yield Finding(Tone.WAIT, "Unknown messages", f"{signs.unknown:,} may or may not have arrived")
    yield from _other_checks(signs, now)
    yield from _incidents(now)
    yield from _channels()


def clocks(ahead: float) -> Finding:
    """Runs and leases go by PostgreSQL's clock; what this host's own is good for is told at least."""
    how = "as" if abs(ahead) < 0.1 else f"{abs(ahead):,.1f} s {'ahead of' if ahead > 0 else 'behind'}"
    is_right = abs(ahead) <= MOST_SKEW
    said = f"{how} PostgreSQL’s" + ("" if is_right else ": set this host’s clock (NTP)")
    return Finding(Tone.GOOD if is_right else Tone.WAIT, "This host’s clock", said)


def _processes(signs: health.Vitals, now: datetime) -> Iterator[Finding]:
    wanted = [("scheduler", None), *(("worker", queue) for queue in sorted(set(registry().queues.values())))]
    for role, queue in wanted:
        found = [each for each in signs.processes if each["role"] == role and (each["queue"] == queue or queue is None)]
        alive = sum(each["alive"] for each in found)
        seen = max((each["seen_at"] for each in found), default=None)
        said = f"{alive} alive" if alive else f"silent, seen {ago_words(seen, now)}" if seen else "never ran"
        yield Finding(Tone.GOOD if alive else Tone.BAD, f"{role} {queue}" if queue else role.capitalize(), said)


def _schedules(signs: health.Vitals, now: datetime) -> Iterator[Finding]:
    written = {line.name: line for line in signs.schedules}
    for expected in registry().lines:
        line = written.get(expected.name)
        subject = f"Schedule {expected.name}"
        if line is None:
            yield Finding(Tone.BAD, subject, "was never put on the clock: start the scheduler")
        elif line.is_paused:
            yield Finding(Tone.WAIT, subject, f"paused: {line.paused_reason or 'no reason given'}")
        elif line.overdue_since:
            late = duration((now - line.overdue_since).total_seconds())
            yield Finding(Tone.BAD, subject, f"{words.clock_in_words(line.cron)}; not kept since {late} ago")
        else:
            last = f"last success {ago_words(line.last_success, now)}" if line.last_success else "not due yet"
            yield Finding(Tone.GOOD, subject, f"{words.clock_in_words(line.cron)}, on time; {last}")


def _failures(signs: health.Vitals, now: datetime) -> Iterator[Finding]:
    for reason in health.failing(signs, now):
        yield Finding(reason.tone, f"Run {reason.run_id}", f"{reason.sentence}, {ago_words(reason.since, now)}")


def _other_checks(signs: health.Vitals, now: datetime) -> Iterator[Finding]:
    """What no line above speaks of."""
    told = ("silent:", "overdue:", "unwritten:", "paused:", "failing:", "unreachable:", "mail:", "unbalanced")
    for reason in health.verdict(now, signs=signs).reasons:
        if not reason.key.startswith(told):
            since = f", since {ago_words(reason.since, now)}" if reason.since else ""
            yield Finding(reason.tone, f"Check {reason.key}", reason.sentence + since)


def _incidents(now: datetime) -> Iterator[Finding]:
    found = incidents.open_now()
    if not found:
        yield Finding(Tone.GOOD, "Incidents", "none open")
    for each in found:
        told = f"told {ago_words(each.notified_at, now)}" if each.notified_at else "told nobody"
        said = f"{each.sentence}; opened {ago_words(each.opened_at, now)}, {told}"
        yield Finding(Tone(each.tone), f"Incident {each.id}", said)
    for alarm, each in incidents.last_notices(3):
        said = f"{alarm.occasion}, {alarm.channel}: {alarm.outcome} {ago_words(alarm.created_at, now)}: {each.sentence}"
        is_sent = alarm.outcome == AlarmOutcome.SENT
        yield Finding(Tone.GOOD if is_sent else Tone.WAIT, f"Notice {alarm.id}", said)


def _channels() -> Iterator[Finding]:
    """Each is asked whether it would take an alarm; nobody is told anything."""
    config = settings()
    ways = alarms.channels()
    if not ways:
        names = "ALARM_EMAIL, ALARM_SLACK_CHANNEL or ALARM_WEBHOOK_URL"
        yield Finding(Tone.WAIT, "ALARMS", f"NOBODY IS TOLD when something breaks: set {names}")
    if config.alarm_slack_channel and not config.slack_bot_token:
        yield Finding(Tone.WAIT, "Alarms by slack", "ALARM_SLACK_CHANNEL is set, and SLACK_BOT_TOKEN is not")
    for way in ways:
        answer = way.reach()
        tone = Tone.GOOD if answer.is_sent else Tone.WAIT
        yield Finding(tone, f"Alarms by {way.name}", f"{way.where}: {answer.words}")


def try_alarms() -> Iterator[Finding]:
    """One test through each channel."""
    ways = alarms.channels()
    if not ways:
        yield Finding(Tone.BAD, "ALARMS", "no channel is set: nobody would be told")
    for name, outcome in alarms.tell(alarms.trial(), ways).items():
        tone = Tone.GOOD if outcome.is_sent else Tone.BAD
        yield Finding(tone, f"Test by {name}", outcome.words)


def _oldest(signs: health.Vitals, now: datetime) -> Iterator[Finding]:
    for stage in stages(now, stage_counts(now), volumes(now - timedelta(hours=24), now), signs):
        if not stage.kind:
            continue
        waits = duration((now - stage.oldest_due).total_seconds()) if stage.oldest_due else ""
        said = f"{stage.due:,} due, the oldest for {waits}" if stage.due and waits else "nothing due"
        yield Finding(Tone.BAD if stage.overdue_since else Tone.GOOD, f"Stage {stage.key}", said)
