"""The statements of matching: what is new since the watermark, one batch against every key row, days of alert_match.

The encodings of a home here and those of a search in app/domain/searches/keys.py are two halves of one contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text

from app.domain.alerts import LATE
from app.domain.models import KIND_BITS, AlertKind
from app.domain.models.lookups import ON_MARKET, StandardStatus
from app.domain.searches.conditions.queries import holds_further, is_unplaced
from app.domain.searches.keys import (
    ANY_TYPE,
    BIG_LOW,
    FURTHER,
    INT_HIGH,
    INT_LOW,
    KIND_SHIFT,
    NO_SUB_TYPE,
    NOWHERE,
    OFFICE,
    PARTLY,
    PLACE,
    PLACE_COLUMN,
    SMALL_HIGH,
    SMALL_LOW,
    STATUS_BITS,
    SUB_TYPE_BITS,
    TWICE,
    TYPE_NUMBERS,
    UNKNOWN_SUB_TYPE,
    UNKNOWN_TYPE,
    UNPLACED,
)
from app.domain.searches.shapes import CELL_SIZES, COLUMNS, GRID, LEVEL, SCALE
from app.extensions import db

CURSOR = "alerts"


class Batch(NamedTuple):
    id: int
    found_on: date
    event_seqs: list[int]


# What is new


class Watermark(NamedTuple):
    """A snapshot: it saw every transaction below xmax but those that were under way.

    A sequence will not do: its numbers are given when a row is written and seen when it is committed.
    """

    xmax: int
    under_way: list[int]


def watermark(*, lock: bool = False) -> Watermark:
    """How far the last poll saw. `lock` waits for another poll to end."""
    row = db.session.execute(
        text(
            "SELECT pg_snapshot_xmax(snapshot)::text, ARRAY(SELECT pg_snapshot_xip(snapshot)::text) FROM match_cursor"
            f" WHERE name = :name {'FOR UPDATE' if lock else ''}"
        ),
        {"name": CURSOR},
    ).one()
    return Watermark(int(row[0]), [int(xid) for xid in row[1]])


def _among(xids: list[int]) -> str:
    """Literals on purpose, like every xid here: a plan made for unknown ones would read the whole log to find none."""
    literals = ", ".join(f"'{xid}'::xid8" for xid in xids)
    return f"xid IN ({literals})" if xids else "false"


def is_newer(seen: Watermark) -> bool:
    """Whether any event came after the watermark, to be told of or not."""
    return bool(
        db.session.scalar(
            text(
                f"""
                SELECT EXISTS (
                    SELECT 1 FROM (SELECT xid FROM listing_event ORDER BY xid DESC LIMIT 1) AS newest
                    WHERE xid >= '{seen.xmax}'::xid8
                ) OR EXISTS (SELECT 1 FROM listing_event WHERE {_among(seen.under_way)})
                """
            )
        )
    )


def take(seen: Watermark, *, most: int, now: datetime, job_run_id: int | None) -> int:
    """Make batches of what is new, and move the watermark to this statement's snapshot. The number of batches.

    One statement, so that what is taken and what the watermark says are of one snapshot. An event of this very
    transaction may not be in it, and is left for the next poll.
    """
    statement = f"""
        WITH taken AS (
            SELECT seq, recorded_at < :late AS is_late,
                (row_number() OVER (PARTITION BY recorded_at < :late ORDER BY seq) - 1) / :most AS batch
            FROM (
                SELECT seq, xid, alertable, recorded_at FROM listing_event
                WHERE xid >= '{seen.xmax}'::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
                UNION ALL
                SELECT seq, xid, alertable, recorded_at FROM listing_event WHERE {_among(seen.under_way)}
            ) AS newer
            WHERE alertable AND pg_visible_in_snapshot(xid, pg_current_snapshot())
        ), batch AS (
            INSERT INTO match_batch (found_on, event_seqs, taken_at, job_run_id)
            SELECT :found_on, array_agg(seq ORDER BY seq), :now, :job_run_id FROM taken
            GROUP BY is_late, batch ORDER BY is_late DESC, batch
            RETURNING id
        ), moved AS (
            UPDATE match_cursor SET snapshot = pg_current_snapshot(), moved_at = :now WHERE name = :name
        )
        SELECT count(*) FROM batch
    """
    values = {"name": CURSOR, "most": most, "found_on": utc_date(now), "now": now, "job_run_id": job_run_id}
    return db.session.scalar(text(statement), values | {"late": now - LATE}) or 0


def next_batch() -> Batch | None:
    """The oldest batch that nobody has matched or holds, locked until this transaction ends."""
    row = db.session.execute(
        text(
            "SELECT id, found_on, event_seqs FROM match_batch WHERE done_at IS NULL"
            " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
    ).first()
    return Batch(*row) if row else None


# One batch against every search


def _switch(column: str, numbers: Mapping[str, int], otherwise: str) -> str:
    """A CASE from a lookup value to its number in the keys."""
    whens = " ".join(f"WHEN '{value}' THEN {number}" for value, number in numbers.items())
    return f"CASE {column} {whens} ELSE {otherwise} END"


def _fit(value: str, low: int, high: int, missing: int, kind: str = "int") -> str:
    """A number as the key rows have it, held between the sentinels; NULL becomes the one that fails every bound."""
    return f"CASE WHEN {value} IS NULL THEN {missing} ELSE least(greatest({value}, {low}), {high}) END::{kind}"


def _cell(level: int, size: int) -> str:
    row, column = f"(latitude_e6 + 90000000) / {size}", f"(longitude_e6 + 180000000) / {size}"
    return f"{GRID + level * LEVEL} + {row} * {COLUMNS} + {column}"


_NOW_MATCHES, _STATUS_CHANGE = KIND_BITS[AlertKind.NOW_MATCHES], KIND_BITS[AlertKind.STATUS_CHANGE]
_ONLY_NOW_MATCHES = _NOW_MATCHES << KIND_SHIFT
_WAS_WATCHED = sum(STATUS_BITS[status] for status in (*ON_MARKET, StandardStatus.PENDING))


def _homes(source: str, *, status: str, kinds: str, flags: str) -> str:
    return f"""
    SELECT seq, xid, latitude_e6, longitude_e6,
        office_id * {OFFICE} AS office,
        {_switch("property_type", TYPE_NUMBERS, str(UNKNOWN_TYPE))} AS type_number,
        {_switch("property_sub_type", SUB_TYPE_BITS, f"CASE WHEN property_sub_type IS NULL THEN {NO_SUB_TYPE} ELSE {UNKNOWN_SUB_TYPE} END")} AS sub_type,
        {status} AS status, ({kinds})::int << {KIND_SHIFT} AS kinds, {flags} AS flags,
        {_fit("ceil(list_price)", 0, INT_HIGH - 1, INT_HIGH)} AS price_ceil,
        {_fit("floor(list_price)", 0, INT_HIGH - 1, INT_LOW)} AS price_floor,
        {_fit("ceil(living_area)", 0, INT_HIGH - 1, INT_HIGH)} AS living_ceil,
        {_fit("floor(living_area)", 0, INT_HIGH - 1, INT_LOW)} AS living_floor,
        {_fit("floor(lot_size_square_feet)", 0, 10**12, BIG_LOW, "bigint")} AS lot_floor,
        {_fit("year_built", 0, SMALL_HIGH - 1, SMALL_HIGH, "smallint")} AS year_ceil,
        {_fit("year_built", 0, SMALL_HIGH - 1, SMALL_LOW, "smallint")} AS year_floor,
        {_fit("bedrooms_total", 0, SMALL_HIGH - 1, SMALL_LOW, "smallint")} AS beds,
        {_fit("floor(baths_equivalent * 100)", 0, SMALL_HIGH - 1, SMALL_LOW, "smallint")} AS baths,
        city_area_id, postal_code_area_id, county_area_id, subdivision_area_id, mls_area_id,
        {", ".join(f"{_cell(level, size)} AS cell_{level}" for level, size in enumerate(CELL_SIZES))}
    FROM {source}
    """


_STATUS = _switch("standard_status", STATUS_BITS, "0")
_OFF_MARKET = ", ".join(f"'{status}'" for status in StandardStatus if status not in ON_MARKET)

# A change of status is news for who watched the home while it was on the market, whatever it is now: a row of its own.
# So is that an open house is off because the home is sold.
_STATUS_OR_WATCHED = (
    f"CASE WHEN kinds = {KIND_BITS[AlertKind.OPEN_HOUSE]} AND standard_status IN ({_OFF_MARKET})"
    f" THEN {_WAS_WATCHED} ELSE {_STATUS} END"
)
_EVENT = _homes(
    f"""listing_event CROSS JOIN LATERAL (
        SELECT kinds & ~{_STATUS_CHANGE}, {_STATUS_OR_WATCHED}, 0 WHERE kinds & ~{_STATUS_CHANGE} <> 0
        UNION ALL
        SELECT {_STATUS_CHANGE}, {_WAS_WATCHED}, {TWICE} WHERE kinds & {_STATUS_CHANGE} <> 0
    ) AS news (kinds, status, flags) WHERE seq = ANY (CAST(:seqs AS bigint[]))""",
    status="news.status",
    kinds="news.kinds",
    flags="news.flags",
)

# What the homes were before events that are news only for searches that did not take them then (T1).
_FORMER = _homes(
    f"""(
        SELECT was.* FROM listing_event CROSS JOIN LATERAL jsonb_populate_record(listing_event, before) AS was
        WHERE listing_event.seq = ANY (CAST(:seqs AS bigint[]))
          AND listing_event.kinds & ~{_STATUS_CHANGE} = {_NOW_MATCHES}
    ) AS was""",
    status=_STATUS,
    kinds=str(_NOW_MATCHES),
    flags="0",
)

_PLACES = ", ".join(
    f"({place})"
    for place in (
        "0::bigint",
        "event.city_area_id",
        "event.postal_code_area_id",
        "event.county_area_id",
        "event.subdivision_area_id",
        "event.mls_area_id",
        f"CASE WHEN {' OR '.join(f'event.{column} IS NULL' for column in PLACE_COLUMN.values())} THEN {NOWHERE} END",
        *(f"event.cell_{level}" for level in range(len(CELL_SIZES))),
    )
)

# An event once for each key that a search could have and that it would answer.
_PROBES = f"""
    SELECT seq, xid, latitude_e6, longitude_e6, sub_type, status, kinds, flags, price_ceil, price_floor, living_ceil, living_floor,
        lot_floor, year_ceil, year_floor, beds, baths, event.office + place.number * {PLACE} + type.number AS key
    FROM (VALUES {_PLACES}) AS place (number) CROSS JOIN (VALUES ({ANY_TYPE}), (event.type_number)) AS type (number)
    WHERE place.number IS NOT NULL AND type.number <> {UNKNOWN_TYPE}
