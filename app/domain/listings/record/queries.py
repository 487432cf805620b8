"""The statements behind every listing write. Many rows travel as one JSON document that the table's own row type
reads: four statements for a thousand rows, and no type written down twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Row, Text, cast, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.domain.listings.changes import GIVEN_UP
from app.domain.models import Listing, ListingEvent, Member, User
from app.extensions import db

LISTING = Listing.__table__
EVENT = ListingEvent.__table__
Values = Mapping[str, Any]


def lock_source(office_id: int, source: str) -> None:
    """Hold the (office, source) until the transaction ends: two writers of one source take turns, so that neither
    inserts what the other just did, nor waits for it in a circle."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, :office_id))"),
        {"name": f"listing source {source}", "office_id": office_id},
    )


def known_rows(office_id: int, source: str, keys: Sequence[str]) -> dict[str, Any]:
    """key → (id, key, content_hash) of the listings that exist. Under lock_source these cannot change."""
    rows = db.session.execute(
        select(LISTING.c.id, LISTING.c.originating_system_key, LISTING.c.content_hash).where(
            LISTING.c.office_id == office_id,
            LISTING.c.originating_system_name == source,
            LISTING.c.originating_system_key == func.any(cast(list(keys), ARRAY(Text))),
        )
    )
    return {row.originating_system_key: row for row in rows}


def lock_whole_rows(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Every column of these listings, locked in the order of their ids; rows that only refer to them need not wait."""
    rows = db.session.execute(
        select(LISTING).where(LISTING.c.id.in_(ids)).order_by(LISTING.c.id).with_for_update(key_share=True)
    ).mappings()
    return {row["id"]: dict(row) for row in rows}


def lock_one(office_id: int, listing_id: int) -> dict[str, Any] | None:
    """Every column of one listing of this office, locked; None when there is none."""
    row = (
        db.session.execute(
            select(LISTING)
            .where(LISTING.c.id == listing_id, LISTING.c.office_id == office_id)
            .with_for_update(key_share=True)
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def _document(rows: Iterable[Values]) -> str:
    return orjson.dumps(list(rows), default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def insert_listings(rows: Sequence[Values]) -> dict[str, int]:
    """key → id of the new rows, which must all have the same columns."""
    names = ", ".join(rows[0])
    found = db.session.execute(
        text(
            f"INSERT INTO listing ({names}) "
            f"SELECT {names} FROM json_populate_recordset(NULL::listing, CAST(:rows AS json)) "
            "RETURNING originating_system_key, id"
        ),
        {"rows": _document(rows)},
    )
    return {row.originating_system_key: row.id for row in found}


def update_listings(rows: Sequence[Values]) -> None:
    """Write these columns of these rows (`id` among them; all rows have the same columns), one version further."""
    names = [name for name in rows[0] if name != "id"]
    columns = ", ".join(names)
    given = ", ".join(f"given.{name}" for name in names)
    db.session.execute(
        text(
            f"UPDATE listing SET ({columns}, lock_version) = ROW ({given}, listing.lock_version + 1) "
            "FROM json_populate_recordset(NULL::listing, CAST(:rows AS json)) AS given WHERE listing.id = given.id"
        ),
        {"rows": _document(rows)},
    )


def set_hashes(hashes: Sequence[Values]) -> None:
    """Remember what the source said last where it changed nothing. No new version: nobody can see a difference."""
    db.session.execute(
        text(
            "UPDATE listing SET content_hash = given.content_hash "
            "FROM json_populate_recordset(NULL::listing, CAST(:rows AS json)) AS given WHERE listing.id = given.id"
        ),
        {"rows": _document(hashes)},
    )


def append_events(rows: Sequence[Values]) -> list[int]:
    """Append to the log in the order given; the numbers they got."""
    names = ", ".join(rows[0])
    return list(
        db.session.scalars(
            text(
                f"INSERT INTO listing_event ({names}) "
                f"SELECT {names} FROM json_populate_recordset(NULL::listing_event, CAST(:rows AS json)) RETURNING seq"
            ),
            {"rows": _document(rows)},
        )
    )


def given_up_since(
    office_id: int, since: datetime, *, parcels: Sequence[str], addresses: Sequence[str]
) -> list[dict[str, Any]]:
    """Listings of these parcels or addresses that left the market since then without a sale, as is_relist reads them."""
    rows = db.session.execute(
        select(
            LISTING.c.parcel_number,
            LISTING.c.unparsed_address,
            LISTING.c.unit_number,
            LISTING.c.postal_code,
            LISTING.c.list_price,
        ).where(
            LISTING.c.office_id == office_id,
            LISTING.c.standard_status.in_([status.value for status in GIVEN_UP]),
            LISTING.c.modification_timestamp >= since,  # never before it left; an index knows it
            LISTING.c.off_market_timestamp >= since,
            LISTING.c.market_spell_no > 0,
            or_(
                LISTING.c.parcel_number == func.any(cast(list(parcels), ARRAY(Text))),
                LISTING.c.unparsed_address == func.any(cast(list(addresses), ARRAY(Text))),
            ),
        )
    ).mappings()
    return [dict(row) for row in rows]


def member_is_ours(office_id: int, member_id: int) -> bool:
    return bool(db.session.scalar(select(Member.id).where(Member.id == member_id, Member.office_id == office_id)))


def newest_events(listing_id: int, count: int) -> list[Row[Any]]:
    """(changes, who) of the newest events, newest first."""
    return list(
        db.session.execute(
            select(ListingEvent.changes, User.full_name.label("who"))
            .outerjoin(User, User.id == ListingEvent.user_id)
            .where(ListingEvent.listing_id == listing_id)
            .order_by(ListingEvent.seq.desc())
            .limit(count)
        )
    )
