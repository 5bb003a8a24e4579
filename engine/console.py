"""What the command line prints: tables, what was left out, and progress bars."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from engine.dataset.problems import Problem

# Results go to standard output, everything about how they came to be to standard error.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_LEFT_OUT_SHOWN = 20


def print_runs(runs: Sequence[dict[str, Any]]) -> None:
    """Print run id, date, model, F1, mark of the promoted or a damaged one, and data set."""
    # The id is there to be copied: only the name of the data gives way in a narrow terminal.
    widths = {"run": 32, "created": 10, "model": 5, "F1": 5, "": 8}
    columns = [Column(name, no_wrap=True, min_width=width) for name, width in widths.items()]
    columns.append(Column("data", no_wrap=True, overflow="ellipsis", ratio=1))
    table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True)
    for run in runs:
        score = f"{run['overall']['f1']:.3f}" if "overall" in run else ""
        mark = "damaged" if "damaged" in run else "promoted" if run["promoted"] else ""
        data = f"{run['dataset']} {run['version']}, {run['num_rows']:,} rows"
        table.add_row(*map(Text, (run["run_id"], run["created"][:10], run["model"], score, mark, data)))
    out.print(table)


def print_problems(problems: Sequence[Problem]) -> None:
    """Print what is wrong with a file, by row; what cannot be trained on is red."""
    table = Table("row", "column", "what is wrong", "what to do", box=box.SIMPLE_HEAD)
    for problem in problems:
        row = "" if problem.row is None else str(problem.row)
        more = f" (and {problem.more:,} more of this kind)" if problem.more else ""
        cells = (row, problem.column or "", problem.message + more, problem.remedy)
        table.add_row(*map(Text, cells), style="red" if problem.fatal else None)
    out.print(table)


def print_left_out(left_out: pd.DataFrame, name: str) -> None:
    """Say which rows were left out and why."""
    if not len(left_out):
        return
    err.print(f"{name}: {len(left_out)} rows were left out:", style="yellow", markup=False)
    for row in left_out.head(_LEFT_OUT_SHOWN).itertuples():
        err.print(f"  row {row.row} (id {row.id}): {row.reason}", style="yellow", markup=False)
    if len(left_out) > _LEFT_OUT_SHOWN:
        err.print(f"  and {len(left_out) - _LEFT_OUT_SHOWN} more; `tagscope check` lists them.", style="yellow")


def print_performance(performance: dict[str, Any]) -> None:
    """Print the metrics overall, per tag and per slice."""
    table = Table("", "precision", "recall", "F1", "n", box=box.SIMPLE_HEAD)
    groups = [("overall", performance["overall"]), *performance["class"].items()]
    groups += [(f"slice {name}", scores) for name, scores in performance["slices"].items()]
    for name, scores in groups:
        if scores["num_samples"]:
            figures = [f"{scores[key]:.3f}" for key in ("precision", "recall", "f1")]
            table.add_row(Text(name), *figures, f"{scores['num_samples']:.0f}")
        else:
            table.add_row(Text(name), "no rows", "", "", "0")
    out.print(table)
    if interval := performance.get("intervals", {}).get("overall", {}).get("f1"):
        out.print(f"95 % interval of the overall F1: {interval[0]:.3f} to {interval[1]:.3f}")


@contextmanager
def progress_bars(stages: Sequence[str]) -> Iterator[Callable[[str, float], None]]:
    """Show a bar per stage; the block calls what it is given with a stage and the share done, 0 to 1."""
    columns = (TextColumn("{task.description:<14}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        tasks = {stage: bars.add_task(stage, total=1.0, start=False, visible=False) for stage in stages}

        def report(stage: str, share: float) -> None:
            # A bar is shown when its stage begins: a mistake in the file is not told below five empty bars.
            bars.start_task(tasks[stage])
            bars.update(tasks[stage], completed=share, visible=True)

        yield report
