from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.gateways.mail import Relay
from devstack.mailbox import Catcher


@pytest.fixture
def catcher(tmp_path) -> Iterator[Catcher]:
    """A relay that keeps every mail, and fails when told to."""
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def relay(catcher) -> Relay:
    return Relay(catcher.url, hostname="alerts.harborvine.example", answer_seconds=1.0)
