"""Migrations and models say the same, in one line of numbers, and the way back is open. On a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, text

from app.domain.listings.words import words_of
from app.extensions import db as database
from devstack.testing import create_database, drop_database, run_id
from tests.conftest import MIGRATIONS


@pytest.fixture(scope="module")
def alembic(another_app: Callable[..., Flask]) -> Iterator[Config]:
    """Alembic's settings, inside an app on a database with nothing in it."""
    name = f"migrations_{run_id()}"
    app = another_app(database_url=create_database(name))
    with app.app_context():
        yield app.extensions["migrate"].migrate.get_config(str(MIGRATIONS))
        database.session.remove()
        database.engine.dispose()
    drop_database(name)


def test_migrations_are_numbered_without_a_gap_and_have_one_head():
    script = ScriptDirectory(str(MIGRATIONS))
    line = [revision.revision for revision in script.walk_revisions()][::-1]
    assert line == [f"{number:04d}" for number in range(1, len(line) + 1)]
    assert script.get_heads() == [line[-1]]
    files = sorted(path.name[:5] for path in (MIGRATIONS / "versions").glob("*.py"))
    assert files == [f"{number}_" for number in line], "a file is named by its number"


# SQLAlchemy has no name of its own for xid8 and pg_snapshot; what it does not know it does not compare.
@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
def test_the_migrations_make_what_the_models_say_and_can_be_taken_back_and_made_again(alembic: Config):
    command.upgrade(alembic, "head")
    command.check(alembic)
    command.downgrade(alembic, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    command.upgrade(alembic, "head")
    command.check(alembic)


@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
def test_no_table_is_read_through_while_its_writers_are_locked_out(alembic: Config):
    """A check within the migration that adds the column would hold that one's locks for as long as it reads."""

    def unchecked() -> set[str]:
        with database.engine.connect() as connection:
            return set(connection.scalars(text("SELECT conname FROM pg_constraint WHERE NOT convalidated")))

    command.downgrade(alembic, "base")
    command.upgrade(alembic, "0002")
    assert unchecked() == {
        "job_attempt_outcome_check",
        "job_run_dismissed_by_id_fkey",
        "job_run_office_id_fkey",
        "job_schedule_paused_by_id_fkey",
    }
    command.upgrade(alembic, "head")
    assert unchecked() == set()
    command.downgrade(alembic, "0001")
    assert unchecked() == set()
    command.upgrade(alembic, "head")


@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
def test_imports_of_before_get_their_office_and_the_works_stay_everybodys(alembic: Config):
    command.downgrade(alembic, "base")
    command.upgrade(alembic, "0001")
    with database.engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO office (office_key, office_name) VALUES ('a', 'A'), ('b', 'B');
                INSERT INTO import_batch (office_id, source, file_name, file_path, file_sha256, file_bytes)
                    SELECT id, 'MLS', 'f', 'f', '', 1 FROM office ORDER BY id;
                INSERT INTO job_run (kind, queue, trigger, args)
                    SELECT 'imports', 'bulk', 'manual', jsonb_build_object('import_batch_id', id) FROM import_batch
                    ORDER BY id;
                INSERT INTO job_run (kind, queue, trigger, args) VALUES
                    ('imports', 'bulk', 'manual', '{"import_batch_id": "gone"}'), ('alerts', 'alerts', 'manual', '{}')
                """
            )
        )
    command.upgrade(alembic, "head")
    with database.engine.connect() as connection:
        offices = connection.scalars(text("SELECT office_id FROM job_run ORDER BY id")).all()
        assert offices == [*connection.scalars(text("SELECT id FROM office ORDER BY id")), None, None]


@pytest.mark.filterwarnings("ignore:Did not recognize type:sqlalchemy.exc.SAWarning")
def test_remarks_of_before_get_their_words_and_places_of_a_new_kind_leave_with_it(alembic: Config):
    remarks = "Stra\u00dfe am Meer;\nSea-view, 3-car garage"
    command.downgrade(alembic, "base")
    command.upgrade(alembic, "0003")
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO office (office_key, office_name) VALUES ('a', 'A')"))
        connection.execute(
            text(
                """
                INSERT INTO listing (office_id, listing_key, originating_system_name, originating_system_key,
                        standard_status, public_remarks)
                    SELECT office.id, 'k' || n, 'MLS', n, 'Active', CASE WHEN n = 1 THEN '' ELSE :remarks END
                    FROM office, generate_series(1, 1002) AS n
                """
            ),
            {"remarks": remarks},
        )
    command.upgrade(alembic, "0004")
    with database.engine.begin() as connection:
        words = connection.execute(text("SELECT remarks_words, count(*) FROM listing GROUP BY 1 ORDER BY 1")).all()
        assert [tuple(row) for row in words] == [("", 1), (words_of(remarks), 1001)]
        connection.execute(
            text(
                "INSERT INTO area (office_id, kind, name_normal, name) SELECT id, 'mls_area_major', 'n', 'N' FROM office"
            )
        )
    command.downgrade(alembic, "0003")
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM area")) == 0
    command.upgrade(alembic, "head")
    command.check(alembic)
