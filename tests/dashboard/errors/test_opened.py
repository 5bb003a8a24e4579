"""The open example: why, similar training examples and findings, each as soon as it is known; text stays text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.evaluation.example import Example
from dashboard.sections.errors.detail_html import Opened, detail_html
from dashboard.sections.errors.list_html import list_html
from dashboard.sections.errors.listing import Entry, Listing, Wanted
from dashboard.sections.errors.remarks import Remark
from dashboard.sections.errors.training import Near, NearTraining, nearest
from dashboard.sections.errors.why import NO_MODEL, Piece, Why, explain

from .conftest import Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Known

EVIL = '<img src=x onerror="alert(1)">'


def test_why_marks_the_words_and_says_what_each_adds(visitor: Visitor) -> None:
    evaluation = visitor.section.evaluation
    [example] = evaluation.examples([visitor.row(visitor.shown[0])])
    why = explain(evaluation, example)
    assert "".join(piece.text for piece in why.pieces) == example.text
    assert why.tag == example.predicted
    assert why.chance == pytest.approx(example.confidence, abs=1e-3)
    assert list(why.words) == [example.predicted, example.true]
    strongest = [abs(weight) for _, weight in why.words[example.predicted]]
    assert strongest == sorted(strongest, reverse=True)
    assert strongest[0] > 0


def test_an_open_example_tells_all_that_is_known(known: Known, visitor: Visitor) -> None:
    name = visitor.shown[0]
    visitor.pick(f"open:{visitor.row(name)}")
    assert visitor.state.examples.example == name
    assert "What each word adds" in visitor.html
    # Nobody has asked for the long work yet, and a script waits for none.
    assert visitor.html.count("Nobody has computed this yet.") == 2
    visitor.pick("start:near")
    visitor.pick("start:remarks")
    assert "Nobody has computed this yet." not in visitor.html
    near = re.findall(r'<li><i><b class="[^"]*">([^<]*)</b> · \d+% alike · ([^<]*)</i>', visitor.html)
    frame = pd.read_parquet(visitor.section.evaluation.bundle.predictions_path()).set_index("id")
    assert 0 < len(near) <= 5
    assert {frame["split"][html.unescape(row)] for _, row in near} == {"train"}
    assert [frame["tag"][html.unescape(row)] for _, row in near] == [html.unescape(tag) for tag, _ in near]
    visitor.pick(f"open:{visitor.row(name)}")
    assert 'class="detail"' not in visitor.html
    # What was found stands on the rows.
    samples = visitor.section._knowledge.samples
    kinds = {item.kind: item.title for item in samples.findings.value.items}
    masks = samples.explorer.table.findings
    for shown in visitor.section._listing.entries:
        titles = {kinds[kind] for kind, found in masks.items() if found.rows[shown.example.place]}
        card = visitor.html.split(f'aria-label="Example {shown.example.id}"')[1].split("</article>")[0]
        assert set(re.findall(r'class="found">([^<]*)<', card)) == {html.escape(title) for title in titles}


def test_findings_that_are_kept_are_opened_without_asking(known: Known, demo_home: Path) -> None:
    known.kept = True
    visitor = Visitor(demo_home)
    assert 'class="found">Probable label errors<' in visitor.html
    visitor.pick(f"open:{visitor.row(visitor.shown[0])}")
    assert visitor.html.count("Nobody has computed this yet.") == 1


def test_a_run_without_a_model_says_so(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = visitor.section.evaluation
    manifest = evaluation.manifest
    changed = type("Manifest", (), {"model_digest": "", "dataset": manifest.dataset})()
    monkeypatch.setattr(evaluation, "manifest", changed)
    visitor.pick(f"open:{visitor.row(visitor.shown[0])}")
    assert NO_MODEL in visitor.html


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neighbours_are_the_nearest_among_those_that_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 40))
    vectors = rng.integers(-2, 3, (size, 3)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    among, row = rng.random(size) < 0.6, int(rng.integers(size))
    found = nearest(vectors, row, among, 4)
    cosines = vectors @ vectors[row]
    allowed = [one for one in np.argsort(-cosines, kind="stable") if among[one] and one != row and cosines[one] > 0]
    assert [one for one, _ in found] == allowed[:4]
    assert [cosine for _, cosine in found] == pytest.approx([min(cosines[one], 1) for one in allowed[:4]])


@pytest.mark.parametrize("table", [True, False])
def test_hostile_text_stays_text(table: bool) -> None:
    example = Example(0, 0, EVIL, EVIL, EVIL, EVIL + "2", False, 0.7, ((EVIL, 0.7), (EVIL + "2", 0.3)))
    why = Why(EVIL, 0.7, (Piece(EVIL, 0.2), Piece(EVIL)), {EVIL: ((EVIL, 0.2),)}, remark=EVIL, seconds=0.01)
    opened = Opened(why, NearTraining((Near(EVIL, EVIL, EVIL, 0.5),), EVIL), (Remark(EVIL, EVIL, EVIL, EVIL),))
    lack = {"near": (EVIL, EVIL), "remarks": (EVIL, EVIL)}
    listing = Listing(Wanted(example=EVIL), None, np.array([0]), 0, (Entry(example, 0.3, 2),))
    for detail in (
        detail_html(example, opened, lack),
        detail_html(example, Opened(), lack),
        detail_html(example, Opened(Why(sentence=EVIL), NearTraining(sentence=EVIL)), lack),
    ):
        text = list_html(listing, table=table, findings={0: (EVIL,)}, detail=detail)
        assert EVIL not in text
        assert "<img" not in text
        assert html.escape(EVIL, quote=True) in text
