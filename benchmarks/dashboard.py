"""How fast is the Data section at 1,000, 100,000 and 1,000,000 rows? Seen from Chromium, on a warm server.

    python benchmarks/dashboard.py [--only sizes streamlit visits] [--rows 1000 100000 1000000] [--repeats 15]
        [--sessions 5] [--visits 10] [--memory-visits 500] [--memory-rows 100000] [--print-only]

Parts: `sizes` at each number of rows, `streamlit` beside the lesson's page (`beside_streamlit.py`), `visits` for the
memory of the server while visitors come and go. What an earlier run on this kind of machine wrote of other parts and
sizes is kept.

Rows are made by recombining real texts, as in `exploration.py`, and shown without a run, as a Parquet file that the
settings name; each size has a server in a process of its own. First content is from navigation start to the number of
rows being laid out, with an empty cache. An interaction is from the event in the browser to the first frame that shows
the answer (the count, the rows, the open row, the picture), and beside it until the last of all views has followed.
No repetition asks for what was asked before, so that what is timed is the work and not the memory of it. Memory is the
resident memory of the server: for each of several further visitors who stay and have looked at everything, and after
every 25 of many who leave.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from beside_streamlit import measure_both
from browsing.goals import goals_of
from browsing.series import measure_series
from browsing.sizes import measure_size
from first_paint import FLAGS
from machine import RESULTS, describe, write_results
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from browsing.goals import Goal

PARTS = ("sizes", "streamlit", "visits")
NAME = "dashboard"
_SAME_MACHINE = ("cpu", "cores", "python")


def earlier() -> dict[str, Any]:
    """Return what is kept of earlier parts: all of it, unless another kind of machine wrote it."""
    path = RESULTS / f"{NAME}.json"
    if not path.is_file():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    here = describe()
    if any(kept["machine"].get(key) != here.get(key) for key in _SAME_MACHINE):
        print(f"{path.name} is of another machine; it is written anew.")
        return {}
    return {key: kept[key] for key in ("results", "beside_streamlit", "visits") if key in kept}


def merged(kept: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Put new parts over earlier ones; of the sizes, each number of rows is a part of its own."""
    sizes = {size["rows"]: size for part in (kept, found) for size in part.get("results", [])}
    return {**kept, **found, "results": [sizes[rows] for rows in sorted(sizes)]}


def show(results: dict[str, Any], goals: list[Goal]) -> None:
    """Print what was measured, and the goals."""
    console = Console()
    if sizes := results["results"]:
        table = Table("median / p95, ms", *(f"{size['rows']:,} rows" for size in sizes))
        for title, key in (("first content", "first_content_ms"), ("first rows of the table", "first_rows_ms")):
            table.add_row(title, *(_cell(size[key]) for size in sizes))
        for name in dict.fromkeys(name for size in sizes for name in size["interactions_ms"]):
            table.add_row(name, *(_cell(size["interactions_ms"].get(name)) for size in sizes))
            table.add_row("  until all views follow", *(_cell(size["all_views_ms"].get(name)) for size in sizes))
        for key in ("server_start_s", "map_s", "resident_mib", "mb_per_further_session"):
            table.add_row(key, *(str(size[key]) for size in sizes))
        console.print(table)
        for size in sizes:
            for error in size["errors"]:
                console.print(f"{size['rows']:,} rows, in the server's log: {error}", markup=False)
    for key in ("beside_streamlit", "visits"):
        if key in results:
            console.print({key: results[key]})
    table = Table("goal", "measured", "bound", "")
    for goal in goals:
        sign = "≥" if goal.at_least else "≤"
        table.add_row(goal.name, f"{goal.figure:,}", f"{sign} {goal.bound:,}", "met" if goal.met else "NOT MET")
    console.print(table)


def main() -> None:
    """Measure the parts that were asked for, print everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure; by default all")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=15, help="of first content and of each interaction")
    parser.add_argument("--interactions", default="", help="those whose name has this in it; nothing is written then")
    parser.add_argument("--sessions", type=int, default=5, help="further visitors whose memory is measured")
    parser.add_argument("--visits", type=int, default=10, help="of each page, ours and Streamlit's")
    parser.add_argument("--memory-visits", type=int, default=500)
    parser.add_argument("--memory-rows", type=int, default=100_000)
    parser.add_argument("--print-only", action="store_true", help="write nothing")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        executable = os.environ.get("TAGSCOPE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS.split())
        today = {"measured": datetime.now(UTC).date().isoformat()}
        if "streamlit" in given.only:
            found["beside_streamlit"] = today | measure_both(browser, given.visits)
        if "sizes" in given.only:
            found["results"] = [
                today | measure_size(browser, rows, given.repeats, given.sessions, given.interactions)
                for rows in given.rows
            ]
        if "visits" in given.only:
            found["visits"] = today | measure_series(browser, given.memory_rows, given.memory_visits)
        browser.close()
    writes = not (given.print_only or given.interactions)
    results = merged(earlier() if writes else {}, found)
    goals = goals_of(results)
    show(results, goals)
    if writes:
        results["goals"] = [goal.written() for goal in goals]
        write_results(NAME, {"command": "python benchmarks/dashboard.py", **results})


def _cell(summary: dict[str, float] | None) -> str:
    return f"{summary['median']:,.0f} / {summary['p95']:,.0f}" if summary else ""


if __name__ == "__main__":
    main()
