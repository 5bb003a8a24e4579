"""How fast are Performance, Errors and Compare on 200,000 rows, 50 tags and 10 runs? Seen from Chromium.

    python benchmarks/failures.py [--rows 200000] [--tags 50] [--runs 10] [--repeats 15] [--visits 7] [--views NAME]

Texts are recombined real ones, answers made up; the home is made once and kept in the user's cache. A section's first
show is from the click on its link in the header to the frame in which it is there, with an empty browser cache, on a
server that was started with `--warm`: for its first visitor, and for later ones. A view is from the event in the
browser to the first frame that shows the answer, and beside it until the last of all views has followed. No view is
asked for what it shows already. What is asked for the first time by anybody (another run, another pair of runs) is
read first; it is shown apart.

`why` is the importance of each word of an example of the embedded data, by occlusion with the model `ngram`: from the
click on an example that nobody has opened to its words being marked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import report_evaluation
from browsing.judged import serve_judged
from browsing.judging import SECTIONS, Judge
from browsing.percentiles import median_and_p95
from browsing.server import serve_dashboard
from first_paint import FLAGS
from machine import RESULTS, ROOT, write_results
from playwright.sync_api import sync_playwright
from verdicts import Verdict, print_verdicts

if TYPE_CHECKING:
    from browsing.watching import Times
    from playwright.sync_api import Browser

VIEW_MS, SHOW_MS, WHY_MS = 300, 2_000, 300
# Each of these shows one run after the other, and each run is read once, for whoever asks first.
_SHOW_RUNS = ("another run", "Compare: cell")


def first_shows(browser: Browser, url: str, visits: int) -> dict[str, Any]:
    """Open each section by its link, a new visitor each time; the very first visit of each is told apart."""
    found: dict[str, Any] = {}
    for title in SECTIONS:
        times: list[Times] = []
        for _ in range(visits + 1):
            visitor = Judge(browser, url)
            times.append(visitor.show(title))
            visitor.leave()
        print(f"{title}: {', '.join(f'{one.first:.0f} ({one.all:.0f})' for one in times)} ms", flush=True)
        found[title] = {
            "first visitor": round(times[0].first, 1),
            "shown": median_and_p95([one.first for one in times[1:]]),
            "all": median_and_p95([one.all for one in times[1:]]),
        }
    return found


def views(browser: Browser, url: str, runs: list[str], repeats: int, only: str) -> dict[str, Any]:
    """Ask every view for something else, again and again."""
    visitor = Judge(browser, url)
    for title in SECTIONS:
        visitor.show(title)
        visitor.watcher.quiet()
    found: dict[str, Any] = {}
    for view in visitor.views():
        if only not in view.name:
            continue
        apart = len(runs) if any(name in view.name for name in _SHOW_RUNS) else 1
        times = []
        for number in range(repeats + apart):
            times.append(view.measure(number))
            visitor.watcher.quiet()
        print(f"{view.name}: {', '.join(f'{one.first:.0f} ({one.all:.0f})' for one in times)} ms", flush=True)
        found[view.name] = {
            "shown": median_and_p95([one.first for one in times[apart:]]),
            "all": median_and_p95([one.all for one in times[apart:]]),
            "first of all": median_and_p95([one.first for one in times[:apart]]),
            "repeats": repeats,
        }
    visitor.leave()
    return found


def why(browser: Browser, repeats: int) -> dict[str, float]:
    """Open examples of the embedded data, each for the first time."""
    times = []
    with serve_dashboard({"TAGSCOPE_HOME": str(ROOT)}) as server:
        visitor = Judge(browser, f"{server.url}/app?examples=all")
        visitor.show("Errors")
        visitor.watcher.quiet()
        errors = visitor.section("errors")
        for number in range(repeats + 1):
            if number and number % 10 == 0:
                errors.get_by_role("button", name="Next page").click()
                visitor.watcher.quiet()
            item = errors.locator("[data-item]").nth(number % 10)
            times.append(visitor.watcher.time(item.click, "within", "errors", ".ts-why mark").first)
            item.click()
            visitor.watcher.quiet()
        visitor.leave()
    print(f"why: {', '.join(f'{one:.0f}' for one in times)} ms", flush=True)
    return {"first": round(times[0], 1), **median_and_p95(times[1:])}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--tags", type=int, default=50)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--visits", type=int, default=7)
    parser.add_argument("--views", default="", help="those whose name has this in it; the rest is kept")
    given = parser.parse_args()
    with sync_playwright() as playwright, serve_judged(given.rows, given.tags, given.runs) as (server, runs):
        executable = os.environ.get("TAGSCOPE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split())
        url = f"{server.url}/app"
        server.settle()
        shows = {} if given.views else first_shows(browser, url, given.visits)
        asked = views(browser, url, runs, given.repeats, given.views)
        resident, errors = round(server.resident() / 2**20), server.errors()
        words = {} if given.views else why(browser, given.repeats)
        browser.close()
    found = {"first_shows": shows, "views": asked, "why": words, "resident_mib": resident, "errors": errors}
    options = {name: getattr(given, name) for name in ("rows", "tags", "runs", "repeats", "visits")}
    if given.views:
        kept = json.loads((RESULTS / "failures.json").read_text(encoding="utf-8"))
        found = {**{name: kept[name] for name in found}, "views": kept["views"] | asked}
        options = {name: kept[name] for name in options}
    verdicts = verdicts_of(found)
    held = [verdict._asdict() for verdict in verdicts]
    results = {"command": "python benchmarks/failures.py", **options, **found, "verdicts": held}
    print(report_evaluation.failures(results))
    print_verdicts(verdicts)
    for error in errors:
        print(f"in the server's log: {error}")
    write_results("failures", results)


def verdicts_of(found: dict[str, Any]) -> list[Verdict]:
    """Hold what was measured against the goals."""
    shows, asked, words = found["first_shows"], found["views"], found["why"]
    verdicts = [
        Verdict(f"{name}: first show at most {SHOW_MS:,} ms, p95", f"{one['shown']['p95']:,.0f} ms", holds)
        for name, one in shows.items()
        for holds in [one["shown"]["p95"] <= SHOW_MS]
    ]
    verdicts += [
        Verdict(f"{name}: p95 at most {VIEW_MS} ms", f"{one['shown']['p95']:,.0f} ms", one["shown"]["p95"] <= VIEW_MS)
        for name, one in asked.items()
    ]
    if words:
        verdicts.append(
            Verdict(f"words marked: p95 at most {WHY_MS} ms", f"{words['p95']:,.0f} ms", words["p95"] <= WHY_MS)
        )
    return verdicts


if __name__ == "__main__":
    main()
