"""What the command line prints: tables, what was left out, and progress bars."""

from __future__ import annotations

import math
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
    from engine.pipeline.proof.table import RunParity
    from engine.pipeline.tune import Tuning

# Results go to standard output, everything about how they came to be to standard error.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_LEFT_OUT_SHOWN = 20
# Columns of a terminal in which a row of the widest table fits on one line.
_WIDE = 130


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
    err.print(
        f"{name}: {len(left_out):,} {'row was' if len(left_out) == 1 else 'rows were'} left out:",
        style="yellow",
        markup=False,
    )
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


def print_parity(table: RunParity) -> None:
    """Print how each backend and precision answers, compared with the baseline."""
    # Where there is no room, what belongs together stands one below the other: no figure is ever cut.
    apart = " · " if out.width >= _WIDE else "\n"
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    heads = ("way", "verdict"), ("shapes", "texts"), ("flips", "95 %"), ("F1 change", "95 %"), ("batched", "flips")
    for head in heads:
        shown.add_column(apart.join(head), no_wrap=True)
    for way in table.ways:
        style = {"fails": "red", "within the gate": "yellow", "not available": "dim"}.get(way.verdict)
        cells = ["" if way.shapes is None else _share_of_largest(way.shapes), *[""] * 3]
        if way.flip_interval is not None and way.f1 is not None:
            low, high = way.flip_interval
            cells = [
                f"{_share_of_largest(way.shapes)}{apart}{_share_of_largest(way.texts)}",
                f"{way.flips} of {table.held_out:,}{apart}{low:.1%} to {high:.1%}",
                f"{way.f1.change:+.4f}{apart}{way.f1.low:+.3f}, {way.f1.high:+.3f}",
                f"{_share_of_largest(way.mates)}{apart}{way.mate_flips}",
            ]
        shown.add_row(*map(Text, (f"{way.backend} {way.precision}{apart}{way.verdict}", *cells)), style=style)
    out.print(shown)
    out.print(f"Compared with: {table.baseline}.", markup=False)
    out.print(
        f"Figures are max |a - b| / max |baseline|, at {len(table.shapes)} shapes of batch x sequence from "
        f"{_shape(table.shapes, min)} to {_shape(table.shapes, max)} and on {table.held_out:,} held-out texts"
        + (f", of {table.held_out_rows:,} held-out rows." if table.held_out_rows > table.held_out else "."),
        markup=False,
    )
    told: dict[str, list[str]] = {}
    for way in table.ways:
        for line in filter(None, (way.reason, way.divergence)):
            told.setdefault(line.rstrip("."), []).append(f"{way.backend} {way.precision}")
    for line, names in told.items():
        out.print(f"{', '.join(names)}: {line}.", markup=False)
    if any(way.verdict in ("within the gate", "fails") for way in table.ways):
        out.print(f"The gate counts flips on {_counted(table.gate_texts)}.", markup=False)


def print_tuning(tuning: Tuning) -> None:
    """Print the choice per load pattern, and for each backend and precision why it passed or not."""
    apart = " · " if out.width >= _WIDE else "\n"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("pattern", "gain"), ("choice",), ("latency", "speed"), ("lowest", "highest"), ("fp32",):
        table.add_column(apart.join(head), no_wrap=True)
    for name, setting in tuning.choice.patterns.items():
        usual = tuning.choice.reference[name]
        alone = name.startswith("single")
        low, high = setting.latency_range if alone else setting.throughput_range
        spread = [f"{value * 1e3:,.3g} ms" if alone else f"{value:,.0f}/s" for value in (low, high)]
        gain = usual.latency / setting.latency if alone else setting.throughput / usual.throughput
        cells = (
            f"{name}{apart}{gain:.2f} x",
            f"{setting.backend} {setting.precision}{apart}batch {setting.batch}, threads {setting.callers} x "
            f"{setting.threads}",
            f"{setting.latency * 1e3:,.3g} ms{apart}{setting.throughput:,.0f}/s",
            apart.join(spread),
            f"{usual.latency * 1e3:,.3g} ms{apart}{usual.throughput:,.0f}/s",
        )
        table.add_row(*map(Text, cells))
    out.print(table)
    out.print("Gain is over fp32 on ONNX Runtime, at its own best batch and threads.")
    for name, meaning in tuning.meanings.items():
        out.print(f"{name}: {meaning}; what counts is {'latency' if name.startswith('single') else 'texts/s'}.")
    for outcome in tuning.ways:
        passed = {True: "passes", False: "does not pass", None: "not chosen"}[outcome.passed]
        best = "" if outcome.gain is None else f", at best {outcome.gain:.2f} x fp32 on ONNX Runtime"
        out.print(f"{outcome.way}: {passed}{best}; {outcome.reason.rstrip('.')}.", markup=False)
    out.print(f"The gate counts flips on {_counted(tuning.texts)}.", markup=False)
    if not tuning.faster:
        out.print("Nothing faster passes the gate: fp32 on ONNX Runtime stays.")
    for what in tuning.unfinished:
        err.print(f"Not all was measured before the time was up ({what}); run it again to go on.", style="yellow")


def _share_of_largest(value: float | None) -> str:
    return "" if value is None else "not a number" if math.isinf(value) else f"{value:.1e}"


def _shape(shapes: Sequence[tuple[int, int]], which: Callable[..., tuple[int, int]]) -> str:
    batch, sequence = which(shapes, key=lambda shape: shape[0] * shape[1])
    return f"{batch} x {sequence}"


def _counted(kinds: dict[str, int]) -> str:
    parts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    return f"{sum(kinds.values()):,} different texts: {parts}"


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
