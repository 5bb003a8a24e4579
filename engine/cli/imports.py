"""`tagscope import ...`: make a run of a model, or of predictions, that came to be elsewhere."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Make a run of a model, or of predictions, that came to be elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
