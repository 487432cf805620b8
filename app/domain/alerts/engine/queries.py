"""What the matcher in memory reads and writes: key rows, a batch's homes as numbers, the last word on doubtful hits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import text

from app.domain.alerts.engine.blocks import KEY_COLUMNS, Homes
from app.domain.alerts.engine.wire import MATCH_COLUMNS
from app.domain.alerts.queries import EVENT, FORMER, FURTHER_HOLDS, ONLY_NOW_MATCHES, PROBES, Watermark
from app.domain.searches.keys import FURTHER, PARTLY
from app.extensions import db

Array = npt.NDArray[Any]


class Estimate(NamedTuple):
    key_rows: int
    """About."""
    waiting: int
    """Events in batches that are not matched."""
    lately: int
    """Events in batches of the last hour."""


def estimate() -> Estimate:
    """What matching would cost depends on these."""
    row = db.session.execute(
        text(
            """
            SELECT (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'search_key'::regclass),
                (SELECT coalesce(sum(cardinality(event_seqs)), 0) FROM match_batch WHERE done_at IS NULL),
                (SELECT coalesce(sum(cardinality(event_seqs)), 0) FROM match_batch
                 WHERE found_on >= CAST(now() - interval '1 day' AS date) AND taken_at > now() - interval '1 hour')
            """
        )
    ).one()
    return Estimate(*row)


def _copied(statement: str) -> Iterator[bytes]:
    connection: Any = db.session.connection().connection.driver_connection
    with connection.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)") as copy:
        yield from copy


def write(rows: bytes) -> None:
    """Append rows of alert_match, as wire.py has them."""
    connection: Any = db.session.connection().connection.driver_connection
    columns = ", ".join(MATCH_COLUMNS)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY alert_match ({columns}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(rows)


# Key rows


class Change(NamedTuple):
    server: str
    """This database, as long as this server runs: another one's transactions are other ones."""
    seen: Watermark
    subscriptions: list[int]


def changed(since: Watermark | None) -> Change:
    """The watermark of this moment, and the subscriptions whose key rows were written or deleted after `since`.

    What is read of them afterwards may be newer still: then the next answer names them again, and they are read again.
    A transaction that asks is under way itself, which its snapshot does not say.
    """
    ids = "SELECT NULL::bigint LIMIT 0"
    if since:
        after = " OR ".join([f"xid >= '{since.xmax}'::xid8", *(f"xid = '{xid}'::xid8" for xid in since.under_way)])
        ids = f"SELECT DISTINCT alert_subscription_id FROM search_change WHERE {after}"
    row = db.session.execute(
        text(
            f"""
            SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) || ' ' || pg_postmaster_start_time(),
                pg_snapshot_xmax(pg_current_snapshot())::text,
                ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot())::text) ||
                    ARRAY(SELECT pg_current_xact_id_if_assigned()::text WHERE pg_current_xact_id_if_assigned() IS NOT NULL),
                ARRAY({ids})
            """
        )
    ).one()
    return Change(row[0], Watermark(int(row[1]), [int(xid) for xid in row[2]]), list(row[3]))


def keys(subscriptions: Sequence[int] | None = None) -> Iterator[bytes]:
    """A binary COPY of the key rows, of these subscriptions or of all."""
    return _copied(f"SELECT {', '.join(KEY_COLUMNS)} FROM search_key WHERE {_of(subscriptions)}")


def shapes(subscriptions: Sequence[int] | None = None) -> dict[int, list[int]]:
    """The shapes of their searches, by the search's id."""
    found = db.session.execute(
        text(
            "SELECT id, shape FROM saved_search WHERE id IN"
            f" (SELECT saved_search_id FROM search_key WHERE flags & {PARTLY} <> 0 AND {_of(subscriptions)})"
        )
    )
    return {row.id: row.shape for row in found}


def _of(subscriptions: Sequence[int] | None) -> str:
    """Literals, since COPY takes no parameters; they are whole numbers."""
    if subscriptions is None:
        return "true"
    return f"alert_subscription_id = ANY ('{{{','.join(str(int(one)) for one in subscriptions)}}}'::bigint[])"


# Homes

