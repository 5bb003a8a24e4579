"""Everything that is known of one row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.detail import read_detail, tokens_of
from dashboard.sections.explore.drawer_html import detail_html
from dashboard.sections.explore.drawer_pane import row_key, row_of
from engine.exploration.filter import FilterError
from engine.runs.store import open_store
from engine.runs.tokenizer import WordTokenizer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def test_a_row_tells_its_text_tokens_and_the_answers_of_all_runs_that_have_it(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    row_id = str(samples.dataset.frame["id"].iloc[3])
    detail = read_detail(catalogue, samples, run_id, row_id)
    assert detail.raw == samples.dataset.frame["text"].iloc[3]
    assert " ".join(text for _, text in detail.fields if text) == detail.raw
    assert detail.tokens
    assert not any(token.cut for token in detail.tokens)
    assert len(detail.answers) == len(catalogue.runs())
    assert run_id[:8] in detail.answers[0].run
    assert detail.answers[0].split == samples.explorer.rows([3], ["split"])["split"].iloc[0]
    assert all(0 < answer.probability <= 1 for answer in detail.answers)


def test_neighbours_and_findings_come_when_they_are_known(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    first = read_detail(catalogue, samples, run_id, str(samples.dataset.frame["id"].iloc[0]))
    assert first.remarks is None
    samples.map.start().wait(120)
    found = samples.findings.start().wait(120)
    position = int(found.source.affected("near-duplicates")[0])
    detail = read_detail(catalogue, samples, run_id, str(samples.dataset.frame["id"].iloc[position]))
    assert detail.near[0].similarity > 0.5
    assert "Near-duplicates" in {remark.title for remark in detail.remarks}
    html = detail_html(detail)
    linked = {row_of(key) for key in re.findall(r'data-pick="(row:[^"]*)"', html)}
    assert linked == {near.id for near in detail.near} | {remark.other_id for remark in detail.remarks} - {""}
    assert "of all 905 rows" in html


@pytest.mark.parametrize(
    ("same_digest", "same_name", "remarks"),
    [(False, False, []), (False, True, ["another version of the data"]), (True, False, [""])],
)
def test_only_runs_on_the_same_data_answer_for_a_row(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, same_digest: bool, same_name: bool, remarks: list[str]
) -> None:
    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    own, other = sorted(catalogue.runs(), key=lambda entry: entry.run_id != run_id)[:2]
    trained_on = msgspec.structs.replace(
        other.manifest.dataset,
        digest=samples.digest if same_digest else "0" * 64,
        name=samples.dataset.name if same_name else "weather",
    )
    elsewhere = msgspec.structs.replace(other, manifest=msgspec.structs.replace(other.manifest, dataset=trained_on))
    monkeypatch.setattr(catalogue, "runs", lambda: [elsewhere, own])
    detail = read_detail(catalogue, samples, run_id, str(samples.dataset.frame["id"].iloc[3]))
    assert [answer.remark for answer in detail.answers] == ["", *remarks]
    assert all(remark in detail_html(detail) for remark in remarks)


def test_reading_rows_puts_nothing_into_the_cache_of_filters(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    before = samples.explorer.cache_bytes
    for position, row_id in enumerate(samples.dataset.frame["id"].astype(str)[:5]):
        assert read_detail(catalogue, samples, run_id, row_id).position == position
    assert samples.explorer.cache_bytes == before


@given(st.text())
def test_a_key_comes_back_as_the_row_that_it_names(row_id: str) -> None:
    key = row_key(row_id)
    assert row_of(key) == row_id
    assert re.fullmatch(r"row:[\w.~%-]*", key, re.ASCII)


def test_a_row_that_is_not_there_is_a_sentence(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    with pytest.raises(FilterError, match="no row with the id"):
        read_detail(catalogue, catalogue.samples(run_id), run_id, "<script>")
    with pytest.raises(FilterError, match="no row with the id"):
        read_detail(catalogue, catalogue.samples(run_id), run_id, "\ud800")


def test_tokens_beyond_the_limit_are_cut_and_unknown_ones_marked() -> None:
    tokens = tokens_of(WordTokenizer(["deep", "graph"], 3), "Deep fish graph graph deep")
    assert [(token.text, token.known, token.cut) for token in tokens] == [
        ("deep", True, False),
        ("fish", False, False),
        ("graph", True, False),
        ("graph", True, True),
        ("deep", True, True),
    ]


def test_no_text_of_a_row_is_markup(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    detail = read_detail(catalogue, samples, run_id, str(samples.dataset.frame["id"].iloc[0]))
    harm = "<img src=x onerror='x'>\"&"
    values = {"raw": harm, "cleaned": harm + "!", "id": harm, "tag": harm, "fields": ((harm, harm),), "tokens": None}
    html = detail_html(msgspec.structs.replace(detail, sentence=harm, **values))
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=&#x27;x&#x27;&gt;&quot;&amp;") >= 6
