"""The table of samples as plain HTML: one page of rows travels, and everything in it is text."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import param
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.pager import pager_html
from dashboard.text import plain_text, safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import pandas as pd
    import panel as pn

PAGE_SIZE = 12
CELL_LIMIT = 300
EMPTY = "No project matches this filter; take a condition out, or shorten the text."
CSS = f"""
.frame {{ border: 1px solid {colour("line")}; border-radius: 10px; overflow: hidden; background: {colour("surface")}; }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed; font-size: 14px; line-height: 1.4; }}
th {{ background: {colour("raised")}; color: {colour("muted")}; font-weight: 600; text-align: left; padding: 9px 10px;
  border-bottom: 1px solid {colour("line")}; }}
th button {{ width: 100%; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
th button::after {{ content: " ↕"; opacity: 0.35; }}
th[aria-sort=ascending] button::after {{ content: " ↑"; opacity: 1; }}
th[aria-sort=descending] button::after {{ content: " ↓"; opacity: 1; }}
td {{ padding: 9px 10px; vertical-align: top; font-variant-numeric: tabular-nums; }}
tbody tr {{ border-top: 1px solid {colour("line")}; cursor: pointer; }}
tbody tr:first-child {{ border-top: none; }}
tbody tr:hover, tbody tr.open {{ background: {colour("raised")}; }}
td div {{ display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  overflow-wrap: anywhere; }}
td button {{ overflow-wrap: anywhere; }}
.busy {{ opacity: 0.5; }}
.id {{ width: 84px; }} .created {{ width: 100px; }} .tag {{ width: 190px; }} .split {{ width: 90px; }}
.score {{ width: 74px; }} .proposed {{ width: 150px; }} .text-0 {{ width: 26%; }} .note {{ width: auto; }}
.none {{ padding: 40px 20px; text-align: center; color: {colour("muted")}; font-size: 15px; }}
.pager {{ display: flex; gap: 8px; align-items: center; justify-content: flex-end; padding: 10px 0 0;
  color: {colour("muted")}; font-size: 14px; font-variant-numeric: tabular-nums; }}
.pager button {{ color: {colour("text")}; border: 1px solid {colour("line")}; border-radius: 6px; padding: 4px 12px; }}
.pager button:not([aria-disabled]):hover {{ background: {colour("raised")}; }}
.pager [aria-disabled] {{ cursor: default; opacity: 0.45; }}
@media (max-width: 1000px) {{ .created, .split {{ display: none; }} .tag, .proposed {{ width: 120px; }} }}
@media (max-width: 640px) {{ .id, .text-1, .text-2 {{ display: none; }} .text-0, .note {{ width: auto; }} }}
"""


class RowTable(Viewer):
    """One page of rows; titles sort, rows open by a click anywhere or by the button in their first text.

    Examples
    --------
    >>> RowTable(frame=frame, total=905, titles={"id": "ID"})  # doctest: +SKIP
    """

    frame = param.Parameter(default=None, doc="The rows of this page; the index names them, a whole number each.")
    total = param.Integer(default=0, doc="How many rows there are on all pages.")
    number = param.Integer(default=0, doc="Which page this is, from 0.")
    sort = param.String(default="", doc="Column by which rows are sorted; descending with a minus before it.")
    opened = param.String(default="", doc="Id of the row that is open; empty: none.")
    titles = param.Dict(default={}, doc="Title by column.")
    texts = param.List(default=[], doc="Columns of text; the first of them is there on every screen.")
    unsorted = param.List(default=[], doc="Columns that cannot be sorted.")
    busy = param.Boolean(default=False, doc="Whether another page is being found, and takes long.")
    wanted = param.Dict(default={}, doc="What was chosen last: row (of the index), sort or page, and a count.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view = Clickable(CSS, on_pick=self._picked, min_height=120)
        self._draw()
        self.param.watch(self._draw, ["frame", "total", "number", "sort", "opened", "busy"])

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-int(self.total) // PAGE_SIZE))

    def _picked(self, key: str) -> None:
        kind, _, rest = key.partition(":")
        value: Any = rest
        if kind == "sort" and self.frame is not None:
            name = list(self.frame.columns)[int(rest)]
            value = f"-{name}" if self.sort == name else name
        elif kind == "row" and self.frame is not None:
            value = int(rest)
        elif kind == "page":
            places = {"first": 0, "previous": self.number - 1, "next": self.number + 1, "last": self.pages - 1}
            value = min(max(places[rest], 0), self.pages - 1)
        self.wanted = {kind: value, "count": self.wanted.get("count", 0) + 1}

    def _draw(self, *_events: object) -> None:
        self._view.html = "" if self.frame is None else self._html()

    def _html(self) -> str:
        frame: pd.DataFrame = self.frame
        classes = [self._class(name) for name in frame.columns]
        heads = "".join(self._head(place, name, classes[place]) for place, name in enumerate(frame.columns))
        columns = [frame[name].tolist() for name in frame.columns]
        ids = frame["id"].tolist()
        opens = next((place for place, css in enumerate(classes) if css == "text-0"), classes.index("id"))
        rows = ""
        for row, id in enumerate(ids):
            key, is_open = f"row:{frame.index[row]}", str(id) == self.opened
            cells = [_cell(column[row]) for column in columns]
            cells[opens] = (
                f'<button data-pick="{key}" aria-expanded="{str(is_open).lower()}" '
                f'title="Open {safe_text(id, 40)}">{cells[opens] or "–"}</button>'
            )
            inner = "".join(
                f'<td class="{css}"><div>{cell}</div></td>' for css, cell in zip(classes, cells, strict=True)
            )
            rows += f'<tr data-pick="{key}"{" class=open" if is_open else ""}>{inner}</tr>'
        body = (
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
            if rows
            else f'<div class="none">{EMPTY}</div>'
        )
        busy = str(bool(self.busy)).lower()
        css = " busy" if self.busy else ""
        pager = pager_html(self.number, self.pages, "Pages")
        return f'<div class="frame ts-rows{css}" aria-busy="{busy}">{body}</div>{pager}'

    def _head(self, place: int, name: str, css: str) -> str:
        title = safe_text(self.titles.get(name, name), 40)
        if name in self.unsorted:
            return f'<th class="{css}">{title}</th>'
        return (
            f'<th class="{css}" aria-sort="{self._direction(name)}"><button data-pick="sort:{place}" '
            f'title="Sort by {title}">{title}</button></th>'
        )

    def _class(self, name: str) -> str:
        return f"text-{min(self.texts.index(name), 2)}" if name in self.texts else name.rpartition(":")[2]

    def _direction(self, name: str) -> str:
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return safe_text(plain_text(value, CELL_LIMIT))