_HOME_COLUMNS = {
    "sub_type": "i8",
    "status": "i4",
    "kinds": "i4",
    "price_ceil": "i4",
    "price_floor": "i4",
    "living_ceil": "i4",
    "living_floor": "i4",
    "lot_floor": "i8",
    "year_ceil": "i2",
    "year_floor": "i2",
    "beds": "i2",
    "baths": "i2",
}
"""As the columns of the key that they are compared with."""


def _as_numbers(homes: str) -> str:
    return f"""
        WITH event AS MATERIALIZED ({homes})
        SELECT seq, xid::text, coalesce(latitude_e6, 0), coalesce(longitude_e6, 0), {", ".join(_HOME_COLUMNS)},
            ARRAY(SELECT probe.key FROM ({PROBES}) AS probe)
        FROM event
    """


_EVENT_NUMBERS, _FORMER_NUMBERS = text(_as_numbers(EVENT)), text(_as_numbers(FORMER))


class Batched(NamedTuple):
    seqs: Array
    """The events' numbers, sorted; elsewhere an event is its place here."""
    oldest: int
    """The least of their transactions."""
    homes: Homes
    former: Homes


def homes(seqs: Sequence[int]) -> Batched:
    """The homes of these events, and what those were before that are news only for who would not have taken them."""
    ordered = np.array(sorted(seqs), np.int64)
    rows = db.session.execute(_EVENT_NUMBERS, {"seqs": list(seqs)}).all()
    now = _columns(rows, ordered)
    earlier = db.session.execute(_FORMER_NUMBERS, {"seqs": list(seqs)}).all() if now.only_if_new.any() else []
    return Batched(ordered, min((int(row[1]) for row in rows), default=0), now, _columns(earlier, ordered))


def _columns(rows: Sequence[Any], seqs: Array) -> Homes:
    given = list(zip(*rows, strict=True)) if rows else [()] * (len(_HOME_COLUMNS) + 5)
    columns = {name: np.array(given[4 + n], kind) for n, (name, kind) in enumerate(_HOME_COLUMNS.items())}
    found = np.array([key for keys in given[-1] for key in keys], np.int64)
    home = np.repeat(np.arange(len(rows)), [len(keys) for keys in given[-1]])
    order = np.argsort(found, kind="stable")
    return Homes(
        columns=columns,
        event=np.searchsorted(seqs, np.array(given[0], np.int64)),
        latitude=np.array(given[2], np.int64),
        longitude=np.array(given[3], np.int64),
        only_if_new=columns["kinds"] == ONLY_NOW_MATCHES,
        keys=found[order],
        homes=home[order],
    )


# What numbers do not say


YOUNG = 1 << 14
"""Beside the flags of a key row: the subscription may have begun after the event."""


def young(oldest: int) -> list[int]:
    """Subscriptions that may have begun after the transaction `oldest`, sorted."""
    found = db.session.scalars(
        text(f"SELECT id FROM alert_subscription WHERE pg_snapshot_xmax(since_snapshot) > '{oldest}'::xid8 ORDER BY id")
    )
    return list(found)


_LAST_WORD = text(
    f"""
    SELECT k.place
    FROM unnest(CAST(:seqs AS bigint[]), CAST(:subscriptions AS bigint[]), CAST(:searches AS bigint[]), CAST(:flags AS int[]))
        WITH ORDINALITY AS k (seq, alert_subscription_id, saved_search_id, flags, place)
    CROSS JOIN LATERAL (SELECT seq, xid FROM listing_event WHERE seq = k.seq OFFSET 0) AS probe
    WHERE CASE WHEN k.flags & {FURTHER} = 0 THEN true ELSE ({FURTHER_HOLDS}) END
      AND CASE WHEN k.flags & {YOUNG} = 0 THEN true ELSE NOT (
        SELECT pg_visible_in_snapshot(probe.xid, since_snapshot) FROM alert_subscription WHERE id = k.alert_subscription_id
      ) END
    """
)


def last_word(seqs: Array, subscriptions: Array, searches: Array, flags: Array) -> Array:
    """Which of these hits are matches: what the search asks further holds, and the subscription is older than the event."""
    asked = {"seqs": seqs, "subscriptions": subscriptions, "searches": searches, "flags": flags}
    found = db.session.scalars(_LAST_WORD, {name: array.tolist() for name, array in asked.items()})
    return np.array(list(found), np.int64) - 1
