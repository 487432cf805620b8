"""Plain functions that make one row each, with believable defaults. Anything may be named."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.models import (
    AlertMatch,
    AlertSubscription,
    AreaName,
    Contact,
    Listing,
    ListingEvent,
    Member,
    MessageEvent,
    Office,
    OutboundMessage,
    Role,
    SavedSearch,
    SavedSearchVersion,
    Suppression,
    User,
)
from app.extensions import db

_numbers = itertools.count(1)


def _add(row: Any) -> Any:
    db.session.add(row)
    db.session.commit()
    return row


def office(**values: Any) -> Office:
    n = next(_numbers)
    return _add(
        Office(
            **{
                "office_key": f"office-{n}",
                "office_name": f"Harbor & Vine {n}",
                "office_phone": "(555) 555-0117",
                "office_address1": "14 Customs House Lane",
                "office_city": "Port Ellery",
                "office_state_or_province": "ME",
                "office_postal_code": "04100",
                "time_zone": "America/New_York",
            }
            | values
        )
    )


def member(office: Office, **values: Any) -> Member:
    n = next(_numbers)
    return _add(
        Member(
            **{
                "office_id": office.id,
                "member_key": f"member-{n}",
                "member_full_name": "Dana Whitlock",
                "member_email": f"dana{n}@harborvine.example",
                "member_mobile_phone": "(555) 555-0118",
            }
            | values
        )
    )


def user(office: Office, role: Role = Role.STAFF, **values: Any) -> User:
    n = next(_numbers)
    return _add(
        User(
            **{
                "office_id": office.id,
                "email": f"{role.value}{n}@harborvine.example",
                "full_name": "Ruth Calloway",
                "role": role.value,
                "password_hash": "!",
            }
            | values
        )
    )


def contact(office: Office, **values: Any) -> Contact:
    n = next(_numbers)
    return _add(
        Contact(
            **{
                "office_id": office.id,
                "contact_key": f"contact-{n}",
                "first_name": "Amelia",
                "last_name": "Carter",
                "full_name": "Amelia Carter",
                "email": f"amelia{n}@example.com",
            }
            | values
        )
    )


def area(office: Office, name: str, kind: str = "city", **values: Any) -> AreaName:
    return _add(
        AreaName(**{"office_id": office.id, "kind": kind, "name": name, "name_normal": name.casefold()} | values)
    )


def saved_search(contact: Contact, **values: Any) -> SavedSearch:
    """A row only, with its first version: app.domain.searches.saved makes one that alerts can find."""
    n = next(_numbers)
    search = _add(
        SavedSearch(
            **{
                "office_id": contact.office_id,
                "contact_id": contact.id,
                "saved_search_key": f"search-{n}",
                "saved_search_name": f"Family home {n}",
                "criteria": {"city": ["Port Ellery"], "list_price": {"le": 525000}},
                "search_query_human_readable": "Homes in Port Ellery up to $525,000",
            }
            | values
        )
    )
    _add(SavedSearchVersion(saved_search_id=search.id, version=search.version, criteria=search.criteria))
    return search


def subscription(search: SavedSearch, **values: Any) -> AlertSubscription:
    n = next(_numbers)
    return _add(
        AlertSubscription(
            **{
                "office_id": search.office_id,
                "prospecting_key": f"prospecting-{n}",
                "saved_search_id": search.id,
                "contact_id": search.contact_id,
                "token": f"token-{n}",
            }
            | values
        )
    )


def listing(office: Office, **values: Any) -> Listing:
    """A row only, without its event: app.domain.listings.record makes one that alerts hear of."""
    n = next(_numbers)
    return _add(
        Listing(
            **{
                "office_id": office.id,
                "listing_key": f"listing-{n}",
                "listing_id": f"HV{n:06}",
                "originating_system_name": "Test MLS",
                "originating_system_key": f"{n}",
                "standard_status": "Active",
                "market_spell_no": 1,
                "list_price": 489_000,
                "property_type": "Residential",
                "property_sub_type": "Single Family Residence",
                "bedrooms_total": 4,
                "baths_equivalent": 2.5,
                "living_area": 2140,
                "year_built": 1998,
                "unparsed_address": f"{n} Alder Court",
                "city": "Port Ellery",
                "state_or_province": "ME",
                "postal_code": "04100",
                "list_office_name": "Millrace Homes",
                "list_office_phone": "(555) 555-0162",
                "private_remarks": "Lockbox 4417",
            }
            | values
        )
    )


def event(listing: Listing, kinds: int = 1, **values: Any) -> ListingEvent:
    """News of a listing as it is: 1 New, 2 Price drop, 4 Back on market. A price before is in its changes."""
    was, price = values.get("previous_list_price", listing.list_price), values.get("list_price", listing.list_price)
    return _add(
        ListingEvent(
            **{
                "office_id": listing.office_id,
                "listing_id": listing.id,
                "change_type": "Price Change" if kinds == 2 else "New Listing",
                "kinds": kinds,
                "changes": {} if was == price else {"list_price": [str(was), str(price)]},
                "origin": "live_sync",
                "alertable": True,
                "occurred_at": datetime.now(UTC),
                "standard_status": listing.standard_status,
                "list_price": listing.list_price,
                "previous_list_price": listing.list_price,
                "market_spell_no": listing.market_spell_no,
            }
            | values
        )
    )


def match(subscription: AlertSubscription, *events: ListingEvent, **values: Any) -> AlertMatch:
    """These events wait for this subscription's next digest."""
    return _add(
        AlertMatch(
            **{
                "found_on": datetime.now(UTC).date(),
                "batch_id": next(_numbers),
                "alert_subscription_id": subscription.id,
                "event_seqs": [one.seq for one in events],
            }
            | values
        )
    )


def message(contact: Contact, **values: Any) -> OutboundMessage:
    """A mail; state="sent" brings its sent_at."""
    n = next(_numbers)
    made = datetime.now(UTC)
    row = {
        "office_id": contact.office_id,
        "contact_id": contact.id,
        "stream": "alerts",
        "dedupe_key": f"message-{n}",
        "message_id": f"<message-{n}@alerts.harborvine.example>",
        "recipient": contact.email,
        "subject": f"{n} homes for {contact.first_name}",
        "expires_at": made + timedelta(days=1),
    } | values
    if row.get("state") == "sent":
        row.setdefault("sent_at", made)
    return _add(OutboundMessage(**row))


def message_event(message: OutboundMessage, event_type: str, **values: Any) -> MessageEvent:
    n = next(_numbers)
    return _add(
        MessageEvent(
            **{
                "outbound_message_id": message.id,
                "source": "smtp",
                "event_id": f"event-{n}",
                "event_type": event_type,
                "occurred_at": datetime.now(UTC),
            }
            | values
        )
    )


def suppression(office: Office, recipient: str, **values: Any) -> Suppression:
    """All alerts to an address, unless another scope is named."""
    row = {"office_id": office.id, "recipient": recipient, "scope": "stream", "reason": "unsubscribed"} | values
    if row["scope"] == "stream":
        row.setdefault("stream", "alerts")
    return _add(Suppression(**row))
