from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.gateways.mail import Relay
from devstack.mailbox import Catcher
from tests.domain.proof.life import Life


@pytest.fixture
def catcher(tmp_path) -> Iterator[Catcher]:
    """A relay that keeps every mail."""
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def life(db, catcher) -> Life:
    del db
    return Life(Relay(catcher.url, hostname="alerts.harborvine.example", answer_seconds=5.0))
