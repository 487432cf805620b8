"""What the code says is to run, handed down from app/jobs at boot so that this side can judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from app.domain.ops.clock import Line


@dataclass(frozen=True)
class Registry:
    """`queues`: each kind of run, and the queue it is done in."""

    lines: tuple[Line, ...] = ()
    queues: Mapping[str, str] = field(default_factory=dict)


def registry() -> Registry:
    return cast("Registry", current_app.extensions.get("registry") or Registry())
