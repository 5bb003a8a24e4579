"""The table of samples: sorted and paged on the server, so that only the rows in sight travel."""

from __future__ import annotations

from typing import Any

import panel as pn
import param
from panel.viewable import Viewer

from dashboard.components.layout import stack
from dashboard.text import safe_text
from dashboard.theme import TABLE_CSS

PAGE_SIZE = 12
# Widths in pixels or as shares of what is left; where the window is narrow, columns with high numbers are hidden.
_SHAPES: dict[str, dict[str, int]] = {
    "id": {"width": 84, "responsive": 3},
    "created": {"width": 116, "responsive": 5},
    "text_0": {"widthGrow": 5, "minWidth": 180, "responsive": 0},
    "tag": {"width": 224, "responsive": 1},
    "split": {"width": 110, "responsive": 4},
}
_OTHER_TEXT = {"widthGrow": 8, "minWidth": 220, "responsive": 2}


class SampleTable(Viewer):
    """Samples as rows; columns are sorted by a click on their title.

    Tabulator shows cells as plain text; the frame's long cells have been cut before.
    """

    frame = param.Parameter(default=None, doc="Rows to show; columns id, created, texts, tag, split.")
    titles = param.Dict(default={}, doc="Title by column.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._table: pn.widgets.Tabulator | None = None
        self._view = stack()
        self._show()
        self.param.watch(self._show, "frame")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _show(self, *_events: object) -> None:
        if self.frame is None:
            self._view.objects = []
        elif self._table is None or list(self._table.value.columns) != list(self.frame.columns):
            # What columns look like is settled when a table is made.
            self._table = self._make(list(self.frame.columns))
            self._view.objects = [self._table]
        else:
            self._table.param.update(value=self.frame, page=1)

    def _make(self, names: list[str]) -> pn.widgets.Tabulator:
        from bokeh.models.widgets.tables import DateFormatter

        formatters: dict[str, Any] = {name: {"type": "textarea"} for name in names}
        formatters |= {"id": {"type": "plaintext"}, "split": {"type": "plaintext"}}
        formatters["created"] = DateFormatter(format="%Y-%m-%d", null_format="", nan_format="")
        return pn.widgets.Tabulator(
            self.frame,
            pagination="remote",
            page_size=PAGE_SIZE,
            show_index=False,
            disabled=True,
            selectable=False,
            layout="fit_columns",
            sizing_mode="stretch_width",
            min_height=300,
            margin=0,
            stylesheets=[TABLE_CSS],
            formatters={name: formatters[name] for name in names},
            # Tabulator renders titles as HTML, and these come from a file's header.
            titles={name: safe_text(self.titles.get(name, name), 40) for name in names},
            text_align=dict.fromkeys(names, "left"),
            configuration={
                "placeholder": "No project matches this filter; choose another tag or shorten the text.",
                "columnDefaults": {"resizable": False},
                "responsiveLayout": "hide",
                "columns": [{"field": name, **_SHAPES.get(name, _OTHER_TEXT)} for name in names],
            },
        )
