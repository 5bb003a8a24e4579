"""HTML of a list of examples that the keys j and k step through, and o or Enter opens."""

from __future__ import annotations

from dashboard.components.clickable import Clickable


class StepList(Clickable):
    """HTML in which every element with `data-pick` is a choice, and every `[data-item]` inside a `[data-card]` a step.

    The keys are heard while the list is in sight or has the focus, and nobody types. A step moves the focus; where an
    example is open (``aria-expanded``), the next one is opened instead. After the last step the key ``step:next`` is
    picked, before the first one ``step:previous``: whoever then writes another ``data-page`` gets the focus set to its
    first or last item. The Escape key closes what is open.
    """

    _esm = """
    export function render({model}) {
      const root = document.createElement("div")
      const focused = () => {
        const element = root.getRootNode().activeElement
        return element && root.contains(element) ? element : null
      }
      const items = () => [...root.querySelectorAll("[data-item]")]
      const opened = () => root.querySelector('[data-item][aria-expanded="true"]')
      const page = () => root.querySelector("[data-page]")?.dataset.page
      const pick = (key) => { model.picked = {key, count: (model.picked.count ?? 0) + 1} }
      const go = (item, block = "nearest") => {
        item.focus({preventScroll: true})
        item.closest("[data-card]").scrollIntoView({block})
      }
      // Which end of the page to come gets the focus, and which item is to be open and in sight when it is there.
      let end = null
      let awaited = null
      const draw = () => {
        const key = focused()?.dataset.pick
        const before = page()
        root.innerHTML = model.html
        if (end !== null && page() !== before) {
          const item = opened() ?? items().at(end)
          end = null
          if (item) { go(item, item === opened() ? "start" : "nearest") }
          return
        }
        if (key !== undefined) {
          [...root.querySelectorAll("[data-pick]")]
            .find((element) => element.dataset.pick === key && element.tabIndex >= 0)?.focus({preventScroll: true})
        }
        const item = opened()
        if (item && item.dataset.pick === awaited) {
          awaited = null
          go(item, "start")
        }
      }
      const step = (by) => {
        const all = items()
        const card = focused()?.closest("[data-card]")
        const now = card ? all.findIndex((item) => card.contains(item)) : all.indexOf(opened())
        const next = now < 0 ? 0 : now + by
        if (now >= 0 && (next < 0 || next >= all.length)) {
          end = by > 0 ? 0 : -1
          pick(by > 0 ? "step:next" : "step:previous")
        } else if (all[next]) {
          go(all[next])
          if (opened() && opened() !== all[next]) {
            awaited = all[next].dataset.pick
            pick(awaited)
          }
        }
      }
      const types_in = (element) => element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(
        element.tagName) || ["combobox", "textbox", "listbox", "menu", "slider", "dialog"].includes(
        element.getAttribute?.("role"))
      const on_key = (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) { return }
        const key = event.key.toLowerCase()
        if (!["j", "k", "o"].includes(key) || event.composedPath().some(types_in)) { return }
        const {top, bottom, height} = root.getBoundingClientRect()
        // Whoever has the focus in it means the list, also where what is being built above has pushed it out of sight.
        const unseen = !height || bottom < 0 || top > window.innerHeight
        if (unseen && !focused()) { return }
        if (key !== "o") {
          event.preventDefault()
          step(key === "j" ? 1 : -1)
          return
        }
        const item = focused()?.closest("[data-card]")?.querySelector("[data-item]")
        if (item) {
          event.preventDefault()
          pick(item.dataset.pick)
        }
      }
      document.addEventListener("keydown", on_key)
      model.on("remove", () => document.removeEventListener("keydown", on_key))
      root.addEventListener("click", (event) => {
        const target = event.target.closest("[data-pick]")
        // Whoever marks a text with the mouse does not want it closed.
        const marked = target?.tagName !== "BUTTON" && !window.getSelection().isCollapsed
        if (target && root.contains(target) && target.ariaDisabled !== "true" && !marked) { pick(target.dataset.pick) }
      })
      root.addEventListener("keydown", (event) => {
        const item = opened()
        if (event.key === "Escape" && item) {
          item.focus({preventScroll: true})
          pick(item.dataset.pick)
        }
      })
      model.on("html", draw)
      draw()
      return root
    }
    """
