"""`tagscope findings` as it is typed, once it is registered, and the files it writes."""

from __future__ import annotations

import codecs
import csv
import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from engine.cli.findings import findings
from engine.errors import TagscopeError

from .made import rows

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

app = typer.Typer()
app.command()(findings)


@pytest.fixture
def file(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    frame = rows()
    frame.loc[6, "title"] = frame.loc[0, "title"]
    frame.loc[6, "id"] = "=cmd()"
    frame.loc[12, "title"] += " <i></i>"
    frame.loc[9, ["title", "id"]] = ["=HYPERLINK(1)", "-5"]
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_json_names_what_was_found_worst_first(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings(data=file, as_json=True)
    told = json.loads(capsys.readouterr().out)
    severity = [entry["severity"] for entry in told]
    assert severity == sorted(severity, reverse=True)
    assert next(entry for entry in told if entry["kind"] == "exact-duplicates")["affected"] == 2


def test_csv_is_safe_and_keeps_ids(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "found.csv"
    findings(data=file, export=target)
    assert target.read_bytes().startswith(codecs.BOM_UTF8)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        written = list(csv.DictReader(stream))
    assert {row["id"] for row in written if row["kind"] == "exact-duplicates"} == {"r0", "'=cmd()"}
    short = next(row for row in written if row["kind"] == "short-texts")
    assert (short["id"], short["text"]) == ("-5", "'=HYPERLINK(1)")
    assert int(short["row"]) == 11


def test_json_export_has_ids_as_they_are(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    findings(data=file, export=target, kind=["exact-duplicates"])
    (entry,) = json.loads(target.read_text())
    assert {row["id"]: row["other_id"] for row in entry["rows"]} == {"r0": "=cmd()", "=cmd()": "r0"}
    assert entry["rows"][0]["proposed_tag"] is None


def test_an_unknown_ending_is_told_before_anything_is_computed(file: Path, tmp_path: Path) -> None:
    with pytest.raises(TagscopeError, match=r"ends in \.csv or \.json"):
        findings(data=file, export=tmp_path / "found.xlsx")


def test_it_prints_rows_reasons_and_what_is_clear(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from engine.cli import findings as module

    console = Console(width=160, record=True)
    monkeypatch.setattr(module, "out", console)
    findings(data=file)
    shown = console.export_text()
    assert "Exact duplicates" in shown
    assert "of 60 rows" in shown
    # What affects no row is told, too, with its first figures: descriptions are all empty.
    clear = shown[shown.index("Nothing found: ") :]
    assert "Drift of tags over time" in clear
    assert "- step html, rows 1, characters 5, most id r12" in shown
    assert "What cleaning removed" not in clear
    assert "Nothing found: " in shown
    assert "Not looked for: Leakage between splits" in shown
