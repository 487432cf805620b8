"""What a run did with what it took in, kind by kind: in, changed, skipped with reasons, failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Parts = tuple[tuple[str, str], ...]
"""The names of counts, and what each is called."""


class Share(NamedTuple):
    """One of the four: its sum, and the counts it is made of."""

    title: str
    total: int
    parts: list[tuple[str, int]]


class Flow(NamedTuple):
    taken: Parts
    changed: Parts
    skipped: Parts = ()
    failed: Parts = ()


FLOWS: dict[str, Flow] = {
    "alerts": Flow((("events", "events read"),), (("pairs", "matches found"),)),
    "digests": Flow(
        (("recipients", "buyers due"),),
        (("messages", "mails to send"),),
        (("empty", "with nothing left to say"), ("held", "held for a person’s word")),
    ),
    "messages": Flow(
        (),
        (("sent", "sent"),),
        (
            ("suppressed", "address suppressed"),
            ("dropped", "nothing left to say"),
            ("expired", "too old to be news"),
            ("retried", "to be tried again"),
        ),
        (("failed", "refused by the relay"), ("unknown", "may or may not have arrived")),
    ),
    "returns": Flow(
        (("read", "mails read"),),
        (("done", "events written down"),),
        (("unmatched", "about no mail of ours"), ("ignored", "about nothing")),
        (("failed", "could not be read"),),
    ),
    "reconcile": Flow((("days", "days counted"),), (), (), (("off", "that do not fit"),)),
    "imports": Flow(
        (("rows_read", "rows read"),),
        (("created", "listings new"), ("updated", "listings updated")),
        (("unchanged", "unchanged"),),
        (("rejected", "rows rejected, each with its reason"),),
    ),
    "lifecycle": Flow(
        (),
        (
            ("warned", "searches warned of"),
            ("ended", "searches put to rest"),
            ("resumed", "pauses over"),
            ("acquitted", "warnings taken back"),
        ),
    ),
    "canary": Flow((), (("planted", "canary set out"),)),
    "sweep": Flow(
        (("messages_due", "messages due"),),
        (
            ("runs_taken_back", "runs taken back"),
            ("messages_taken_back", "messages taken back"),
            ("unknown_found", "unknown messages found in the log"),
            ("unknown_not_found", "unknown messages not in the log"),
            ("unknown_sent_again", "lost messages sent once more"),
            ("unknown_passed_on", "lost messages passed on to the next"),
            ("canaries_arrived", "canaries arrived"),
        ),
        (),
        (("unaccounted", "rows not accounted for"),),
    ),
}


def shares(kind: str, counts: Mapping[str, Any]) -> list[Share]:
    """The four shares that a kind has. Empty for a kind that only counts, like retention."""
    flow = FLOWS.get(kind)
    if flow is None or not counts:
        return []
    made = []
    titles = ("In", "Changed", "Skipped", "Failed")
    for title, parts in zip(titles, flow, strict=True):
        known = [(words, counts[name]) for name, words in parts if isinstance(counts.get(name), int)]
        if known:
            made.append(Share(title, sum(number for _, number in known), known))
    if not flow.taken and made:  # what went out is what came in
        everything = sum(share.total for share in made)
        made.insert(0, Share("In", everything, [("taken up", everything)]))
    return made


def others(kind: str, counts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Counts outside the shares, by their names."""
    flow = FLOWS.get(kind)
    told = {name for parts in flow or () for name, _ in parts}
    return [(name.replace("_", " ").capitalize(), number) for name, number in counts.items() if name not in told]
