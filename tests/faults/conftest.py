"""Installations to be hurt, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask_migrate import upgrade

from app.extensions import db
from app.jobs.kinds import KINDS
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests.conftest import MIGRATIONS, app_beside, config_for
from tests.faults.stack import Stack
from tests.faults.works import HURT


@pytest.fixture(scope="module")
def build_stack(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Stack]]:
    """Makes a stack with a database of its own: build_stack([("beat", "deed", "* * * * * *")], ring_again=2). They share
    a Redis, so the one before it ends."""
    made: list[tuple[Stack, Flask, str]] = []

    def build(lines: Any = (), *, lease: int = 6, smtp_url: str = "smtp://127.0.0.1:9", **values: Any) -> Stack:
        for before, _, _ in made:
            before.close()
        name = f"stack_{len(made)}_{Path(request.node.name).stem}_{run_id()}"
        folder = tmp_path_factory.mktemp(name)
        config = config_for(
            create_database(name),
            test_servers().redis_url,
            folder,
            run_lease_seconds=lease,
            message_lease_seconds=lease,
            smtp_timeout_seconds=2,
            smtp_url=smtp_url,
        )
        redis.Redis.from_url(config.redis_url).flushdb()
        app = app_beside(config)
        with app.app_context():
            upgrade(directory=str(MIGRATIONS))
            db.session.remove()
        stack = Stack(app, folder, list(lines), **values)
        made.append((stack, app, name))
        return stack

    KINDS.update(HURT)
    yield build
    for stack, app, name in made:
        stack.close()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
        drop_database(name)
    redis.Redis.from_url(test_servers().redis_url).flushdb()
    for kind in HURT:
        KINDS.pop(kind, None)