"""

_DX = "least(abs(probe.longitude_e6 - shape[6]), 360000000 - abs(probe.longitude_e6 - shape[6]))"

# shapes.py in SQL; the numbers are those of Shape.numbers.
_INSIDE = f"""
    SELECT probe.latitude_e6 BETWEEN shape[1] AND shape[3] AND probe.longitude_e6 BETWEEN shape[2] AND shape[4]
        OR (probe.latitude_e6 - shape[5]) * (probe.latitude_e6 - shape[5])
            + (({_DX} * shape[7]) >> {SCALE}) * (({_DX} * shape[7]) >> {SCALE}) <= shape[8]
        OR CASE WHEN cardinality(shape) > 8 THEN rings_hold(shape, probe.latitude_e6, probe.longitude_e6) ELSE false END
    FROM saved_search WHERE saved_search.id = k.saved_search_id
"""

# What the key does not say, of the home as the event left it: for the few rows that are flagged, when all else fits.
_FURTHER = f"""
    SELECT (k.flags & {UNPLACED} = 0 OR {is_unplaced("home", "further")})
        AND {holds_further("home", "further")}
    FROM saved_search, listing_event AS home WHERE saved_search.id = k.saved_search_id AND home.seq = probe.seq
"""

# The searches that a probe is news for. OFFSET 0 keeps the planner to one range of the covering index for each probe,
# whatever it believes about the number of searches; what needs another table comes after, for the few that pass.
_KEYS_THAT_FIT = """
    CROSS JOIN LATERAL (
        SELECT alert_subscription_id, saved_search_id, flags FROM search_key
        WHERE search_key.key = probe.key AND price_hi >= probe.price_ceil AND price_lo <= probe.price_floor
          AND sub_types & probe.sub_type <> 0 AND triggers & probe.status <> 0 AND triggers & probe.kinds <> 0
          AND beds_lo <= probe.beds AND baths_lo <= probe.baths
          AND living_lo <= probe.living_floor AND living_hi >= probe.living_ceil
          AND year_lo <= probe.year_floor AND year_hi >= probe.year_ceil AND lot_lo <= probe.lot_floor
        OFFSET 0
    ) AS k
