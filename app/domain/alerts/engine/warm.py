"""The key rows as this program holds them, brought up to date before each use; and whether to use them pays.

A worker holds them for its runs, which inherit them by the fork; any program may load them for a backlog. What is held
may be lost at any moment: it is read again.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from app.domain.alerts.engine import queries
from app.domain.alerts.engine.blocks import Block, Columns, Grouped, Hits, Taken, blocks, grouped
from app.domain.alerts.engine.wire import key_rows, match_rows
from app.domain.alerts.queries import Watermark
from app.extensions import db, settings

log = structlog.get_logger(__name__)

Array = npt.NDArray[Any]

BYTES_A_ROW = 64
"""Of memory for each key row that is held."""
WHILE_LOADING = 2
"""Times as much while they are read and sorted."""
STALE_AFTER = 3 * 24 * 3600.0
"""Seconds after which what is held is read anew: what changed since is known for longer (ops/retention.py)."""
CHANGED_TOO_MUCH = 0.1
"""When more than this part of the subscriptions has changed, they are all read anew."""
AHEAD = 2
"""Blocks that are matched while one is written."""


@dataclass
class Held:
    database: str
    server: str
    seen: Watermark
    read_at: float
    blocks: list[Block]
    fresh: Block | None = None
    """The subscriptions that changed since; the blocks have forgotten their rows."""
    fresh_columns: Columns = field(default_factory=dict)
    fresh_shapes: dict[int, list[int]] = field(default_factory=dict)

    @property
    def key_rows(self) -> int:
        return sum(map(len, self.blocks))

    @property
    def subscriptions(self) -> int:
        return sum(len(block.subscriptions) for block in self.blocks)

    @property
    def bytes(self) -> int:
        return sum(block.bytes for block in self.blocks) + (self.fresh.bytes if self.fresh else 0)


_held: Held | None = None


# Does it pay?


@dataclass(frozen=True)
class Costs:
    """Seconds, as measured on two cores (docs/decisions/0022): only their proportions matter."""

    load_row: float = 2.0e-6
    sql_event: float = 5e-5
    sql_pair: float = 9e-10
    """For each event and key row together; likewise below."""
    memory_batch: float = 0.03
    memory_pair: float = 2.5e-10


def pays(*, key_rows: int, events: int, is_held: bool, costs: Costs = Costs()) -> bool:
    """Whether matching so many events in memory is quicker than in SQL, reading the key rows included."""
    in_sql = events * (costs.sql_event + key_rows * costs.sql_pair)
    in_memory = costs.memory_batch + events * key_rows * costs.memory_pair
    return in_memory + (0 if is_held else key_rows * costs.load_row) < in_sql


def fits(key_rows: int, megabytes: int) -> bool:
    """Whether so many may be held at all; with 0 megabytes, none."""
    return megabytes > 0 and key_rows * BYTES_A_ROW * WHILE_LOADING <= megabytes << 20


def is_chosen(events: int) -> bool:
    """Whether to match a batch of so many events in memory. Where nothing is held, all that wait share the reading."""
    megabytes = settings().match_memory_mb
    if (held := _mine()) is not None:
        return fits(held.key_rows, megabytes) and pays(key_rows=held.key_rows, events=events, is_held=True)
    if not megabytes:
        return False
    there = queries.estimate()
    waiting = max(there.waiting, events)
    return (
        fits(there.key_rows, megabytes)
        and pays(key_rows=there.key_rows, events=waiting, is_held=False)
        and _has_room(there.key_rows)
    )


def _has_room(key_rows: int) -> bool:
    """Reads them now, so that a machine with less memory than its settings say matches in SQL."""
    try:
        refresh()
    except MemoryError:
        log.warning("matcher.no_memory", key_rows=key_rows)
        return False
    return True


def prepare() -> None:
    """For a worker before it forks: hold the key rows while the changes of the last hour would have paid for reading
    them, and let them go when not."""
    megabytes = settings().match_memory_mb
    if not megabytes:
        return
    there = queries.estimate()
    if fits(there.key_rows, megabytes) and pays(key_rows=there.key_rows, events=there.lately, is_held=False):
        refresh()
    else:
        forget()


# What is held


def is_held() -> bool:
    return _mine() is not None


def _mine() -> Held | None:
    return _held if _held and _held.database == str(db.engine.url) else None


def forget() -> None:
    global _held  # noqa: PLW0603  one for each program, inherited by what it forks
    _held = None


def refresh() -> Held:
    """What is held, with every change that is committed by now; all of it read when there is nothing."""
    global _held  # noqa: PLW0603
    held = _mine()
    if held is None or time.monotonic() - held.read_at > STALE_AFTER:
        _held = _load()
        return _held
    change = queries.changed(held.seen)
    known = held.fresh.subscriptions if held.fresh else np.zeros(0, np.int64)
    too_many = len(np.union1d(known, change.subscriptions)) > max(held.subscriptions * CHANGED_TOO_MUCH, 1000)
    if change.server != held.server or too_many:
        _held = _load()
        return _held
    if change.subscriptions:
        _replace(held, np.array(change.subscriptions, np.int64))
    held.seen = change.seen
    return held


def _load() -> Held:
    began = time.monotonic()
    now = queries.changed(None)
    read = blocks(key_rows(queries.keys()), queries.shapes())
    held = Held(str(db.engine.url), now.server, now.seen, began, read)
    log.info(
        "matcher.loaded",
        key_rows=held.key_rows,
        megabytes=round(held.bytes / 1e6),
        seconds=round(time.monotonic() - began, 2),
    )
    return held


def _replace(held: Held, ids: Array) -> None:
    """Read what these subscriptions ask now; nothing is changed until all of it is there."""
    read = key_rows(queries.keys(ids.tolist()))
    shapes = held.fresh_shapes | queries.shapes(ids.tolist())
    if held.fresh is not None:
        others = ~np.isin(held.fresh_columns["alert_subscription_id"], ids)
        read = {name: np.concatenate([held.fresh_columns[name][others], column]) for name, column in read.items()}
    fresh = Block(read, shapes)
    for block in held.blocks:
        block.forget(ids)
    held.fresh, held.fresh_columns, held.fresh_shapes = fresh, read, shapes


# One batch


class _Work(NamedTuple):
    block: Block
    found: Grouped | None
    """None while there are doubtful hits."""
    rows: bytes
    taken: Taken


def match(batch_id: int, found_on: date, event_seqs: list[int]) -> tuple[int, int]:
    """Write the matches of one batch that has none: (pairs, events with a pair), as alerts.queries.match.

    Block by block: while the rows of one are written, those of the next are found.
    """
    held = refresh()
    batch = queries.homes(event_seqs)
    events = len(batch.seqs)
    young = np.array(queries.young(batch.oldest), np.int64)
    seen = np.zeros(events, bool)
    pairs = 0

    def finish(block: Block, codes: Array) -> tuple[Grouped, bytes]:
        found = grouped(codes, block.subscriptions, events)
        return found, match_rows(found, found_on=found_on, batch_id=batch_id, seqs=batch.seqs)

    def work(block: Block) -> _Work:
        taken = block.take(batch.homes, batch.former, events=events, young=young)
        found, rows = (None, b"") if len(taken.doubtful.rows) else finish(block, taken.sure)
        return _Work(block, found, rows, taken)

    for block, found, rows, taken in _ahead(work, [*held.blocks, *([held.fresh] if held.fresh else [])]):
        if found is None:
            codes = np.concatenate([taken.sure, _confirmed(block, taken.doubtful, batch, young)])
            found, rows = finish(block, codes)  # noqa: PLW2901  completed
        if pairs_of_block := len(found.events):
            queries.write(rows)
            seen[found.events] = True
            pairs += pairs_of_block
    return pairs, int(seen.sum())


def _confirmed(block: Block, hits: Hits, batch: queries.Batched, young: Array) -> Array:
    local = block.local[hits.rows]
    subscriptions = block.subscriptions[local]
    flags = block.flags[hits.rows] | np.where(np.isin(subscriptions, young), queries.YOUNG, 0)
    seqs = batch.seqs[batch.homes.event[hits.homes]]
    kept = queries.last_word(seqs, subscriptions, block.searches[local], flags)
    return block.codes(Hits(hits.rows[kept], hits.homes[kept]), batch.homes, len(batch.seqs))


def _ahead(work: Callable[[Block], _Work], blocks: Iterable[Block]) -> Iterator[_Work]:
    """The work on each block, in order; some is done ahead, in threads."""
    under_way: deque[Future[_Work]] = deque()
    with ThreadPoolExecutor(min(AHEAD, os.cpu_count() or 1)) as pool:
        for block in blocks:
            under_way.append(pool.submit(work, block))
            if len(under_way) > AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
