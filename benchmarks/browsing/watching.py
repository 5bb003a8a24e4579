"""Times seen from inside the page: from an event of the visitor to the first frame whose views say something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import Page

# Put into each page before its own scripts. `begin` notes what a view says and waits for an event, whose time starts
# the clock; `end` gives the milliseconds to the first frame in which the view says something else, and to the last
# message of the server before a silence: then every other view has what it shows.
SCRIPT = """
window.bench = (() => {
  let last = 0
  const Socket = window.WebSocket
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given)
      this.addEventListener("message", () => { last = performance.now() })
    }
  }
  function* every(root, selector) {
    yield* root.querySelectorAll(selector)
    for (const one of root.querySelectorAll("*")) { if (one.shadowRoot) { yield* every(one.shadowRoot, selector) } }
  }
  const find = (selector, words, root = document) => {
    for (const one of every(root, selector)) { if (words.test(one.textContent)) { return one } }
    return null
  }
  // Looking through all shadow roots takes a while: where the element was, its successor is, most of the time.
  const finder = (selector, words) => {
    let root = null
    return () => {
      const near = root?.isConnected && [...root.querySelectorAll(selector)].find((one) => words.test(one.textContent))
      const found = near || find(selector, words)
      root = found?.parentElement ?? null
      return found
    }
  }
  const canvas = (title) => {
    const heading = find("h2, h3, h4", new RegExp("^" + title + "$"))
    for (let at = heading; at; at = at.parentNode ?? at.host) {
      for (const one of every(at, ".bk-Canvas")) { return one }
    }
    return null
  }
  const plot = (title) => {
    const element = canvas(title)
    const inside = (view) => {
      if (view.model?.type === "Figure" && view.canvas_view?.el === element) { return view }
      for (const child of view.child_views ?? []) {
        const found = inside(child)
        if (found) { return found }
      }
      return null
    }
    for (const root of Bokeh.index.roots) {
      const found = inside(root)
      if (found) { return found }
    }
    return null
  }
  // A small copy of what is drawn: enough to see that it is another picture.
  const picture = (title) => {
    const drawn = plot(title).canvas_view.primary.canvas
    const small = new OffscreenCanvas(48, 48)
    const context = small.getContext("2d", {willReadFrequently: true})
    return () => {
      context.clearRect(0, 0, 48, 48)
      context.drawImage(drawn, 0, 0, 48, 48)
      return context.getImageData(0, 0, 48, 48).data.join()
    }
  }
  const readers = {
    picture,
    count: () => {
      const found = finder("[role=status]", /projects$/)
      return () => found()?.textContent
    },
    table: () => {
      const found = finder("table:has([aria-sort])", /./)
      return () => {
        const table = found()
        const sorts = [...table?.querySelectorAll("[aria-sort]") ?? []].map((one) => one.getAttribute("aria-sort"))
        return sorts.join() + table?.querySelector("tbody")?.textContent
      }
    },
    figure: (label, selector) => {
      const said = find("h2, h3, h4, p, label", new RegExp("^" + label + "$"))
      const near = () => {
        for (let at = said; at; at = at.parentNode ?? at.host) {
          for (const one of every(at, selector)) { return one }
        }
        return null
      }
      return () => near()?.textContent
    },
    within: (section, selector) => {
      let kept = null
      const look = () => {
        for (const host of every(document, ".section-" + section)) {
          for (const root of [host, host.shadowRoot]) {
            for (const one of root ? every(root, selector) : []) {
              if (one.getBoundingClientRect().height) { return one }
            }
          }
        }
        return null
      }
      return () => {
        // Looking through all shadow roots takes a while: most of the time it is where it was.
        if (!kept?.isConnected) { kept = look() }
        return kept?.textContent
      }
    },
    dialog: () => {
      const found = finder("[role=dialog] h3", /./)
      return () => found()?.textContent
    },
  }
  let started, answered
  const begin = (view, where, events) => {
    const read = readers[view](...where)
    const before = read()
    started = null
    const stop = new AbortController()
    for (const name of events) {
      const note = (event) => { started ??= event.timeStamp; stop.abort() }
      window.addEventListener(name, note, {capture: true, signal: stop.signal})
    }
    const limit = performance.now() + 500_000
    answered = new Promise((done, fail) => {
      const look = () => {
        const now = started !== null && read()
        if (now && now !== before) { done(performance.now()) }
        else if (performance.now() > limit) { fail(new Error(["nothing changed", view, ...where].join(": "))) }
        else { requestAnimationFrame(look) }
      }
      look()
    })
    answered.catch(() => null)
  }
  const quiet = (silence) => new Promise((done) => {
    const look = () => performance.now() - last > silence ? done(last) : setTimeout(look, 50)
    look()
  })
  const end = async (silence) => {
    const first = await answered
    return [first - started, Math.max(first, await quiet(silence)) - started]
  }
  return {begin, end, quiet, plot, canvas}
})()
"""
# Within which no message comes any more. It must be longer than the server works on the slowest view.
SILENCE_MS = 900


@dataclass(frozen=True)
class Times:
    """Milliseconds to the first view that shows the answer, and until all views do."""

    first: float
    all: float


@dataclass(frozen=True)
class Interaction:
    """What is timed: its name, and what gives the times of repetition `number`."""

    name: str
    measure: Callable[[int], Times]


class Watcher:
    """Takes the times of one page, which must have been made with `SCRIPT`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def quiet(self) -> None:
        """Wait until the server has said all there is to say."""
        # What was just done here may not have reached the server yet.
        self.page.wait_for_timeout(200)
        self.page.evaluate("(silence) => bench.quiet(silence)", SILENCE_MS)

    def time(self, act: Callable[[], Any], view: str, *where: str, events: Iterable[str] = ("click", "input")) -> Times:
        """Do something and take its times.

        Parameters
        ----------
        act
            What the visitor does.
        view
            Which view has the answer: count, table, dialog, picture, figure or within.
        *where
            Heading of the chart, for a picture; label and CSS selector, for a figure, which is the next one to the
            label; name of the section and CSS selector, for what is within it.
        events
            The first of these starts the clock; one that stays in its shadow root, as change does, is never seen.
        """
        self.page.evaluate("([view, where, events]) => bench.begin(view, where, events)", [view, where, [*events]])
        act()
        return Times(*self.page.evaluate("(silence) => bench.end(silence)", SILENCE_MS))

    def box(self, title: str) -> dict[str, float]:
        """Return where the chart below a heading is in the window: x, y, width, height."""
        handle = self.page.evaluate_handle("(title) => bench.canvas(title)", title).as_element()
        assert handle is not None, f"no chart below the heading {title}"
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert box is not None
        return dict(box)

    def rectangles(self, title: str) -> list[tuple[float, float]]:
        """Return the middles of the rectangles of a chart, in pixels of its canvas."""
        found = self.page.evaluate(
            """(title) => {
              const plot = bench.plot(title)
              const {left, right, bottom, top} = plot.model.renderers[0].data_source.data
              return Array.from(left, (_, at) => [
                plot.frame.x_scale.compute((left[at] + right[at]) / 2),
                plot.frame.y_scale.compute((bottom[at] + top[at]) / 2),
              ])
            }""",
            title,
        )
        return [(x, y) for x, y in found]
