"""How fast is the Data section at 1,000, 100,000 and 1,000,000 rows? Seen from Chromium, on a warm server.

    python benchmarks/dashboard.py [--rows 1000 100000 1000000] [--repeats 15] [--sessions 5] [--visits 10]

Before that, the page beside the lesson's in Streamlit (`beside_streamlit.py`), on the projects that ship here.

Rows are made by recombining real texts, as in `exploration.py`, and shown without a run, as a
Parquet file that the settings name. For each size a server is started in a process of its own. Measured are the start
of the server until it answers, first content (navigation start to the number of rows being laid out, an empty cache for
each visit), and for each interaction the time from the event in the browser to the first view that shows the answer
(the count, the first row, the page number). Every repetition asks for something else, so that what is timed is the work
and not the memory of it. Memory is the resident memory of the server, before and after further sessions that
stay open and have looked at everything.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from beside_streamlit import measure_both
from exploration import make_dataset
from first_paint import FLAGS, WATCH
from machine import ROOT, write_results
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

# The time at which a view says something else than before, seen from inside the page; events start the clock.
CHANGE = """([selector, event]) => new Promise((done, fail) => {
  const find = (root, selector) => {
    const found = root.querySelector(selector)
    if (found) { return found }
    for (const element of root.querySelectorAll("*")) {
      const inner = element.shadowRoot && find(element.shadowRoot, selector)
      if (inner) { return inner }
    }
    return null
  }
  const read = () => find(document, selector)?.innerText
  const before = read()
  const started = performance.now()
  const target = find(document, event.target)
  if (event.kind === "click") { target.click() }
  else {
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set
    set.call(target, event.value)
    target.dispatchEvent(new Event("input", {bubbles: true}))
    target.dispatchEvent(new Event("change", {bubbles: true}))
  }
  const look = () => {
    const now = read()
    if (now !== undefined && now !== before) { done(performance.now() - started) }
    else if (performance.now() - started > 60000) { fail(new Error("nothing changed: " + event.target)) }
    else { requestAnimationFrame(look) }
  }
  look()
})"""

WORDS = ("model", "data", "learning", "detection", "text", "training", "images", "graph", "series", "policy", "bert")
COUNTED = """(before) => {
  const find = (root) => {
    const own = root.querySelector(".ts-shown")
    if (own) { return own }
    for (const one of root.querySelectorAll("*")) {
      const inner = one.shadowRoot && find(one.shadowRoot)
      if (inner) { return inner }
    }
    return null
  }
  return find(document)?.innerText !== before && performance.now()
}"""


def serve(rows: int, folder: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """Start a server on so many rows; return it, its address and the seconds until it answered."""
    dataset = make_dataset(rows)
    path = folder / f"rows_{rows}.parquet"
    names = {"created": "created_on"}
    dataset.frame[["id", "title", "description", "tag", "created"]].rename(columns=names).to_parquet(path, index=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "dashboard" / "app.py"), "--port", str(port)]
    environment = {**os.environ, "TAGSCOPE_HOME": str(folder), "TAGSCOPE_DATA__FILE": str(path)}
    started = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--warm", "--liveness"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not _answers(f"http://localhost:{port}/liveness"):
        if server.poll() is not None:
            sys.exit(f"The server did not start; run it by hand to see why: {' '.join(command)}")
    return server, f"http://localhost:{port}/app", time.perf_counter() - started


def first_content(browser: Browser, url: str) -> float:
    """Return milliseconds from navigation start to the number of rows, for a visitor with an empty cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url, wait_until="commit")
    seen = float(page.evaluate(WATCH))
    context.close()
    return seen