"""
_TAKES = f"""
    CASE WHEN k.flags & {PARTLY} = 0 THEN true ELSE ({_INSIDE}) END
"""
_TAKERS = f"{_KEYS_THAT_FIT} WHERE {_TAKES}"
# Nearly every hit is plain, and is spared one question after another.
_PLAIN = f"""
    SELECT probe.*, probe.kinds <> {_ONLY_NOW_MATCHES} AND (SELECT count(*) FROM young) = 0 AS is_plain
    FROM ({_PROBES}) AS probe
"""
_NEWS = f"""{_KEYS_THAT_FIT}
    WHERE CASE WHEN probe.is_plain AND k.flags & {PARTLY | FURTHER} = 0 THEN true ELSE {_TAKES}
      AND CASE WHEN k.flags & {FURTHER} = 0 THEN true ELSE ({_FURTHER}) END
      AND CASE WHEN probe.kinds <> {_ONLY_NOW_MATCHES} THEN true
        ELSE (probe.seq, k.alert_subscription_id) NOT IN (SELECT seq, alert_subscription_id FROM took) END
      AND ((SELECT count(*) FROM young) = 0 OR k.alert_subscription_id NOT IN (SELECT id FROM young) OR NOT (
        SELECT pg_visible_in_snapshot(probe.xid, since_snapshot) FROM alert_subscription WHERE id = k.alert_subscription_id
      ))
    END
