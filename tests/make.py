"""Plain functions that make one row each, with believable defaults. Anything may be named."""

from __future__ import annotations

import itertools
from typing import Any

from app.domain.models import Contact, Member, Office, Role, User
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
