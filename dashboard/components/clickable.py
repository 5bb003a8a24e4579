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
    In a field, Enter also clicks what has `data-enter`; everywhere, Escape clicks what has `data-escape`. When the HTML
    changes, the element that has the focus keeps it; one with `data-focus` takes it, unless the visitor is elsewhere by
    then. What stands in a field is no part of the HTML: it is written from `values`, and never into the field that
    somebody is typing in.
    """

    html = param.String(default="", doc="Markup, written by us.")
    values = param.Dict(default={}, doc="Text by name of field; a field without one is empty.")
    picked = param.Dict(default={}, doc="The last choice: key and count, so that the same one twice is two events.")
    entered = param.Dict(default={}, doc="What was entered and not heard of yet: text by name, and a count.")
    heard = param.Integer(default=0, doc="Count of the last entry that was heard of.")

    _esm = """
    export function render({model}) {
      const root = document.createElement("div")
      const focused = () => {
        const element = root.getRootNode().activeElement
        return element && root.contains(element) ? element : null
      }
      // The field that was changed since it was entered, and whether by typing or in a calendar.
      let changed = null
      let typing = false
      // What was entered and the server has not heard of: its values are older than that.
      const waiting = new Map()
      const text_of = (name) => waiting.get(name)?.value ?? model.values[name] ?? ""
      const fill = () => {
        for (const field of root.querySelectorAll("[data-name]")) {
          if (field !== focused()) { field.value = text_of(field.dataset.name) }
        }
      }
      const draw = () => {
        const {pick, name} = focused()?.dataset ?? {}
        const free = focused() || !document.activeElement || document.activeElement === document.body
        root.innerHTML = model.html
        fill()
        const kept = pick !== undefined ? `[data-pick="${CSS.escape(pick)}"]`
          : name !== undefined ? `[data-name="${CSS.escape(name)}"]` : null
        for (const element of kept ? root.querySelectorAll(kept) : []) {
          element.focus({preventScroll: true})
          if (focused() === element) { break }
        }
        // Whoever has gone on to another place while the server answered is not called back.
        if (free) { root.querySelector("[data-focus]")?.focus({preventScroll: true}) }
      }
      const enter = (field) => {
        changed = null
        const {name} = field.dataset
        // What is no date or number yet reads as empty, which would take the condition out.
        if (name === undefined || field.validity.badInput || field.value === text_of(name)) { return }
        const count = (model.entered.count ?? 0) + 1
        waiting.set(name, {value: field.value, count})
        // All of them: of two that follow each other quickly, the server hears only the second.
        model.entered = {values: Object.fromEntries([...waiting].map(([name, {value}]) => [name, value])), count}
      }
      const pick = (event) => {
        const target = event.target.closest?.("[data-pick]")
        if (target && root.contains(target) && !target.disabled && target.ariaDisabled !== "true") {
          model.picked = {key: target.dataset.pick, count: (model.picked.count ?? 0) + 1}
          return true
        }
        return false
      }
      root.addEventListener("click", pick)
      root.addEventListener("keydown", (event) => {
        const escape = root.querySelector("[data-escape]")
        const done = event.target.dataset?.name === undefined ? null : root.querySelector("[data-enter]")
        typing = event.key !== "Enter"
        // While characters are being composed, both keys belong to that.
        if (event.isComposing) { return }
        if (event.key === "Escape" && escape) { escape.click() }
        else if (event.key === "Enter" && done) { enter(event.target); done.click() }
        else if (event.key === "Enter" && changed === event.target) { enter(event.target) }
        else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && pick(event)) { event.preventDefault() }
      })
      root.addEventListener("pointerdown", () => { typing = false })
      root.addEventListener("input", (event) => { changed = event.target })
      root.addEventListener("change", (event) => {
        // While a year is being typed, each of its digits makes another whole date.
        if (event.target.type === "date" && typing) { changed = event.target } else { enter(event.target) }
      })
      root.addEventListener("focusout", (event) => {
        if (changed === event.target) { enter(changed) }
        setTimeout(fill, 0)
      })
      model.on("heard", () => {
        for (const [name, {count}] of [...waiting]) { if (count <= model.heard) { waiting.delete(name) } }
        fill()
      })
      model.on("values", fill)
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
            self.param.watch(lambda event: self._hear(event.new, on_enter), "entered")

    def _hear(self, entered: dict[str, Any], on_enter: Callable[[str, str], None]) -> None:
        try:
            for name, value in entered.get("values", {}).items():
                on_enter(str(name), str(value))
        finally:
            self.heard = int(entered.get("count", 0))

    # Nothing of ours is read as a template.
    _stylesheets: ClassVar[list[str]] = []
