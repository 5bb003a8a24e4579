"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.settings import get_settings
from engine.errors import TagscopeError

Data = Annotated[
    Path | None, typer.Option("--data", help="Labelled CSV (UTF-8) or Parquet [settings: data.file]", metavar="FILE")
]
Text = Annotated[list[str] | None, typer.Option("--text", help="Text column; repeat for several [settings: data.text]")]
Label = Annotated[str | None, typer.Option("--label", help="Column of the tag [settings: data.label]")]
ID_HELP = "Column of the ids; a column `id` may be missing [settings: data.id]"
Id = Annotated[str | None, typer.Option("--id", help=ID_HELP)]
CREATED_HELP = "Column of the dates; a column `created_on` may be missing [settings: data.created]"
Created = Annotated[str | None, typer.Option("--created", help=CREATED_HELP)]
Run = Annotated[str | None, typer.Option("--run", help="Run id; the promoted run where it is not given", metavar="RUN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


def data_file(data: Path | None) -> Path:
    """Return the file that was named, else that of the settings."""
    settings = get_settings()
    if data is not None:
        return data
    if settings.data.file is None:
        raise TagscopeError("No file was named; give it with `--data FILE` or set `data.file` in settings.toml.")
    return settings.resolve(settings.data.file)


def existing(path: Path) -> Path:
    """Return an absolute path of a file that is there; a mistake in its name is told now."""
    if not path.is_file():
        raise TagscopeError(f"{path}: there is no such file; check the name and the folder you are in.")
    return path.resolve()
