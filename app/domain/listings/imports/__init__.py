"""Files of listings: brought, mapped, read row by row, and every row accounted for.

receive     keep the file, say what it is, suggest a mapping        (state mapping)
choose      take the mapping that a person confirmed
queue       say that it may be read                                 (state queued)
resume      say that a reading that stopped may go on               (state queued)
run_import  read it                                                 (running → finished or failed)
forget_files  drop the files that nobody will read again
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import structlog

from app.domain.errors import Conflict, Invalid
from app.domain.listings.imports import files, queries
from app.domain.listings.imports.binding import Binding, as_dict, bind, from_dict, suggest
from app.domain.listings.imports.mapping import FileMapping
from app.domain.listings.imports.mappings import MAPPINGS
from app.domain.listings.imports.refusal import refused
from app.domain.listings.record import OWN_SOURCE, record
from app.domain.models import ImportBatch, ImportOutcome, ImportState
from app.domain.models.lookups import Origin
from app.domain.plain import plain_line
from app.extensions import db, settings

log = structlog.get_logger(__name__)

CHUNK = 1_000
"""Rows per transaction."""
LONGEST_SOURCE = 100
RETENTION_DAYS = 90
"""import_row is kept this long, and the file of an import that has ended."""
UNSTARTED_DAYS = 7
"""A file is kept this long without anybody starting to read it."""

Progress = Callable[[str, int, int | None], None]


def receive(
    office_id: int,
    source: str,
    stream: IO[bytes],
    file_name: str,
    *,
    mapping: str | None = None,
    is_correction: bool = False,
    user_id: int | None = None,
    now: datetime | None = None,
) -> ImportBatch:
    """Keep the file and say what it is. `mapping` names a known mapping; without it the best fit is suggested.

    Raises Invalid (field source, mapping or file) with a sentence; then nothing is kept.
    """
    source = _checked_source(source)
    if mapping and mapping not in MAPPINGS:
        raise Invalid(f"There is no mapping called “{mapping}”. There are: {', '.join(MAPPINGS)}.", field="mapping")
    kept, digest, size = _keep(office_id, stream)
    try:
        shape = files.look(_path(kept))
        suggested = suggest(shape, mapping)
        if mapping:
            bind(MAPPINGS[mapping] if mapping != "by_name" else suggested, shape)
    except BaseException:
        _path(kept).unlink(missing_ok=True)
        raise
    batch = ImportBatch(
        office_id=office_id,
        user_id=user_id,
        source=source,
        mapping=as_dict(suggested) | {"file": shape.as_dict()},
        file_name=_shown_name(file_name),
        file_path=kept,
        file_sha256=digest,
        file_bytes=size,
        encoding=shape.encoding,
        origin=Origin.CORRECTION if is_correction else Origin.LIVE_SYNC,
        state=ImportState.MAPPING,
        created_at=now or datetime.now(UTC),
    )
    db.session.add(batch)
    db.session.flush()
    return batch


def _checked_source(source: str) -> str:
    source = plain_line(source)
    if not source:
        raise Invalid("Name the source: where these listings come from.", field="source")
    if len(source) > LONGEST_SOURCE:
        raise Invalid(f"The source’s name may have {LONGEST_SOURCE} characters.", field="source")
    if source.casefold() == OWN_SOURCE.casefold():
        raise Invalid(f"{OWN_SOURCE} is the source of listings made by hand. Name this file’s own.", field="source")
    return source


def _shown_name(file_name: str) -> str:
    return plain_line(file_name.replace("\\", "/").rsplit("/", 1)[-1])[:200].rstrip() or "file"


def _path(kept: str) -> Path:
    return settings().files_dir / kept


def _keep(office_id: int, stream: IO[bytes]) -> tuple[str, str, int]:
    """Copy the file below FILES_DIR: its path there, SHA-256 and size. The name it came with is never used."""
    kept = f"imports/{office_id}/{uuid4().hex}"
    path = _path(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as copy:
        while piece := stream.read(1 << 20):
            copy.write(piece)
            digest.update(piece)
            size += len(piece)
    return kept, digest.hexdigest(), size


def forget_files(now: datetime | None = None) -> int:
    """Delete what is kept below FILES_DIR and will not be read again; how many files that were (PA-29). Idempotent.

    A file stays for UNSTARTED_DAYS whatever it is; after that while its import waits or runs, and for RETENTION_DAYS
    from its coming when the import has ended. One that no import names goes: its upload was never committed.
    """
    now = now or datetime.now(UTC)
    unstarted = (now - timedelta(days=UNSTARTED_DAYS)).timestamp()
    old = []
    for path in _path("imports").glob("*/*"):
        with suppress(FileNotFoundError):  # an upload that is being refused takes its file back
            if path.stat().st_mtime < unstarted:
                old.append(path)
    wanted = queries.files_wanted(now - timedelta(days=RETENTION_DAYS)) if old else set()
    gone = [path for path in old if path.relative_to(settings().files_dir).as_posix() not in wanted]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def shape_of(batch: ImportBatch) -> files.Shape:
    """What the file was found to be when it came."""
    return files.Shape.from_dict(batch.mapping["file"])


def mapping_of(batch: ImportBatch) -> FileMapping:
    """The mapping as it stands."""
    return from_dict(batch.mapping)


def binding_of(batch: ImportBatch) -> Binding:
    """Ready to read its rows. Raises Invalid with what the mapping still lacks."""
    return bind(mapping_of(batch), shape_of(batch))


def choose(batch: ImportBatch, mapping: FileMapping, *, is_correction: bool) -> None:
    """Take a mapping and how it counts, complete or not. Raises Conflict when the reading has begun."""
    batch = queries.lock_batch(batch.id)
    if batch.state != ImportState.MAPPING:
        raise Conflict("This file is being read already, or has been. Its columns cannot change now.")
    batch.mapping = as_dict(mapping) | {"file": batch.mapping["file"]}
    batch.origin = Origin.CORRECTION if is_correction else Origin.LIVE_SYNC
    db.session.flush()


def queue(batch: ImportBatch) -> None:
    """Say that it may be read now. Raises Invalid when the mapping is not complete, Conflict when it has begun or a newer
    file of its source was read."""
    batch = queries.lock_batch(batch.id)
    if batch.state not in (ImportState.MAPPING, ImportState.QUEUED):
        raise Conflict("This file is being read already, or has been.")
    if why := overtaken(batch):
        raise Conflict(why)
    binding_of(batch)
    batch.state = ImportState.QUEUED
    db.session.flush()


def resume(batch: ImportBatch) -> None:
    """Say that a reading that stopped may go on after its last row. Raises Conflict when there is nothing to go on with,
    or a newer file of its source was read since."""
    batch = queries.lock_batch(batch.id)
    if batch.state in (ImportState.MAPPING, ImportState.FINISHED):
        raise Conflict("There is nothing to go on with: the file was read to its end, or not begun.")
    if why := overtaken(batch):
        raise Conflict(why)
    batch.state = ImportState.QUEUED
    db.session.flush()


def overtaken(batch: ImportBatch) -> str:
    """Why its rows must not be read any more: what a newer file of its source said would be undone. Else empty."""
    read_at = None if batch.state == ImportState.FINISHED else queries.overtaken_at(batch)
    if read_at is None:
        return ""
    day = f"{read_at:%B} {read_at.day}"
    return f"A newer file of “{batch.source}” was read on {day}. Bring this file again if you want it."


def first_rows(batch: ImportBatch, count: int = 10) -> list[files.Row]:
    """The first rows of the file, for the preview. Raises Invalid when the file is no longer there."""
    return list(islice(_rows(batch), count))


def _rows(batch: ImportBatch) -> Iterator[files.Row]:
    path = _path(batch.file_path)
    if not path.exists():
        raise refused("The file is no longer kept here. Bring it again.")
    return files.rows(path, shape_of(batch))


def _no_progress(step: str, done: int, total: int | None) -> None:
    del step, done, total


def run_import(
    batch_id: int,
    progress: Progress = _no_progress,
    *,
    commit: Callable[[], None] | None = None,
    now: datetime | None = None,
) -> dict[str, int]:
    """Read the file into listings, CHUNK rows at a time, and return the counts.

    Each chunk is one transaction: listings, events, import rows and counters together; `commit` is how the caller ends
    it. Idempotent: killed at any point, it goes on after the last committed chunk; a finished batch is left alone.
    A file that turns out torn, or gone, ends as `failed` with a sentence; what was read before it stays.

    The first import of a source counts as backfill and alerts nobody (PA-02, T9). Raises NotFound, Conflict when another
    worker reads the same batch, and Invalid when a newer file of its source was read since this one came: an old file
    never overwrites a newer one, however late it is tried again.
    """
    commit = commit or db.session.commit
    batch = queries.lock_batch(batch_id)
    if batch.state != ImportState.MAPPING and (why := overtaken(batch)):
        _give_up(batch_id, why, now)
        commit()
        raise Invalid(why, field="file")
    batch = _begin(batch_id, now)
    commit()
    if batch.state == ImportState.FINISHED:
        return counts(batch)
    try:
        _read_all(batch, progress, commit, now)
    except Invalid as refusal:
        db.session.rollback()
        batch = _give_up(batch_id, refusal.sentence, now)
    commit()
    log.info("import.ended", import_batch_id=batch_id, state=batch.state, **counts(batch))
    return counts(batch)


def _give_up(batch_id: int, why: str, now: datetime | None) -> ImportBatch:
    batch = queries.lock_batch(batch_id)
    batch.state, batch.error = ImportState.FAILED, why
    batch.finished_at = now or datetime.now(UTC)
    return batch


def _begin(batch_id: int, now: datetime | None) -> ImportBatch:
    batch = queries.lock_batch(batch_id)
    if batch.state == ImportState.MAPPING:
        raise Conflict("This file has not been started: its columns are still being chosen.")
    if batch.state == ImportState.FINISHED:
        return batch
    if batch.started_at is None:
        batch.started_at = now or datetime.now(UTC)
        if batch.origin == Origin.LIVE_SYNC and queries.is_first(batch):
            batch.origin = Origin.BACKFILL
    batch.state, batch.error = ImportState.RUNNING, None
    return batch


def _read_all(batch: ImportBatch, progress: Progress, commit: Callable[[], None], now: datetime | None) -> None:
    binding = binding_of(batch)
    later = _later_lines(batch, binding, progress)
    done_to = queries.last_line(batch.id)
    rows_read = batch.rows_read
    remaining = (row for row in _rows(batch) if row.line_no > done_to)
    while chunk := list(islice(remaining, CHUNK)):
        locked = queries.lock_batch(batch.id)
        if locked.rows_read != rows_read:
            raise Conflict("Another worker is reading this file.")
        _read_chunk(locked, binding, chunk, later, now)
        rows_read = locked.rows_read
        commit()
        progress("Reading rows", chunk[-1].at, batch.file_bytes)
    batch = queries.lock_batch(batch.id)
    batch.state, batch.finished_at = ImportState.FINISHED, now or datetime.now(UTC)
    batch.bytes_read = batch.file_bytes


def _later_lines(batch: ImportBatch, binding: Binding, progress: Progress) -> dict[int, int]:
    """hash of a key → the last line that has it, for keys that come more than once. Reads the whole file first.

    A bit for each key seen keeps the memory at 16 MB for any number of rows. Two keys that share a bit are only
    looked at twice: what decides is the 64-bit hash and the line.
    """
    seen = bytearray(1 << 24)
    later: dict[int, int] = {}
    for number, row in enumerate(_rows(batch), 1):
        if row.problem:
            continue
        key = binding.key_of(row.cells)
        if not key:
            continue
        mark = hash(key)
        place, bit = (mark >> 3) & 0xFFFFFF, 1 << (mark & 7)
        if seen[place] & bit:
            later[mark] = row.line_no
        seen[place] |= bit
        if number % 20_000 == 0:
            progress("Looking for repeated keys", row.at, batch.file_bytes)
    return later


def _read_chunk(
    batch: ImportBatch, binding: Binding, chunk: list[files.Row], later: dict[int, int], now: datetime | None
) -> None:
    """One transaction's worth: the listings, then what became of each row."""
    told: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    lines: dict[str, dict[str, Any]] = {}
    for row in chunk:
        line = {
            "import_batch_id": batch.id,
            "line_no": row.line_no,
            "outcome": ImportOutcome.REJECTED,
            "originating_system_key": "",
            "listing_id": None,
            "issues": [],
        }
        told.append(line)
        if row.problem:
            line["issues"] = [_error("", row.problem)]
            continue
        reading = binding.read(row.cells)
        line["originating_system_key"], line["issues"] = reading.key, reading.issues
        last = later.get(hash(reading.key), row.line_no) if reading.key else row.line_no
        if last > row.line_no:
            line["issues"] = [
                *reading.issues,
                _error(reading.key, f"line {last} has the same key: the later row is used"),
            ]
        elif not reading.is_rejected:
            lines[reading.key] = line
            good.append(reading.values | {"originating_system_key": reading.key})
    written = record(
        batch.office_id,
        batch.source,
        good,
        origin=batch.origin,
        user_id=batch.user_id,
        import_batch_id=batch.id,
        now=now,
    )
    for result in written.rows:
        lines[result.key]["outcome"], lines[result.key]["listing_id"] = result.outcome, result.listing_id
    queries.add_rows(told)
    _count(batch, told, chunk[-1].at)


def _error(key: str, reason: str) -> dict[str, str]:
    return {
        "field": "originating_system_key" if key else "",
        "column": "",
        "value": key,
        "severity": "error",
        "reason": reason,
    }


def _count(batch: ImportBatch, told: list[dict[str, Any]], at: int) -> None:
    batch.rows_read += len(told)
    for line in told:
        column = f"rows_{line['outcome']}"
        setattr(batch, column, getattr(batch, column) + 1)
        if line["issues"] and line["outcome"] != ImportOutcome.REJECTED:
            batch.rows_with_warnings += 1
    batch.bytes_read = max(batch.bytes_read, at)
    db.session.flush()


def counts(batch: ImportBatch) -> dict[str, int]:
    """The batch's counters by name."""
    return {
        "rows_read": batch.rows_read,
        "created": batch.rows_created,
        "updated": batch.rows_updated,
        "unchanged": batch.rows_unchanged,
        "rejected": batch.rows_rejected,
        "with_warnings": batch.rows_with_warnings,
    }
