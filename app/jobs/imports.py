"""A file that somebody brought: every row recorded as created, updated, unchanged or rejected, with the reason."""

from __future__ import annotations

from app.jobs.run import Run


def imports(run: Run) -> dict[str, int]:
    """Idempotent: a chunk of rows is one fenced transaction, and the batch knows how far it came."""
    from app.domain.listings.imports import run_import

    return run_import(int(run.args["import_batch_id"]), run.progress, commit=run.commit)
