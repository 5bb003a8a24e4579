"""What the benchmark prints in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from serving.rounds import MAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

_OUT = Console(width=150)


def milliseconds(figure: dict[str, float] | None) -> str:
    """Median of seconds, in milliseconds; empty of nothing."""
    return f"{figure['median'] * 1e3:,.3g}" if figure else ""


def per_second(figure: dict[str, float] | None) -> str:
    """Median and spread of a rate."""
    return f"{figure['median']:,.0f} ({figure['low']:,.0f} to {figure['high']:,.0f})" if figure else ""


def print_servers(title: str, titles: dict[str, str], servers: dict[str, Any]) -> None:
    """Print answers per second of every closed loop, then the open loops."""
    first = next(iter(servers.values()))
    table = Table(
        "server",
        *(f"{number} conn., /s" for number in first["closed"]),
        "Zipf texts, /s",
        "core µs",
        "MiB",
        title=title,
    )
    for name, found in servers.items():
        rates = [per_second(run["rate"]) for run in found["closed"].values()]
        zipf = per_second(found["zipf"]["rate"]) if found["zipf"] else ""
        cost = f"{found['closed'][str(MAIN)]['core_seconds']['median'] * 1e6:,.0f}"
        table.add_row(titles[name], *rates, zipf, cost, f"{found['mib']['median']:,.0f}")
    _OUT.print(table)
    table = Table(
        "open loop", "of mosec", "planned /s", "p50 ms", "p99 ms", "p99.9 ms", "answers /s", "void", title=title
    )
    for name, found in servers.items():
        for share, run in found["open"].items():
            if isinstance(run, str):
                table.add_row(titles[name], share, "", "", "", "", run, "")
                continue
            times = [milliseconds(run[figure]) for figure in ("p50", "p99", "p999")]
            planned = f"{run['planned_rate']['median']:,.0f}" if run["planned_rate"] else ""
            void = f"{run['void_rounds']} of {run['rounds']}"
            table.add_row(titles[name], share, planned, *times, per_second(run["answer_rate"]), void)
    if table.row_count:
        _OUT.print(table)


def print_ratios(title: str, titles: dict[str, str], rows: Sequence[dict[str, Any]]) -> None:
    """Print Tagscope against every other server, with the goals."""
    table = Table("texts", "server", "against", "ratio", "spread", "goal", "met", title=title)
    for row in rows:
        ratio = row["ratio"]
        sign = "at most" if row["load"].startswith("p99") else "at least"
        goal = "" if row["goal"] is None else f"{sign} {row['goal']:g}"
        goal += f", better {row['stretch']:g}" if row["stretch"] else ""
        met = {True: "yes", False: "NO", None: ""}[row["met"]]
        table.add_row(
            row["load"],
            titles[row["of"]],
            titles[row["to"]],
            f"{ratio['median']:.2f}" if ratio else "no valid round",
            f"{ratio['low']:.2f} to {ratio['high']:.2f}" if ratio else "",
            goal,
            met,
        )
    if table.row_count:
        _OUT.print(table)
