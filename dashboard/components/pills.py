"""A choice of few: pills in a row, of which one is pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import param
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

PILL_CSS = f"""
.pill {{ border: 1px solid {colour("line")}; border-radius: 999px; padding: 3px 12px; font-size: 14px; line-height: 1.5;
  background: {colour("surface")}; overflow-wrap: anywhere; }}
.pill:hover {{ background: {colour("raised")}; }}
.pill b {{ font-variant-numeric: tabular-nums; font-weight: 600; color: {colour("muted")}; }}
.pill[aria-pressed=true] {{ background: {colour("accent")}; color: {colour("on_accent")};
  border-color: {colour("accent")}; }}
.pill[aria-pressed=true] b {{ color: inherit; }}
"""
_CSS = (
    PILL_CSS
    + f"""
.pills {{ display: flex; gap: 6px; flex-wrap: wrap; align-items: center; font-size: 14px; color: {colour("muted")}; }}
.pill {{ padding: 2px 11px; color: {colour("text")}; }}
"""
)


class Pills(Viewer):
    """Buttons of which one is pressed.

    Parameters
    ----------
    title
        What is chosen; stands before them.
    options
        Label by key; both are ours.
    on_choose
        Called with the key of a button that is pressed.

    Examples
    --------
    >>> Pills("Sorted by", {"f1": "F1", "name": "Name"}, print, chosen="f1")  # doctest: +SKIP
    """

    chosen = param.String(default="", doc="Key of the button that looks pressed.")

    def __init__(self, title: str, options: dict[str, str], on_choose: Callable[[str], None], **params: object) -> None:
        super().__init__(**params)
        self._title, self._options = title, options
        self._view = Clickable(_CSS, on_pick=lambda key: on_choose(key) if key in options else None)
        self._draw()
        self.param.watch(self._draw, "chosen")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _draw(self, *_events: object) -> None:
        buttons = "".join(
            f'<button class="pill" data-pick="{safe_text(key)}" aria-pressed="{str(key == self.chosen).lower()}">'
            f"{safe_text(label)}</button>"
            for key, label in self._options.items()
        )
        title = safe_text(self._title)
        self._view.html = f'<div class="pills" role="group" aria-label="{title}"><span>{title}</span>{buttons}</div>'
