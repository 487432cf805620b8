"""What a page loads: third-party files, taken out of the wheels that carry them, and our own style, script and pictures.

Each has one URL that names its content (`/vendor/<hash>/<name>`, `/assets/<hash>/<name>`) and may be cached for a year.
No third-party file lives in this repository and no carrier is ever imported: only its file list is read.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from flask import Flask, Response, abort, make_response, request, url_for
from markupsafe import Markup


class Carried(NamedTuple):
    """A file inside a wheel: who carries it, where, and the SHA-256 it must have (a guard test looks)."""

    distribution: str
    path: str
    sha256: str


FILES = {
    # Bootstrap 5.3.8, as on npm
    "bootstrap.min.css": Carried(
        "Bootstrap-Flask",
        "flask_bootstrap/static/bootstrap5/css/bootstrap.min.css",
        "d85327d99c7a3ee1f9b5d0500d1370acea3ad2db39c163c2f51f232baedbdede",
    ),
    # htmx 2.0.3, as on npm
    "htmx.min.js": Carried(
        "django-js-lib-htmx",
        "js_lib_htmx/static/htmx/htmx.min.js",
        "491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e",
    ),
    # Leaflet 1.9.4, as on npm; only a page that shows a map asks for it
    "leaflet.js": Carried(
        "django-js-lib-leaflet",
        "js_lib_leaflet/static/js_lib_leaflet/leaflet.js",
        "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a",
    ),
    "leaflet.css": Carried(
        "django-js-lib-leaflet",
        "js_lib_leaflet/static/js_lib_leaflet/leaflet.css",
        "a7837102824184820dfa198d1ebcd109ff6d0ff9a2672a074b9a1b4d147d04c6",
    ),
}

# Bootstrap Icons 1.13: 1.1 MB, so never sent; each page carries only the drawings it shows.
ICONS = Carried(
    "Bootstrap-Flask",
    "flask_bootstrap/static/bootstrap5/icons/bootstrap-icons.svg",
    "fe7b61303ee8b160aa2d596dabbb70f4ffeaf8ea24891004e9b1d0d2877638b1",
)

STATIC = Path(__file__).parent / "static"
STYLE = ("tokens", "base", "components", "screens", "searches", "imports", "public", "narrow")
"""The files of static/css that make app.css, in this order."""
SHEETS = {
    "app.css": (STYLE, "bootstrap.min.css", f"@layer vendor, {', '.join(STYLE)};\n"),
    "map.css": (("map",), "leaflet.css", ""),
}
"""Our sheets: their files, the third-party sheet each brings in, and what stands before."""

_OWN = re.compile(r"(?:[a-z0-9_-]+/)*[a-z0-9_-]+\.[a-z]+", re.ASCII)
"""How the files of static/ are called. Anything else was asked for by somebody who is trying."""

A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file ready to be sent."""

    name: str
    body: bytes

    @cached_property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()[:16]

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, 6, mtime=0)

    @property
    def media_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def carried_path(carried: Carried) -> Path:
    """Where the wheel put the file. Raises FileNotFoundError when the carrier no longer has it."""
    for path in distribution(carried.distribution).files or ():
        if path.as_posix() == carried.path:
            return Path(str(path.locate()))
    raise FileNotFoundError(f"{carried.distribution} carries no {carried.path}")


@cache
def vendored(name: str) -> Asset:
    return Asset(name, carried_path(FILES[name]).read_bytes())


@cache
def _read(paths: tuple[Path, ...], changed: tuple[int, ...], name: str, first: str) -> Asset:
    del changed  # a part of the key: an edited file is read again
    return Asset(name, first.encode() + b"\n".join(path.read_bytes() for path in paths))


def own(name: str) -> Asset:
    """One of ours. A sheet is put together from its parts; a style outside a layer beats every layer, so what is not
    ours comes in through an import into the lowest one, under the path that names its content.

    Raises FileNotFoundError.
    """
    first = ""
    if name in SHEETS:
        parts, carried, order = SHEETS[name]
        paths = tuple(STATIC / "css" / f"{part}.css" for part in parts)
        first = f'{order}@import url("{url_of(carried)}") layer(vendor);\n'
    else:
        paths = (STATIC / name,)
    return _read(paths, tuple(path.stat().st_mtime_ns for path in paths), name, first)


def url_of(name: str) -> str:
    """The address of a file, third-party or ours; for templates, as `asset('app.css')`."""
    if name in FILES:
        return url_for("vendor.file", digest=vendored(name).digest, name=name)
    return url_for("vendor.asset", digest=own(name).digest, name=name)


def send(asset: Asset, digest: str) -> Response:
    """The file; for a year when the address names this content. An address of another release gets today's file,
    uncached: a page that was open during a deploy keeps its looks."""
    packed = request.accept_encodings.quality("gzip") > 0 and asset.media_type.startswith(("text/", "image/svg"))
    response = make_response(asset.gzipped if packed else asset.body)
    response.content_type = asset.media_type + ("; charset=utf-8" if asset.media_type.startswith("text/") else "")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = A_YEAR if digest == asset.digest else "no-store"
    return response


def file(digest: str, name: str) -> Response:
    if name not in FILES:
        abort(404)
    return send(vendored(name), digest)


def asset(digest: str, name: str) -> Response:
    if not _OWN.fullmatch(name):
        abort(404)
    if name not in SHEETS and not (STATIC in (STATIC / name).resolve().parents and (STATIC / name).is_file()):
        abort(404)
    return send(own(name), digest)


@cache
def symbols() -> dict[str, str]:
    """Name → drawing of every icon; read once."""
    sprite = carried_path(ICONS).read_text()
    return dict(re.findall(r'<symbol[^>]*\bid="([^"]+)">(.*?)</symbol>', sprite, re.DOTALL))


def icon(name: str, size: str = "", label: str = "") -> Markup:
    """An inline drawing in the colour of the text. `size` is "", "sm", "12" or "lg"; with `label` it speaks, else it is
    decoration. Raises KeyError for a name that is not in Bootstrap Icons."""
    attributes = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    drawing = Markup(symbols()[name])  # noqa: S704
    return Markup('<svg class="icon{}" viewBox="0 0 16 16" {}>{}</svg>').format(
        f" icon-{size}" if size else "", attributes, drawing
    )


def init_app(app: Flask) -> None:
    for rule, endpoint, view in (
        ("/vendor/<digest>/<path:name>", "vendor.file", file),
        ("/assets/<digest>/<path:name>", "vendor.asset", asset),
    ):
        view.public_reason = "style, script and pictures, nothing private"  # type: ignore[attr-defined]
        app.add_url_rule(rule, endpoint, view)
    app.jinja_env.globals.update(asset=url_of, icon=icon)
