"""What was fixed and what broke between two runs: counts by tag and slice, and the examples that moved most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, surface
from dashboard.components.work import Worker
from dashboard.evaluation.example import Example
from dashboard.evaluation.selection import ExampleSelection
from dashboard.sections.base import run
from dashboard.sections.compare.changes_html import LIST_CSS, TABLE_CSS, list_html, table_html
from dashboard.sections.compare.way import show_flips
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    import numpy as np
    import panel as pn

    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.state import DashboardState

MOST_LISTED = 6


class Moved(msgspec.Struct, frozen=True):
    """The examples of a flip since a run that changed most, and a remark where they could not be put in order."""

    flip: str
    total: int
    after: tuple[Example, ...]
    before: tuple[Example, ...]
    remark: str = ""


class Changes(Viewer):
    """Counts and examples of what changed; each count leads to its examples.

    Parameters
    ----------
    state
        Of the page; `runs.flip` says which kind of examples is listed.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._pair: RunPair | None = None
        self._run: Evaluation | None = None
        # What is listed, which may be of a choice before the present one: a click means what is seen.
        self._listed_of: tuple[RunPair, Moved] | None = None
        self._worker = Worker()
        self._tags = Clickable(TABLE_CSS, on_pick=self._tag_picked)
        self._slices = Clickable(TABLE_CSS, on_pick=self._slice_picked)
        self._list = Clickable(LIST_CSS, on_pick=self._listed, min_height=120)
        self._view = surface(
            sub_heading("Fixed and broken examples"),
            columns(self._tags, self._slices, gap=28, align="start"),
            self._list,
        )
        state.runs.param.watch(lambda _event: self._find(), "flip")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, pair: RunPair, run: Evaluation) -> None:
        """Show a pair that could be compared; `run` is its later one."""
        assert pair.comparison is not None
        self._pair, self._run = pair, run
        found = pair.comparison
        self._tags.html = table_html("By tag", found.tags)
        self._slices.html = table_html("By slice", found.slices)
        self._find()

    def _find(self) -> None:
        """Find the examples that moved most in a thread: their order needs all probabilities once."""
        pair, after, flip = self._pair, self._run, str(self._state.runs.flip)
        if pair is None or after is None or pair.comparison is None:
            return

        def compute() -> Moved:
            return moved_most(pair, after, flip)

        def show(moved: Moved) -> None:
            self._listed_of = pair, moved
            assert pair.comparison is not None
            counts = {"broken": len(pair.comparison.regressed), "fixed": len(pair.comparison.improved)}
            self._list.html = list_html(flip, counts, moved)

        run(self._worker, compute, show, working=self._working)

    def _working(self, busy: bool) -> None:
        self._list.loading = busy

    def _listed(self, key: str) -> None:
        kind, _, rest = key.partition(":")
        if kind == "flip":
            self._state.runs.flip = rest
        elif self._listed_of is None:
            return
        else:
            pair, moved = self._listed_of
            example = moved.after[int(rest)].id if kind == "example" else ""
            show_flips(self._state, moved.flip, pair.before, pair.after, example=example)

    def _tag_picked(self, key: str) -> None:
        self._counted(key, "tag")

    def _slice_picked(self, key: str) -> None:
        self._counted(key, "slice_name")

    def _counted(self, key: str, named: str) -> None:
        if self._pair is None or self._pair.comparison is None:
            return
        flip, _, place = key.partition(":")
        deltas = self._pair.comparison.tags if named == "tag" else self._pair.comparison.slices
        show_flips(self._state, flip, self._pair.before, self._pair.after, **{named: deltas[int(place)].name})


def moved_most(pair: RunPair, after: Evaluation, flip: str) -> Moved:
    """Find the examples of a flip whose true tag's probability changed most, with both runs' answers.

    Parameters
    ----------
    pair
        The runs.
    after
        Evaluation of the later one.
    flip : str
        ``"fixed"`` or ``"broken"``.
    """
    selection, remark = ExampleSelection(flip=flip, against=pair.before), ""
    try:
        rows = after.positions(selection, "moved")
    except TagscopeError as error:
        remark = f"In the order of the data: {sentence_of(error)}"
        try:
            rows = after.positions(selection)
        except TagscopeError as cause:
            return Moved(flip, 0, (), (), str(cause))
    chosen = rows[:MOST_LISTED]
    try:
        before = after.others.get(pair.before)
        then = before.examples(_rows_before(pair, chosen))
    except TagscopeError as error:
        return Moved(flip, len(rows), (), (), sentence_of(error))
    return Moved(flip, len(rows), tuple(after.examples(chosen)), tuple(then), remark)


def _rows_before(pair: RunPair, rows: np.ndarray) -> list[int]:
    """Return the positions in the earlier run of rows of the later one."""
    # Only a few are asked for, out of very many.
    shared = pair.shared
    return [int(shared.rows_before[int((shared.rows_after == row).argmax())]) for row in rows.tolist()]
