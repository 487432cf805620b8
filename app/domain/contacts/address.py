"""How a person can be reached, in one form each: the email address that equality is decided on, and the phone."""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

from app.domain.errors import Invalid

PHONE = re.compile(r"[+(]?\d[\d\s().\-/]*(?:\s*(?:x|ext\.?)\s*\d{1,6})?", re.IGNORECASE)


def normal_email(typed: str) -> str:
    """Trimmed, lower case, the domain as mail servers write it (IDNA); empty stays empty. Raises Invalid.

    Nothing is looked up: whether mail arrives is known from bounces, not from the door.
    """
    trimmed = typed.strip()
    if not trimmed:
        return ""
    try:
        found = validate_email(trimmed, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as wrong:
        raise Invalid(f"This is not one email address, such as amelia@example.com. {wrong}", field="email") from None
    return f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


def normal_phone(typed: str) -> str:
    """(555) 555-0148 for ten digits, with or without a leading 1; any other number as it was typed. Raises Invalid."""
    trimmed = " ".join(typed.split())
    if not trimmed:
        return ""
    digits = re.sub(r"\D", "", trimmed)
    if not PHONE.fullmatch(trimmed) or not 7 <= len(digits) <= 21:
        raise Invalid("This is not a phone number. Write it with its area code.", field="mobile_phone")
    ten = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    abroad = trimmed.startswith("+") and len(digits) == 10
    if len(ten) != 10 or abroad or "x" in trimmed.lower():
        return trimmed
    return f"({ten[:3]}) {ten[3:6]}-{ten[6:]}"
