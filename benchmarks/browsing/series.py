"""Memory of the server over many visits: visitors come, filter once and leave for good; some look at everything."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from browsing.server import serve_rows
from browsing.visitor import Visitor, words_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EACH = 25
# Looking at everything takes a visitor several times as long as all else: 500 visits would take more than an hour.
ALL_SEEN_BY = 20
# Bokeh keeps a session for 15 s after its visitor has left and looks every 17 s; here for a second, so that a reading
# is of visitors who are gone.
OPTIONS = ("--unused-session-lifetime", "1000", "--check-unused-sessions", "1000")
_GONE_SECONDS = 4.0
_END_POINTS = 3


def measure_series(browser: Browser, rows: int, visits: int) -> dict[str, Any]:
    """Let visitors come and go.

    Parameters
    ----------
    browser
        Each visitor gets a context of its own.
    rows
        Of the data set.
    visits
        How many come.

    Returns
    -------
    dict
        `curve`: pairs of visits and resident MiB, after every 25 visits; `last_half_growth` as a share.
    """
    curve: list[tuple[int, float]] = []
    with serve_rows(rows, *OPTIONS) as server:
        url = f"{server.url}/app"
        server.settle()
        first = Visitor(browser, url)
        first.look_around()
        first.draw_map()
        first.leave()
        visitor = Visitor(browser, url)
        started = time.perf_counter()
        for number in range(visits + 1):
            if number % EACH == 0:
                visitor.page.goto("about:blank")
                time.sleep(_GONE_SECONDS)
                server.settle()
                curve.append((number, round(server.resident() / 2**20, 1)))
                print(f"{number} visits: {curve[-1][1]:,.0f} MiB, {time.perf_counter() - started:.0f} s", flush=True)
            if number < visits:
                # One browser for all: the server sees another session, and scripts need not be compiled again.
                visitor.open(url)
                if number % ALL_SEEN_BY == 0:
                    visitor.look_around()
                visitor.page.evaluate("bench.quiet(300)")
                visitor.page.get_by_label("Contains").fill(words_for(number))
                visitor.page.get_by_text(f" of {rows:,} projects").first.wait_for()
        errors = server.errors()
    return {
        "rows": rows,
        "visits": visits,
        "looked_at_everything": -(-visits // ALL_SEEN_BY),
        "curve": curve,
        "last_half_growth": growth(curve),
        "errors": errors,
    }


def growth(curve: list[tuple[int, float]]) -> float:
    """Return the growth of a curve's last half, as a share: medians of three readings at each of its ends."""
    sizes = [size for _, size in curve]
    half = sizes[len(sizes) // 2 :]
    return statistics.median(half[-_END_POINTS:]) / statistics.median(half[:_END_POINTS]) - 1
