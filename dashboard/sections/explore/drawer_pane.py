"""The drawer's place on the page: it takes the focus when it opens, gives it back, and keeps where one was reading."""

from __future__ import annotations

from urllib.parse import quote, unquote

from dashboard.components.clickable import Clickable

ROW = "row:"


class DrawerPane(Clickable):
    """HTML of one `<aside data-row=...>`, or none; clicks as in `Clickable`, the Escape key picks `[data-escape]`.

    The same row drawn anew keeps the focus and how far it was scrolled. Another row begins at its top.
    """

    _esm = """
    export function render({model}) {
      const root = document.createElement("div")
      const focused = () => {
        let element = document.activeElement
        while (element?.shadowRoot?.activeElement) { element = element.shadowRoot.activeElement }
        return element === document.body ? null : element
      }
      const focus = (element) => element?.focus({preventScroll: true})
      const with_key = (place, key) => [...(place?.querySelectorAll("[data-pick]") ?? [])]
        .find((element) => element.dataset.pick === key && element.tabIndex >= 0)
      // What had the focus before the drawer opened. A table may have been drawn anew since: then what has its key.
      let before = null
      const give_back = () => {
        if (before?.element.isConnected) { focus(before.element) }
        else if (before?.key !== undefined) { focus(with_key(before.place, before.key)) }
        before = null
      }
      const draw = () => {
        const shown = root.querySelector("aside")
        const row = shown?.dataset.row
        const top = shown?.scrollTop
        const element = focused()
        const inside = element !== null && root.contains(element)
        const key = element?.dataset.pick
        root.innerHTML = model.html
        const aside = root.querySelector("aside")
        if (!aside) {
          if (inside) { give_back() }
        } else if (!shown) {
          before = element && {element, key, place: element.getRootNode()}
          focus(root.querySelector("[data-escape]"))
        } else if (aside.dataset.row === row) {
          aside.scrollTop = top
          if (inside) { focus(with_key(root, key) ?? aside) }
        } else if (inside) {
          focus(root.querySelector("[data-escape]"))
        }
      }
      const pick = (target) => { model.picked = {key: target.dataset.pick, count: (model.picked.count ?? 0) + 1} }
      root.addEventListener("click", (event) => {
        const target = event.target.closest("[data-pick]")
        if (target && root.contains(target)) { pick(target) }
      })
      root.addEventListener("keydown", (event) => {
        const escape = root.querySelector("[data-escape]")
        if (event.key === "Escape" && escape) { pick(escape) }
      })
      model.on("html", draw)
      draw()
      return root
    }
    """


def row_key(row_id: str) -> str:
    """Return the key of a button that opens a row: what comes back names the row, whatever its id has in it."""
    return ROW + quote(row_id, safe="")


def row_of(key: str) -> str | None:
    """Return the id of the row that a key names; None if it is no such key."""
    return unquote(key.removeprefix(ROW)) if key.startswith(ROW) else None
