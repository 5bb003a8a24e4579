"""`tagscope parity` and `tagscope tune`: proof that a run answers alike everywhere, and the fastest way that does."""

from __future__ import annotations

from typing import Annotated

import typer


def parity(run: Annotated[str, typer.Argument(metavar="RUN")]) -> None:
    """Compare every backend and precision with the torch model."""


def tune(run: Annotated[str, typer.Argument(metavar="RUN")]) -> None:
    """Find the fastest backend and precision that answers alike."""
