"""RESO lookup values used in columns and criteria (Data Dictionary 2.0)."""

from enum import StrEnum


class StandardStatus(StrEnum):
    """Locked by RESO: these eleven and no other."""

    ACTIVE = "Active"
    ACTIVE_UNDER_CONTRACT = "Active Under Contract"
    CANCELED = "Canceled"
    CLOSED = "Closed"
    COMING_SOON = "Coming Soon"
    DELETE = "Delete"
    EXPIRED = "Expired"
    HOLD = "Hold"
    INCOMPLETE = "Incomplete"
    PENDING = "Pending"
    WITHDRAWN = "Withdrawn"


ON_MARKET = frozenset({StandardStatus.ACTIVE, StandardStatus.ACTIVE_UNDER_CONTRACT, StandardStatus.COMING_SOON})
"""Pending is off market, Active Under Contract is on it (RESO's meaning, not the word's)."""


class PropertyType(StrEnum):
    """Open in RESO: a feed may bring others, which are kept as they came."""

    RESIDENTIAL = "Residential"
    RESIDENTIAL_INCOME = "Residential Income"
    RESIDENTIAL_LEASE = "Residential Lease"
    LAND = "Land"
    FARM = "Farm"
    COMMERCIAL_SALE = "Commercial Sale"
    COMMERCIAL_LEASE = "Commercial Lease"
    BUSINESS_OPPORTUNITY = "Business Opportunity"
    MANUFACTURED_IN_PARK = "Manufactured In Park"


class PropertySubType(StrEnum):
    """Open in RESO; the order is the bit number in search_key and must only grow at the end."""

    AGRICULTURE = "Agriculture"
    APARTMENT = "Apartment"
    BOAT_SLIP = "Boat Slip"
    BUSINESS = "Business"
    CABIN = "Cabin"
    CONDOMINIUM = "Condominium"
    CO_OWNERSHIP = "Co-Ownership"
    DEEDED_PARKING = "Deeded Parking"
    DUPLEX = "Duplex"
    FARM = "Farm"
    HOTEL_MOTEL = "Hotel/Motel"
    INDUSTRIAL = "Industrial"
    MANUFACTURED_HOME = "Manufactured Home"
    MANUFACTURED_ON_LAND = "Manufactured On Land"
    MIXED_USE = "Mixed Use"
    MOBILE_HOME = "Mobile Home"
    MOBILE_HOME_PARK = "Mobile Home Park"
    MULTI_FAMILY = "Multi Family"
    OFFICE = "Office"
    OWN_YOUR_OWN = "Own Your Own"
    QUADRUPLEX = "Quadruplex"
    RANCH = "Ranch"
    RETAIL = "Retail"
    SINGLE_FAMILY_RESIDENCE = "Single Family Residence"
    STOCK_COOPERATIVE = "Stock Cooperative"
    TENANCY_IN_COMMON = "Tenancy in Common"
    TIMESHARE = "Timeshare"
    TOWNHOUSE = "Townhouse"
    TRIPLEX = "Triplex"
    UNIMPROVED_LAND = "Unimproved Land"
    WAREHOUSE = "Warehouse"


class SpecialListingConditions(StrEnum):
    """Open in RESO; the order is the bit number in listing_event.special_conditions and must only grow at the end."""

    AUCTION = "Auction"
    BANKRUPTCY_PROPERTY = "Bankruptcy Property"
    CONSERVATORSHIP = "Conservatorship"
    HUD_OWNED = "HUD Owned"
    IN_FORECLOSURE = "In Foreclosure"
    NOTICE_OF_DEFAULT = "Notice Of Default"
    PROBATE_LISTING = "Probate Listing"
    REAL_ESTATE_OWNED = "Real Estate Owned"
    SHORT_SALE = "Short Sale"
    STANDARD = "Standard"
    THIRD_PARTY_APPROVAL = "Third Party Approval"
    TRUST = "Trust"


