"""`tagscope compare`: whether a run is better than another one, where, and how sure that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Column, Table
from rich.text import Text

from engine.cli.options import AsJson  # noqa: TC001 - typer reads it when it builds the command
from engine.console import err, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.evaluation.comparison import Delta
    from engine.pipeline.comparison import RunComparison


def compare(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The earlier run")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The later run")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the rows that both were judged on; the exit code is 1 where they cannot be compared."""
    from engine.pipeline.comparison import compare_runs
    from engine.runs.store import open_store

    store = open_store()
    result = compare_runs(store.open(before), store.open(after))
    if as_json:
        print(json.dumps(result.as_json(), indent=2))  # noqa: T201 - plain, for pipes
    else:
        print_comparison(result)
    if not result.shared.allowed:
        raise typer.Exit(1)


def print_comparison(result: RunComparison) -> None:
    """Print on what two runs are compared, what changed, and how many examples flipped; or why they cannot be."""
    for remark in result.shared.remarks:
        err.print(remark, style="yellow", markup=False, soft_wrap=True)
    found = result.comparison
    if found is None:
        err.print(result.shared.refusal, style="red", markup=False, soft_wrap=True)
        return
    columns = [Column("", min_width=12), *(Column(name, justify="right") for name in ("before", "after", "change"))]
    columns += [Column("95 % interval", no_wrap=True), Column("fixed", justify="right")]
    columns += [Column("broken", justify="right"), Column("n", justify="right"), Column("")]
    table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    _add(table, found.overall, "")
    _add(table, found.tags, "tag ")
    _add(table, found.slices, "slice ")
    out.print(table)
    rows = len(result.ids)
    out.print(
        f"Of {rows:,} rows {len(found.improved):,} were fixed and {len(found.regressed):,} broken; "
        f"{found.both_right:,} are right in both runs and {found.both_wrong:,} in neither.",
        markup=False,
    )
    marked = any(one.significant for one in (*found.overall, *found.tags, *found.slices))
    note = "better and worse mark what is more than chance" if marked else "No change is more than chance"
    tests = "McNemar's exact test, corrected for the number of tags and of slices; the overall F1: their interval"
    out.print(f"{note[0].upper()}{note[1:]} ({tests}).")


def _add(table: Table, deltas: Sequence[Delta], prefix: str) -> None:
    for one in deltas:
        name = Text(prefix + one.name)
        if not one.rows and not one.improved + one.regressed:
            table.add_row(name, "no rows", "", "", "", "", "", "0", "")
            continue
        mark, style = "", None
        if one.explained_by:
            mark = f"by the rows of {one.explained_by}"
        elif one.significant:
            mark, style = ("better", "green") if one.change > 0 else ("worse", "red")
        cells = (f"{one.before:.3f}", f"{one.after:.3f}", f"{one.change:+.3f}", f"{one.low:+.3f} to {one.high:+.3f}")
        counts = (f"{one.improved:,}", f"{one.regressed:,}", f"{one.rows:,}")
        table.add_row(name, *cells, *counts, Text(mark), style=style)
