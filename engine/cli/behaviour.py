"""`tagscope behaviour`: whether a run does what any model must, with the examples on which it does not."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads it when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Column, Table
from rich.text import Text

from engine.cli.options import AsJson, Run  # noqa: TC001 - typer reads them when it builds the command
from engine.console import err, out, progress_bars
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from engine.evaluation.behaviour import CheckResult
    from engine.pipeline.checks import CheckReport

_SHOWN = 3
_LONGEST = 160


def behaviour(
    run: Run = None,
    checks: Annotated[
        Path | None, typer.Option("--checks", help="File of the checks [config/checks.toml]", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other changes")] = 0,
    failures: Annotated[int, typer.Option(min=0, help="Examples to show of each check")] = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """Check a run's behaviour: exit code 1 where a limit is broken, 2 where the checks cannot be run."""
    from engine.evaluation.checks_file import read_checks
    from engine.inference.predictor import get_predictor
    from engine.pipeline.checks import run_checks

    try:
        chosen = read_checks(checks)
        with progress_bars(("Check",)) as report:
            result = run_checks(get_predictor(), run, chosen, seed=seed, progress=lambda share: report("Check", share))
    except TagscopeError as error:
        # Not 1, as for every other command: that a limit is broken must be told from that nothing was looked at.
        err.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(result.as_json(), indent=2))  # noqa: T201 - plain, for pipes
    else:
        print_checks(result, failures)
    if result.broken:
        raise typer.Exit(1)


def print_checks(report: CheckReport, shown: int = _SHOWN) -> None:
    """Print the failure rate of each check, examples that failed, and what could not be looked at."""
    columns = [Column("check", min_width=12), Column("kind", no_wrap=True), Column("failed", justify="right")]
    columns += [Column("of", justify="right"), Column("rate", justify="right"), Column("95 % interval", no_wrap=True)]
    table = Table(*columns, Column("limit", justify="right"), Column(""), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for result in report.results:
        if result.remark:
            table.add_row(Text(result.name), result.kind, "", "0", "", "", "", Text(f"not looked at: {result.remark}"))
            continue
        rate = result.rate
        cells = (f"{len(result.failures):,}", f"{rate.n:,}", f"{rate.value:.1%}", f"{rate.low:.1%} to {rate.high:.1%}")
        mark, style = ("BROKEN", "red") if result.broken else ("holds", "green")
        table.add_row(Text(result.name), result.kind, *cells, f"{result.limit:.1%}", Text(mark, style=style))
    out.print(table)
    for result in report.results:
        _print_failures(result, shown)
    left_out = sum(result.left_out for result in report.results)
    if left_out:
        out.print(f"{left_out:,} cases were left out, because the model refuses their text as it is.")
    broken = len(report.broken)
    looked_at = sum(not result.remark for result in report.results)
    what = f"{broken} broke {'its limit' if broken == 1 else 'their limits'}" if broken else "no limit is broken"
    out.print(f"Run {report.run}: of {looked_at} checks that were looked at {what}.", markup=False)


def _print_failures(result: CheckResult, shown: int) -> None:
    """Print the examples of a check that failed most clearly."""
    if not result.failures or not shown:
        return
    out.print(f"{result.name}:", markup=False, style="bold")
    for failure in result.failures[:shown]:
        out.print(f"  {_cut(failure.changed)}", markup=False, soft_wrap=True)
        out.print(f"    {failure.sentence}", markup=False, soft_wrap=True)
    if len(result.failures) > shown:
        out.print(f"  and {len(result.failures) - shown:,} more (--failures, --json)", markup=False)


def _cut(text: str) -> str:
    """Return a text as one line; its end tells more than its middle, for there sentences are added."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    half = _LONGEST // 2
    return f"{line[:half]} ... {line[-half:]}"
