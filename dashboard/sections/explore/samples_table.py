"""The table of the rows that the filter leaves, one page of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.viewable import Viewer

from dashboard.components.rows import PAGE_SIZE, RowTable
from dashboard.components.work import Worker
from dashboard.sections.explore.exploration import run

if TYPE_CHECKING:
    import pandas as pd
    import panel as pn

    from dashboard.sections.explore.exploration import Exploration


class SamplesTable(Viewer):
    """Follows the filter; sorting and the open row are in the state, the page is not."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._worker = Worker()
        self.rows = RowTable()
        exploration.param.watch(lambda _event: self._load(0), "turn")
        exploration.chosen.param.watch(lambda _event: self._load(0), "sort")
        exploration.chosen.param.watch(lambda event: self.rows.param.update(opened=event.new), "row")
        self.rows.param.watch(self._wanted, "wanted")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self.rows.__panel__()

    def _wanted(self, event: Any) -> None:
        chosen, wanted = self._exploration.chosen, event.new
        if "page" in wanted:
            self._load(wanted["page"])
        elif "sort" in wanted:
            chosen.sort = wanted["sort"]
        elif "row" in wanted:
            # The table may show another page by now: a row is named by its position in the data set.
            row = str(self._exploration.explorer.rows([wanted["row"]], ["id"])["id"].iloc[0])
            chosen.row = "" if chosen.row == row else row

    def _load(self, number: int) -> None:
        samples, selection = self._exploration.samples, self._exploration.selection
        if samples is None or selection is None:
            return
        sort = self._exploration.chosen.sort

        def show(frame: pd.DataFrame) -> None:
            known = sort if sort.removeprefix("-") in frame.columns else ""
            self.rows.param.update(
                frame=frame,
                total=selection.count,
                number=number,
                sort=known or ("-score" if selection.filter.finding else ""),
                opened=self._exploration.chosen.row,
                titles=samples.titles,
                texts=list(samples.dataset.fields.text_columns),
            )

        run(self._worker, lambda: samples.page(selection, sort, number, PAGE_SIZE), show)
