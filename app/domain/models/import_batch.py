from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.lookups import Origin
from app.extensions import Model


class ImportState(StrEnum):
    MAPPING = "mapping"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class ImportOutcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class ImportBatch(Model):
    """One file, read once: who brought it, how it was mapped, and what became of its rows."""

    __tablename__ = "import_batch"
    __table_args__ = (
        one_of("state", ImportState),
        one_of("origin", Origin),
        Index("import_batch_office_idx", "office_id", text("id DESC")),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    source: Mapped[str] = mapped_column(Text)
    """Becomes originating_system_name of its listings. The first import of a source is backfill (PA-02, T9)."""
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    file_name: Mapped[str] = mapped_column(Text)
    file_path: Mapped[str] = mapped_column(Text)
    """Below FILES_DIR."""
    file_sha256: Mapped[str] = mapped_column(Text)
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    encoding: Mapped[str] = mapped_column(Text, server_default="")
    origin: Mapped[str] = mapped_column(Text, server_default=Origin.BACKFILL.value)
    state: Mapped[str] = mapped_column(Text, server_default=ImportState.MAPPING.value)
    rows_read: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_created: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_updated: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_unchanged: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_rejected: Mapped[int] = mapped_column(Integer, server_default="0")
    rows_with_warnings: Mapped[int] = mapped_column(Integer, server_default="0")
    bytes_read: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ImportRow(Model):
    """What became of one row of the file, with the reasons; kept 90 days."""

    __tablename__ = "import_row"
    __table_args__ = (
        one_of("outcome", ImportOutcome),
        Index("import_row_issues_idx", "import_batch_id", "line_no", postgresql_where="issues <> '[]'::jsonb"),
    )

    import_batch_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("import_batch.id", ondelete="CASCADE"), primary_key=True
    )
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text)
    originating_system_key: Mapped[str] = mapped_column(Text, server_default="")
    listing_id: Mapped[int | None] = mapped_column(BigInteger)
    issues: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")
    """[{field, value, severity: error|warning, reason}]"""
