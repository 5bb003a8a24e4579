"""The file of examples: all rows of the filter or those checked, no cell a formula, written beside the event loop."""

from __future__ import annotations

import asyncio
import csv
import errno
import html
import io
import os
import re
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dashboard.job import Job
from dashboard.sections.errors import download as module
from dashboard.sections.errors.download import Download, Order
from dashboard.sections.errors.example_file import COLUMNS, MARK, write_examples
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.errors import DataError
from engine.findings.contract import FindingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from dashboard.samples import Samples

    from .conftest import Known, Visitor


def fetch(button: Download) -> tuple[str, str]:
    """Do what the browser does: press, and take one piece after the other."""
    pieces = []
    button.taken = 0
    button.asked += 1
    while True:
        piece = button.piece
        assert piece["asked"] == button.asked
        assert piece["number"] == len(pieces)
        pieces.append(piece["text"])
        if piece["last"]:
            button.taken = len(pieces)
            assert button.piece == {}
            return piece["name"], "".join(pieces)
        button.taken = len(pieces)


def read(text: str) -> pd.DataFrame:
    # As pandas opens the file: the mark at its beginning is no part of the first column's name.
    return pd.read_csv(io.BytesIO(text.encode("utf-8")), dtype=str, keep_default_na=False)


def line(visitor: Visitor) -> str:
    """What stands below the buttons, as text."""
    return html.unescape(re.sub(r"<[^>]*>", "", visitor.section._saving.line.html)).strip()


def notes_of(samples: Samples) -> dict[str, str]:
    """The notes of all rows by id, told by pandas from the findings' tables."""
    ids, found = samples.dataset.frame["id"], samples.findings.value
    said: dict[str, list[str]] = {}
    for item in found.items:
        rows = found.source.rows(item.kind)
        for place, note in rows.loc[rows["affected"], ["position", "note"]].itertuples(index=False):
            words = f"{item.title}: {note}" if isinstance(note, str) else item.title
            said.setdefault(ids[place], []).append(words)
    return {name: " | ".join(notes) for name, notes in said.items()}


