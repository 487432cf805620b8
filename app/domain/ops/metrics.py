"""What Prometheus is told: all of it from PostgreSQL, in three statements. docs/ops/README.md says what each means; a
guard holds the two together. Nothing here is about a person, or names one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.config import VERSION
from app.domain.models import IncidentTone, MessageState
from app.domain.ops import health, probing
from app.domain.ops.queries import metrics as queries
from app.domain.ops.registry import registry
from app.domain.ops.tallies import BOUNDS
from app.extensions import db, settings

ENDS = ("succeeded", "failed", "missed", "skipped", "cancelled")
OPEN_MESSAGES = ("queued", "sending", "unknown")


class Unreadable(Exception):
    """PostgreSQL cannot be read just now."""


def families(now: datetime | None = None) -> list[Metric]:
    """Every metric and its samples. Raises Unreadable."""
    now = now or datetime.now(UTC)
    try:
        signs = health.vitals(now)
        counts = queries.counts(now)
        database = queries.database(db.metadata.tables)
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        db.session.rollback()
        raise Unreadable from error
    return [
        InfoMetricFamily(
            "porchlight_build", "The code that answers", {"version": VERSION, "release": settings().release}
        ),
        *_queues(counts),
        *_runs(counts),
        *_schedules(signs, now),
        *_processes(signs),
        *_mail(signs, counts, now),
        *_outside(signs),
        *_incidents(counts),
        *_database(database),
    ]


def _queues(counts: Any) -> Iterator[Metric]:
    waiting = {each["queue"]: each for each in counts.queues}
    queues = sorted({*registry().queues.values(), *waiting})
    yield _gauge(
        "porchlight_queue_due_runs",
        "Runs that could be worked now and are not",
        "queue",
        {name: waiting.get(name, {}).get("due", 0) for name in queues},
    )
    yield _gauge(
        "porchlight_queue_later_runs",
        "Runs that wait for their time",
        "queue",
        {name: waiting.get(name, {}).get("later", 0) for name in queues},
    )
    yield _gauge(
        "porchlight_queue_oldest_due_seconds",
        "How long the oldest of the due runs has been due",
        "queue",
        {name: waiting.get(name, {}).get("age") or 0 for name in queues},
    )


def _runs(counts: Any) -> Iterator[Metric]:
    kinds = dict.fromkeys(registry().queues, 0)
    yield _gauge(
        "porchlight_running_runs",
        "Runs being worked",
        "kind",
        kinds | {each["kind"]: each["n"] for each in counts.running},
    )
    ended = {kind: {} for kind in registry().queues} | {each["kind"]: each for each in counts.ended}
    total = CounterMetricFamily("porchlight_runs", "Runs that ended, by how", labels=("kind", "state"))
    lost = CounterMetricFamily(
        "porchlight_lost_attempts", "Attempts whose worker was killed or fell silent", labels=("kind",)
    )
    took = HistogramMetricFamily(
        "porchlight_run_duration_seconds",
        "How long runs that succeeded or failed took, their last attempt",
        labels=("kind",),
    )
    waited = HistogramMetricFamily(
        "porchlight_run_wait_seconds", "How long they were due before they were begun", labels=("kind",)
    )
    for kind, sums in sorted(ended.items()):
        for state in ENDS:
            total.add_metric((kind, state), sums.get(state, 0))
        lost.add_metric((kind,), sums.get("lost", 0))
        took.add_metric((kind,), _buckets(sums.get("durations", ())), sums.get("seconds", 0.0))
        waited.add_metric((kind,), _buckets(sums.get("waits", ())), None)
    yield from (total, lost, took, waited)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Added up from below, as Prometheus wants them."""
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(counts or [0] * len(bounds)), strict=True))


def _schedules(signs: health.Vitals, now: datetime) -> Iterator[Metric]:
    lines = signs.schedules
    yield _gauge(
        "porchlight_schedule_last_success_seconds",
        "How long ago the newest success of what the line runs was",
        "schedule",
        {line.name: (now - line.last_success).total_seconds() for line in lines if line.last_success},
    )
    yield _gauge(
        "porchlight_schedule_overdue",
        "1 = a due time and its grace passed without a success",
        "schedule",
        {line.name: line.overdue_since is not None for line in lines},
    )
    yield _gauge(
        "porchlight_schedule_paused",
        "1 = a person paused it",
        "schedule",
        {line.name: line.is_paused for line in lines},
    )


def _processes(signs: health.Vitals) -> Iterator[Metric]:
    alive = GaugeMetricFamily(
        "porchlight_processes", "Processes that gave a sign of life lately", labels=("role", "queue")
    )
    found = {("scheduler", ""): 0} | {("worker", queue): 0 for queue in sorted(set(registry().queues.values()))}
    for each in signs.processes:
        found[each["role"], each["queue"] or ""] = each["alive"]
    for labels, number in found.items():
        alive.add_metric(labels, number)
    yield alive


def _mail(signs: health.Vitals, counts: Any, now: datetime) -> Iterator[Metric]:
    there = {each["state"]: each["n"] for each in counts.open_messages}
    yield _gauge(
        "porchlight_open_messages",
        "Messages to be sent, being sent, or of unknown fate",
        "state",
        {state: there.get(state, 0) for state in OPEN_MESSAGES},
    )
    oldest = GaugeMetricFamily("porchlight_oldest_due_message_seconds", "How long the oldest message has been due")
    age = (now - signs.oldest_message).total_seconds() if signs.oldest_message else 0.0
    oldest.add_metric((), max(age, 0.0))
    yield oldest
    yield _gauge(
        "porchlight_last_hour_messages",
        "Messages written in the last hour, by the state they are in now",
        "state",
        dict.fromkeys(MessageState, 0) | {each["state"]: each["n"] for each in counts.new_messages},
    )


def _outside(signs: health.Vitals) -> Iterator[Metric]:
    redis = signs.answers.get(probing.REDIS)
    if redis is not None:
        yield GaugeMetricFamily("porchlight_redis_up", "1 = Redis answered when it was last asked", value=redis.is_up)
    yield _gauge(
        "porchlight_integration_up",
        "1 = it answered when it was last asked, within three minutes; missing = nobody asked",
        "name",
        {name.lower().replace(" ", "_"): answer.is_up for name, answer in signs.answers.items()},
    )


def _incidents(counts: Any) -> Iterator[Metric]:
    there = {each["tone"]: each["n"] for each in counts.incidents}
    yield _gauge(
        "porchlight_open_incidents",
        "Incidents that are open; bad = a person must act",
        "tone",
        {tone.value: there.get(tone.value, 0) for tone in IncidentTone},
    )


def _database(found: Any) -> Iterator[Metric]:
    yield _gauge(
        "porchlight_table_bytes",
        "Size of a table with its indexes and partitions",
        "table",
        dict(sorted(found.tables.items())),
    )
    yield _gauge("porchlight_database_connections", "Open connections to this database", "state", found.connections)
    yield GaugeMetricFamily(
        "porchlight_database_max_connections", "How many the server allows", value=found.most_connections
    )


def _gauge(name: str, about: str, label: str, samples: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=(label,))
    for value, number in samples.items():
        family.add_metric((value,), float(number))
    return family
