"""Which returned mails call an address dead: judged beside experts' labels (../shared/data/bounces).

Figures: of what we call dead, the share that is (hard_precision); of what is dead, the share that we see (hard_recall);
living addresses that would be written to no more (wrongly_suppressed). `us_per_mail`: reading and judging one.
"""

from __future__ import annotations

import csv
import sys
import tarfile
import time
from pathlib import Path

from app.domain.messages.returns.causes import cause_of
from app.domain.messages.returns.letters import Kind, read
from app.domain.models import Cause
from benchmarks._report import ROOT, median, report, say

CORPUS = ROOT.parent / "shared" / "data" / "bounces"
MAILS, LABELS = "sisimai_set_of_emails.tar.gz", "sisimai_labels_half.csv"
SPARED = frozenset(
    {"mailboxfull", "spamdetected", "policyviolation", "blocked", "badreputation", "authfailure", "requireptr"}
)
"""Reasons of which none may ever suppress."""
ROUNDS = 5


def labelled(folder: Path = CORPUS) -> list[tuple[dict[str, str], bytes]]:
    """Each label with the mail it speaks of."""
    labels = list(csv.DictReader((folder / LABELS).read_text(encoding="utf-8").splitlines()))
    names = {label["file"] for label in labels}
    found: dict[str, bytes] = {}
    with tarfile.open(folder / MAILS) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if name in names and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
    return [(label, found[label["file"]]) for label in labels if label["file"] in found]


def is_called_dead(raw: bytes, number: int) -> bool:
    returned = read(raw)
    return returned.kind is Kind.BOUNCE and cause_of(returned, number).cause is Cause.DEAD


def score(mails: list[tuple[dict[str, str], bytes]]) -> dict[str, float]:
    right = wrong = missed = never = 0
    for label, raw in mails:
        is_dead, called = label["hard_bounce"] == "true", is_called_dead(raw, int(label["recipient_index"]) - 1)
        right += is_dead and called
        wrong += called and not is_dead
        missed += is_dead and not called
        never += called and label["reason"] in SPARED
    return {
        "hard_precision": right / max(right + wrong, 1),
        "hard_recall": right / max(right + missed, 1),
        "wrongly_suppressed": wrong,
        "spared_suppressed": never,
    }


def main() -> None:
    if not (CORPUS / LABELS).exists():
        say(f"There are no labels in {CORPUS}; nothing is measured.")
        report("bounces", data={"labels": 0}, figures={}, samples={})
        return
    mails = labelled()
    figures = score(mails)
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        score(mails)
        rounds.append((time.process_time() - began) * 1e6 / len(mails))
    report(
        "bounces",
        data={"labels": len(mails), "dead": sum(label["hard_bounce"] == "true" for label, _ in mails)},
        figures=figures | {"us_per_mail": median(rounds)},
        samples={"us_per_mail": rounds},
    )


if __name__ == "__main__":
    sys.exit(main())