def test_all_results_of_the_filter_are_in_the_file(
    known: Known, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHARACTERS", 1_000)
    visitor.state.examples.param.update(examples="all")
    visitor.enter("sort", "unsure")
    name, text = fetch(visitor.section._saving.all)
    assert name == f"examples-{visitor.run_id[:8]}.csv"
    table = read(text)
    assert tuple(table.columns) == COLUMNS
    assert table["id"].tolist() == visitor.ids
    assert len(table) == len(visitor.frame) > 100
    frame = visitor.frame.set_index("id").loc[table["id"]]
    assert table["tag"].tolist() == frame["tag"].tolist()
    assert table["predicted tag"].tolist() == frame["predicted_tag"].tolist()
    chances = [row[f"probability:{row['predicted_tag']}"] for _, row in frame.iterrows()]
    np.testing.assert_allclose(table["probability"].astype(float), chances, rtol=1e-5)
    texts = visitor.section.evaluation.dataset.frame.set_index("id")["text"]
    assert table["text"].tolist() == texts.loc[table["id"]].tolist()
    # Nobody has asked for findings before.
    expected = notes_of(visitor.section._knowledge.samples)
    assert table["note"].tolist() == [expected.get(name, "") for name in table["id"]]
    assert len(set(table["note"])) > 2
    assert line(visitor) == "With the proposed tags and notes of the findings."


def test_checked_rows_are_in_a_file_of_their_own_until_others_are_chosen(visitor: Visitor) -> None:
    assert not visitor.section._saving.some.visible
    for name in (visitor.shown[3], visitor.shown[1], visitor.shown[2]):
        visitor.pick(f"check:{visitor.row(name)}")
    visitor.pick(f"check:{visitor.row(visitor.shown[2])}")
    assert visitor.html.count('aria-checked="true"') == 2
    assert "2 checked" in visitor.section._saving.some.label
    expected = [visitor.shown[1], visitor.shown[3]]
    visitor.pick("page:next")
    assert sorted(read(fetch(visitor.section._saving.some)[1])["id"]) == sorted(expected)
    visitor.pick("kind:correct")
    assert not visitor.section._saving.some.visible
    assert 'aria-checked="true"' not in visitor.html


def test_proposed_tags_and_notes_are_those_of_the_findings(known: Known, visitor: Visitor) -> None:
    visitor.state.examples.examples = "all"
    visitor.section._knowledge.start("remarks")
    samples = visitor.section._knowledge.samples
    table = read(fetch(visitor.section._saving.all)[1]).set_index("id")
    places = pd.Index(samples.dataset.frame["id"])
    found = samples.findings.value
    said = 0
    for item in found.items:
        rows = found.source.rows(item.kind)
        for row in rows[rows["affected"]].itertuples():
            name = places[row.position]
            if name in table.index:
                assert item.title in table["note"][name]
                said += 1
    assert said == sum(note.count(" | ") + 1 for note in table["note"] if note)
    # The worst finding that proposes a tag counts, and a tag is no formula either.
    labels, short = (found.source.rows(kind).set_index("position")["proposed_tag"] for kind in ("labels", "short"))
    for name, proposed in table["proposed tag"].items():
        place = places.get_loc(name)
        first, second = labels.get(place), short.get(place)
        assert proposed == ("'=other" if first == "=other" else second if isinstance(second, str) else "")
    assert {"'=other", "mlops", ""} == set(table["proposed tag"])


class Many:
    """An evaluation of as many rows as one likes, with the texts that it is given."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = np.array(texts, object)
        self.ids = np.array([f"row {place}" for place in range(len(texts))], object)
        self.tags, self.answers = ("=tag",), SimpleNamespace(tags=("=tag",), predicted=np.zeros(len(texts), np.int64))
        self.true, self.places = np.zeros(len(texts), np.int64), None
        self.outcomes = SimpleNamespace(confidence=None)

    def texts(self, rows: np.ndarray) -> list[str]:
        return self._texts[rows].tolist()


def test_no_cell_is_a_formula() -> None:
    texts = ["=cmd()", "+1+1", "-2+3", "@sum", "\tx", "\rx", 'a "quoted", line\nbreak', "plain", "\ud800half", ""]
    with write_examples(Many(texts), np.arange(len(texts))) as file:
        whole = file.read()
    assert whole.startswith(MARK)
    rows = list(csv.reader(io.StringIO(whole.removeprefix(MARK), newline="")))
    assert rows[0] == list(COLUMNS)
    assert [row[1] for row in rows[1:]] == [
        "'=cmd()",
        "'+1+1",
        "'-2+3",
        "'@sum",
        "'\tx",
        "'\rx",
        texts[6],
        "plain",
        "?half",
        "",
    ]
    assert {row[2] for row in rows[1:]} == {"'=tag"}


def test_many_rows_are_written_while_the_event_loop_goes_on() -> None:
    many = Many(["a text of some words, =not a formula " * 3] * 200_000)
    worst = 0.0

    async def visit() -> None:
        nonlocal worst
        writing = asyncio.ensure_future(asyncio.to_thread(write_examples, many, np.arange(200_000)))
        while not writing.done():
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - started)
        with await writing as file:
            assert sum(1 for _ in file) == 200_001

    asyncio.run(visit())
    # A machine that does other work, too, gives a thread its turn late; blocked it would be for all of the seconds.
    assert worst < 1


def test_what_cannot_be_written_is_a_sentence_and_the_next_press_tries_again() -> None:
    tried = threading.Event()

    def write() -> tuple[str, io.StringIO]:
        if not tried.is_set():
            tried.set()
            raise DataError("The disk is full; make room.")
        return "examples.csv", io.StringIO("id\r\n")

    button = Download(lambda: Order(write))
    button.asked += 1
    assert button.sentence == "The disk is full; make room."
    assert fetch(button) == ("examples.csv", "id\r\n")
    assert button.sentence == ""


def test_the_bytes_are_those_that_spreadsheets_and_our_loader_take_for_utf_8(tmp_path: Path) -> None:
    texts = [f"Überprüfung der Größe {place}: 日本語, =1" for place in range(120)]
    with write_examples(Many(texts), np.arange(len(texts))) as file:
        content = file.read().encode("utf-8")
    assert content.startswith(b"\xef\xbb\xbfid,text,tag,")
    assert content.count(b"\xef\xbb\xbf") == 1
    assert "Überprüfung der Größe 7: 日本語, =1".encode() in content
    path = tmp_path / "examples.csv"
    path.write_bytes(content)
    assert tuple(pd.read_csv(path).columns) == COLUMNS
    table = load_table(path, Fields(text=("text",)), minimum_tags=1)
    assert table.frame["text"].tolist() == texts
    assert table.frame["id"].tolist() == [f"row {place}" for place in range(120)]


def test_on_large_data_the_file_is_written_without_findings_which_a_button_begins(
    known: Known, visit: Callable[[], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.samples.AUTOMATIC_ROWS", 10)
    visitor = visit()
    saving = visitor.section._saving
    rows = len(visitor.section.evaluation.dataset.frame)
    said = f"Without proposed tags and notes: they need findings. Look for findings in {rows:,} rows"
    assert line(visitor) == said
    table = read(fetch(saving.all)[1])
    assert set(table["note"]) == set(table["proposed tag"]) == {""}
    assert visitor.section._knowledge.samples.findings.status.state == "waiting"
    assert line(visitor) == said
    saving.line.picked = {"key": "start", "count": 1}
    assert line(visitor) == "With the proposed tags and notes of the findings."
    assert set(read(fetch(saving.all)[1])["note"]) != {""}


def test_findings_that_fail_are_said_and_the_file_comes_without_them(
    known: Known, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_values: object, **_options: object) -> None:
        raise FindingError("The disk is full; make room.")

    monkeypatch.setattr("engine.findings.finder.find", fail)
    assert set(read(fetch(visitor.section._saving.all)[1])["note"]) == {""}
    assert line(visitor) == "Without proposed tags and notes: The disk is full; make room. Try again"
    monkeypatch.setattr("engine.findings.finder.find", known.find)
    visitor.section._saving.line.picked = {"key": "start", "count": 1}
    assert set(read(fetch(visitor.section._saving.all)[1])["note"]) != {""}


def test_what_comes_first_is_said_on_the_button_and_keeps_the_event_loop_free() -> None:
    going, ready = threading.Event(), threading.Event()
    job = Job(lambda _report: ready.wait(20), "findings")
    shown: list[str] = []

    async def visit() -> str:
        button = Download(
            lambda: Order(lambda: ("a.csv", io.StringIO("id")), lambda: job, going.set, "Looking for findings first …")
        )
        button.param.watch(lambda event: shown.append(event.new), "waiting")
        button.asked += 1
        await asyncio.sleep(0.5)
        assert going.is_set()
        assert button.waiting == "Looking for findings first …"
        assert button.piece == {}
        ready.set()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if button.piece:
                break
        return str(button.piece["text"])

    assert asyncio.run(visit()) == "id"
    assert shown == ["Looking for findings first …", ""]


def test_a_full_disk_is_a_sentence_below_the_button() -> None:
    def write() -> tuple[str, io.StringIO]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    button = Download(lambda: Order(write))
    button.asked += 1
    assert button.sentence == "The file cannot be written (No space left on device); make room, then try again."


def test_the_file_has_what_was_shown_when_the_button_was_pressed(known: Known, visitor: Visitor) -> None:
    order = visitor.section._saving.all._order()
    before = visitor.ids
    visitor.pick("kind:correct")
    assert order.first() is not None
    _name, file = order.write()
    with file:
        assert read(file.read())["id"].tolist() == before
