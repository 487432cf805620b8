"""How migrations run: on the app's own engine, with time-outs, so that a waiting lock never stops a live system."""

from __future__ import annotations

import re
from typing import Any

from alembic import context
from flask import current_app

database = current_app.extensions["migrate"].db
PARTITION = re.compile(r"^alert_match_(\d+|default)$")


def is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """Partitions are made and dropped by retention, not by migrations."""
    del parents
    return not (kind == "table" and name and PARTITION.match(name))


def number_it(migration_context: Any, revision: Any, directives: Any) -> None:
    """0001, 0002 …: a new migration takes the next number, so that two heads collide in review."""
    del migration_context, revision
    script = context.script
    if directives:
        heads = script.get_heads()
        directives[0].rev_id = f"{max((int(head) for head in heads), default=0) + 1:04d}"


def run_offline() -> None:
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    context.configure(url=url, target_metadata=database.metadata, literal_binds=True, include_name=is_ours)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        connection.exec_driver_sql("SET statement_timeout = '10min'")
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            include_name=is_ours,
            compare_type=True,
            process_revision_directives=number_it,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
