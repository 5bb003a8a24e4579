"""What stands below a chart: a remark, whose links lead to rows, and all that is drawn as a list of buttons."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.components.rectangles import Chart

_UNFOLD = "as a list"
_CSS = f"""
.caption {{ display: flex; flex-wrap: wrap; gap: 4px 18px; justify-content: space-between; font-size: 14px;
  color: {colour("muted")}; }}
.caption .link, .caption .unfold {{ text-decoration: underline; text-underline-offset: 2px; }}
.caption .link:hover, .caption .unfold:hover, li button:hover {{ color: {colour("accent")}; }}
ul {{ list-style: none; margin: 8px 0 0; padding: 0; max-height: 300px; overflow-y: auto; font-size: 14px;
  border-top: 1px solid {colour("line")}; }}
li button {{ width: 100%; padding: 4px 6px; overflow-wrap: anywhere; }}
"""


class Caption(Viewer):
    """Says what a chart cannot, and is the way to its rows by keyboard and for who does not see it.

    The list is written only while it is unfolded: a heat map has thousands of cells.

    Parameters
    ----------
    title
        Of the chart.
    on_pick
        Called with the key of what was chosen: that of a rectangle, or of a link in the remark.
    """

    def __init__(self, title: str, on_pick: Callable[[str], None]) -> None:
        super().__init__()
        self._title, self._on_pick = title, on_pick
        self._remark = ""
        self._chart: Chart | None = None
        self._unfolded = False
        self._view = Clickable(_CSS, on_pick=self._picked)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def say(self, remark: str) -> None:
        """Change the remark, HTML written by us."""
        self._remark = remark
        self._draw()

    def show(self, remark: str, chart: Chart | None) -> None:
        """Follow another drawing."""
        self._remark, self._chart = remark, chart
        self._draw()

    def _picked(self, key: str) -> None:
        if key == _UNFOLD:
            self._unfolded = not self._unfolded
            self._draw()
        else:
            self._on_pick(key)

    def _draw(self) -> None:
        # A bar may be drawn as several rectangles.
        tips = {one.key: one.tip for one in self._chart.rectangles} if self._chart is not None else {}
        unfold, listed = "", ""
        if tips:
            unfold = (
                f'<button class="unfold" data-pick="{_UNFOLD}" aria-expanded="{str(self._unfolded).lower()}" '
                f'aria-label="{safe_text(self._title)} as a list">As a list</button>'
            )
        if tips and self._unfolded:
            items = (f"<li>{button(key, safe_text(tip, 300), '')}</li>" for key, tip in tips.items())
            listed = f"<ul>{''.join(items)}</ul>"
        self._view.html = f'<div class="caption"><span>{self._remark}</span>{unfold}</div>{listed}'


def button(key: str, words: str, kind: str = "link") -> str:
    """Write a button with a key, which may hold text from people; `words` are HTML."""
    return f'<button class="{kind}" data-pick="{html.escape(key)}">{words}</button>'
