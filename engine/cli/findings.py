"""`tagscope findings`: what is wrong with a data set, the worst first."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text as Cell

from config.settings import get_settings
from engine.cli.options import AsJson, Created, Data, Id, Label, Text, data_file
from engine.console import err, out, print_left_out

if TYPE_CHECKING:
    from engine.findings.contract import Finding
    from engine.findings.store import Findings

_LINES = 3


def findings(
    data: Data = None,
    text: Text = None,
    label: Label = None,
    id: Id = None,
    created: Created = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this finding; repeat. All by default", metavar="KIND")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A run on this data, for its splits and its tokenizer", metavar="RUN")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the rows to this .csv or .json", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with labels, data and preprocessing, the worst first."""
    import msgspec

    from engine.dataset.content import Dataset
    from engine.dataset.fields import Fields
    from engine.dataset.loading import load_table
    from engine.findings.contract import FindingError
    from engine.findings.export import export_findings
    from engine.findings.finder import find
    from engine.runs.store import open_store

    if export is not None and export.suffix.lower() not in (".csv", ".json"):
        raise FindingError(f"{export}: findings are written as CSV or JSON; choose a name that ends in .csv or .json.")
    settings = get_settings().data
    path = data_file(data)
    fields = Fields(
        text=tuple(text) if text else settings.text,
        label=label or settings.label,
        id=settings.id if id is None else id,
        created=settings.created if created is None else created,
    )
    bundle = open_store().open(run) if run else None
    table = load_table(path, fields, max_cell_characters=settings.max_cell_characters, minimum_tags=1)
    dataset = Dataset.from_table(table, path.stem)
    columns = (TextColumn("{task.description:<42}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task("Start", total=1.0)
        found = find(
            dataset,
            bundle=bundle,
            kinds=kind,
            progress=lambda name, share: bars.update(task, description=name, completed=share),
        )
    if as_json:
        out.print_json(msgspec.json.encode(found.items).decode())
    else:
        print_left_out(dataset.left_out, str(path))
        print_findings(found)
    if export is not None:
        count = export_findings(found, dataset, export)
        err.print(f"{export}: {count:,} {'row' if count == 1 else 'rows'} written.", markup=False)


def print_findings(found: Findings) -> None:
    """Print each finding with its number of rows, then what was not found and what could not be looked for."""
    table = Table(
        Column(f"of {found.total:,} rows", justify="right", no_wrap=True),
        Column("finding", min_width=16),
        Column("what was found"),
        Column("what to do"),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for item in found.items:
        if item.noteworthy:
            found_there = "\n".join([item.sentence, *_lines(item)])
            cells = (f"{item.affected:,}", f"{item.title}\n{item.kind}", found_there, item.advice)
            table.add_row(*map(Cell, cells))
    if table.row_count:
        out.print(table)
    clear = [item.title for item in found.items if item.computed and not item.noteworthy]
    if clear:
        out.print(f"Nothing found: {'; '.join(clear)}.", markup=False)
    reasons: dict[str, list[str]] = {}
    for item in found.items:
        if not item.computed:
            reasons.setdefault(item.sentence, []).append(item.title)
    for reason, titles in reasons.items():
        out.print(f"Not looked for: {'; '.join(titles)}. {reason}", markup=False)


def _lines(item: Finding) -> list[str]:
    """Return the first figures that belong to no single row, and how many more there are in the JSON."""
    figures = item.figures
    lines = [
        "- " + ", ".join(f"{name} {value}" for name, value in entry.items() if value) for entry in figures[:_LINES]
    ]
    return lines + ([f"- and {len(figures) - _LINES:,} more (--json)"] if len(figures) > _LINES else [])
