"""The place of the Slack stand-in: the address leads will be posted to.

python -m devstack.slack --web 8026
"""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from flask import Flask, render_template

from devstack import ports
from devstack.web import make_site, serve


def make_slack() -> Flask:
    """Returns the site. It knows `api.test` and `auth.test` of Slack's Web API."""
    site = make_site(__name__)

    @site.get("/")
    def show_channel() -> str:
        return render_template("slack.html")

    @site.route("/api/api.test", methods=["GET", "POST"])
    def api_test() -> dict[str, Any]:
        return {"ok": True, "args": {}}

    @site.route("/api/auth.test", methods=["GET", "POST"])
    def auth_test() -> dict[str, Any]:
        return {
            "ok": True,
            "url": f"http://{ports.HOST}/",
            "team": "Harborvine Realty",
            "team_id": "T0HARBOR",
            "user": "porchlight",
            "user_id": "U0PORCH",
            "bot_id": "B0PORCH",
        }

    @site.route("/api/<method>", methods=["GET", "POST"])
    def unknown(method: str) -> dict[str, Any]:
        return {"ok": False, "error": "unknown_method", "req_method": method}

    return site


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.slack")
    parser.add_argument("--web", type=int, default=8026, help="port for the API and the browser")
    server = serve(make_slack(), parser.parse_args().web)
    print(f"Slack stand-in at http://{ports.HOST}:{server.port}")
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
