"""The command line in a wide terminal: a table's cells are looked for, and not where its lines are broken."""

from __future__ import annotations

import pytest

from engine import console


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by COLUMNS: that is read once, by whichever test imports the module first.
    for one in (console.out, console.err):
        monkeypatch.setattr(one, "_width", 300)