"""

# event    the batch's events, as numbers
# took     who would have taken a home before an event that can only make it match: no news for them. What a search asks
#          further is left to the digest, which compares for every kind what was then with what is now
# young    subscriptions that began while these were being written: what was visible then is no news for them (PA-13)
# hit      in the order of keys, so that what one probe read is warm for the next
# written  an array for each subscription; places of two kinds may name an event twice, which those searches undo
_MATCH = f"""
    WITH event AS MATERIALIZED ({_EVENT}),
    young AS MATERIALIZED (
        SELECT id FROM alert_subscription
        WHERE pg_snapshot_xmax(since_snapshot) > (SELECT xid FROM event ORDER BY xid LIMIT 1)
    ),
    former AS MATERIALIZED ({_FORMER}),
    took AS MATERIALIZED (
        SELECT probe.seq, k.alert_subscription_id
        FROM former AS event CROSS JOIN LATERAL ({_PROBES}) AS probe {_TAKERS} AND k.flags & {FURTHER} = 0
    ),
    hit AS (
        SELECT k.alert_subscription_id, k.flags | probe.flags AS flags, probe.seq
        FROM (SELECT probe.* FROM event CROSS JOIN LATERAL ({_PLAIN}) AS probe ORDER BY key) AS probe
        {_NEWS}
    ),
    written AS (
        INSERT INTO alert_match (found_on, batch_id, alert_subscription_id, event_seqs)
        SELECT :found_on, :batch_id, alert_subscription_id, seqs FROM (
            SELECT alert_subscription_id,
                CASE WHEN bit_or(flags) & {TWICE} = 0 THEN array_agg(seq)
                    ELSE ARRAY(SELECT DISTINCT unnest(array_agg(seq))) END AS seqs
            FROM hit GROUP BY alert_subscription_id OFFSET 0
        ) AS grouped ORDER BY alert_subscription_id
        %s
        RETURNING cardinality(event_seqs) AS pairs
    )
    SELECT (SELECT coalesce(sum(pairs), 0) FROM written),
        (SELECT count(DISTINCT seq) FROM event WHERE EXISTS (SELECT 1 FROM ({_PLAIN}) AS probe {_NEWS}))
