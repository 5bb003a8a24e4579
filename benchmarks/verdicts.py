"""What was promised of a measurement, what was measured, and whether the promise holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


class Verdict(NamedTuple):
    """A promise, the figure, and whether it holds."""

    promise: str
    measured: str
    holds: bool


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print one line for each promise."""
    table = Table("promise", "measured", "")
    for verdict in verdicts:
        table.add_row(verdict.promise, verdict.measured, "holds" if verdict.holds else "MISSED")
    Console(width=150).print(table)
