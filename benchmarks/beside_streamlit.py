"""The dashboard beside the lesson's page in Streamlit: same projects, same figures, visits in turn.

Measured are first content (navigation start to the number of projects being laid out, an empty cache for each visit),
and the time from the click on a tag to that tag's F1.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from machine import ROOT
from serving.environments import python_of, versions_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagscope-benchmarks" / "environments"
PAGE = Path(__file__).with_name("streamlit_page.py")
# The time at which a text is laid out, and at which it stops being another: seen from inside, through shadow roots.
SEEN = """([selector, words]) => new Promise((done) => {
  const seen = (root) => [...root.querySelectorAll("*")].some((one) =>
    (one.matches(selector) && one.innerText.includes(words) && one.getBoundingClientRect().height > 0)
    || (one.shadowRoot && seen(one.shadowRoot)))
  const look = () => seen(document) ? done(performance.now()) : requestAnimationFrame(look)
  look()
})"""


def measure_both(browser: Browser, visits: int) -> dict[str, Any]:
    """Measure both pages, in turn."""
    run = (ROOT / "config" / "run_id.txt").read_text(encoding="utf-8").strip()
    performance = ROOT / "data" / "runs" / run / "performance.json"
    projects = ROOT / "data" / "labeled_projects.csv"
    count = sum(1 for line in projects.open(encoding="utf-8")) - 1
    scores = msgspec.json.decode(performance.read_bytes())["class"]
    python = python_of(ENVIRONMENTS, "streamlit", ["streamlit", "pandas"])
    given = {"PROJECTS": str(projects), "PERFORMANCE": str(performance)}
    lesson = [str(python), "-m", "streamlit", "run", str(PAGE), "--server.headless=true"]
    lesson += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none", "--server.port"]
    ours = [sys.executable, "-m", "panel", "serve", str(ROOT / "dashboard" / "app.py"), "--warm", "--port"]
    with (
        _served(lesson, given, "/_stcore/health") as streamlit,
        _served(ours, {"TAGSCOPE_HOME": str(ROOT)}, "/app") as tagscope,
    ):
        pages = {
            "tagscope": (f"{tagscope}/app", ".count", f"{count:,}"),
            "streamlit": (streamlit, "[data-testid=stText]", f"count: {count}"),
        }
        found: dict[str, dict[str, list[float]]] = {name: {"content": [], "select": []} for name in pages}
        for number in range(visits + 1):
            for name, (url, selector, words) in pages.items():
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                page = context.new_page()
                page.goto(url, wait_until="commit")
                content = float(page.evaluate(SEEN, [selector, words]))
                tags = list(scores)
                select = (_select_ours if name == "tagscope" else _select_streamlit)(
                    page, tags[1:], lambda tag: f"{scores[tag]['f1']:.3f}"
                )
                context.close()
                # The first visit of each warms what a server keeps.
                if number:
                    found[name]["content"].append(content)
                    found[name]["select"] += select
    medians = {name: {key: statistics.median(times) for key, times in one.items()} for name, one in found.items()}
    return {
        "visits": visits,
        "streamlit": versions_in(python, ["streamlit"])["streamlit"],
        "first_content_ms": {name: round(one["content"], 1) for name, one in medians.items()},
        "select_to_number_ms": {name: round(one["select"], 1) for name, one in medians.items()},
        "ratios": {
            key: round(medians["streamlit"][key] / medians["tagscope"][key], 2) for key in ("content", "select")
        },
        "spread_ms": {
            name: {key: [round(min(times), 1), round(max(times), 1)] for key, times in one.items()}
            for name, one in found.items()
        },
    }


def _select_ours(page: Page, tags: list[str], score: Any) -> list[float]:
    section = page.locator(".section-performance")
    section.locator("h2").first.scroll_into_view_if_needed()
    sheet = section.locator(".bk-panel-models-layout-Column", has=page.locator("h3:text-is('By tag')")).last
    field = sheet.get_by_role("combobox")
    field.scroll_into_view_if_needed()
    page.wait_for_timeout(1_000)
    times = []
    for tag in tags:
        field.click()
        option = page.get_by_role("menuitem", name=tag, exact=True)
        option.wait_for()
        times.append(_until(page, option, ".ts-cards dd.value", score(tag)))
        page.wait_for_timeout(400)
    return times


def _select_streamlit(page: Page, tags: list[str], score: Any) -> list[float]:
    field = page.locator("[data-testid=stSelectbox]").first
    field.wait_for()
    page.wait_for_timeout(1_000)
    times = []
    for tag in tags:
        field.locator("input").click()
        option = page.get_by_role("option", name=tag, exact=True)
        option.wait_for()
        times.append(_until(page, option, "[data-testid=stMetricValue]", score(tag)))
        page.wait_for_timeout(400)
    return times


def _until(page: Page, option: Any, selector: str, words: str) -> float:
    """Click, and return the milliseconds until a figure says what it should."""
    started = float(page.evaluate("performance.now()"))
    option.click()
    return float(page.evaluate(SEEN, [selector, words])) - started


@contextmanager
def _served(command: list[str], variables: dict[str, str], path: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    server = subprocess.Popen(
        [*command, str(port)],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while not _answers(url + path):
            if server.poll() is not None or time.monotonic() > until:
                sys.exit(f"The server did not start; run it by hand to see why: {' '.join(command)} {port}")
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False
