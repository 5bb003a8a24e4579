"""The parity table: what is known of each backend and precision, as it is stored and shown."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.backends.protocol import FP32
from engine.evaluation.paired import Change

EQUAL, WITHIN, FAILS, MISSING = "equal", "within the gate", "fails", "not available"
TABLE_VERSION = 1


class WayParity(msgspec.Struct, frozen=True):
    """How one backend and precision answers, compared with the baseline.

    Attributes
    ----------
    backend, precision
        Its names.
    verdict
        `equal` (to 1e-4), `within the gate`, `fails` or `not available`.
    reason
        Why, in one sentence; empty for `equal`.
    shapes, texts
        max |a - b| / max |baseline| over the grid of shapes, and over the held-out texts.
    flips, flip_interval
        Held-out texts with another tag, and the 95 % interval of their share (Wilson).
    f1
        The F1 on the held-out rows, before and after, with the interval of the change.
    mates, mate_flips
        How far a logit moves with the texts that a text is batched with, as a share of the largest, and the texts whose
        tag changes.
    divergence
        The first operator whose output differs, where the verdict is not `equal` and it can be told.
    """

    backend: str
    precision: str
    verdict: str
    reason: str = ""
    shapes: float | None = None
    texts: float | None = None
    flips: int | None = None
    flip_interval: tuple[float, float] | None = None
    f1: Change | None = None
    mates: float | None = None
    mate_flips: int | None = None
    divergence: str = ""


class RunParity(msgspec.Struct, frozen=True):
    """The whole table, and what it was computed on.

    Attributes
    ----------
    baseline
        What the others are compared with.
    held_out, held_out_rows
        Different held-out texts that were compared, of so many held-out rows.
    gate_texts
        How many texts of each kind the gate counts flips on.
    shapes
        (batch, sequence) of the grid.
    """

    version: int
    run_id: str
    baseline: str
    held_out: int
    held_out_rows: int
    gate_texts: dict[str, int]
    shapes: tuple[tuple[int, int], ...]
    ways: tuple[WayParity, ...]
    cpu: str
    environment: dict[str, Any]

    @property
    def sound(self) -> bool:
        """Whether fp32 is equal to the baseline on every backend that ran."""
        return all(way.verdict in (EQUAL, MISSING) for way in self.ways if way.precision == FP32)
