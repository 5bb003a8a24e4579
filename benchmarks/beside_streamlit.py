"""The dashboard beside the lesson's page in Streamlit: same projects, same figures, visits in turn.

Measured are first content (navigation start to the number of projects being laid out, an empty cache for each visit),
and the time from the click on a tag to that tag's F1.
"""

from __future__ import annotations

import csv
import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from browsing.appearing import open_timed
from browsing.page import PATIENCE_MS, new_context
from browsing.server import APP, serve
from browsing.visitor import reach
from browsing.watching import Watcher
from machine import ROOT
from serving.environments import python_of, versions_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagscope-benchmarks" / "environments"
PAGE = Path(__file__).with_name("streamlit_page.py")
# Streamlit's list acts when the button is let go, Material's at the click, which follows at once.
PRESSES = ("pointerup", "click")
# Label and CSS selector of the figure that follows the choice, and the field in which it is made.
FIGURES = {"tagscope": ("By tag", "dd.value"), "streamlit": ("F1 of the tag", "[data-testid=stMetricValue]")}


def measure_both(browser: Browser, visits: int) -> dict[str, Any]:
    """Measure both pages, in turn."""
    run = (ROOT / "config" / "run_id.txt").read_text(encoding="utf-8").strip()
    performance = ROOT / "data" / "runs" / run / "performance.json"
    projects = ROOT / "data" / "labeled_projects.csv"
    with projects.open(newline="", encoding="utf-8") as file:
        count = sum(1 for _ in csv.DictReader(file))
    scores = msgspec.json.decode(performance.read_bytes())["class"]
    python = python_of(ENVIRONMENTS, "streamlit", ["streamlit", "pandas"])
    given = {"PROJECTS": str(projects), "PERFORMANCE": str(performance)}
    lesson = [str(python), "-m", "streamlit", "run", str(PAGE), "--server.headless=true"]
    lesson += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none", "--server.port"]
    with (
        serve(lesson, given, "/_stcore/health") as streamlit,
        serve([*APP, "--warm", "--port"], {"TAGSCOPE_HOME": str(ROOT)}, "/app") as tagscope,
    ):
        pages = {
            "tagscope": (f"{tagscope.url}/app", ".count", f"{count:,}"),
            "streamlit": (streamlit.url, "[data-testid=stText]", f"count: {count}"),
        }
        found: dict[str, dict[str, list[float]]] = {name: {"content": [], "select": []} for name in pages}
        for number in range(visits + 1):
            for name, (url, selector, words) in pages.items():
                context = new_context(browser)
                page = context.new_page()
                page.set_default_timeout(PATIENCE_MS)
                [content] = open_timed(page, url, (selector, words))
                select = _select(page, name, {tag: f"{one['f1']:.3f}" for tag, one in scores.items()})
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


def _select(page: Page, name: str, scores: dict[str, str]) -> list[float]:
    """Choose one tag after the other; return the milliseconds from each click until the figure is another one."""
    label, selector = FIGURES[name]
    if name == "tagscope":
        reach(page, label)
        heading = page.get_by_role("heading", name=label, exact=True)
        field = page.locator(".section-performance .bk-panel-models-layout-Column", has=heading).last
        opener = field.get_by_role("combobox")
    else:
        # A click into Streamlit's field is for typing and opens nothing.
        opener = page.get_by_test_id("stSelectbox").filter(has=page.get_by_role("combobox", name="Tag"))
        opener = opener.get_by_role("button", name="Open")
    # Streamlit's list closes as soon as the page is scrolled, so there must be nothing left to scroll.
    opener.scroll_into_view_if_needed()
    page.locator(selector).first.wait_for()
    watcher = Watcher(page)
    watcher.quiet()
    times, shown = [], ""
    for tag, score in scores.items():
        opener.click()
        options = page.get_by_role("menuitem", name=tag, exact=True).or_(
            page.get_by_role("option", name=tag, exact=True)
        )
        options.wait_for()
        if not shown or score == shown:
            # The first one may be on show already, and of two tags with one score the figure does not change.
            options.click()
            watcher.quiet()
        else:
            times.append(watcher.time(options.click, "figure", label, selector, events=PRESSES).first)
        shown = score
    return times
