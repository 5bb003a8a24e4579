"""The table of the rows that the filter leaves, one page of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.viewable import Viewer

from dashboard.components.rows import PAGE_SIZE, RowTable
from dashboard.components.work import Worker
from dashboard.samples import NOTE, PROPOSED, SCORE
from dashboard.sections.base import run

if TYPE_CHECKING:
    import pandas as pd
    import panel as pn

    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration


class SamplesTable(Viewer):
    """Follows the filter; sorting, the page and the open row are in the state."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._worker = Worker()
        self._shown: Samples | None = None
        self.rows = RowTable(unsorted=[PROPOSED, NOTE])
        exploration.param.watch(self._load, "turn")
        exploration.chosen.param.watch(self._turned_to, ["sort", "page"])
        exploration.chosen.param.watch(lambda event: self.rows.param.update(opened=event.new), "row")
        self.rows.param.watch(self._wanted, "wanted")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self.rows.__panel__()

    def _turned_to(self, *_events: object) -> None:
        # With another filter the page becomes the first one: that of the rows to come, not of those on show.
        if not self._exploration.is_behind:
            self._load()

    def _wanted(self, event: Any) -> None:
        chosen, wanted, samples = self._exploration.chosen, event.new, self._shown
        if "page" in wanted:
            chosen.page = str(wanted["page"] + 1) if wanted["page"] else ""
        elif "sort" in wanted:
            chosen.sort = wanted["sort"]
        elif "row" in wanted and samples is not None and samples is self._exploration.samples:
            # The table may show another page by now: a row is named by its position in the data set.
            row = str(samples.explorer.rows([wanted["row"]], ["id"])["id"].iloc[0])
            chosen.row = "" if chosen.row == row else row

    def _load(self, *_events: object) -> None:
        samples, selection = self._exploration.samples, self._exploration.selection
        if samples is None or selection is None:
            return
        chosen = self._exploration.chosen
        sort, last = chosen.sort, max(0, -(-selection.count // PAGE_SIZE) - 1)
        # A link may name any page, also one that is no number or that other rows do not have.
        number = min(int(chosen.page) - 1, last) if chosen.page.isdecimal() and int(chosen.page) else 0

        def show(frame: pd.DataFrame) -> None:
            known = sort if sort.removeprefix("-") in frame.columns else ""
            self._shown = samples
            self.rows.param.update(
                frame=frame,
                total=selection.count,
                number=number,
                sort=known or (f"-{SCORE}" if selection.filter.finding else ""),
                opened=chosen.row,
                titles=samples.titles,
                texts=list(samples.dataset.fields.text_columns),
                busy=False,
            )

        run(self._worker, lambda: samples.page(selection, sort, number, PAGE_SIZE), show, working=self._work)

    def _work(self, busy: bool) -> None:
        self.rows.busy = busy
