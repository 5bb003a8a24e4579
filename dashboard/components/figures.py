"""What all of our Bokeh figures have in common."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bokeh.models import CustomJS
from panel.io.document import unlocked

if TYPE_CHECKING:
    from collections.abc import Iterator

_RING = """
const view = cb_context.index.find_one(plot)
const root = view?.canvas_view?.shadow_el
if (root && !root.querySelector("style.ts-focus")) {
  const style = document.createElement("style")
  style.className = "ts-focus"
  style.textContent = ".bk-events:focus:not(:focus-visible) { outline: none; }"
  root.append(style)
}
"""


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """Let changes of Bokeh's models arrive after all that was changed before; also decorates what makes them.

    Panel writes its changes to the socket itself, or queues them while that is busy; what Bokeh sends on its own
    overtakes them, and a figure would change before it is there (seen with Panel 1.9.4).
    """
    with unlocked():
        yield


def ring_for_keys_only(plot: Any) -> None:
    """Let a figure show by an outline that it has the focus only where the focus came by the keyboard.

    Bokeh draws it after each click as well, in a shadow root that takes no style sheet of ours; so the rule is put
    there as soon as the mouse comes.
    """
    plot.js_on_event("mouseenter", CustomJS(args={"plot": plot}, code=_RING))
