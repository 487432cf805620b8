"""An app in trouble, for test_sentry.py: what goes wrong here quotes people, who come from the environment so that they
stand in no source line.

python -m tests.troubled_app
"""

from __future__ import annotations

import json
import logging
import os
import time

import structlog
from sqlalchemy import text

from app import create_app
from app.extensions import db
from app.web import public

PERSON = json.loads(os.environ["PERSON"])
NAME, EMAIL, PHONE = PERSON["name"], PERSON["email"], PERSON["phone"]
app = create_app()
app.config["WTF_CSRF_ENABLED"] = False


@app.route("/leaks", methods=["GET", "POST"])
@public("a test")
def leaks():
    who = f"{NAME} <{EMAIL}> {PHONE}"
    db.session.execute(text("SELECT :who"), {"who": who})
    structlog.get_logger("porchlight.test").info("roof.looked_at", who=who)
    logging.getLogger("porchlight.test").warning("looked at the roof of %s", who)
    raise RuntimeError(f"the roof of {who} leaks")


@app.get("/doubles")
@public("a test")
def doubles():
    for _ in range(2):
        db.session.execute(
            text("INSERT INTO office (office_key, office_name) VALUES (:name, :email)"), {"name": NAME, "email": EMAIL}
        )
    return ""


@app.get("/logs")
@public("a test")
def logs():
    structlog.get_logger("porchlight.test").error("roof.mended", run_id=7, who=NAME, error="ValueError")
    logging.getLogger("porchlight.other").error("a line worth an event")
    logging.getLogger("porchlight.other").error(f"the roof of {NAME}, {EMAIL}")
    return ""


if __name__ == "__main__":
    client = app.test_client()
    began = time.monotonic()
    headers = {"User-Agent": NAME, "Cookie": f"who={EMAIL}", "Referer": f"http://localhost/?q={PHONE}"}
    query = {"q": NAME, "email": EMAIL}
    posted = client.post("/leaks", query_string=query, data={"name": NAME, "phone": PHONE}, headers=headers)
    assert posted.status_code == 500
    assert client.get("/doubles", query_string=query).status_code == 500
    assert client.get("/logs", query_string=query).status_code == 200
    print(time.monotonic() - began)
