"""Our own HTML with parts that a visitor clicks or fills in: one component for chips, tables, lists and drawers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import param
from panel.custom import JSComponent

from dashboard.theme import HTML_CSS, colour

if TYPE_CHECKING:
    from collections.abc import Callable

CSS = f"""
button {{ font: inherit; color: inherit; background: none; border: none; padding: 0; cursor: pointer;
  text-align: left; }}
button:disabled {{ cursor: default; opacity: 0.45; }}
:focus-visible {{ outline: 2px solid {colour("accent")}; outline-offset: 1px; }}
"""


class Clickable(JSComponent):
    """HTML in which every element with `data-pick` is a choice and every field with `data-name` an entry.

    A choice is made by a click or the Enter key. Text from people stands in the HTML only as `safe_text` returns it.
    The element that has the focus keeps it when the HTML changes.
    """

    html = param.String(default="", doc="Markup, written by us.")
    picked = param.Dict(default={}, doc="The last choice: key and count, so that the same one twice is two events.")
    entered = param.Dict(default={}, doc="The last entry: name, value and count.")

    _esm = """
    export function render({model}) {
      const root = document.createElement("div")
      const draw = () => {
        const focused = root.getRootNode().activeElement
        const data = focused && root.contains(focused) ? focused.dataset : {}
        root.innerHTML = model.html
        const kept = data.pick !== undefined ? `[data-pick="${CSS.escape(data.pick)}"]`
          : data.name !== undefined ? `[data-name="${CSS.escape(data.name)}"]` : null
        if (kept) { root.querySelector(kept)?.focus({preventScroll: true}) }
        root.querySelector("[data-focus]")?.focus({preventScroll: true})
      }
      const pick = (event) => {
        const target = event.target.closest?.("[data-pick]")
        if (target && root.contains(target) && !target.disabled) {
          model.picked = {key: target.dataset.pick, count: (model.picked.count ?? 0) + 1}
          return true
        }
        return false
      }
      root.addEventListener("click", pick)
      root.addEventListener("keydown", (event) => {
        const escape = root.querySelector("[data-escape]")
        if (event.key === "Escape" && escape) { escape.click() }
        else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && pick(event)) { event.preventDefault() }
      })
      root.addEventListener("change", (event) => {
        const {name} = event.target.dataset
        if (name !== undefined) {
          model.entered = {name, value: event.target.value, count: (model.entered.count ?? 0) + 1}
        }
      })
      model.on("html", draw)
      draw()
      return root
    }
    """

    def __init__(
        self,
        css: str = "",
        *,
        on_pick: Callable[[str], None] | None = None,
        on_enter: Callable[[str, str], None] | None = None,
        **params: Any,
    ) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        super().__init__(margin=0, stylesheets=[HTML_CSS, CSS, css], **params)
        if on_pick is not None:
            self.param.watch(lambda event: on_pick(str(event.new.get("key", ""))), "picked")
        if on_enter is not None:
            self.param.watch(
                lambda event: on_enter(str(event.new.get("name", "")), str(event.new.get("value", ""))), "entered"
            )

    # Nothing of ours is read as a template.
    _stylesheets: ClassVar[list[str]] = []
