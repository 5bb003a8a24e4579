"""Everything that is known of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.detail import read_detail, tokens_of
from dashboard.sections.explore.drawer import detail_html, linked_rows
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
    links = linked_rows(detail)
    assert set(links) - {""} <= set(samples.dataset.frame["id"])
    assert f'data-pick="{len(links) - 1}"' in detail_html(detail)


def test_a_row_that_is_not_there_is_a_sentence(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    with pytest.raises(FilterError, match="no row with the id"):
        read_detail(catalogue, catalogue.samples(run_id), run_id, "<script>")


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
    import msgspec

    run_id = catalogue.default_run()
    samples = catalogue.samples(run_id)
    detail = read_detail(catalogue, samples, run_id, str(samples.dataset.frame["id"].iloc[0]))
    harm = "<img src=x onerror='x'>\"&"
    values = {"raw": harm, "cleaned": harm + "!", "id": harm, "tag": harm, "fields": ((harm, harm),), "tokens": None}
    html = detail_html(msgspec.structs.replace(detail, sentence=harm, **values))
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=&#x27;x&#x27;&gt;&quot;&amp;") >= 6
