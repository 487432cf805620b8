"""What a search may ask of a home beyond place, price and size; and the test of a point against a drawn ring.

Safe beside a running version: columns come without a rewrite; what old rows must hold is read through afterwards, beside
their writers. May be run again where it was interrupted.

Revision: 0004
"""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHECKS = {
    "listing_association_fee_check": "association_fee >= 0",
    "listing_association_fee_monthly_check": "association_fee_monthly >= 0 AND association_fee_monthly < 2000000000",
    "listing_garage_spaces_check": "garage_spaces BETWEEN 0 AND 999",
}
KINDS = "kind IN ('city', 'postal_code', 'county_or_parish', 'subdivision_name', 'mls_area_major')"
KINDS_BEFORE = "kind IN ('city', 'postal_code', 'county_or_parish', 'subdivision_name')"

RING_HOLDS = """
    CREATE OR REPLACE FUNCTION ring_holds(ring bigint[], y bigint, x bigint) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- Is the point inside the closed ring y1, x1, y2, x2 …, or on its edge? Whole numbers only, as shapes.py has it.
    DECLARE
        numbers int := cardinality(ring);
        y1 bigint := ring[numbers - 1];
        x1 bigint := ring[numbers];
        y2 bigint;
        x2 bigint;
        turn bigint;
        inside boolean := false;
    BEGIN
        FOR i IN 1 .. numbers BY 2 LOOP
            y2 := ring[i];
            x2 := ring[i + 1];
            IF y BETWEEN least(y1, y2) AND greatest(y1, y2) THEN
                turn := (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1);
                IF turn = 0 AND x BETWEEN least(x1, x2) AND greatest(x1, x2) THEN
                    RETURN true;
                END IF;
                IF (y1 > y) <> (y2 > y) AND (turn > 0) = (y2 > y1) THEN
                    inside := NOT inside;
                END IF;
            END IF;
            y1 := y2;
            x1 := x2;
        END LOOP;
        RETURN inside;
    END $$
"""
RINGS_HOLD = """
    CREATE OR REPLACE FUNCTION rings_hold(shape bigint[], y bigint, x bigint) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- Does any of the rings behind the first eight numbers of saved_search.shape hold the point? Each ring is led by its
    -- south, west, north, east and how many numbers follow.
    DECLARE
        at int := 9;
    BEGIN
        WHILE at < cardinality(shape) LOOP
            IF y BETWEEN shape[at] AND shape[at + 2] AND x BETWEEN shape[at + 1] AND shape[at + 3]
                AND ring_holds(shape[at + 5 : at + 4 + shape[at + 4]::int], y, x) THEN
                RETURN true;
            END IF;
            at := at + 5 + shape[at + 4]::int;
        END LOOP;
        RETURN false;
    END $$
"""

MANY = 1_000


def columns() -> tuple[tuple[str, sa.Column[object]], ...]:
    return (
        ("listing", sa.Column("mls_area_major", sa.Text(), server_default="", nullable=False)),
        ("listing", sa.Column("mls_area_id", sa.Integer(), nullable=True)),
        ("listing", sa.Column("property_time_zone_name", sa.Text(), server_default="", nullable=False)),
        ("listing", sa.Column("pool_private_yn", sa.Boolean(), nullable=True)),
        ("listing", sa.Column("new_construction_yn", sa.Boolean(), nullable=True)),
        ("listing", sa.Column("senior_community_yn", sa.Boolean(), nullable=True)),
        ("listing", sa.Column("association_fee", sa.Numeric(14, 2), nullable=True)),
        ("listing", sa.Column("association_fee_frequency", sa.Text(), nullable=True)),
        ("listing", sa.Column("association_fee_monthly", sa.Numeric(14, 2), nullable=True)),
        ("listing", sa.Column("special_listing_conditions", postgresql.ARRAY(sa.Text()), nullable=True)),
        ("listing", sa.Column("remarks_words", sa.Text(), server_default="", nullable=False)),
        ("listing_event", sa.Column("mls_area_id", sa.Integer(), nullable=True)),
        ("listing_event", sa.Column("garage_spaces", sa.SmallInteger(), nullable=True)),
        ("listing_event", sa.Column("association_fee_monthly", sa.Numeric(14, 2), nullable=True)),
        ("listing_event", sa.Column("features", sa.Integer(), server_default="0", nullable=False)),
        ("listing_event", sa.Column("special_conditions", sa.Integer(), nullable=True)),
        ("listing_event", sa.Column("remarks_words", sa.Text(), nullable=True)),
        ("saved_search", sa.Column("further", postgresql.JSONB(astext_type=sa.Text()), nullable=True)),
        ("saved_search", sa.Column("search_query", sa.Text(), server_default="", nullable=False)),
        ("saved_search", sa.Column("search_query_exceptions", sa.Boolean(), server_default="false", nullable=False)),
        ("saved_search", sa.Column("search_query_exception_details", sa.Text(), server_default="", nullable=False)),
    )


