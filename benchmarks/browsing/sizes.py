"""The Data section at one number of rows: first content, interactions, memory for each further visitor."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from browsing.appearing import open_timed
from browsing.page import new_context
from browsing.percentiles import median_and_p95
from browsing.server import serve_rows
from browsing.visitor import Visitor, interactions

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from browsing.watching import Times

# Visitors who stay before the further ones are counted: what the process keeps once and for all is theirs.
_FIRST_VISITORS = 2


def measure_size(browser: Browser, rows: int, repeats: int, sessions: int, only: str = "") -> dict[str, Any]:
    """Measure one size on a server of its own.

    Parameters
    ----------
    browser
        Each visitor gets a context of its own.
    rows
        Of the data set.
    repeats
        Of first content and of each interaction.
    sessions
        Further visitors whose memory is measured; 0 leaves that out.
    only
        Interactions whose name has this in it.

    Returns
    -------
    dict
        Milliseconds as median and p95; `all_views_ms` is until the last view has followed.
    """
    with serve_rows(rows) as server:
        url = f"{server.url}/app"
        server.settle()
        _first_content(browser, url)
        paints = [_first_content(browser, url) for _ in range(repeats)]
        visitor = Visitor(browser, url)
        visitor.look_around()
        started = time.perf_counter()
        visitor.draw_map()
        drawn = time.perf_counter() - started
        times: dict[str, list[Times]] = {}
        for interaction in interactions(visitor):
            if only in interaction.name:
                # The first one of a kind may draw what is kept for all; it is not counted.
                times[interaction.name] = [interaction.measure(number) for number in range(repeats + 1)][1:]
                visitor.clear()
                firsts = ", ".join(f"{one.first:.0f} ({one.all:.0f})" for one in times[interaction.name])
                print(f"{rows:,} rows, {interaction.name}: {firsts} ms", flush=True)
        visitor.leave()
        further, resident = _memory(browser, url, server, sessions)
        errors = server.errors()
    return {
        "rows": rows,
        "repeats": repeats,
        "server_start_s": round(server.start_s, 2),
        "map_s": round(drawn, 1),
        "resident_mib": round(resident / 2**20),
        "mb_per_further_session": [round(each / 1e6, 1) for each in further],
        "first_content_ms": median_and_p95([count for count, _ in paints]),
        "first_rows_ms": median_and_p95([table for _, table in paints]),
        "interactions_ms": {name: median_and_p95([one.first for one in seen]) for name, seen in times.items()},
        "all_views_ms": {name: median_and_p95([one.all for one in seen]) for name, seen in times.items()},
        "errors": errors,
    }


def _first_content(browser: Browser, url: str) -> tuple[float, float]:
    """Return milliseconds from navigation start to the number of rows, and to the table, with an empty cache."""
    context = new_context(browser)
    page = context.new_page()
    count, table = open_timed(page, url, (".count", ""), ("tbody tr", ""))
    context.close()
    return count, table


def _memory(browser: Browser, url: str, server: Any, sessions: int) -> tuple[list[int], int]:
    """Return the growth of the server in bytes with each further visitor who stays, and what it holds in the end."""
    held: list[int] = []
    visitors: list[Visitor] = []
    for number in range(sessions + _FIRST_VISITORS if sessions else 0):
        visitors.append(Visitor(browser, url))
        visitors[-1].look_around()
        visitors[-1].filter_by_text(f"model {'data' * (number % 2)}")
        server.settle()
        held.append(server.resident())
    for visitor in visitors:
        visitor.leave()
    known = held[_FIRST_VISITORS - 1 :]
    return [after - before for before, after in itertools.pairwise(known)], server.resident()
