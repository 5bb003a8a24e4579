"""What only the browser knows or can do: history, theme of the document, which section is in sight."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent

from dashboard.components.skeleton import SKELETON_CSS
from dashboard.text import plain_text
from dashboard.theme import FONT, colour


class AddressBar(JSComponent):
    """The browser's history and the theme of the document; draws nothing.

    `written` goes to the browser: `{"search", "push", "count"}`. `arrived` comes from it whenever the visitor goes
    back or forward: `{"search", "count"}`. The count makes equal values an event each.
    """

    written = param.Dict(default={}, doc="Query to write, and whether as a new step of the history.")
    arrived = param.Dict(default={}, doc="Query that the visitor went to.")
    dark = param.Boolean(default=False, doc="Whether the dark theme is on.")
    wants_dark = param.Boolean(default=False, doc="Whether the visitor's system prefers dark; known after loading.")

    _esm = """
    export function render({model, view}) {
      const on_pop = () => {
        model.arrived = {search: window.location.search, count: (model.arrived.count ?? 0) + 1}
      }
      const on_written = () => {
        const {search, push} = model.written
        const url = window.location.pathname + search + window.location.hash
        if (push) { window.history.pushState({}, "", url) } else { window.history.replaceState({}, "", url) }
      }
      const on_dark = () => {
        document.documentElement.classList.toggle("ts-dark", model.dark)
        document.cookie = `tagscope_theme=${model.dark ? "dark" : "light"}; path=/; max-age=31536000; samesite=lax`
      }
      window.addEventListener("popstate", on_pop)
      model.on("written", on_written)
      model.on("dark", on_dark)
      model.on("remove", () => window.removeEventListener("popstate", on_pop))
      document.documentElement.classList.toggle("ts-dark", model.dark)
      if (model.written.search !== undefined) { on_written() }
      const chosen = document.cookie.includes("tagscope_theme=") || window.location.search.includes("theme=")
      if (!chosen && window.matchMedia("(prefers-color-scheme: dark)").matches) {
        // Not before all is drawn: while they are being made, Material components take the theme from each other.
        const page = view.model.document
        const ask = () => { model.wants_dark = true }
        if (page.is_idle) { ask() } else { page.idle.connect(ask) }
      }
      return document.createElement("span")
    }
    """

    def write(self, search: str, push: bool) -> None:
        """Write a query into the address bar; `push` makes it a new step of the history."""
        self.written = {"search": search, "push": push, "count": self.written.get("count", 0) + 1}


class SectionLinks(JSComponent):
    """Links to the sections of the page; the one in sight is marked.

    A section is found by its CSS class `section-<name>`, through all shadow roots; `performance/slices` is a part of
    a section, and the section itself for as long as the part is not built.
    """

    sections = param.Dict(default={}, doc="Title by name of the section.")
    in_sight = param.List(default=[], doc="Names of the sections in the window, written by the browser.")
    wanted = param.Dict(default={}, doc="The section to lead to: its name, and a count, as the same one may be twice.")

    _esm = """
    function find(root, name) {
      const found = root.querySelector?.("." + name)
      if (found) { return found }
      for (const element of root.querySelectorAll("*")) {
        if (element.shadowRoot) {
          const inner = find(element.shadowRoot, name)
          if (inner) { return inner }
        }
      }
      return null
    }
    export function render({model}) {
      const nav = document.createElement("nav")
      nav.setAttribute("aria-label", "Sections")
      const links = {}
      const targets = {}
      const target = (path) => {
        for (const name of path.split("/").reverse()) {
          if (!targets[name]?.isConnected) { targets[name] = find(document.body, "section-" + name) }
          if (targets[name]) { return targets[name] }
        }
        return null
      }
      // What stands above a section is still being built when somebody goes there, and would push it out of sight:
      // it is kept in its place until the visitor does something else.
      let keeping = null
      const leave = () => { clearInterval(keeping) }
      const acts = ["wheel", "touchstart", "pointerdown", "keydown"]
      for (const act of acts) { document.addEventListener(act, leave, {capture: true, passive: true}) }
      const go = (name, behavior) => {
        leave()
        const place = () => {
          const element = target(name)
          return element ? Math.round(element.getBoundingClientRect().top + window.scrollY) : null
        }
        let before = place()
        let [last, resting] = [null, null]
        const until = performance.now() + 60000
        keeping = setInterval(() => {
          const now = place()
          const {scrollY} = window
          if (now !== before) {
            target(name)?.scrollIntoView({block: "start"})
            resting = null
          } else if (resting !== null && Math.abs(scrollY - resting) > 4) {
            // By the bar, or by a search in the page: no other event tells.
            leave()
          } else if (scrollY === last) { resting = scrollY }
          [before, last] = [now, scrollY]
          if (performance.now() > until) { leave() }
        }, 100)
        // On a smooth way through the page, every section that it passes would be made.
        const far = Math.abs(target(name)?.getBoundingClientRect().top ?? 0) > 2 * window.innerHeight
        target(name)?.scrollIntoView({behavior: far ? "instant" : behavior, block: "start"})
      }
      model.on("wanted", () => { go(model.wanted.name, "smooth") })
      for (const [name, title] of Object.entries(model.sections)) {
        const link = document.createElement("a")
        link.textContent = title
        link.href = "#" + name
        link.addEventListener("click", (event) => {
          event.preventDefault()
          const {pathname, search} = window.location
          window.history.replaceState({}, "", pathname + search + "#" + name)
          go(name, "smooth")
        })
        links[name] = link
        nav.append(link)
      }
      let waiting = false
      const mark = () => {
        waiting = false
        let current = null
        for (const name of Object.keys(links)) {
          const top = target(name)?.getBoundingClientRect().top
          if (top !== undefined && (current === null || top < window.innerHeight * 0.4)) { current = name }
        }
        for (const [name, link] of Object.entries(links)) {
          if (name === current) { link.setAttribute("aria-current", "true") }
          else { link.removeAttribute("aria-current") }
        }
        const in_sight = Object.keys(links).filter((name) => {
          const box = target(name)?.getBoundingClientRect()
          return box && box.top < window.innerHeight && box.bottom > 84
        })
        if (model.in_sight.join() !== in_sight.join()) { model.in_sight = in_sight }
      }
      const on_scroll = () => {
        if (!waiting) { waiting = true; requestAnimationFrame(mark) }
      }
      document.addEventListener("scroll", on_scroll, {capture: true, passive: true})
      model.on("remove", () => {
        leave()
        document.removeEventListener("scroll", on_scroll, {capture: true})
        for (const act of acts) { document.removeEventListener(act, leave, {capture: true}) }
      })
      const wanted = window.location.hash.slice(1)
      let tries = 0
      const arrive = () => {
        // A link with a hash waits until its section is there; a visitor who scrolls first is left alone.
        const element = links[wanted] && window.scrollY === 0 ? target(wanted) : null
        if (element) { go(wanted, "instant") }
        else if (links[wanted] && tries++ < 50) { setTimeout(arrive, 100) }
        mark()
      }
      setTimeout(arrive, 0)
      return nav
    }
    """

    _stylesheets: ClassVar[list[str]] = [
        f"""
        nav {{ display: flex; gap: 4px; font-family: {FONT}; }}
        a {{ color: {colour("muted")}; text-decoration: none; font-size: 15px; padding: 6px 12px; border-radius: 8px; }}
        a:hover {{ background: {colour("raised")}; color: {colour("text")}; }}
        a[aria-current] {{ color: {colour("accent")}; font-weight: 700; }}
        a:focus-visible {{ outline: 2px solid {colour("accent")}; }}
        @media (max-width: 680px) {{ a {{ padding: 6px 7px; font-size: 14px; }} nav {{ gap: 0; }} }}
        @media (max-width: 420px) {{ a {{ padding: 6px 4px; font-size: 13px; }} }}
        """
    ]

    def lead(self, name: str) -> None:
        """Lead the visitor to a section, or to a part of one."""
        self.wanted = {"name": name, "count": self.wanted.get("count", 0) + 1}


class OnSight(JSComponent):
    """A grey placeholder that turns `seen` on when it comes near the visible part of the page.

    It has the size that the content will have, so that nothing jumps when that comes.
    """

    seen = param.Boolean(default=False, doc="Whether it has been near the visible part.")
    tall = param.Integer(default=400, doc="Height, in pixels.")

    _esm = """
    export function render({model, view}) {
      const place = document.createElement("div")
      place.className = "skeleton"
      place.setAttribute("aria-hidden", "true")
      const size = () => { place.style.height = `${model.tall}px` }
      size()
      model.on("tall", size)
      const page = view.model.document
      const observer = new IntersectionObserver((entries) => {
        if (entries.some((entry) => entry.isIntersecting)) {
          observer.disconnect()
          model.seen = true
        }
      // Not what ends under the page's header: whoever jumps to a section would wait for the one above it.
      }, {rootMargin: "-80px 0px 300px 0px"})
      // Before all is drawn everything is at the top, and so everything would be in sight.
      const start = () => observer.observe(place)
      if (page.is_idle) { start() } else { page.idle.connect(start) }
      model.on("remove", () => observer.disconnect())
      return place
    }
    """

    _stylesheets: ClassVar[list[str]] = [SKELETON_CSS]


class Notice(JSComponent):
    """Short sentences that appear over the page and leave on their own or at a click; shown as text, never as HTML."""

    sentences = param.List(default=[], item_type=str, doc="Everything said so far, oldest first.")

    _esm = """
    export function render({model}) {
      const stack = document.createElement("div")
      stack.setAttribute("role", "alert")
      let shown = 0
      const show = () => {
        for (; shown < model.sentences.length; shown++) {
          const text = model.sentences[shown]
          const note = document.createElement("button")
          note.type = "button"
          note.title = "Dismiss"
          note.textContent = text
          note.addEventListener("click", () => note.remove())
          stack.append(note)
          setTimeout(() => note.remove(), 12000)
        }
      }
      model.on("sentences", show)
      show()
      return stack
    }
    """

    _stylesheets: ClassVar[list[str]] = [
        f"""
        div[role=alert] {{ position: fixed; right: 20px; bottom: 20px; z-index: 2000; display: flex; gap: 10px;
          flex-direction: column; max-width: min(440px, calc(100vw - 40px)); }}
        button {{ font: 15px/1.45 {FONT}; text-align: left; cursor: pointer; padding: 12px 16px; border-radius: 8px;
          color: {colour("text")}; background: {colour("surface")}; border: 1px solid {colour("line")};
          border-left: 4px solid {colour("error")}; box-shadow: 0 6px 24px rgb(0 0 0 / 18%); overflow-wrap: anywhere; }}
        """
    ]

    def say(self, *sentences: str) -> None:
        """Show sentences to this visitor."""
        self.sentences = [*self.sentences, *(plain_text(sentence, 400).replace("`", "") for sentence in sentences)]