def upgrade() -> None:
    for table, column in columns():
        op.add_column(table, column, if_not_exists=True)
    for name, rule in CHECKS.items():
        op.drop_constraint(name, "listing", if_exists=True)
        op.execute(f"ALTER TABLE listing ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID")
    op.drop_constraint("listing_mls_area_id_fkey", "listing", if_exists=True)
    op.execute(
        "ALTER TABLE listing ADD CONSTRAINT listing_mls_area_id_fkey"
        " FOREIGN KEY (mls_area_id) REFERENCES area (id) NOT VALID"
    )
    op.drop_constraint("area_kind_check", "area", if_exists=True)
    op.execute(f"ALTER TABLE area ADD CONSTRAINT area_kind_check CHECK ({KINDS}) NOT VALID")
    op.execute(RING_HOLDS)
    op.execute(RINGS_HOLD)
    with op.get_context().autocommit_block():
        for name in (*CHECKS, "listing_mls_area_id_fkey"):
            op.execute(f"ALTER TABLE listing VALIDATE CONSTRAINT {name}")
        op.execute("ALTER TABLE area VALIDATE CONSTRAINT area_kind_check")
        op.drop_index("listing_mls_area_idx", table_name="listing", postgresql_concurrently=True, if_exists=True)
        op.create_index("listing_mls_area_idx", "listing", ["office_id", "mls_area_id"], postgresql_concurrently=True)
        write_words()


def write_words() -> None:
    """The remarks that are there, as keywords are looked for in them; a listing's next write would do the same."""
    connection, last = op.get_bind(), 0
    some = sa.text(
        "SELECT id, public_remarks FROM listing"
        " WHERE id > :last AND public_remarks <> '' AND remarks_words = '' ORDER BY id LIMIT :many"
    )
    write = sa.text(
        "UPDATE listing SET remarks_words = :words WHERE id = :id AND public_remarks = :remarks AND remarks_words = ''"
    )
    while rows := connection.execute(some, {"last": last, "many": MANY}).all():
        connection.execute(write, [{"id": id_, "remarks": remarks, "words": words(remarks)} for id_, remarks in rows])
        last = rows[-1][0]


def words(remarks: str) -> str:
    folded = unicodedata.normalize("NFKC", remarks).casefold()
    found = re.findall(r"[^\W_]+", folded)
    return f" {' '.join(found)} " if found else ""


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("listing_mls_area_idx", table_name="listing", postgresql_concurrently=True, if_exists=True)
    op.execute("DROP FUNCTION IF EXISTS rings_hold(bigint[], bigint, bigint)")
    op.execute("DROP FUNCTION IF EXISTS ring_holds(bigint[], bigint, bigint)")
    for name in (*CHECKS, "listing_mls_area_id_fkey"):
        op.drop_constraint(name, "listing", if_exists=True)
    for table, column in reversed(columns()):
        op.drop_column(table, column.name, if_exists=True)
    op.execute("DELETE FROM area WHERE kind = 'mls_area_major'")
    op.drop_constraint("area_kind_check", "area", if_exists=True)
    op.execute(f"ALTER TABLE area ADD CONSTRAINT area_kind_check CHECK ({KINDS_BEFORE})")
