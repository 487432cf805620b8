"""A small believable world for the browser: one office with a month behind it, so that every page has something to show.

Rows only, written straight: what the verbs do is tested elsewhere. `build` returns the ids that pages ask for in their
addresses; a new screen adds its own to `SAMPLES` there.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import Flask, url_for

from app.domain.models import (
    Alarm,
    AlertMatch,
    AlertSubscription,
    AuditEntry,
    BuyerListing,
    Contact,
    Digest,
    DigestItem,
    ImportBatch,
    ImportRow,
    Incident,
    IntegrationCheck,
    JobAttempt,
    JobLogLine,
    JobRun,
    JobSchedule,
    Listing,
    ListingEvent,
    MailHold,
    MatchBatch,
    Member,
    MessageEvent,
    Office,
    OutboundMessage,
    ProcessHeartbeat,
    Role,
    SavedSearch,
    SavedSearchVersion,
    Suppression,
    User,
)
from app.domain.ops import probing, tallies
from app.domain.ops.queries.statements import can_be_planned, worst
from app.domain.people.accounts import hasher
from app.extensions import db
from app.web import FILES

PASSWORD = "the porch light is on"
HOMES = (
    ("418 Alder Court", "Port Ellery", 489000, "Active", 4, 2.5, 2140, 1987),
    ("9 Chandlery Row", "Port Ellery", 365000, "Active", 2, 2, 1180, 1921),
    ("2250 Heron Bluff Drive", "Marsh Landing", 742000, "Coming Soon", 4, 3.5, 3025, 2011),
    ("157 Kettle Street", "Port Ellery", 428500, "Active Under Contract", 3, 2, 1655, 1964),
    ("31 Lantern Way", "St. Brendan", 534900, "Active", 4, 3, 2390, 1999),
    ("600 Battery Walk, Unit 8C", "Port Ellery", 312000, "Active", 1, 1, 840, 2006),
    ("12 Tidewater Reach", "Marsh Landing", 495000, "Active", 3, 2.5, 2210, 1978),
    ("845 Orchard Hill Road", "Quarry Hill", 457000, "Active", 4, 2.5, 2015, 1992),
    ("27 Saltmeadow Close", "Marsh Landing", 498000, "Pending", 3, 2.5, 1890, 1985),
    ("1904 Fiddler Creek Road", "St. Brendan", 379900, "Active", 3, 2, 1540, 1958),
    ("44 Ropemaker Lane", "Port Ellery", 418000, "Active", 3, 2.5, 1625, 1934),
    ("210 Magnolia Rise", "Quarry Hill", 549000, "Active", 5, 3, 2860, 2003),
    ("8 Pilot House Court", "Port Ellery", 689000, "Active Under Contract", 4, 3.5, 2740, 2015),
    ("3317 Osprey Landing", "Marsh Landing", 584500, "Active", 4, 2.5, 2455, 1996),
    ("66 Cooper Street", "St. Brendan", 342000, "Active", 3, 1.5, 1395, 1949),
    ("119 Old Mill Terrace", "Quarry Hill", 446000, "Hold", 4, 2.5, 1930, 1989),
    ("5 Wren Hollow", "St. Brendan", 405000, "Closed", 3, 2, 1680, 1972),
    ("73 Quarry Lane", "Quarry Hill", 399000, "Active", 3, 2.5, 1710, 1981),
)
BUYERS = (
    "Amelia & Noah Carter",
    "Wei Chen",
    "Miriam Okafor",
    "Jonah & Tess Feld",
    "Leah Brandt",
    "Omar Haddad",
    "Ingrid Solberg",
    "Grant Ellison",
)
LETTER = "<p>Two homes for you.</p>"


@dataclass
class World:
    """Who lives there, and one id of each noun: what stands in an address."""

    office: Office
    people: dict[str, User]
    SAMPLES: dict[str, Any] = field(default_factory=dict)


def _add(row: Any) -> Any:
    db.session.add(row)
    db.session.flush()
    return row


def build(now: datetime | None = None) -> World:
    """Write the world and commit it."""
    now = now or datetime.now(UTC)
    office = _add(
        Office(
            office_key="port-ellery",
            office_name="Port Ellery office",
            office_phone="(555) 555-0117",
            office_address1="14 Customs House Lane",
            office_city="Port Ellery",
            office_state_or_province="ME",
            office_postal_code="04100",
        )
    )
    agents = [
        _add(
            Member(
                office_id=office.id,
                member_key=f"m-{number}",
                member_full_name=name,
                member_email=f"{name.split()[0].lower()}@harborvine.example",
                member_mobile_phone="(555) 555-0118",
            )
        )
        for number, name in enumerate(("Dana Whitlock", "Tom Brewer", "Priya Raman"))
    ]
    secret = hasher.hash(PASSWORD)
    people = {
        role.value: _add(
            User(
                office_id=office.id,
                email=f"{role.value}@harborvine.example",
                full_name=name,
                role=role.value,
                password_hash=secret,
                member_id=agents[0].id if role is Role.AGENT else None,
            )
        )
        for role, name in zip(Role, ("Ruth Calloway", "Sam Ortiz", "Dana Whitlock", "Vera Lindqvist"), strict=True)
    }
    # Signing out ends every session of the account, so who signs out is somebody whose cookies nobody shares.
    _add(
        User(
            office_id=office.id,
            email="leaver@harborvine.example",
            full_name="Lea Verne",
            role=Role.STAFF.value,
            password_hash=secret,
        )
    )
    world = World(office, people)
    batch = _imports(world, now)
    homes, events = _listings(world, agents, batch, now)
    _mails(world, agents, homes, events, now)
    _runs(now, world)
    _beside_the_runs(now)
    _held(world, homes[0], now)
    # Public pages are reached by tokens that mails carry.
    world.SAMPLES |= {
        "public.digest.token": world.SAMPLES["digest_token"],
        "public.listing.token": world.SAMPLES["digest_token"],
        "public.listing.listing_id": world.SAMPLES["digest_listing_id"],
        "public.unsubscribe.token": "subscription-token-0",
        "queryid": next(one.queryid for one in worst(500) if can_be_planned(one.query)),
    }
    db.session.commit()
    return world


def _listings(
    world: World, agents: list[Member], batch: ImportBatch, now: datetime
) -> tuple[list[Listing], list[ListingEvent]]:
    homes = []
    for number, (address, city, price, status, beds, baths, area, year) in enumerate(HOMES):
        entered = now - timedelta(days=number * 3 + 1, hours=number)
        homes.append(
            _add(
                Listing(
                    office_id=world.office.id,
                    listing_key=f"pe-{number}",
                    listing_id=f"PE-{20400 + number}",
                    originating_system_name="Harbor MLS",
                    originating_system_key=f"H{number}",
                    standard_status=status,
                    on_market_timestamp=entered,
                    status_change_timestamp=entered,
                    market_spell_no=1,
                    list_price=price,
                    original_list_price=price + 20000,
                    previous_list_price=price + 20000 if number % 3 == 0 else None,
                    price_change_timestamp=now - timedelta(hours=number) if number % 3 == 0 else None,
                    property_type="Residential",
                    property_sub_type="Condominium" if "Unit" in address else "Single Family Residence",
                    bedrooms_total=beds,
                    baths_equivalent=baths,
                    bathrooms_total_integer=int(baths),
                    bathrooms_full=int(baths),
                    living_area=area,
                    lot_size_square_feet=area * 4,
                    year_built=year,
                    unparsed_address=address,
                    city=city,
                    state_or_province="ME",
                    postal_code=f"0410{number % 4}",
                    county_or_parish="Ellery",
                    latitude="43.6591",
                    longitude="-70.2568",
                    public_remarks="Morning sun in the kitchen, a dry cellar, and a porch that faces the street.",
                    list_agent_id=agents[number % 3].id,
                    list_agent_full_name=agents[number % 3].member_full_name,
                    list_office_name="Harbor & Vine",
                    list_office_phone="(555) 555-0117",
                    original_entry_timestamp=entered,
                    modification_timestamp=now - timedelta(hours=number),
                    search_text=f"{address} {city} 0410{number % 4} pe-{20400 + number}".lower(),
                )
            )
        )
    events = []
    for days_ago in range(29, -1, -1):
        for one in range(3 + days_ago * 7 % 5):
            home = homes[(days_ago * 5 + one) % len(homes)]
            is_drop = one % 2 == 1
            moment = now - timedelta(days=days_ago, minutes=7 + 11 * one)
            kept = one % 4 != 3
            events.append(
                _add(
                    ListingEvent(
                        office_id=world.office.id,
                        listing_id=home.id,
                        change_type="Price Change" if is_drop else "New Listing",
                        kinds=2 if is_drop else 1,
                        changes={"list_price": [str(int(home.list_price) + 20000), str(int(home.list_price))]}
                        if is_drop
                        else {"standard_status": [None, "Active"]},
                        origin="manual" if kept else "backfill",
                        alertable=kept,
                        not_alertable_reason=None if kept else "origin",
                        occurred_at=moment,
                        recorded_at=moment,
                        user_id=world.people["staff"].id if kept else None,
                        import_batch_id=None if kept else batch.id,
                        standard_status=home.standard_status,
                        list_price=home.list_price,
                        previous_list_price=home.list_price + 20000 if is_drop else home.list_price,
                        property_type="Residential",
                        bedrooms_total=home.bedrooms_total,
                        market_spell_no=1,
                    )
                )
            )
    world.SAMPLES["listing_id"] = homes[0].id
    return homes, events


def _mails(world: World, agents: list[Member], homes: list[Listing], events: list[ListingEvent], now: datetime) -> None:
    alertable = [event for event in events if event.alertable]
    for number, name in enumerate(BUYERS):
        first = name.split()[0]
        contact = _add(
            Contact(
                office_id=world.office.id,
                contact_key=f"c-{number}",
                first_name=first,
                last_name=name.split()[-1],
                full_name=name,
                email=f"{first.lower()}@example.com",
                mobile_phone=f"(555) 555-01{number:02}",
                owner_member_id=agents[number % 3].id,
                lead_source="Open house",
            )
        )
        criteria = {"city": [homes[number].city], "list_price": {"le": 560000}, "standard_status": ["Active"]}
        search = _add(
            SavedSearch(
                office_id=world.office.id,
                contact_id=contact.id,
                member_id=agents[number % 3].id,
                saved_search_key=f"s-{number}",
                saved_search_name=f"Family home, {homes[number].city}",
                criteria=criteria,
                search_query_human_readable=f"Homes in {homes[number].city}, up to $560,000",
            )
        )
        _add(SavedSearchVersion(saved_search_id=search.id, version=1, criteria=criteria))
        is_daily = number % 2 == 0
        subscription = _add(
            AlertSubscription(
                office_id=world.office.id,
                prospecting_key=f"p-{number}",
                saved_search_id=search.id,
                contact_id=contact.id,
                owner_member_id=agents[number % 3].id,
                schedule_type="Daily" if is_daily else "ASAP",
                send_time=time(7) if is_daily else None,
                next_send_timestamp=now + timedelta(hours=2 + number) if is_daily else None,
                token=f"subscription-token-{number}",
                active_yn=number != 6,
                reason_active_or_disabled="Client Disabled" if number == 6 else None,
            )
        )
        if number == 0:
            world.SAMPLES |= {"contact_id": contact.id, "search_id": search.id, "subscription_id": subscription.id}
        for days_ago in range(20 - number, -1, -3):
            _match(world, contact, search, subscription, alertable, now - timedelta(days=days_ago), days_ago, number)
    _add(
        Suppression(
            office_id=world.office.id,
            recipient="grant@example.com",
            scope="stream",
            stream="alerts",
            reason="unsubscribed",
        )
    )


def _match(  # noqa: PLR0917
    world: World,
    contact: Contact,
    search: SavedSearch,
    subscription: AlertSubscription,
    alertable: list[ListingEvent],
    moment: datetime,
    days_ago: int,
    number: int,
) -> None:
    """One batch with one match, and (but for the newest) the mail it ended in."""
    event = min(alertable, key=lambda one: (abs((one.recorded_at - moment).total_seconds()), (one.seq + number) % 3))
    batch = _add(
        MatchBatch(
            found_on=moment.date(),
            event_seqs=[event.seq],
            taken_at=moment,
            done_at=moment,
            matched_events=1,
            unmatched_events=0,
            pairs=1,
        )
    )
    match = _add(
        AlertMatch(
            found_on=moment.date(), batch_id=batch.id, alert_subscription_id=subscription.id, event_seqs=[event.seq]
        )
    )
    if days_ago < 1:
        return
    digest = _add(
        Digest(
            office_id=world.office.id,
            contact_id=contact.id,
            recipient=contact.email,
            window_end=moment,
            state="built",
            token=f"digest-{number}-{days_ago}",
            items_shown=1,
            created_at=moment,
        )
    )
    match.digest_id = digest.id
    told = db.session.query(DigestItem).filter_by(recipient=contact.email, listing_id=event.listing_id).count()
    _add(
        DigestItem(
            digest_id=digest.id,
            alert_subscription_id=subscription.id,
            event_seq=event.seq,
            office_id=world.office.id,
            recipient=contact.email,
            listing_id=event.listing_id,
            saved_search_id=search.id,
            search_version=1,
            kind="Price drop" if event.kinds & 2 else "New",
            fingerprint=f"{event.seq}",
            price_before=event.previous_list_price,
            price_shown=event.list_price,
            outcome="dropped" if told else "shown",
            drop_reason="already told" if told else None,
            position=None if told else 1,
        )
    )
    state = "unknown" if (number, days_ago) == (5, 3) else "failed" if (number, days_ago) == (7, 1) else "sent"
    message = _add(
        OutboundMessage(
            office_id=world.office.id,
            contact_id=contact.id,
            digest_id=digest.id,
            stream="alerts",
            dedupe_key=f"digest:{digest.id}",
            message_id=f"<{digest.id}@alerts.harborvine.example>",
            message_date=moment,
            recipient=contact.email,
            subject=f"New for {search.saved_search_name}",
            body_text="Two homes for you.",
            body_html=LETTER,
            state=state,
            state_reason=None
            if state == "sent"
            else "the connection was lost"
            if state == "unknown"
            else "550 no such user",
            attempts=1,
            attempting_at=moment,
            not_before=moment,
            expires_at=moment + timedelta(days=1),
            sent_at=moment if state == "sent" else None,
            last_reply="250 2.0.0 accepted",
            created_at=moment,
        )
    )
    _add(
        MessageEvent(
            outbound_message_id=message.id,
            source="smtp",
            event_id=f"smtp-{message.id}",
            event_type=state,
            reply="250 2.0.0 accepted",
            occurred_at=moment,
            recorded_at=moment,
        )
    )
    if state == "sent" and not told:
        db.session.merge(
            BuyerListing(
                contact_id=contact.id,
                listing_id=event.listing_id,
                last_price_shown=event.list_price,
                market_spell_no=1,
                listing_sent_timestamp=moment,
            )
        )
    if not told:
        world.SAMPLES |= {
            "message_id": message.id,
            "digest_id": digest.id,
            "digest_token": digest.token,
            "digest_listing_id": event.listing_id,
        }


def _held(world: World, home: Listing, now: datetime) -> None:
    """A run that was halted and discarded, and a mail that waits for its agent's approval."""
    hold = _add(
        MailHold(
            office_id=world.office.id,
            window_end=now - timedelta(days=2),
            cause="volume",
            mails=312,
            items=1840,
            usual=24,
            weeks=[26, 24, 21, 24],
            most_items=9,
            state="discarded",
            reason="The feed sent every price twice",
            decided_at=now - timedelta(days=2),
            created_at=now - timedelta(days=2),
        )
    )
    world.SAMPLES |= {"held.show.hold_id": hold.id}
    subscription = db.session.get_one(AlertSubscription, world.SAMPLES["subscription_id"])
    contact = db.session.get_one(Contact, subscription.contact_id)
    event = db.session.query(ListingEvent).filter_by(listing_id=home.id).order_by(ListingEvent.seq).first()
    digest = _add(
        Digest(
            office_id=world.office.id,
            contact_id=contact.id,
            recipient=contact.email,
            window_end=now,
            state="held",
            needs_approval=True,
            token="digest-held",
            items_shown=1,
            created_at=now,
        )
    )
    _add(
        DigestItem(
            digest_id=digest.id,
            alert_subscription_id=subscription.id,
            event_seq=event.seq,
            office_id=world.office.id,
            recipient=contact.email,
            listing_id=home.id,
            saved_search_id=subscription.saved_search_id,
            search_version=1,
            kind="New",
            fingerprint="held",
            price_shown=home.list_price,
            outcome="shown",
            position=1,
        )
    )
    world.SAMPLES |= {"held.mail.digest_id": digest.id, "held.mail_html.digest_id": digest.id}


