"""The commands of `tagscope`: parse, call, print."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from config.settings import environment_name, get_settings
from engine.cli import api, behaviour, compare, findings, imports, proof
from engine.cli.options import AsJson, Created, Data, Id, Label, Run, Text, data_file, existing
from engine.cli.outcome import print_outcome
from engine.console import err, out, print_left_out, print_performance, print_problems, print_runs, progress_bars
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from engine.runs.manifest import Manifest
    from engine.runs.store import RunStore

app = typer.Typer(
    name="tagscope",
    help="Look into a text classifier and ship it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(imports.app, name="import")
app.command()(proof.parity)
app.command()(proof.tune)
app.command()(api.api)
app.command()(findings.findings)
app.command()(compare.compare)
app.command()(behaviour.behaviour)


@app.command()
def train(
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    holdout: Annotated[Path | None, typer.Option(help="Judge on this CSV instead of a share of the data")] = None,
    model: Annotated[str | None, typer.Option(help="ngram or cnn")] = None,
    accepted: Annotated[list[str] | None, typer.Option(help="Tag to keep; repeat. The others become `other`")] = None,
    min_count: Annotated[int | None, typer.Option(min=1, help="Tags with fewer rows become `other`")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of splits and weights")] = None,
    validation_share: Annotated[float | None, typer.Option(min=0, max=0.5, help="Rows for early stopping")] = None,
    test_share: Annotated[float | None, typer.Option(min=0, max=0.5, help="Rows to judge on")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=2, help="Longer texts are cut")] = None,
    parent: Annotated[str | None, typer.Option(help="Run whose rows keep their split", metavar="RUN")] = None,
    version: Annotated[str | None, typer.Option(help="Name of this version of the data")] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the promoted run when done")] = False,
) -> None:
    """Train on a labelled CSV and write a run: load, split, train, export to ONNX, check parity, evaluate."""
    from engine.pipeline.train import STAGES, TrainRequest
    from engine.pipeline.train import train as train_run

    settings = get_settings()
    request = TrainRequest.from_settings(
        settings,
        data_file(data),
        text=tuple(text) if text else None,
        label=label,
        id=id,
        created=created,
        holdout=holdout,
        model=model,
        accepted=tuple(accepted) if accepted else None,
        min_count=min_count,
        seed=seed,
        validation_share=validation_share,
        test_share=test_share,
        max_tokens=max_tokens,
        parent=parent,
        version=version,
    )
    with progress_bars(STAGES) as report:
        result = train_run(request, progress=report)
    print_outcome(result, request.data, promote=promote)


@app.command()
def runs(as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    from engine.runs.store import open_store

    store = open_store()
    try:
        promoted = store.promoted()
    except TagscopeError as error:
        # The very command that helps to mend the pointer must not fail on it.
        promoted = None
        err.print(str(error), style="yellow", markup=False)
    found = [_summary(store, manifest, promoted) for manifest in store.runs()]
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - plain, for pipes
    elif found:
        print_runs(found)
    else:
        out.print("No runs yet; make one with: tagscope train --data FILE")
    for message in store.broken().values():
        err.print(message, style="yellow", markup=False)


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    data: Data = None,
    text: Annotated[list[str] | None, typer.Option(help="Text column; by default those of the run")] = None,
    label: Annotated[str, typer.Option(help="Column of the tag; by default that of the run")] = "",
    id: Id = None,
    as_json: AsJson = False,
) -> None:
    """Judge a run on another labelled CSV."""
    from engine.pipeline.evaluate import evaluate as evaluate_run
    from engine.runs.store import open_store

    settings = get_settings().data
    bundle = open_store().open(run)
    path = data_file(data)
    with progress_bars(("Evaluate",)) as report:
        result = evaluate_run(
            bundle,
            path,
            text=tuple(text or ()),
            label=label,
            id_column=settings.id if id is None else id,
            max_cell_characters=settings.max_cell_characters,
            progress=lambda share: report("Evaluate", share),
        )
    if as_json:
        print(json.dumps(result.performance, indent=2))  # noqa: T201 - plain, for pipes
        return
    print_left_out(result.left_out, str(path))
    if result.trained_on is None:
        err.print("The run's data set is not here, so nobody knows how many of these rows it was trained on.")
    elif result.trained_on:
        err.print(
            f"{result.trained_on} of these rows were in the run's training split: on new data it will do worse.",
            style="yellow",
        )
    for tag, count in result.mapped.items():
        err.print(
            f"Tag {tag!r} is unknown to the run and was judged as `other`: {count} rows.", style="yellow", markup=False
        )
    print_performance(result.performance)


@app.command()
def predict(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...")],
    run: Run = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="How many probabilities to show")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Below it the tag is `other`")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Predict the tag of each TEXT."""
    from engine.client.predictor import predict_tag

    answers = predict_tag(texts, run, top_k=top_k, threshold=threshold)
    if as_json:
        print(json.dumps(answers, indent=2))  # noqa: T201 - plain, for pipes
        return
    for answer in answers:
        shown = ", ".join(f"{tag} {share:.3f}" for tag, share in answer["probabilities"].items())
        out.print(f"{answer['predicted_tag']}  ({shown})", markup=False)