"""
_MATCH_FIRST = text(_MATCH % "")
_MATCH_AGAIN = text(_MATCH % "ON CONFLICT DO NOTHING")

_COUNTED = text(
    """
    SELECT coalesce(sum(pairs), 0), count(*) FROM (
        SELECT seq, count(*) AS pairs FROM (
            SELECT unnest(event_seqs) AS seq FROM alert_match WHERE found_on = :found_on AND batch_id = :batch_id
        ) AS pair GROUP BY seq
    ) AS event
    """
)

_DONE = text(
    """
    UPDATE match_batch SET done_at = :now, matched_events = :matched,
        unmatched_events = cardinality(event_seqs) - :matched, pairs = :pairs
    WHERE id = :batch_id
    """
)


EVENT, FORMER, PROBES, FURTHER_HOLDS = _EVENT, _FORMER, _PROBES, _FURTHER
ONLY_NOW_MATCHES = _ONLY_NOW_MATCHES
"""Of these the matcher in memory (alerts/engine) asks the same."""


# A thousand events make half a million pairs. They are grouped by hash, in sixty megabytes, and only the groups sorted,
# for the sake of the indexes; the planner, which expects a handful of pairs, would sort them all and go by disk.
_ROOM = text(
    """
    SELECT set_config('enable_sort', 'off', true), set_config('work_mem',
        CASE WHEN pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('128MB') THEN '128MB'
            ELSE current_setting('work_mem') END, true)
    """
)
_ROOM_LEFT = text("SET LOCAL enable_sort = on")


def match(batch: Batch) -> tuple[int, int]:
    """Write the matches of one batch: a row for each subscription, holding the events. (pairs, events with a pair).

    The batch is locked and not done, so its rows are not there; where somebody reopened it, those that are stay.
    """
    values = {"found_on": batch.found_on, "batch_id": batch.id}
    db.session.execute(_ROOM)
    if db.session.execute(_COUNTED, values).one()[1] == 0:
        row = db.session.execute(_MATCH_FIRST, values | {"seqs": batch.event_seqs}).one()
    else:
        db.session.execute(_MATCH_AGAIN, values | {"seqs": batch.event_seqs})
        row = db.session.execute(_COUNTED, values).one()
    db.session.execute(_ROOM_LEFT)
    return int(row[0]), int(row[1])


def has_matches(batch: Batch) -> bool:
    """Whether a batch has rows already: somebody reopened it."""
    rows = "SELECT EXISTS (SELECT 1 FROM alert_match WHERE found_on = :found_on AND batch_id = :batch_id)"
    return bool(db.session.scalar(text(rows), {"found_on": batch.found_on, "batch_id": batch.id}))


def finish(batch: Batch, *, matched: int, pairs: int, now: datetime) -> None:
    db.session.execute(_DONE, {"batch_id": batch.id, "matched": matched, "pairs": pairs, "now": now})


def utc_date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


# After a restore


def requeue(since: datetime, *, most: int, now: datetime) -> int:
    """Make batches of the alertable events recorded after `since` that no batch holds; the number of events."""
    return (
        db.session.scalar(
            text(
                """
                WITH lost AS (
                    SELECT seq, (row_number() OVER (ORDER BY seq) - 1) / :most AS batch FROM listing_event
                    WHERE recorded_at > :since AND alertable AND seq NOT IN (
                        SELECT unnest(event_seqs) FROM match_batch WHERE found_on >= CAST(:since AS date)
                    )
                ), batch AS (
                    INSERT INTO match_batch (found_on, event_seqs, taken_at)
                    SELECT :found_on, array_agg(seq ORDER BY seq), :now FROM lost GROUP BY batch ORDER BY batch
                )
                SELECT count(*) FROM lost
                """
            ),
            {"since": since, "most": most, "found_on": utc_date(now), "now": now},
        )
        or 0
    )


def begin_anew(now: datetime) -> None:
    """Date every event before, and every subscription and the watermark at, this moment of this cluster."""
    for statement in (
        "UPDATE listing_event SET xid = '3' WHERE xid > '3'",
        "UPDATE alert_subscription SET since_snapshot = pg_current_snapshot()",
        "UPDATE match_cursor SET snapshot = pg_current_snapshot(), moved_at = :now",
        "DELETE FROM search_change",
    ):
        db.session.execute(text(statement), {"now": now} if ":now" in statement else {})


# The days of alert_match


def days_without_partition(first: date, last: date) -> list[tuple[date, bool]]:
    """Each day from first to last that has no partition yet, and whether the default one holds rows of it."""
    rows = db.session.execute(
        text(
            """
            SELECT day::date, EXISTS (SELECT 1 FROM alert_match_default WHERE found_on = day::date)
            FROM generate_series(CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 day') AS day
            WHERE to_regclass('alert_match_' || to_char(day, 'YYYYMMDD')) IS NULL
            ORDER BY day
            """
        ),
        {"first": first, "last": last},
    )
    return [(day, has_rows) for day, has_rows in rows]


def make_partition(day: date, *, move_rows: bool) -> None:
    """A day's own partition; its rows in the default one move there, for which inserts wait."""
    name = f"alert_match_{day:%Y%m%d}"
    values = f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    if not move_rows:
        db.session.execute(text(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF alert_match {values}"))
        return
    move = f"WITH moved AS (DELETE FROM alert_match_default WHERE found_on = '{day}' RETURNING *)"
    for statement in (
        "LOCK TABLE alert_match_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE alert_match INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"{move} INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE alert_match ATTACH PARTITION {name} {values}",
    ):
        db.session.execute(text(statement))
