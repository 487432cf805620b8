"""The last line of every benchmark, and the clock they share."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def say(words: str) -> None:
    """What is being done, for whoever waits; the last line of stdout stays the report's."""
    print(words, file=sys.stderr, flush=True)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def report(
    bench: str, *, data: Mapping[str, Any], figures: Mapping[str, float], samples: Mapping[str, Sequence[float]]
) -> None:
    """Print {bench, commit, cores, data, figures, samples: {key: [min, median, max]}} on one line."""
    print(
        json.dumps(
            {
                "bench": bench,
                "commit": _commit(),
                "cores": len(os.sched_getaffinity(0)),
                "data": dict(data),
                "figures": {key: _rounded(value) for key, value in figures.items()},
                "samples": {
                    key: [_rounded(min(values)), _rounded(median(values)), _rounded(max(values))]
                    for key, values in samples.items()
                },
            }
        )
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"
