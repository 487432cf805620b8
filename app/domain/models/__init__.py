"""The nouns. One typed file each: columns, constraints, relationships; no queries."""

from app.domain.models.alert_subscription import AlertSubscription
from app.domain.models.area import AreaKind, AreaName
from app.domain.models.audit_entry import AuditEntry
from app.domain.models.canary_trip import CanaryTrip
from app.domain.models.contact import Contact
from app.domain.models.digest import (
    DEFAULT_KINDS,
    KIND_BITS,
    AlertKind,
    BuyerListing,
    Digest,
    DigestItem,
    DigestState,
    ItemOutcome,
    ListingPreference,
    MatchCause,
)
from app.domain.models.household import Household, HouseholdMail
from app.domain.models.import_batch import ImportBatch, ImportOutcome, ImportRow, ImportState
from app.domain.models.inbound_event import InboundEvent, InboundState, ProviderDay
from app.domain.models.incident import Alarm, AlarmOccasion, AlarmOutcome, Incident, IncidentTone, IntegrationCheck
from app.domain.models.job_run import (
    AttemptOutcome,
    JobAttempt,
    JobLogLine,
    JobRun,
    JobSchedule,
    ProcessHeartbeat,
    RunState,
    SchedulePause,
    Trigger,
)
from app.domain.models.job_tally import JobDay, JobHour, TableSize
from app.domain.models.listing import Listing, ListingEvent
from app.domain.models.mail_hold import HoldCause, HoldState, MailHold
from app.domain.models.match import AlertMatch, MatchBatch, MatchCursor, WaitsFor
from app.domain.models.member import Member
from app.domain.models.office import Office
from app.domain.models.open_house import ListingOwner, OpenHouse, OpenHouseStatus, OpenHouseType
from app.domain.models.outbound_message import (
    Cause,
    EventType,
    MessageEvent,
    MessageState,
    OutboundMessage,
    ReceivingSite,
    Stream,
)
from app.domain.models.saved_search import SavedSearch, SavedSearchVersion, SearchChange, SearchKey
from app.domain.models.subscription_past import SubscriptionPast
from app.domain.models.suppression import Suppression, SuppressionReason, SuppressionScope
from app.domain.models.user import Role, User

__all__ = [
    "DEFAULT_KINDS",
    "KIND_BITS",
    "Alarm",
    "AlarmOccasion",
    "AlarmOutcome",
    "AlertKind",
    "AlertMatch",
    "AlertSubscription",
    "AreaKind",
    "AreaName",
    "AttemptOutcome",
    "AuditEntry",
    "BuyerListing",
    "CanaryTrip",
    "Cause",
    "Contact",
    "Digest",
    "DigestItem",
    "DigestState",
    "EventType",
    "HoldCause",
    "HoldState",
    "Household",
    "HouseholdMail",
    "ImportBatch",
    "ImportOutcome",
    "ImportRow",
    "ImportState",
    "InboundEvent",
    "InboundState",
    "Incident",
    "IncidentTone",
    "IntegrationCheck",
    "ItemOutcome",
    "JobAttempt",
    "JobDay",
    "JobHour",
    "JobLogLine",
    "JobRun",
    "JobSchedule",
    "Listing",
    "ListingEvent",
    "ListingOwner",
    "ListingPreference",
    "MailHold",
    "MatchBatch",
    "MatchCause",
    "MatchCursor",
    "Member",
    "MessageEvent",
    "MessageState",
    "Office",
    "OpenHouse",
    "OpenHouseStatus",
    "OpenHouseType",
    "OutboundMessage",
    "ProcessHeartbeat",
    "ProviderDay",
    "ReceivingSite",
    "Role",
    "RunState",
    "SavedSearch",
    "SavedSearchVersion",
    "SchedulePause",
    "SearchChange",
    "SearchKey",
    "Stream",
    "SubscriptionPast",
    "Suppression",
    "SuppressionReason",
    "SuppressionScope",
    "TableSize",
    "Trigger",
    "User",
    "WaitsFor",
]
