"""The statements of open houses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.domain.models import Listing, Office, OpenHouse, OpenHouseStatus, OpenHouseType
from app.domain.models.lookups import ON_MARKET
from app.extensions import db


def by_key(office_id: int, source: str, key: str) -> OpenHouse | None:
    return db.session.scalar(
        select(OpenHouse).where(
            OpenHouse.office_id == office_id,
            OpenHouse.originating_system_name == source,
            OpenHouse.open_house_key == key,
        )
    )


def of_office(office_id: int, open_house_id: int) -> OpenHouse | None:
    return db.session.scalar(select(OpenHouse).where(OpenHouse.id == open_house_id, OpenHouse.office_id == office_id))


def listing_of_source(office_id: int, source: str, key: str) -> int | None:
    return db.session.scalar(
        select(Listing.id).where(
            Listing.office_id == office_id,
            Listing.originating_system_name == source,
            Listing.originating_system_key == key,
        )
    )


def zone_of_office(office_id: int) -> str:
    return db.session.scalar(select(Office.time_zone).where(Office.id == office_id)) or "UTC"


def upcoming(listing_id: int, now: datetime) -> Sequence[OpenHouse]:
    """Those of a listing that have not ended, soonest first."""
    ends = func.coalesce(OpenHouse.open_house_end_time, OpenHouse.open_house_start_time)
    return db.session.scalars(
        select(OpenHouse)
        .where(OpenHouse.listing_id == listing_id, ends > now)
        .order_by(OpenHouse.open_house_start_time, OpenHouse.id)
        .limit(20)
    ).all()


def lock_near(now: datetime, until: datetime, limit: int) -> Sequence[OpenHouse]:
    """Public ones of homes on the market that begin between these moments and were not announced; nobody else has them."""
    return db.session.scalars(
        select(OpenHouse)
        .join(Listing, Listing.id == OpenHouse.listing_id)
        .where(
            OpenHouse.open_house_start_time > now,
            OpenHouse.open_house_start_time <= until,
            OpenHouse.announced_at.is_(None),
            OpenHouse.open_house_status == OpenHouseStatus.ACTIVE.value,
            OpenHouse.open_house_type == OpenHouseType.PUBLIC.value,
            Listing.standard_status.in_([status.value for status in ON_MARKET]),
            Listing.internet_entire_listing_display_yn,
        )
        .order_by(OpenHouse.open_house_start_time, OpenHouse.id)
        .limit(limit)
        .with_for_update(of=[OpenHouse, Listing], key_share=True, skip_locked=True)
    ).all()


def columns_of(listing_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Every column of these listings."""
    table = Listing.__table__
    rows = db.session.execute(select(table).where(table.c.id.in_(listing_ids))).mappings()
    return {row["id"]: dict(row) for row in rows}