@app.command()
def promote(run: Annotated[str, typer.Argument(metavar="RUN")]) -> None:
    """Make RUN the one that answers when none is named."""
    from engine.runs.store import open_store

    open_store().promote(run)
    out.print(f"Run {run.strip()} is the promoted run now.", markup=False)


@app.command()
def check(data: Data = None, text: Text = None, label: Label = None, id: Id = None, created: Created = None) -> None:
    """Say what is wrong with a file, by row; the exit code is 1 where it cannot be trained on."""
    from engine.dataset.check import check_file
    from engine.dataset.fields import Fields

    settings = get_settings()
    path = data_file(data)
    fields = Fields(
        text=tuple(text) if text else settings.data.text,
        label=label or settings.data.label,
        id=settings.data.id if id is None else id,
        created=settings.data.created if created is None else created,
    )
    problems = check_file(
        path,
        fields,
        max_cell_characters=settings.data.max_cell_characters,
        min_count=settings.training.min_count,
        accepted=settings.training.accepted,
    )
    if not problems:
        out.print(f"{path}: nothing wrong was found.", markup=False)
        return
    print_problems(problems)
    if any(problem.fatal for problem in problems):
        err.print(f"{path}: cannot be trained on until what stands in red is mended.", style="red", markup=False)
        raise typer.Exit(1)


@app.command()
def dashboard(
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="[settings: dashboard.port]")] = None,
    address: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in")] = "localhost",
) -> None:
    """Serve the dashboard, for a file or for the runs there are."""
    settings = get_settings()
    environment = dict(os.environ, TAGSCOPE_HOME=str(settings.home))
    given = {"data.label": label, "data.id": id, "data.created": created}
    if data is not None:
        # Looked at now, so that a wrong name is said here and not on the page.
        given["data.file"] = str(existing(data))
    if text:
        given["data.text"] = json.dumps(text)
    environment |= {environment_name(name): value for name, value in given.items() if value is not None}
    if environment.get("PANEL_BASIC_AUTH"):
        # Without a secret of its own the cookie of a password page is refused; this one lasts as long as the server.
        environment.setdefault("PANEL_COOKIE_SECRET", secrets.token_hex(32))
    package = importlib.util.find_spec("dashboard")
    if package is None or not package.submodule_search_locations:
        raise TagscopeError("The package `dashboard` is not installed; install Tagscope with `pip install tagscope`.")
    script = Path(next(iter(package.submodule_search_locations))) / "app.py"
    chosen = settings.dashboard.port if port is None else port
    out.print(f"Serving http://{address}:{chosen} - stop with Ctrl+C.", markup=False)
    command = [
        sys.executable,
        "-P",
        "-m",
        "panel",
        "serve",
        str(script),
        "--warm",
        "--port",
        str(chosen),
        "--address",
        address,
    ]
    if origin := os.environ.get("TAGSCOPE_ALLOWED_ORIGIN"):
        command += ["--allow-websocket-origin", origin]
    os.execve(sys.executable, command, environment)


def _summary(store: RunStore, manifest: Manifest, promoted: str | None) -> dict[str, Any]:
    summary = {
        "run_id": manifest.run_id,
        "created": manifest.created,
        "model": manifest.model,
        "dataset": manifest.dataset.name,
        "version": manifest.dataset.version,
        "num_rows": manifest.dataset.num_rows,
        "promoted": manifest.run_id == promoted,
    }
    try:
        return {**summary, "overall": store.open(manifest.run_id).performance()["overall"]}
    except TagscopeError as error:
        return {**summary, "damaged": str(error)}


def main() -> None:
    """Run the command line; a mistake that the user can mend is one sentence, without a trace."""
    # Both are ordinary ends, in which what is half-written is removed.
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except TagscopeError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "onnxscript", "safetensors", "scipy", "cloudpickle", "transformers"):
            raise
        _fail(f"This needs {error.name}, which the serving install leaves out: pip install 'tagscope[train]'")


def _stop(number: int, _frame: object) -> NoReturn:
    err.print("Stopped; nothing half-written is left behind.")
    sys.exit(128 + number)


def _fail(sentence: str) -> NoReturn:
    err.print(sentence, style="red", markup=False, soft_wrap=True)
    sys.exit(1)