def open_page(browser: Browser, url: str) -> Page:
    """Open the page and look at the whole Data section once."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator(".section-data tbody tr").first.wait_for()
    for title in ("Findings", "Over time", "Map of the texts", "Missing values"):
        page.locator(f"h3:text-is('{title}')").scroll_into_view_if_needed()
        page.locator(f"h3:text-is('{title}')").wait_for()
        page.wait_for_timeout(300)
    page.locator(".section-data .bk-Canvas").nth(4).wait_for()
    page.keyboard.press("Home")
    page.wait_for_timeout(1_500)
    return page


def interactions(page: Page) -> dict[str, Callable[[int], float]]:
    """Return what is timed, by name: for the number of a repetition, milliseconds."""

    def changed(selector: str, kind: str, target: str, value: str = "") -> float:
        return float(page.evaluate(CHANGE, [selector, {"kind": kind, "target": target, "value": value}]))

    def counted(act: Callable[[], object]) -> float:
        """Time until the number of rows says something else, for what only a real pointer or keyboard does."""
        before = page.locator(".ts-shown").inner_text()
        started = float(page.evaluate("performance.now()"))
        act()
        return float(page.wait_for_function(COUNTED, arg=before, polling="raf").json_value()) - started

    def bar(number: int) -> float:
        box = page.locator(".section-data .bk-Canvas").first.bounding_box()
        assert box is not None
        return counted(lambda: page.mouse.click(box["x"] + 240, box["y"] + 27 + 24 * (number % 6)))

    def text(number: int) -> float:
        page.get_by_label("Contains").fill("")
        page.wait_for_timeout(1_200)
        some = WORDS[number % len(WORDS)]
        more = "" if number < len(WORDS) else f" {WORDS[(number + 3) % len(WORDS)]}"
        return counted(lambda: page.get_by_label("Contains").fill(some + more))

    def opened(number: int) -> float:
        page.keyboard.press("Escape")
        page.locator(".ts-drawer").wait_for(state="detached")
        return changed(".ts-drawer h3", "click", f"tbody tr:nth-child({1 + number % 12})")

    def lasso(number: int) -> float:
        """Draw a triangle of another size each time; the time begins when the button is let go."""
        canvas = page.locator(".section-data .bk-Canvas").nth(_map_at(page))
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        size = 60 + 12 * number
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(middle[0] - size, middle[1] - size / 2)
        page.mouse.down()
        page.mouse.move(middle[0] + size, middle[1] - size / 3, steps=15)
        page.mouse.move(middle[0], middle[1] + size / 2, steps=15)
        return counted(page.mouse.up)

    return {
        "tag, by a bar": bar,
        "sort": lambda number: changed(".ts-rows tbody", "click", f"th:nth-child({1 + (number // 2) % 5}) button"),
        "next page": lambda number: changed(".pager span", "click", "[aria-label='Next page']"),
        "open a row": opened,
        "length": lambda number: changed(".ts-shown", "input", "input[aria-label='Words from']", str(10 + 2 * number)),
        "dates": lambda number: changed(
            ".ts-shown", "input", "input[aria-label='Created from']", f"2022-{1 + number % 12:02}-{1 + number // 12:02}"
        ),
        "text query (150 ms of it wait for more keys)": text,
        "lasso": lasso,
    }


def draw_map(page: Page) -> float:
    """See to it that there is a map; return the seconds that it took."""
    page.locator("h3:text-is('Map of the texts')").scroll_into_view_if_needed()
    started = time.perf_counter()
    begin = page.get_by_role("button", name="Draw the map of")
    page.locator(".ts-legend").or_(begin).first.wait_for()
    if begin.count():
        begin.click()
    page.locator(".ts-legend").wait_for(timeout=300_000)
    seconds = time.perf_counter() - started
    page.keyboard.press("Home")
    page.wait_for_timeout(1_500)
    return seconds


def _map_at(page: Page) -> int:
    """Which of the section's canvases is the map: the one below its legend."""
    legend = page.locator(".ts-legend").bounding_box()
    assert legend is not None
    tops = [one.bounding_box() for one in page.locator(".section-data .bk-Canvas").all()]
    return min(
        (place for place, box in enumerate(tops) if box and box["y"] > legend["y"]),
        key=lambda place: tops[place]["y"],  # type: ignore[index]
    )


def measure(browser: Browser, rows: int, repeats: int, sessions: int, folder: Path) -> dict[str, Any]:
    """Measure one size."""
    server, url, start = serve(rows, folder)
    try:
        process = psutil.Process(server.pid)
        _settle(process)
        first_content(browser, url)
        paints = [first_content(browser, url) for _ in range(repeats)]
        page = open_page(browser, url)
        drawn = draw_map(page)
        times: dict[str, list[float]] = {}
        for name, ask in interactions(page).items():
            times[name] = []
            for number in range(repeats):
                times[name].append(ask(number))
                page.wait_for_timeout(random.Random(number).randint(150, 400))
            if page.locator(".ts-drawer").count():
                page.keyboard.press("Escape")
                page.locator(".ts-drawer").wait_for(state="detached")
            if (clear := page.get_by_role("button", name="Clear all")).count():
                clear.click()
                page.wait_for_timeout(1_000)
        page.context.close()
        open_page(browser, url)
        alone = process.memory_info().rss
        for _ in range(sessions):
            open_page(browser, url)
        more = (process.memory_info().rss - alone) / sessions / 2**20
        memory = round(process.memory_info().rss / 2**20)
    finally:
        server.terminate()
        server.wait(30)
        for context in browser.contexts:
            context.close()
    return {
        "rows": rows,
        "server_start_s": round(start, 2),
        "map_s": round(drawn, 1),
        "resident_mib": memory,
        "mib_per_further_session": round(more, 1),
        "first_content_ms": _summary(paints),
        "interactions_ms": {name: _summary(seen) for name, seen in times.items()},
    }


def _summary(seen: list[float]) -> dict[str, float]:
    ordered = sorted(seen)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)], 1),
    }


def _settle(process: psutil.Process) -> None:
    """Wait until the server has counted words and sorted columns."""
    quiet = 0
    while quiet < 3:
        quiet = quiet + 1 if process.cpu_percent(1.0) < 10 else 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False


def main() -> None:
    """Measure both pages, then each size; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--visits", type=int, default=10, help="of the page beside Streamlit's; 0 leaves both out")
    given = parser.parse_args()
    results = []
    beside: dict[str, Any] = {}
    with sync_playwright() as playwright:
        executable = os.environ.get("TAGSCOPE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split())
        if given.visits:
            beside = measure_both(browser, given.visits)
            print(beside, flush=True)
        for rows in given.rows:
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure(browser, rows, given.repeats, given.sessions, Path(folder)))
                print(results[-1], flush=True)
    table = Table("median / p95, ms", *(f"{result['rows']:,} rows" for result in results))
    table.add_row("first content", *(_cell(result["first_content_ms"]) for result in results))
    for name in results[0]["interactions_ms"]:
        table.add_row(name, *(_cell(result["interactions_ms"][name]) for result in results))
    for name in ("server_start_s", "map_s", "resident_mib", "mib_per_further_session"):
        table.add_row(name, *(f"{result[name]:,}" for result in results))
    Console().print(table)
    if given.rows == parser.get_default("rows"):
        write_results(
            "dashboard", {"command": "python benchmarks/dashboard.py", "results": results, "beside_streamlit": beside}
        )


def _cell(summary: dict[str, float]) -> str:
    return f"{summary['median']:,.0f} / {summary['p95']:,.0f}"


if __name__ == "__main__":
    main()
