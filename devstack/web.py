"""What the two small sites of the stack (mailbox, Slack stand-in) have in common."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from devstack import ports


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  werkzeug's name
        """Keeps requests out of the log; they are of no interest here."""


def make_site(name: str) -> Flask:
    """Returns a site for this machine's own browser: other sites' pages cannot act on it."""
    site = Flask(name, template_folder="templates")

    @site.before_request
    def only_from_here() -> None:
        """Turns away pages of other sites, under their name or under one they point at us."""
        if urlsplit(f"//{request.host}").hostname not in {ports.HOST, "localhost"}:
            abort(403, "This site answers to 127.0.0.1 and localhost only.")
        origin = urlsplit(request.headers.get("Origin", "")).netloc
        if request.method != "GET" and origin not in {"", request.host}:
            abort(403, "This came from another site's page.")

    @site.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    return site


def serve(site: Flask, port: int) -> BaseWSGIServer:
    """Returns a server that listens already; `serve_forever` answers. Port 0 is any free one."""
    return make_server(ports.HOST, port, site, threaded=True, request_handler=_Quiet)
