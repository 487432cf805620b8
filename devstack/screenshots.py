"""Pictures of every main page, light and dark, at three widths: `python -m devstack.screenshots URL FOLDER EMAIL PASSWORD [BEGINNING]`.

Signs in as a person would and follows the links of the pages, so it needs no list of ids.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import BrowserContext, Page, sync_playwright

from devstack.chromium import find_or_install_chromium

WIDTHS = {390: 844, 768: 1024, 1440: 900}
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No sandbox for root in a container; no calls home."""

PAGES = {
    "sign-in": "/sign-in",
    "today": "/",
    "listings": "/listings",
    "listing-new": "/listings/new",
    "imports": "/listings/imports",
    "searches": "/searches",
    "search-new": "/searches/new",
    "buyers": "/contacts",
    "ops": "/ops",
    "ops-balance": "/ops/balance",
    "ops-schedules": "/ops/schedules",
    "ops-schedule": "/ops/schedules/alerts",
    "ops-runs": "/ops/runs",
    "ops-errors": "/ops/errors",
    "ops-incidents": "/ops/incidents",
    "ops-queues": "/ops/queues",
    "ops-workers": "/ops/workers",
    "ops-messages": "/ops/messages",
    "ops-unknown": "/ops/messages?state=unknown",
    "ops-data": "/ops/data",
    "ops-integrations": "/ops/integrations",
    "ops-audit": "/ops/audit",
    "styleguide": "/styleguide",
    "nothing-here": "/nothing-here",
}
RECORDS = {
    "listing": ("/listings", "/listings/"),
    "import": ("/listings/imports", "/listings/imports/"),
    "search": ("/searches", "/searches/"),
    "buyer": ("/contacts", "/contacts/"),
    "message": ("/", "/ops/messages/"),
    "ops-run": ("/ops/runs", "/ops/runs/"),
    "ops-failed-run": ("/ops/runs?state=failed", "/ops/runs/"),
    "ops-error": ("/ops/errors", "/ops/errors/"),
    "ops-incident": ("/ops/incidents", "/ops/incidents/"),
    "ops-message": ("/ops/messages", "/ops/messages/"),
}
"""The first record that a list links to: (list, how its addresses begin)."""


def first_record(page: Page, base: str, listed_at: str, begins: str) -> str | None:
    page.goto(urljoin(base, listed_at))
    for link in page.locator("main a[href]").all():
        path = urlsplit(link.get_attribute("href") or "").path
        if path.startswith(begins) and path.removeprefix(begins).isalnum():
            return path
    return None


def take(context: BrowserContext, base: str, folder: Path, places: dict[str, str], name: str) -> None:
    page = context.new_page()
    for place, path in places.items():
        answer = page.goto(urljoin(base, path))
        if answer is None or (answer.status == 404 and place != "nothing-here"):
            continue
        page.wait_for_load_state("load")
        page.screenshot(path=folder / f"{place}-{name}.png", full_page=True)
    page.close()


def main(base: str, folder: str, email: str, password: str, only: str = "") -> None:
    """`only`: how the names of the wanted pictures begin."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_or_install_chromium(), args=list(ARGS))
        first = browser.new_context()
        page = first.new_page()
        page.goto(urljoin(base, "/sign-in"))
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: urlsplit(url).path != "/sign-in", timeout=10_000)
        places = {name: path for name, path in PAGES.items() if name.startswith(only)}
        for name, (listed_at, begins) in RECORDS.items():
            if name.startswith(only) and (path := first_record(page, base, listed_at, begins)):
                places[name] = path
        state = first.storage_state()
        first.close()
        for width, height in WIDTHS.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    device_scale_factor=2 if width < 500 else 1,
                    color_scheme=theme,
                    storage_state=state,
                )
                take(context, base, target, {k: v for k, v in places.items() if k != "sign-in"}, f"{theme}-{width}")
                context.clear_cookies()
                if "sign-in" in places:
                    take(context, base, target, {"sign-in": "/sign-in"}, f"{theme}-{width}")
                context.close()
        browser.close()
    print(f"{len(list(target.glob('*.png')))} pictures in {target}")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    main(*sys.argv[1:])
