"""Third-party files come out of pinned wheels, unchanged; nothing else is loaded, and no carrier is imported."""

from __future__ import annotations

import hashlib
import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from app import vendor

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", [*vendor.FILES, "icons"])
def test_a_vendor_file_is_the_one_that_was_looked_at(name):
    carried = vendor.FILES.get(name, vendor.ICONS)
    assert hashlib.sha256(vendor.carried_path(carried).read_bytes()).hexdigest() == carried.sha256


@pytest.mark.parametrize("carried", [*vendor.FILES.values(), vendor.ICONS], ids=lambda carried: carried.path)
def test_the_carrier_is_pinned_to_one_version(carried):
    pins = (ROOT / "requirements.in").read_text()
    pinned = re.search(rf"^{re.escape(carried.distribution)}==(\S+)", pins, re.MULTILINE)
    assert pinned
    assert pinned[1] == distribution(carried.distribution).version


def test_no_carrier_is_ever_imported(app, as_admin):
    as_admin.get("/styleguide")
    assert not {"flask_bootstrap", "js_lib_htmx", "js_lib_leaflet", "django"} & {
        name.split(".")[0] for name in sys.modules
    }


def test_a_file_is_kept_for_a_year_under_the_address_that_names_its_content(client):
    with client.application.test_request_context():
        address = vendor.url_of("bootstrap.min.css")
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert vendor.FILES["bootstrap.min.css"].sha256.startswith(address.split("/")[2])


def test_an_old_address_gets_todays_file_but_is_not_kept(client):
    answer = client.get("/assets/0000000000000000/app.css")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_address_of_our_sheet_changes_with_its_content():
    assert vendor.Asset("a.css", b"one").digest != vendor.Asset("a.css", b"two").digest


def test_our_sheet_brings_bootstrap_into_the_lowest_layer_under_its_own_address(client):
    first, second, *rest = client.get("/assets/x/app.css").text.splitlines()
    assert first.startswith("@layer vendor, tokens, base, components, screens")
    path = re.fullmatch(r'@import url\("(/vendor/[0-9a-f]{16}/bootstrap\.min\.css)"\) layer\(vendor\);', second)[1]
    assert client.get(path).status_code == 200
    assert not [line for line in rest if line.startswith("@import")]


def test_text_travels_packed_to_those_who_can_unpack_it(client):
    packed = client.get("/assets/x/app.css", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/assets/x/app.css", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) * 3 < len(plain.data)
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize("name", ["../config.py", "..%2f..%2fwsgi.py", "nothing.css", "css", "css/../../config.py"])
def test_only_what_lies_in_static_is_sent(client, name):
    assert client.get(f"/assets/x/{name}").status_code == 404


def test_a_wheel_that_lost_its_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"Bootstrap-Flask carries no gone\.css"):
        vendor.carried_path(vendor.Carried("Bootstrap-Flask", "gone.css", ""))


def test_our_sheet_stays_readable():
    lines = sum(len((vendor.STATIC / "css" / f"{part}.css").read_text().splitlines()) for part in vendor.STYLE)
    assert lines <= 600
    assert len((vendor.STATIC / "css" / "map.css").read_text().splitlines()) <= 50


def test_all_script_is_small(client):
    """What every page loads. The map's own comes when somebody opens a map, and is not small: Leaflet is 42 kB."""
    import gzip

    total = sum(
        len(gzip.compress(body))
        for body in (vendor.vendored("htmx.min.js").body, (vendor.STATIC / "app.js").read_bytes())
    )
    assert total < 60_000
    assert len(gzip.compress((vendor.STATIC / "map.js").read_bytes())) < 8_000