def _imports(world: World, now: datetime) -> ImportBatch:
    batch = _add(
        ImportBatch(
            office_id=world.office.id,
            user_id=world.people["staff"].id,
            source="Harbor MLS",
            mapping={"columns": {"Price": "list_price"}},
            file_name="harbor-november.csv",
            file_path="imports/harbor-november.csv",
            file_sha256="0" * 64,
            file_bytes=182_400,
            encoding="utf-8",
            state="finished",
            rows_read=214,
            rows_created=18,
            rows_updated=31,
            rows_unchanged=161,
            rows_rejected=4,
            bytes_read=182_400,
            created_at=now - timedelta(days=1),
            started_at=now - timedelta(days=1),
            finished_at=now - timedelta(days=1) + timedelta(seconds=3),
        )
    )
    for line_no in (17, 58, 112, 190):
        _add(
            ImportRow(
                import_batch_id=batch.id,
                line_no=line_no,
                outcome="rejected",
                originating_system_key=f"X{line_no}",
                issues=[
                    {
                        "field": "bathrooms_full",
                        "value": "2 1/2",
                        "severity": "error",
                        "reason": "is not a whole number",
                    }
                ],
            )
        )
    world.SAMPLES["batch_id"] = batch.id
    return batch


def _runs(now: datetime, world: World) -> None:
    for name, kind, cron, minutes in (
        ("alerts", "alerts", "*/15 * * * *", 15),
        ("sweep", "sweep", "* * * * *", 1),
        ("retention", "retention", "15 3 * * *", 60),
    ):
        paused = name == "retention"
        _add(
            JobSchedule(
                name=name,
                kind=kind,
                cron=cron,
                time_zone="UTC",
                grace_seconds=600,
                enabled=not paused,
                paused_reason="Waiting for the backup to finish." if paused else None,
                paused_at=now - timedelta(hours=3) if paused else None,
                paused_by_id=world.people["admin"].id if paused else None,
                due_from=now - timedelta(days=30),
                last_due_at=now - timedelta(minutes=minutes // 2),
                next_due_at=now + timedelta(minutes=minutes),
            )
        )
    for action, sentence in (
        ("schedule.resumed", "Resumed “retention”, paused 1 h 5 min; 1 due time was not owed"),
        ("schedule.paused", "Paused “retention”: Waiting for the backup to finish."),
    ):
        _add(
            AuditEntry(
                user_id=world.people["admin"].id,
                actor="Ruth Calloway",
                action=action,
                subject_type="schedule",
                subject_id="retention",
                sentence=sentence,
                created_at=now - timedelta(hours=3),
            )
        )
    world.SAMPLES["ops.schedule.name"] = "retention"
    for number in range(24):
        due = (now - timedelta(minutes=15 * number + 3)).replace(second=0, microsecond=0)
        failed = number == 9
        run = _add(
            JobRun(
                kind="alerts",
                queue="alerts",
                schedule_name="alerts",
                due_at=due,
                trigger="schedule",
                state="failed" if failed else "succeeded",
                attempt=1,
                run_after=due,
                created_at=due,
                started_at=due,
                finished_at=due + timedelta(seconds=2.4),
                counts={"events": 71, "matches": 23},
                error_class="OperationalError" if failed else None,
                error="the connection was closed" if failed else None,
            )
        )
        _add(
            JobAttempt(
                run_id=run.id,
                attempt=1,
                worker="porch-1-4000",
                started_at=due,
                finished_at=run.finished_at,
                outcome="error" if failed else "ok",
                rss_peak_kb=84_000,
            )
        )
        _add(JobLogLine(run_id=run.id, attempt=1, line=1, at=due, level="info", event="batch.taken", fields={"n": 71}))
        if number == 0:
            world.SAMPLES["run_id"] = run.id
    _add(
        JobRun(
            kind="imports",
            queue="bulk",
            trigger="event",
            state="failed",
            attempt=3,
            created_at=now - timedelta(hours=3),
            started_at=now - timedelta(hours=3),
            finished_at=now - timedelta(hours=3),
            error_class="FileNotFoundError",
            error="The uploaded file is gone from the folder.",
            error_fingerprint="file-is-gone",
        )
    )
    world.SAMPLES["fingerprint"] = "file-is-gone"
    over = Incident(
        key="silent:worker:bulk",
        tone="bad",
        sentence="No worker takes jobs from “bulk”",
        opened_by="scheduler",
        opened_at=now - timedelta(days=2),
        seen_at=now - timedelta(days=2, minutes=-11),
        closed_at=now - timedelta(days=2, minutes=-12),
        notified_at=now - timedelta(days=2, minutes=-1),
    )
    open_one = Incident(
        key="silent:worker:bulk",
        tone="bad",
        sentence="No worker takes jobs from “bulk”",
        stage="bulk",
        run_id=world.SAMPLES["run_id"],
        detail={"follows": ["“retention” has stopped"], "why": "", "since": None},
        opened_by="worker",
        opened_at=now - timedelta(minutes=44),
        seen_at=now - timedelta(seconds=9),
        notified_at=now - timedelta(minutes=43),
        next_notice_at=now + timedelta(hours=23),
        alarms=[
            Alarm(occasion="opened", channel="slack", outcome="failed", words="answered 500"),
            Alarm(occasion="opened", channel="email", outcome="sent", words="1 of 1 taken"),
        ],
    )
    _add(over)
    world.SAMPLES["incident_id"] = _add(open_one).id
    for role, queue in (("worker", "alerts"), ("worker", "messages"), ("worker", "bulk"), ("scheduler", None)):
        _add(
            ProcessHeartbeat(
                instance=uuid.uuid4(),
                role=role,
                host="porch-1",
                pid=4000,
                queue=queue,
                version="test",
                started_at=now - timedelta(days=2),
                seen_at=now,
                rss_kb=84_000,
            )
        )


def _beside_the_runs(now: datetime) -> None:
    """What the pages of queues, workers and integrations tell of: waiting runs, tallies, answers, a process that fell
    silent and one of another version."""
    for minutes in (-4, 5):
        _add(JobRun(kind="digests", queue="alerts", trigger="event", run_after=now + timedelta(minutes=minutes)))
    tallies.fold(now, seconds=60)
    for name, ms in ((probing.POSTGRESQL, 9.0), (probing.REDIS, 1.5), (probing.MAIL, 16.0)):
        for hours in range(40):
            is_up = not (name == probing.MAIL and hours in {3, 30})
            _add(
                IntegrationCheck(
                    name=name,
                    at=now - timedelta(hours=hours, minutes=1),
                    is_up=is_up,
                    ms=ms + hours % 5 if is_up else None,
                    words="answers" if is_up else "does not take mail: the relay: timed out",
                )
            )
    for role, queue, version, minutes in (("web", None, "test before", 0), ("worker", "attic", "test", 25)):
        _add(
            ProcessHeartbeat(
                instance=uuid.uuid4(),
                role=role,
                host="porch-2",
                pid=4001,
                queue=queue,
                version=version,
                started_at=now - timedelta(days=3),
                seen_at=now - timedelta(minutes=minutes),
                rss_kb=184_000,
                rss_first_kb=84_000,
                note="waits for Redis" if role == "web" else "",
            )
        )


def addresses(app: Flask, world: World) -> list[tuple[str, str]]:
    """(endpoint, path) of everything that answers a GET, with the ids of this world in its holes. Raises KeyError for a hole that
    the world has nothing for: add it to SAMPLES in `build`."""
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint):
        if "GET" not in (rule.methods or ()) or rule.endpoint in FILES:
            continue
        values = {name: _sample(world, rule.endpoint, name) for name in rule.arguments}
        with app.test_request_context():
            found.append((rule.endpoint, url_for(rule.endpoint, **values, _external=False)))
    return found


def _sample(world: World, endpoint: str, name: str) -> Any:
    for key in (f"{endpoint}.{name}", name):
        if key in world.SAMPLES:
            return world.SAMPLES[key]
    raise KeyError(f"{endpoint} asks for {name}: tests/browser/world.py has none in SAMPLES")
