"""The command line, in a wide terminal: a table's cells are looked for, and not where its lines are broken."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from engine import console
from engine.cli import main
from engine.inference.predictor import get_predictor

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by COLUMNS: that is read once, by whichever test imports the module first.
    for one in (console.out, console.err):
        monkeypatch.setattr(one, "_width", 300)


@pytest.fixture
def tagscope(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command line; gives its exit code, its output and its errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        get_predictor.cache_clear()
        monkeypatch.setattr(sys, "argv", ["tagscope", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call
