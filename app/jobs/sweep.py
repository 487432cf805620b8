"""Every minute: ask what the house leans on how it is, take back what dead workers held, see that due mail has somebody
to send it, draw the balance and count what ended. The bell is rung after every run (app/jobs/queue.py), so a sweep is
also the bell when Redis has forgotten all."""

from __future__ import annotations

from app.domain.digests.holds import word
from app.domain.messages import queue as outbound
from app.domain.messages.resolve import resolve
from app.domain.moments import database_now
from app.domain.ops import ledger, probing, queries, sizes, tallies
from app.domain.ops.balance import unaccounted
from app.domain.proof import canary
from app.jobs.reports import lost_now, report_lost
from app.jobs.returns import returns_wait
from app.jobs.run import Run


def sweep(run: Run) -> dict[str, int]:
    """Idempotent: what was taken back once is no longer held."""
    answers = probing.ask(*probing.INTEGRATIONS, seconds=probing.PATIENCE_SECONDS)  # before anything is locked
    now = database_now()
    arrived = canary.notice(now)
    probing.write_down(answers, now)
    taken = ledger.reap(now)
    lost = lost_now(taken)
    counts = {"runs_taken_back": len(taken), "messages_taken_back": outbound.reap(now)}
    word.let_go_of_old(now)
    run.commit()
    report_lost(lost)
    resolved = resolve(now)
    if returns_wait():
        run.then("returns", dedup_key="returns-waiting")
    due = queries.due_messages(now)
    if due:
        run.then("messages", dedup_key="messages-due")
    tallies.fold(now)
    probing.fold(now)
    sizes.record_once(now)
    counts |= {f"unknown_{name}": count for name, count in resolved.items() if count}
    return counts | {"canaries_arrived": arrived, "messages_due": due, "unaccounted": unaccounted(now)}
