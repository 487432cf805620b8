"""Amounts as people type them: "$450,000", "450k", "1.2m", "2,140 sq ft", "0.31 acres". Pure."""

from __future__ import annotations

import re
from decimal import Decimal

PRICE_FLOOR = Decimal("0.01")
PRICE_TOP = Decimal(1_999_999_999)
SIZE_TOP = Decimal(100_000_000_000)
SQUARE_FEET_IN_AN_ACRE = 43_560
LONGEST = 30
"""Characters of an amount; also what keeps the patterns below from trying every way to split a long text."""

_TIMES = {"": 1, "k": 1_000, "m": 1_000_000, "mio": 1_000_000}
_PRICE = re.compile(r"(?:usd|us)?\s*\$?\s*([\d.,\s]*\d[\d.,\s]*?)\s*(k|m|mio|)\s*(?:usd|dollars?|\$)?", re.IGNORECASE)
_SIZE = re.compile(r"([\d.,\s]*\d[\d.,\s]*?)\s*(?:(acres?|ac)|sq\.?\s*ft\.?|sqft|square\s+feet|sf|ft²|)", re.IGNORECASE)
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_GROUPED_BY_POINTS = re.compile(r"\d{1,3}(\.\d{3})+")


def number(text: str) -> Decimal:
    """ "1,284.50" as a Decimal. Raises ValueError, also for 450.000, which could be either of two numbers."""
    compact = re.sub(r"[\s,]", "", _short(text))
    if _GROUPED_BY_POINTS.fullmatch(compact) and not compact.startswith("0"):
        raise ValueError(text)
    return _plain(compact)


def degrees(text: str) -> Decimal:
    """ "-70.2553" as a Decimal. Raises ValueError."""
    return _plain(_short(text))


def _plain(text: str) -> Decimal:
    """No exponents: "1e999999" is eight letters to type and a million digits to count with."""
    if not _PLAIN.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _short(text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST:
        raise ValueError(text)
    return text


def price(text: str) -> Decimal:
    """Dollars, in cents at most. Raises ValueError when it is not a price, or not one a home can have."""
    match = _PRICE.fullmatch(_short(text))
    if match is None:
        raise ValueError(text)
    found = number(match[1]) * _TIMES[match[2].lower()]
    if not PRICE_FLOOR <= found <= PRICE_TOP:
        raise ValueError(text)
    return found.quantize(Decimal("0.01"))


def square_feet(text: str) -> Decimal:
    """Square feet, from acres where it says so. Raises ValueError."""
    match = _SIZE.fullmatch(_short(text))
    if match is None:
        raise ValueError(text)
    found = number(match[1]) * (SQUARE_FEET_IN_AN_ACRE if match[2] else 1)
    if found >= SIZE_TOP:
        raise ValueError(text)
    return found.quantize(Decimal("0.01"))


def short(amount: Decimal) -> str:
    """$280k, $1.25m: for a chip."""
    if amount >= 1_000_000 and amount % 10_000 == 0:
        return f"${(amount / 1_000_000).normalize():f}m"
    if amount >= 1_000 and amount % 1_000 == 0:
        return f"${amount / 1_000:,.0f}k"
    return f"${amount:,.0f}" if amount == amount.to_integral_value() else f"${amount:,.2f}"