class FeeFrequency(StrEnum):
    """How often a fee is due. Open in RESO."""

    ANNUALLY = "Annually"
    BI_MONTHLY = "Bi-Monthly"
    BI_WEEKLY = "Bi-Weekly"
    DAILY = "Daily"
    MONTHLY = "Monthly"
    ONE_TIME = "One Time"
    QUARTERLY = "Quarterly"
    SEASONAL = "Seasonal"
    SEMI_ANNUALLY = "Semi-Annually"
    SEMI_MONTHLY = "Semi-Monthly"
    WEEKLY = "Weekly"


PAYMENTS_A_YEAR: dict[str, int] = {
    FeeFrequency.ANNUALLY: 1,
    FeeFrequency.SEMI_ANNUALLY: 2,
    FeeFrequency.QUARTERLY: 4,
    FeeFrequency.BI_MONTHLY: 6,
    FeeFrequency.MONTHLY: 12,
    FeeFrequency.SEMI_MONTHLY: 24,
    FeeFrequency.BI_WEEKLY: 26,
    FeeFrequency.WEEKLY: 52,
    FeeFrequency.DAILY: 365,
}
"""A fee paid once or by the season has no amount for a month."""


class ChangeType(StrEnum):
    """RESO ChangeType, plus two of ours: ATTRIBUTES for a write that changes neither price nor status, and OPEN_HOUSE."""

    NEW_LISTING = "New Listing"
    PRICE_CHANGE = "Price Change"
    BACK_ON_MARKET = "Back On Market"
    ACTIVE = "Active"
    ACTIVE_UNDER_CONTRACT = "Active Under Contract"
    CANCELED = "Canceled"
    CLOSED = "Closed"
    COMING_SOON = "Coming Soon"
    DELETED = "Deleted"
    EXPIRED = "Expired"
    HOLD = "Hold"
    PENDING = "Pending"
    WITHDRAWN = "Withdrawn"
    ATTRIBUTES = "Attributes"
    OPEN_HOUSE = "Open House"


class Origin(StrEnum):
    """Where a listing write came from (PA-02). Only live_sync and manual may alert anybody."""

    LIVE_SYNC = "live_sync"
    MANUAL = "manual"
    CORRECTION = "correction"
    BACKFILL = "backfill"
    MIGRATION = "migration"
    REPLAY = "replay"


ALERTABLE_ORIGINS = frozenset({Origin.LIVE_SYNC, Origin.MANUAL})


class ScheduleType(StrEnum):
    ASAP = "ASAP"
    DAILY = "Daily"
    MONTHLY = "Monthly"


class ReasonActiveOrDisabled(StrEnum):
    """RESO's own words for why a saved search's alerts are on or off."""

    AGENT_DISABLED = "Agent Disabled"
    CLIENT_DISABLED = "Client Disabled"
    CONCIERGE_NOTIFICATION = "Concierge Notification"
    FINAL_IGNORED_WARNING = "Final Ignored Warning"
    IGNORED = "Ignored"
    INITIAL_IGNORED_WARNING = "Initial Ignored Warning"
    INVALID = "Invalid"
    NO_LISTINGS_FOUND = "No Listings Found"
    NO_LISTINGS_FOUND_WARNING = "No Listings Found Warning"
    NO_ONE_TO_SEND_TO = "No One To Send To"
    OVER_LIMIT = "Over Limit"
    RE_ACTIVATED = "Re-Activated"
    REVISED = "Revised"
    SEARCH_FAILING = "Search Failing"
    WELCOME_EMAIL_IGNORED = "Welcome Email Ignored"
    WELCOME_EMAIL_IGNORED_WARNING = "Welcome Email Ignored Warning"


class ContactStatus(StrEnum):
    ACTIVE = "Active"
    DELETED = "Deleted"
    INACTIVE = "Inactive"
    ON_VACATION = "On Vacation"


class MemberStatus(StrEnum):
    ACTIVE = "Active"
    INACTIVE = "Inactive"
