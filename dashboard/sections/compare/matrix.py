"""Changes of many runs against one: by tag or by slice, and which of them are more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.sections.compare.words import LEVEL, interval, p_value, rows_of, signed
from engine.evaluation.comparison import Delta
from engine.evaluation.significance import corrected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.evaluation.comparison import RunPair


_DID = {"fixed": "fixed", "broken": "broke"}


class Cell(msgspec.Struct, frozen=True):
    """One tag or slice in one run, against the base.

    Parameters
    ----------
    run_id : str
        The run.
    delta : Delta
        The change. Its own correction is over this run's tags only.
    p : float
        The p-value, corrected for all cells of the matrix.
    marked : bool
        Whether the change is more than chance, and not only because of rows that it shares with another slice.
    """

    run_id: str
    delta: Delta
    p: float
    marked: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many examples it fixed and how many it broke."""
        return {"fixed": self.delta.improved, "broken": self.delta.regressed}

    @property
    def flip(self) -> str:
        """The examples that a click on the cell leads to: those that made the change; empty where none differs."""
        delta = self.delta
        if not delta.improved + delta.regressed:
            return ""
        if delta.change:
            return "fixed" if delta.change > 0 else "broken"
        return "broken" if delta.regressed else "fixed"

    @property
    def meaning(self) -> str:
        """What the cell means, as plain text, but for how many examples it fixed and broke."""
        delta = self.delta
        if not delta.rows and not delta.improved + delta.regressed:
            return f"{delta.name}: no example to compare."
        figure = (
            f"{delta.name}: {delta.before:.3f} → {delta.after:.3f}, {signed(delta.change)} ({interval(delta)}; "
            f"{rows_of(delta.rows)}). "
        )
        if not self.flip:
            return figure + "Both runs get the same examples right."
        chance = "More than chance" if self.marked else "Not more than chance"
        if not self.marked and self.p <= LEVEL:
            chance = f"Only because of the slice {delta.explained_by}"
        return f"{figure}{chance} ({p_value(self.p)} corrected)."

    @property
    def spoken(self) -> str:
        """What the cell means and what a click on it does, as plain text."""
        if not self.flip:
            return self.meaning
        each = ", ".join(f"{count:,} {flip}" for flip, count in self.counts.items())
        return f"{self.meaning} {each}; a click leads to those that it {_DID[self.flip]}."


class Matrix(msgspec.Struct, frozen=True):
    """Changes against a base.

    Parameters
    ----------
    base : str
        Id of the run that the others are compared with.
    runs : tuple of str
        Ids of the runs that could be compared, in order.
    names : tuple of str
        Tags or slices: those with a marked change first, the greatest of these at the top; then the others in their
        order.
    cells : dict
        By name and run; a run may lack a name.
    refusals : dict of str to str
        By run that could not be compared, the sentence that says why.
    """

    base: str
    runs: tuple[str, ...]
    names: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    refusals: dict[str, str] = {}


def matrix_of(base: str, pairs: Sequence[RunPair], kind: str) -> Matrix:
    """Put the changes of runs against one of them together.

    Parameters
    ----------
    base : str
        The run before in each of the pairs.
    pairs : sequence of RunPair
        One per run, in order.
    kind : str
        ``"tags"`` or ``"slices"``.

    Notes
    -----
    Whoever looks at a matrix looks at all of it, so Holm's correction is over all cells: the chance of a single false
    one among them is at most 5 %.
    """
    found = [
        (pair.after, delta)
        for pair in pairs
        if pair.comparison is not None
        for delta in (pair.comparison.tags if kind == "tags" else pair.comparison.slices)
    ]
    chances = corrected([1.0 if delta.p is None else delta.p for _run, delta in found]).tolist() if found else []
    sure = {(delta.name, run_id): p <= LEVEL for (run_id, delta), p in zip(found, chances, strict=True)}
    cells = {}
    for (run_id, delta), p in zip(found, chances, strict=True):
        # A slice that changed only where another one lies is that other one's change.
        shared = bool(delta.explained_by) and sure.get((delta.explained_by, run_id), False)
        cells[delta.name, run_id] = Cell(run_id, delta, p, p <= LEVEL and not shared)
    greatest = {
        name: max(
            (abs(cell.delta.change) for (one, _run), cell in cells.items() if one == name and cell.marked), default=0
        )
        for name in dict.fromkeys(name for name, _run in cells)
    }
    return Matrix(
        base,
        tuple(pair.after for pair in pairs if pair.comparison is not None),
        tuple(sorted(greatest, key=lambda name: -greatest[name])),
        cells,
        {pair.after: pair.refusal for pair in pairs if pair.refusal},
    )
