"""From a queued message to the relay's 250: the app's own sender against a raw floor and against the usual stack.

    make bench-mail                          about eight minutes, most of it the 100,000 messages of the memory check
    make bench-mail args="--memory 0"        without them
    make bench-mail args="--profile"         where the sender's time goes

ours   send_due as the job calls it: claim, last look, ten homes in text and HTML, CSS inlined, composed, over SMTP to a
       sink in a process of its own; the outcome of each message committed with the begin of the next, fsync on
floor  the same bytes over one raw socket with RFC 2920 pipelining: no database, no rendering
naive  what one writes first: a SELECT through the ORM for the message and its homes, the same templates, an inliner
       made for each, EmailMessage, a connection for each, a commit before and after (premailer where it is installed,
       which costs fifty times css-inline; else css-inline)

CPU is the sending process's own; PostgreSQL's and the sink's are theirs. The ways take turns within one run.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import os
import pstats
import random
import smtplib
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import css_inline
from jinja2 import Environment
from sqlalchemy import func, select, text

from app.domain.digests.build import build_some
from app.domain.digests.letters import COMPOSERS
from app.domain.messages.mime import Letter, assemble
from app.domain.messages.send import send_due
from app.domain.models import (
    AlertMatch,
    AlertSubscription,
    Contact,
    DigestItem,
    Listing,
    ListingEvent,
    Member,
    MessageState,
    Office,
    OutboundMessage,
    SavedSearch,
    SavedSearchVersion,
)
from app.extensions import db, settings
from app.gateways.mail import Relay
from benchmarks._ground import scratch_app
from benchmarks._report import median, report, say
from benchmarks._sink import sink

SEED = 20261120
ROUNDS = 5
SIZE = 1_000
"""Messages of a round."""
NAIVE = 200
HOMES = 300
IN_EACH = 10
MEMORY = 100_000
REPEAT = 5_000
"""Messages that are queued again and again for the memory check."""


class Bench:
    def __init__(self, url: str) -> None:
        self.url = url
        self.random = random.Random(SEED)
        self.people = 0
        self.windows = datetime.now(UTC) - timedelta(minutes=30)
        office = Office(
            office_key="bench",
            office_name="Harbor & Vine",
            office_phone="(555) 555-0117",
            office_address1="14 Customs House Lane",
            office_city="Port Ellery",
            office_state_or_province="ME",
            office_postal_code="04100",
            time_zone="America/New_York",
        )
        db.session.add(office)
        db.session.flush()
        self.office = office.id
        agent = Member(
            office_id=self.office,
            member_key="agent",
            member_full_name="Dana Whitlock",
            member_email="dana@harborvine.example",
            member_mobile_phone="(555) 555-0118",
        )
        db.session.add(agent)
        db.session.flush()
        self.agent = agent.id
        self.events = self._homes()
        db.session.commit()

    def _homes(self) -> list[int]:
        homes = [
            Listing(
                office_id=self.office,
                listing_key=f"listing-{n}",
                listing_id=f"HV{n:06}",
                originating_system_name="Bench MLS",
                originating_system_key=str(n),
                standard_status="Active",
                market_spell_no=1,
                list_price=self.random.randrange(200, 900) * 1000,
                property_type="Residential",
                property_sub_type="Single Family Residence",
                bedrooms_total=self.random.randint(2, 5),
                baths_equivalent=self.random.choice((1, 1.5, 2, 2.5, 3)),
                living_area=self.random.randrange(900, 3600),
                year_built=self.random.randrange(1900, 2025),
                unparsed_address=f"{self.random.randrange(1, 900)} {self.random.choice(('Alder', 'Elm', 'Quay'))} Court",
                city="Port Ellery",
                state_or_province="ME",
                postal_code="04100",
                list_office_name="Millrace Homes",
                list_office_phone="(555) 555-0162",
            )
            for n in range(HOMES)
        ]
        db.session.add_all(homes)
        db.session.flush()
        events = [
            ListingEvent(
                office_id=self.office,
                listing_id=home.id,
                change_type="New Listing",
                kinds=1,
                changes={"standard_status": [None, "Active"], "list_price": [None, home.list_price]},
                origin="live_sync",
                alertable=True,
                occurred_at=datetime.now(UTC),
                standard_status="Active",
                list_price=home.list_price,
                previous_list_price=home.list_price,
                market_spell_no=1,
            )
            for home in homes
        ]
        db.session.add_all(events)
        db.session.flush()
        return [event.seq for event in events]

    def queue(self, size: int) -> None:
        """That many buyers with one search each, for which ten homes have news; built as the job builds them."""
        first, self.people = self.people, self.people + size
        buyers = [
            Contact(
                office_id=self.office,
                contact_key=f"buyer-{n}",
                first_name="Amelia",
                full_name="Amelia Carter",
                email=f"buyer{n}@d{n % 97}.example",  # more domains than the pace of one would slow down
                owner_member_id=self.agent,
            )
            for n in range(first, self.people)
        ]
        db.session.add_all(buyers)
        db.session.flush()
        searches = [
            SavedSearch(
                office_id=self.office,
                contact_id=buyer.id,
                saved_search_key=buyer.contact_key,
                saved_search_name="Family home, Alder Glen",
                criteria={"city": ["Port Ellery"], "list_price": {"le": 900000}, "bedrooms_total": {"ge": 2}},
            )
            for buyer in buyers
        ]
        db.session.add_all(searches)
        db.session.flush()
        db.session.add_all(
            SavedSearchVersion(saved_search_id=search.id, version=1, criteria=search.criteria) for search in searches
        )
        subscriptions = [
            AlertSubscription(
                office_id=self.office,
                prospecting_key=search.saved_search_key,
                saved_search_id=search.id,
                contact_id=search.contact_id,
                token=f"token-{search.saved_search_key}",
                since_snapshot="1:1:",
            )
            for search in searches
        ]
        db.session.add_all(subscriptions)
        db.session.flush()
        db.session.add_all(
            AlertMatch(
                found_on=datetime.now(UTC).date(),
                batch_id=10_000_000,
                alert_subscription_id=subscription.id,
                event_seqs=sorted(self.random.sample(self.events, IN_EACH)),
            )
            for subscription in subscriptions
        )
        db.session.commit()
        self.windows += timedelta(seconds=1)
        while build_some(self.windows, datetime.now(UTC)) is not None:
            db.session.commit()
        db.session.commit()
        db.session.expunge_all()
        waiting = db.session.scalar(
            select(func.count()).select_from(OutboundMessage).where(OutboundMessage.state == MessageState.QUEUED)
        )
        assert waiting == size, f"{waiting} of {size} messages were built"
        db.session.commit()

    def queue_again(self) -> None:
        db.session.execute(
            text(
                "UPDATE outbound_message SET state = 'queued', sent_at = NULL, attempting_at = NULL, attempts = 0,"
                " not_before = now(), expires_at = now() + interval '4 hours'"
            )
        )
        db.session.execute(text("DELETE FROM message_event"))
        db.session.commit()
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM outbound_message, message_event, buyer_listing, alert_subscription"))

    # The three ways

    def relay(self) -> Relay:
        return Relay(self.url, hostname="alerts.harborvine.example")

    def ours(self, size: int) -> None:
        counts = send_due(COMPOSERS, relay=self.relay())
        assert counts["sent"] == size, counts

    def floor(self, contents: list[bytes], size: int) -> None:
        where = urlsplit(self.url)
        with socket.create_connection((where.hostname, where.port)) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.sendall(b"EHLO floor\r\n")
            self._read(wire, 2)
            begin = b"MAIL FROM:<bounce@alerts.example>\r\nRCPT TO:<buyer@example.com>\r\nDATA\r\n"
            wire.sendall(begin)
            self._read(wire, 3)
            for n in range(size):
                content = contents[n % len(contents)]
                last = n == size - 1
                wire.sendall(content + (b".\r\nQUIT\r\n" if last else b".\r\n" + begin))
                self._read(wire, 2 if last else 4)

    @staticmethod
    def _read(wire: socket.socket, finals: int) -> None:
        """Until that many final reply lines were read."""
        found = b""
        while sum(line[3:4] == b" " for line in found.split(b"\r\n")) < finals:
            found += wire.recv(4096)

    def naive(self, size: int) -> None:
        waiting = select(OutboundMessage.id).where(OutboundMessage.state == MessageState.QUEUED).limit(size)
        for number in db.session.scalars(waiting).all():
            message = db.session.get_one(OutboundMessage, number)
            letter = _usual_letter(message)
            message.state, message.lease_token = MessageState.SENDING.value, uuid4()
            db.session.commit()
            where = urlsplit(self.url)
            with smtplib.SMTP(where.hostname or "", where.port or 25) as line:
                line.send_message(letter)
            message.state, message.sent_at, message.lease_token = MessageState.SENT.value, datetime.now(UTC), None
            db.session.commit()
            db.session.expunge_all()


_RULES = " ".join(
    f".{name} {{ {rule} }}"
    for name, rule in {
        "wide": "width: 100%; border-collapse: collapse",
        "box": "width: 600px; max-width: 600px",
        "outer": "padding: 24px 12px 32px",
        "dusk": "padding: 24px 32px 28px; background: #1f2838; color: #ffffff; border-radius: 10px 10px 0 0",
        "home": "padding: 24px 32px; border-bottom: 1px solid #e4e7ec",
        "plate": "width: 96px; padding-right: 20px; vertical-align: top",
        "door": "display: block; padding: 22px 4px 20px; border-radius: 8px; background: #1f2838; color: #f7c873",
        "text": "vertical-align: top",
        "kind": "display: inline-block; padding: 1px 8px; border-radius: 4px; font-size: 12px; font-weight: 600",
        "name": "font: 20px/26px Georgia, serif; color: #1d2636; text-decoration: none",
        "soft": "font-size: 14px; line-height: 20px; color: #4b5567",
        "cost": "padding: 25px 0 0 12px; vertical-align: top; text-align: right; white-space: nowrap; font-weight: 600",
        "fine": "padding-top: 6px; font-size: 13px; line-height: 18px; color: #626d7f",
        "foot": "padding: 22px 32px 0; font-size: 12px; line-height: 18px; color: #596375",
    }.items()
)
_HTML = """<!doctype html><html><head><title>{{ subject }}</title><style>__RULES__</style></head><body>
<table class="wide"><tr><td class="outer"><table class="box"><tr><td class="dusk">{{ subject }}</td></tr>
{% for item, home in homes %}<tr><td class="home"><table class="wide"><tr>
<td class="plate"><a class="door" href="https://example.com/{{ home.id }}">{{ loop.index }}</a></td>
<td class="text"><span class="kind">{{ item.kind }}</span><br><a class="name" href="https://example.com/{{ home.id }}">
{{ home.unparsed_address }}</a><div class="soft">{{ home.city }}, {{ home.state_or_province }}</div>
<div class="soft">{{ home.bedrooms_total }} beds, {{ home.living_area }} sq ft, built {{ home.year_built }}</div>
<div class="fine">Matches {{ search.saved_search_name }}.<br>Listed by {{ home.list_office_name }}</div></td>
<td class="cost">{{ "${:,.0f}".format(item.price_shown) }}</td></tr></table></td></tr>{% endfor %}
<tr><td class="foot">{{ office.office_name }}</td></tr></table></td></tr></table></body></html>"""
_TEXT = """{{ subject }}
{% for item, home in homes %}
{{ loop.index }}. {{ item.kind }}: {{ home.unparsed_address }}, {{ "${:,.0f}".format(item.price_shown) }}
https://example.com/{{ home.id }}
{% endfor %}"""


def _usual_letter(message: OutboundMessage) -> EmailMessage:
    """By the book of each library, and no more: no last look."""
    items = db.session.scalars(
        select(DigestItem).where(DigestItem.digest_id == message.digest_id).order_by(DigestItem.position)
    ).all()
    homes = [(item, db.session.get_one(Listing, item.listing_id)) for item in items]
    buyer = db.session.get_one(Contact, message.contact_id)
    values = {
        "subject": f"{len(homes)} homes for {buyer.first_name}",
        "homes": homes,
        "search": db.session.get_one(SavedSearch, items[0].saved_search_id),
        "office": db.session.get_one(Office, message.office_id),
    }
    letter = EmailMessage()
    letter["From"] = settings().mail_from
    letter["To"] = message.recipient
    letter["Subject"] = values["subject"]
    letter["Date"] = format_datetime(datetime.now(UTC))
    letter["Message-ID"] = message.message_id
    letter.set_content(_USUAL["text"].render(values))
    letter.add_alternative(_inlined(_USUAL["html"].render(values)), subtype="html")
    return letter


_ENVIRONMENT = Environment(autoescape=True)
_USUAL = {
    "text": _ENVIRONMENT.from_string(_TEXT),
    "html": _ENVIRONMENT.from_string(_HTML.replace("__RULES__", _RULES)),
}
INLINER = "premailer" if importlib.util.find_spec("premailer") else "css-inline"


def _inlined(html: str) -> str:
    if INLINER == "premailer":
        import premailer

        return str(premailer.transform(html))
    return css_inline.CSSInliner(load_remote_stylesheets=False).inline(html)


def cpu(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of this process's own time, and of the clock's."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - began_cpu, time.perf_counter() - began


def resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def letters_of(size: int) -> list[bytes]:
    """Some of the mails as ours writes them, for the floor to carry."""
    found = db.session.scalars(select(OutboundMessage).where(OutboundMessage.body_html.is_not(None)).limit(size)).all()
    from app.domain.messages.mime import Mailbox

    contents = [
        assemble(
            Letter(
                sender=Mailbox("alerts@alerts.harborvine.example"),
                recipient=Mailbox(row.recipient),
                reply_to=None,
                subject=row.subject or "",
                text=row.body_text or "",
                html=row.body_html or "",
                message_id=row.message_id,
                date=datetime.now(UTC),
                envelope_sender="bounce@alerts.harborvine.example",
            )
        ).replace(b"\r\n.", b"\r\n..")
        for row in found
    ]
    db.session.rollback()
    return contents


def memory(bench: Bench, messages: int) -> tuple[float, int]:
    """Growth in MB between the first few thousand and the last of so many messages."""
    rounds = max(messages // REPEAT, 1)
    bench.queue_again()
    before = 0.0
    for number in range(rounds):
        bench.queue_again()
        waiting = db.session.scalar(text("SELECT count(*) FROM outbound_message WHERE state = 'queued'")) or 0
        db.session.commit()
        bench.ours(waiting)
        if number == 0:
            before = resident_mb()
        if number % 4 == 3:
            say(f"{(number + 1) * waiting:,} messages, {resident_mb():.1f} MB")
    return resident_mb() - before, rounds * waiting


def profile(bench: Bench, size: int) -> None:
    bench.queue(size)
    bench.ours(size)
    bench.queue(size)
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(bench.ours, size)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)


def measure(bench: Bench, rounds: int, size: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {}

    def note(name: str, took: tuple[float, float], count: int) -> None:
        samples.setdefault(f"{name}_cpu_ms", []).append(took[0] / count * 1000)
        samples.setdefault(f"{name}_ms", []).append(took[1] / count * 1000)

    bench.queue(200)
    bench.ours(200)  # to warm up
    contents = letters_of(200)
    for number in range(rounds):
        bench.queue(size)
        note("ours", cpu(lambda: bench.ours(size)), size)
        note("floor", cpu(lambda: bench.floor(contents, size)), size)
        bench.queue(NAIVE)
        note("naive", cpu(lambda: bench.naive(NAIVE)), NAIVE)
        say(f"round {number + 1}: " + "  ".join(f"{name} {values[-1]:.3f}" for name, values in samples.items()))
    samples["bytes"] = [float(len(content)) for content in contents]
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--size", type=int, default=SIZE, help="messages of a round")
    parser.add_argument("--memory", type=int, default=MEMORY, help="messages of the memory check; 0 leaves it out")
    parser.add_argument("--profile", action="store_true", help="print where the sender's time goes, and nothing else")
    asked = parser.parse_args()
    with scratch_app("mail"), sink() as url:
        bench = Bench(url)
        if asked.profile:
            profile(bench, asked.size)
            return
        samples = measure(bench, asked.rounds, asked.size)
        middle = {name: median(values) for name, values in samples.items()}
        figures = {
            "cpu_ms_per_message": middle["ours_cpu_ms"],
            "messages_per_s_core": 1000 / middle["ours_cpu_ms"],
            "messages_per_s_wall": 1000 / middle["ours_ms"],
            "vs_floor": middle["ours_cpu_ms"] / middle["floor_cpu_ms"],
            "vs_naive": middle["naive_cpu_ms"] / middle["ours_cpu_ms"],
        }
        data: dict[str, Any] = {
            "messages_each_round": asked.size,
            "naive_messages_each_round": NAIVE,
            "rounds": asked.rounds,
            "homes_each": IN_EACH,
            "bytes_each": round(middle["bytes"]),
            "naive_inliner": INLINER,
            "seed": SEED,
        }
        if asked.memory:
            bench.queue(min(REPEAT, asked.memory))
            grown, sent = memory(bench, asked.memory)
            figures["rss_growth_mb_100k"] = grown * 100_000 / sent if sent < 100_000 else grown
            data["messages_of_memory_check"] = sent
    report("mail", data=data, figures=figures, samples=samples)


if __name__ == "__main__":
    main()
