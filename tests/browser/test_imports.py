"""A file goes in by hand: chosen, looked at, corrected, read, and its rows found again."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.domain.listings import imports
from app.extensions import db

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TABLE = (
    "MLS Number,Asking Price,Beds,Baths,SqFt,City,Zip,Condition\n"
    "PE-9001,489000,3,2.5,1840,Port Ellery,04101,good\n"
    "PE-9002,call us,2,1,920,Saltford,04102,fair\n"
    'PE-9003,"1,250,000",5,4.25,4100,Port Ellery,4103,new\n'
    ",300000,2,1,900,Saltford,04102,fair\n"
)


def bring(page: Page, content: str = TABLE, source: str = "Coast MLS") -> None:
    page.goto("/listings/imports/new")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "homes-november.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_label("Source").fill(source)
    page.get_by_role("button", name="Look at the columns").click()


def read_waiting(live) -> None:
    """What the bulk worker would do."""
    with live.app.app_context():
        from app.domain.models import ImportBatch

        for batch in db.session.query(ImportBatch).filter_by(state="queued"):
            imports.run_import(batch.id)
        db.session.remove()


def is_accessible(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert found.violations_count == 0, found.generate_report()


def shot(page: Page, name: str) -> None:
    import os

    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1280), ("light", 320)])
def test_a_file_goes_in_from_its_choice_to_its_rows(open_as, live, theme, width):
    page = open_as("staff", theme=theme, width=width, measured=True)
    source = f"Coast MLS {theme} {width}"
    page.goto("/listings/imports/new")
    is_accessible(page)
    shot(page, f"new-{theme}-{width}")
    bring(page, source=source)

    start = page.get_by_role("button", name="Start reading")
    expect(page.get_by_text("No column gives the status")).to_be_visible()
    expect(start).to_be_disabled()
    is_accessible(page)
    page.get_by_label("Status of every row").select_option("Active")
    expect(page.get_by_text("No column gives the status")).to_have_count(0)
    expect(page.get_by_text("4 rows, 3 with remarks")).to_be_visible()
    expect(page.get_by_text("“call us” is not a price")).to_have_count(1)
    expect(start).to_be_enabled()
    is_accessible(page)
    shot(page, f"columns-{theme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off sideways"
    start.click()

    expect(page.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    is_accessible(page)
    shot(page, f"running-{theme}-{width}")
    read_waiting(live)
    expect(page.get_by_role("heading", name="What was wrong")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("The first file of its source: nobody is alerted.")).to_be_visible()
    is_accessible(page)
    shot(page, f"result-{theme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("navigation", name="Rows by outcome").get_by_role("link", name=re.compile("Rejected")).click()
    expect(page.get_by_text("the row has no key").last).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all rows").click()
    assert download.value.suggested_filename.endswith("-rows.csv")
    page.goto("/listings/imports")
    is_accessible(page)
    shot(page, f"list-{theme}-{width}")
    expect(page.get_by_role("row").filter(has_text=source)).to_contain_text("Read")


def test_without_script_a_file_goes_in_as_well(open_as, live):
    page = open_as("staff", js=False)
    bring(page, source="Coast MLS, no script")
    page.get_by_label("Status of every row").select_option("Active")
    page.get_by_role("button", name="Show the rows again").click()
    page.get_by_role("button", name="Start reading").click()
    expect(page.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    read_waiting(live)
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="What was wrong")).to_be_visible()


def test_a_file_beyond_the_limit_is_named_before_it_travels(open_as):
    page = open_as("staff", "/listings/imports/new")
    page.evaluate("document.querySelector('[type=file]').dataset.maxBytes = 100")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "homes.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    )
    expect(page.get_by_role("alert")).to_contain_text("the limit here is")
    page.get_by_label("Source").fill("Coast MLS")
    page.get_by_role("button", name="Look at the columns").click()
    expect(page).to_have_url(re.compile("/imports/new$"))


def test_a_reso_answer_is_recognised(open_as):
    page = open_as("staff")
    answer = {"value": [{"ListingKey": "1", "StandardStatus": "ComingSoon", "ListPrice": 5, "Colour": "red"}]}
    bring(page, json.dumps(answer), source="RESO feed")
    expect(page.get_by_role("row").filter(has_text="Colour")).to_contain_text("Not used")
    expect(page.get_by_role("region", name="The first rows")).to_contain_text("Coming Soon")
    expect(page.get_by_role("button", name="Start reading")).to_be_enabled()
