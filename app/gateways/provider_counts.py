"""What a mail provider itself counts of a day: Mailgun's."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

import orjson

from app.gateways import wire

SECONDS = 20.0


class Unanswered(Exception):
    """No answer, or none that can be read; the words hold no key."""


@dataclass(frozen=True)
class Counted:
    accepted: int
    delivered: int


def count_of_mailgun(url: str, key: str, domain: str, day: date) -> Counted:
    """What Mailgun took and delivered on a UTC day (POST /v1/analytics/metrics). Raises Unanswered."""
    since = datetime.combine(day, time(), UTC)
    question = {
        "start": format_datetime(since),
        "end": format_datetime(since + timedelta(days=1) - timedelta(seconds=1)),
        "resolution": "day",
        "dimensions": ["time"],
        "metrics": ["accepted_outgoing_count", "delivered_count"],
        "filter": {"AND": [{"attribute": "domain", "comparator": "=", "values": [{"label": domain, "value": domain}]}]},
    }
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"api:{key}".encode()).decode(),
        "Content-Type": "application/json",
        "User-Agent": "Porchlight",
    }
    try:
        reply = wire.ask(
            f"{url.rstrip('/')}/v1/analytics/metrics", seconds=SECONDS, body=orjson.dumps(question), headers=headers
        )
        if reply.status != 200:
            raise Unanswered(f"answered {reply.status}")
        items = orjson.loads(reply.body)["items"]
        found = [each["metrics"] for each in items]
        return Counted(
            sum(int(each.get("accepted_outgoing_count") or 0) for each in found),
            sum(int(each.get("delivered_count") or 0) for each in found),
        )
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"does not answer ({type(error).__name__})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unanswered(f"an answer that cannot be read ({type(error).__name__})") from error
