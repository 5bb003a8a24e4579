"""The table of samples: sorted and paged on the server, so that only the rows in sight travel."""

from __future__ import annotations

from typing import Any

import panel as pn
import param
from panel.viewable import Viewer

from dashboard.text import safe_text
from dashboard.theme import TABLE_CSS

PAGE_SIZE = 12
# In pixels, and the first text in a share of the table; the other texts have the rest.
_WIDTHS: dict[str, Any] = {"id": 84, "created": 116, "text_0": "26%", "tag": 212, "split": 106}


class SampleTable(Viewer):
    """Samples as rows; columns are sorted by a click on their title.

    Tabulator shows cells as plain text; the frame's long cells have been cut before.
    """

    frame = param.Parameter(default=None, doc="Rows to show; columns id, created, texts, tag, split.")
    titles = param.Dict(default={}, doc="Title by column.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._table = pn.widgets.Tabulator(
            self.frame,
            pagination="remote",
            page_size=PAGE_SIZE,
            show_index=False,
            disabled=True,
            selectable=False,
            layout="fit_columns",
            sizing_mode="stretch_width",
            margin=0,
            stylesheets=[TABLE_CSS],
            configuration={
                "placeholder": "No project matches this filter; choose another tag or shorten the text.",
                "columnDefaults": {"resizable": False},
            },
            **self._columns(),
        )
        self.param.watch(self._show, "frame")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._table

    def _columns(self) -> dict[str, Any]:
        from bokeh.models.widgets.tables import DateFormatter

        names = [] if self.frame is None else list(self.frame.columns)
        formatters: dict[str, Any] = {name: {"type": "textarea"} for name in names}
        formatters |= {"id": {"type": "plaintext"}, "split": {"type": "plaintext"}}
        formatters["created"] = DateFormatter(format="%Y-%m-%d", null_format="", nan_format="")
        return {
            "formatters": {name: formatters[name] for name in names},
            # Tabulator renders titles as HTML, and these come from a file's header.
            "titles": {name: safe_text(self.titles.get(name, name), 40) for name in names},
            "text_align": dict.fromkeys(names, "left"),
            "widths": {name: width for name, width in _WIDTHS.items() if name in names},
        }

    def _show(self, event: Any) -> None:
        table = self._table
        if event.old is None or list(event.old.columns) != list(event.new.columns):
            table.param.update(value=event.new, sorters=[], page=1, **self._columns())
        else:
            table.param.update(value=event.new, page=1)
