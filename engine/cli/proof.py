"""`tagscope parity` and `tagscope tune`: proof that a run answers alike everywhere, and the fastest way that does."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import typer

from engine.cli.options import AsJson  # noqa: TC001 - typer reads it when it builds the command
from engine.console import err, print_parity, print_tuning, progress_bars

RunId = Annotated[str, typer.Argument(metavar="RUN")]
BACKEND_HELP = "onnxruntime, onnxruntime:CUDA, openvino, ...; repeat. All that are installed by default"
Backend = Annotated[list[str] | None, typer.Option("--backend", help=BACKEND_HELP, metavar="NAME")]


def parity(
    run: RunId,
    backend: Backend = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", help="fp32, int8-dynamic, bf16, ...; repeat", metavar="NAME")
    ] = None,
    texts: Annotated[int, typer.Option(min=1, help="Most held-out texts to compare")] = 2000,
    as_json: AsJson = False,
) -> None:
    """Compare every backend and precision with the torch model; the exit code is 1 where fp32 differs."""
    from engine.pipeline.parity import STAGES, check_run
    from engine.runs.store import open_store

    bundle = open_store().open(run)
    with progress_bars(STAGES) as report:
        table = check_run(bundle, backends=backend, precisions=precision, most_texts=texts, progress=report)
    if as_json:
        _print_json(table)
    else:
        print_parity(table)
    if not table.sound:
        err.print("fp32 does not answer as the baseline does; export or train the run again.", style="red")
        raise typer.Exit(1)


def tune(
    run: RunId,
    backend: Backend = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="Nothing is begun after so long")] = 10.0,
    again: Annotated[bool, typer.Option("--again", help="Forget what was measured before")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the fastest backend, precision and batch that answer alike, for this processor."""
    from engine.pipeline.tune import STAGES, tune_run
    from engine.runs.store import open_store

    bundle = open_store().open(run)
    with progress_bars(STAGES) as report:
        tuning = tune_run(bundle, minutes=minutes, again=again, backends=backend, progress=report)
    if as_json:
        _print_json(tuning)
    else:
        print_tuning(tuning)


def _print_json(content: Any) -> None:
    # Infinity is what two answers of which one is no number differ by; JSON has no such number.
    print(json.dumps(msgspec.json.decode(msgspec.json.encode(content)), indent=2))  # noqa: T201 - plain, for pipes
