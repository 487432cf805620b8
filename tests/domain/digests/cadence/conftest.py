from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest


@pytest.fixture
def usual_limits(app, db):
    """The settings as they are when nobody sets them."""
    kept = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(
        kept, quiet_hours=(time(21), time(8)), instant_gap_minutes=60, instant_mails_a_day=4
    )
    yield app.extensions["porchlight"]
    app.extensions["porchlight"] = kept
