"""The list of listings: what its address line says is what a person sees, however oddly it is written."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.listings.record import record
from tests.counting import queries_of

HOSTILE = '"><script>alert(1)</script>'
NOW = datetime.now(UTC)


def page(client, url, status=200, **options):
    answer = client.get(url, **options)
    assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
    return answer.get_data(as_text=True)


def addresses(html):
    """The addresses of the rows, in their order."""
    return re.findall(r'class="row-link" href="[^"]+">([^<]+)<', html)


def home(office, address, *, days=10, **values):
    """A home recorded `days` ago, event and all."""
    row = {
        "originating_system_key": address,
        "listing_id": f"PE-{len(address)}",
        "standard_status": "Active",
        "list_price": Decimal(400_000),
        "unparsed_address": address,
        "city": "Port Ellery",
        "postal_code": "04100",
        "property_type": "Residential",
        "property_sub_type": "Single Family Residence",
        "bedrooms_total": 3,
        "bathrooms_full": 2,
        "living_area": Decimal(1800),
    } | values
    written = record(office.id, "Test MLS", [row], origin="live_sync", now=NOW - timedelta(days=days))
    return written.rows[0].listing_id


@pytest.fixture
def street(office, db):
    """Six homes that differ in all that the list filters and sorts by."""
    home(office, "1 Alder Court", days=1, list_price=Decimal(300_000), bedrooms_total=2)
    home(office, "2 Birch Lane", days=3, list_price=Decimal(450_000), bedrooms_total=4, bathrooms_half=1)
    home(office, "3 Cedar Row", days=30, city="Quarry Hill", postal_code="04101", property_sub_type="Condominium")
    home(office, "4 Dogwood Way", days=90, list_price=None, bedrooms_total=None, living_area=None)
    home(office, "5 Elm Rise", days=20, standard_status="Pending", list_price=Decimal(500_000))
    home(office, "6 Fir Close", days=40, list_price=Decimal(600_000))
    home(office, "6 Fir Close", days=2, list_price=Decimal(570_000))
    db.session.commit()


def test_the_list_begins_with_what_is_for_sale_newest_change_first(as_viewer, street):
    shown = page(as_viewer, "/listings")
    assert addresses(shown) == ["1 Alder Court", "6 Fir Close", "2 Birch Lane", "3 Cedar Row", "4 Dogwood Way"]
    assert "1–5 of 5" in shown
    assert 'aria-sort="descending"' in shown
    for words in ("5.0 %", "was $600,000", "$570,000", "Port Ellery", ">New<"):
        assert words in shown


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("q=birch", ["2 Birch Lane"]),
        ("q=BIRCH+lane", ["2 Birch Lane"]),
        ("q=lane+birch", ["2 Birch Lane"]),
        ("q=04101", ["3 Cedar Row"]),
        ("q=100%25", []),
        ("q=_", []),
        ("status=Pending", ["5 Elm Rise"]),
        ("status=pending&status=Active&price_min=500k", ["6 Fir Close", "5 Elm Rise"]),
        ("price_min=450k", ["6 Fir Close", "2 Birch Lane"]),
        ("price_max=%24300%2C000", ["1 Alder Court"]),
        ("price_min=300000&price_max=450000", ["1 Alder Court", "2 Birch Lane", "3 Cedar Row"]),
        ("price_min=450k&price_max=300k", ["1 Alder Court", "2 Birch Lane", "3 Cedar Row"]),
        ("beds=4", ["2 Birch Lane"]),
        ("baths=2.5", ["2 Birch Lane"]),
        ("city=quarry+hill", ["3 Cedar Row"]),
        ("city=Quarry+Hill,Nowhere", ["3 Cedar Row"]),
        ("postal_code=04101-1234", ["3 Cedar Row"]),
        ("sub_type=condominium", ["3 Cedar Row"]),
        ("type=Land", []),
        ("view=new", ["1 Alder Court", "2 Birch Lane"]),
        ("view=drops", ["6 Fir Close"]),
        ("view=stale", ["4 Dogwood Way"]),
        ("view=all&q=elm", ["5 Elm Rise"]),
        (f"since={(NOW - timedelta(days=4)).date()}", ["1 Alder Court", "6 Fir Close", "2 Birch Lane"]),
    ],
)
def test_each_filter_narrows_the_list(as_viewer, street, asked, expected):
    assert addresses(page(as_viewer, f"/listings?{asked}")) == expected


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("address", "1 Alder Court", "6 Fir Close"),
        ("-address", "6 Fir Close", "1 Alder Court"),
        ("price", "1 Alder Court", "4 Dogwood Way"),
        ("-price", "6 Fir Close", "4 Dogwood Way"),
        ("-beds", "2 Birch Lane", "4 Dogwood Way"),
        ("dom", "1 Alder Court", "4 Dogwood Way"),
        ("-dom", "4 Dogwood Way", "1 Alder Court"),
        ("changed", "4 Dogwood Way", "1 Alder Court"),
    ],
)
def test_columns_sort_and_what_is_unknown_comes_last(as_viewer, street, sort, first, last):
    shown = addresses(page(as_viewer, f"/listings?sort={sort}"))
    assert (shown[0], shown[-1]) == (first, last)


def test_the_very_mls_number_comes_before_those_that_contain_it(as_viewer, office, make):
    for number in ("PE-10010", "PE-1001", "PE-100101"):
        make.listing(office, listing_id=number, unparsed_address=number, search_text=number.lower())
    assert addresses(page(as_viewer, "/listings?q=pe-1001&sort=-address"))[0] == "PE-1001"
    assert addresses(page(as_viewer, "/listings?q=pe-1002&sort=-address")) == []


def test_the_head_of_the_sorted_column_says_so_and_turns_the_order_round(as_viewer, street):
    shown = page(as_viewer, "/listings?sort=-price&beds=1")
    assert 'aria-sort="descending"><a class="sort" id="by-price" href="/listings?beds=1&amp;sort=price"' in shown
    assert 'aria-sort="none"><a class="sort" id="by-beds" href="/listings?beds=1&amp;sort=-beds"' in shown


@pytest.mark.parametrize("sort", ["status", "-status", "sqft", "-sqft", "baths", "-baths", "beds", "-price", "dom"])
def test_pages_neither_repeat_nor_skip_a_row_when_all_are_equal(as_viewer, office, make, sort):
    for _ in range(45):
        make.listing(office, on_market_timestamp=NOW)
    seen = [
        address
        for number in (1, 2, 3)
        for address in addresses(page(as_viewer, f"/listings?sort={sort}&size=20&page={number}"))
    ]
    assert len(seen) == len(set(seen)) == 45


def test_paging_says_where_one_is_and_keeps_the_filters(as_viewer, office, make):
    for _ in range(45):
        make.listing(office)
    shown = page(as_viewer, "/listings?size=20&page=2&beds=3")
    assert "21–40 of 45" in shown
    assert 'href="/listings?beds=3&amp;page=3&amp;size=20"' in shown
    assert 'rel="prev" href="/listings?beds=3&amp;size=20"' in shown


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ("price_min=abc", "Lowest price “abc” is not a price"),
        ("price_max=450.000", "Highest price “450.000” is not a price"),
        ("price_max=NaN", "is not a price"),
        ("price_min=1e99999999", "is not a price"),
        ("beds=lots", "is not a count of beds"),
        ("beds=99999999999999999999999", "is not a count of beds"),
        ("baths=-1", "is not a count of baths"),
        ("since=yesterday", "is not a date"),
        ("since=0001-01-01", "is not a date"),
        ("status=Sold", "Status “Sold” is not one we know"),
        ("sort=evil", "There is no column “evil”"),
        ("sort=-id;drop table listing", "There is no column"),
        ("view=secret", "There is no tab “secret”"),
        ("page=-1", "Pages are numbered from 1"),
        ("page=abc", "is not a page number"),
        ("page=1000000000", "this is the last one"),
        ("page=1000000000000000000000000", "is not a page number"),
        ("size=7", "A page shows 20, 50 or 100 rows"),
        ("size=100000", "A page shows 20, 50 or 100 rows"),
        (f"price_min={HOSTILE}", "is not a price"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(as_viewer, street, asked, note):
    shown = page(as_viewer, f"/listings?{asked}")
    assert note in shown
    assert "1 Alder Court" in shown
    assert "<script>alert" not in shown


def test_odd_bytes_in_the_address_line_harm_nothing(as_viewer, street):
    for odd in (
        "q=%00",
        "city=%00x",
        "q=%ff%fe",
        "q=" + "a+" * 400,
        "status=%00",
        "at=%00",
        "q=%F0%9F%8F%A0",
        "q=%27%22%3B--",
    ):
        page(as_viewer, f"/listings?{odd}")


def test_filters_that_are_on_are_chips_that_can_be_taken_away(as_viewer, street):
    shown = page(as_viewer, "/listings?price_min=280k&price_max=750k&city=Port+Ellery&q=alder")
    assert "<b>Price</b> $280k to $750k" in shown
    assert 'href="/listings?q=alder&amp;city=Port+Ellery" aria-label="Remove Price $280k to $750k"' in shown
    assert "Clear all" in shown
    assert addresses(shown) == ["1 Alder Court"]


def test_an_empty_list_names_the_filter_that_emptied_it(as_viewer, street):
    shown = page(as_viewer, "/listings?city=Port+Ellery&price_max=500k&beds=9")
    assert "“Beds 9+” left nothing" in shown
    assert "2 listings fit the other 2 filters." in shown
    assert 'href="/listings?price_max=500000&amp;city=Port+Ellery">Remove Beds 9+' in shown


def test_an_empty_tab_offers_what_there_is_of_any_status(as_viewer, street):
    shown = page(as_viewer, "/listings?q=elm")
    assert "Show 1 of any status" in shown
    assert "“elm” left nothing" in shown


def test_an_office_without_listings_is_told_what_goes_here(as_viewer, as_staff):
    assert "No listings yet" in page(as_viewer, "/listings")
    assert "Add the first one" not in page(as_viewer, "/listings")
    assert "Add the first one" in page(as_staff, "/listings?q=x&view=all")


def test_the_tabs_count_what_they_hold(as_viewer, street):
    shown = page(as_viewer, "/listings?q=alder")
    counts = dict(re.findall(r'>([^<>]+) <span class="n">([^<]+)</span>', shown))
    assert counts == {
        "For sale now": "5",
        "Our listings": "0",
        "New this week": "2",
        "Price drops, 7 days": "1",
        "Over 60 days": "1",
        "All statuses": "6",
    }


def test_a_row_counts_the_searches_it_matched_in_thirty_days(as_viewer, office, make, db):
    from app.domain.models import Digest, DigestItem

    listing = make.listing(office)
    for number, days in ((1, 2), (2, 3), (3, 60)):
        subscription = make.subscription(make.saved_search(make.contact(office)))
        moment = NOW - timedelta(days=days)
        digest = Digest(
            office_id=office.id,
            contact_id=subscription.contact_id,
            recipient=f"b{number}@example.com",
            window_end=moment,
            state="built",
            token=f"t{number}",
            created_at=moment,
        )
        db.session.add(digest)
        db.session.flush()
        for seq in (1, 2):
            db.session.add(
                DigestItem(
                    digest_id=digest.id,
                    alert_subscription_id=subscription.id,
                    event_seq=seq,
                    office_id=office.id,
                    recipient=digest.recipient,
                    listing_id=listing.id,
                    saved_search_id=subscription.saved_search_id,
                    search_version=1,
                    kind="New",
                    fingerprint=str(seq),
                    outcome="shown",
                )
            )
    db.session.commit()
    assert '<td class="num c-matches">2</td>' in page(as_viewer, "/listings")


def test_htmx_gets_the_list_alone_and_the_address_without_what_is_empty(as_viewer, street):
    answer = as_viewer.get("/listings?q=alder&view=&price_min=&page=1", headers={"HX-Request": "true"})
    shown = answer.get_data(as_text=True)
    assert "<html" not in shown
    assert addresses(shown) == ["1 Alder Court"]
    assert 'id="count" role="status">1 listing<' in shown
    assert answer.headers["HX-Push-Url"] == "/listings?q=alder"


def test_another_offices_listings_are_not_seen(as_viewer, make):
    make.listing(make.office(), unparsed_address="13 Elsewhere Road")
    assert "Elsewhere" not in page(as_viewer, "/listings?view=all")


def test_hostile_words_are_shown_as_words(as_viewer, office, db):
    home(office, HOSTILE, city=HOSTILE, list_agent_full_name=HOSTILE)
    db.session.commit()
    shown = page(as_viewer, "/listings?q=%22%3E%3Cscript")
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown


def test_nobody_sees_it_unsigned(client):
    assert client.get("/listings").status_code == 303


@pytest.mark.parametrize("count", [3, 60])
def test_the_list_costs_eight_statements_whatever_its_size(as_admin, office, make, count):
    for _ in range(count):
        make.listing(office)
    with queries_of() as seen:
        page(as_admin, "/listings?size=100&price_min=1&city=Port+Ellery,x")
    assert len(seen) <= 8, "\n".join(seen)
    with queries_of() as seen:
        page(as_admin, "/listings?size=100&q=alder", headers={"HX-Request": "true"})
    assert len(seen) <= 5, "\n".join(seen)


def test_fifty_rows_stay_below_the_budget(as_admin, office, make):
    for _ in range(50):
        make.listing(office, on_market_timestamp=NOW, previous_list_price=500_000, list_agent_full_name="Dana Whitlock")
    assert len(page(as_admin, "/listings").encode()) < 90_000


def test_the_view_is_exported_whole_in_its_order_and_harmless(as_agent, office, make, street, db):
    home(office, "=HYPERLINK(1)", list_price=Decimal(999_000), private_remarks="Lockbox 4417")
    make.listing(make.office(), unparsed_address="13 Elsewhere Road")
    db.session.commit()
    answer = as_agent.get("/listings/export.csv?sort=-price&price_min=400k&size=20&page=2")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    assert [row["UnparsedAddress"] for row in rows] == ["'=HYPERLINK(1)", "6 Fir Close", "2 Birch Lane", "3 Cedar Row"]
    assert rows[1]["ListPrice"] == "570000"
    assert rows[1]["StandardStatus"] == "Active"
    assert "Lockbox" not in answer.get_data(as_text=True)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="listings-')


def test_a_viewer_looks_but_takes_nothing_away(as_viewer, street):
    assert "Export view" not in page(as_viewer, "/listings")
    assert as_viewer.get("/listings/export.csv").status_code == 403


def test_the_export_names_the_filters_that_are_on(as_agent, street):
    assert 'href="/listings/export.csv?q=alder&amp;beds=1"' in page(as_agent, "/listings?q=alder&beds=1&page=1")
