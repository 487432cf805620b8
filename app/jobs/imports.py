"""A file that somebody brought: every row recorded as created, updated, unchanged or rejected, with the reason."""

from __future__ import annotations

from app.domain.listings.imports import run_import
from app.jobs.run import Run


def imports(run: Run) -> dict[str, int]:
    """Idempotent: rows are upserts by their source key, and the batch knows how far it came."""
    return run_import(int(run.args["import_batch_id"]), run.progress, commit=run.commit)
