"""Whenever there is mail to send: after each digests run, and from the sweep for what became due since."""

from __future__ import annotations

from app.jobs.run import Run


def messages(run: Run) -> dict[str, int]:
    """Idempotent: each message is claimed with a lease of its own, and committed by itself."""
    from app.domain.messages.send import send_due

    counts = send_due(progress=run.progress)
    return dict(counts)
