"""A sentence in the place of what cannot be shown: what is wrong, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import param
from panel.viewable import Viewer

from dashboard.components.layout import stack
from dashboard.components.markup import markup
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

CSS = f"""
.ts-message {{ border: 1px solid {colour("line")}; border-left: 4px solid {colour("muted")}; border-radius: 8px;
  padding: 12px 16px; background: {colour("surface")}; overflow-wrap: anywhere; }}
.ts-message.problem {{ border-left-color: {colour("error")}; }}
.ts-message.hint {{ border-left-color: {colour("accent")}; }}
code {{ font-family: ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace; font-size: 13.5px;
  background: {colour("raised")}; border-radius: 4px; padding: 1px 5px; }}
"""

_COMMAND = re.compile(r"`([^`]+)`")


class Message(Viewer):
    """One or two sentences in a quiet box; commands between backticks are set as code.

    Examples
    --------
    >>> Message(text="No run yet; train one with `tagscope train --data FILE`.")  # doctest: +SKIP
    """

    text = param.String(default="", doc="What is said; shown as text, whatever it contains. Empty: nothing is shown.")
    kind = param.Selector(default="problem", objects=["problem", "hint"], doc="Something is wrong, or a way on.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._pane = markup(self._html(), CSS)
        self._view = stack(self._pane, visible=bool(self.text))
        self.param.watch(self._update, ["text", "kind"])

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _update(self, *_events: object) -> None:
        self._pane.object = self._html()
        self._view.visible = bool(self.text)

    def _html(self) -> str:
        if not self.text:
            return ""
        # Escaping leaves backticks alone, so a command is found after it and cannot bring markup along.
        sentence = _COMMAND.sub(r"<code>\1</code>", safe_text(self.text, 1_200))
        role = "alert" if self.kind == "problem" else "status"
        return f'<div class="ts-message {self.kind}" role="{role}">{sentence}</div>'
