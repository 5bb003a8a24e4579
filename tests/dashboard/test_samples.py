"""A data set as the Data section shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dashboard.samples import NOTE, PROPOSED, SCORE, Samples
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.snapshot import Dataset
from engine.exploration.filter import Filter, FilterError
from engine.runs.predictions import predictions_frame

ROOT = Path(__file__).resolve().parents[2]
HEADER = "id,created_on,title,description,tag\n"


def dataset_of(path: Path, text: str, fields: Fields | None = None) -> Dataset:
    path.write_text(text, encoding="utf-8")
    return Dataset.from_table(load_table(path, fields or Fields()), "projects")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rows = [
        "2,2024-03-01,Ärger mit CNN,,vision",
        "10,2023-01-05,Second,(a+b) [c],text",
        "1,2024-01-01,Third," + "x" * 5_000 + ",text",
        "7,,,,text",
    ]
    return dataset_of(tmp_path / "projects.csv", HEADER + "\n".join(rows) + "\n")


def page(samples: Samples, sort: str = "", filter: Filter | None = None, number: int = 0, size: int = 10) -> list[str]:
    return list(samples.page(samples.explorer.select(filter or Filter()), sort, number, size)["id"])


def test_facts_are_those_of_the_file(dataset: Dataset) -> None:
    facts = Samples(dataset).facts
    assert (facts.num_rows, facts.num_left_out, facts.tags) == (3, 1, {"text": 2, "vision": 1})
    assert (facts.first, facts.last) == ("2023-01-05", "2024-03-01")


def test_numbers_as_ids_sort_as_numbers(dataset: Dataset) -> None:
    samples = Samples(dataset)
    assert page(samples) == ["2", "10", "1"]
    assert page(samples, "id") == ["1", "2", "10"]
    assert page(samples, "-id") == ["10", "2", "1"]


def test_other_ids_stay_the_texts_that_they_are(tmp_path: Path) -> None:
    samples = Samples(dataset_of(tmp_path / "a.csv", "id,title,description,tag\n007,a,b,x\n1e5,c,d,y\n"))
    assert page(samples) == ["007", "1e5"]


def test_only_one_page_is_handed_out(dataset: Dataset) -> None:
    samples = Samples(dataset)
    assert page(samples, "id", number=1, size=2) == ["10"]
    assert page(samples, "id", number=9, size=2) == []


@pytest.mark.parametrize("sort", ["no such column", "-", "finding:x", "text"])
def test_a_sort_that_the_table_does_not_have_changes_nothing(dataset: Dataset, sort: str) -> None:
    assert page(Samples(dataset), sort) == ["2", "10", "1"]


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        (Filter(), ["2", "10", "1"]),
        (Filter(tags=("text",)), ["10", "1"]),
        (Filter(text='"ärger MIT"'), ["2"]),
        (Filter(text=r"/\(a\+b\) \[c/"), ["10"]),
        (Filter(tags=("vision",), text="third"), []),
        (Filter(missing=("description",)), ["2"]),
    ],
)
def test_rows_are_found_by_tag_and_by_text(dataset: Dataset, filter: Filter, ids: list[str]) -> None:
    assert page(Samples(dataset), filter=filter) == ids


def test_what_a_run_answered_stands_beside_its_rows_whatever_their_order(dataset: Dataset) -> None:
    answers = predictions_frame(
        ["1", "2", "99"], ["test", "train", "train"], ["text", "vision", "text"],
        np.array([[0.2, 0.8], [0.9, 0.1], [0.5, 0.5]]), ["text", "vision"],
    )  # fmt: skip
    samples = Samples(dataset, predictions=answers)
    table = samples.explorer.table
    shown = samples.explorer.rows([0, 1, 2], ["id", "split", "outcome", "predicted", "confidence"])
    assert shown["split"].fillna("-").tolist() == ["train", "-", "test"]
    assert shown["outcome"].fillna("-").tolist() == ["wrong", "-", "wrong"]
    assert shown["predicted"].fillna("-").tolist() == ["text", "-", "vision"]
    assert table.confidence[0] == pytest.approx(0.9)
    assert samples.has_splits


def test_answers_for_other_rows_are_no_splits(dataset: Dataset) -> None:
    strangers = predictions_frame(["98", "99"], ["test"] * 2, ["text"] * 2, np.ones((2, 1)), ["text"])
    assert not Samples(dataset, predictions=strangers).has_splits


def test_findings_become_conditions_and_a_column_of_scores(home: Path, tmp_path: Path) -> None:
    lines = (ROOT / "data" / "labeled_projects.csv").read_text(encoding="utf-8").splitlines()[1:160]
    doubled = lines[3].split(",", 1)
    samples = Samples(dataset_of(tmp_path / "many.csv", "\n".join([HEADER.strip(), *lines, f"99999,{doubled[1]}", ""])))
    assert not samples.kept_findings()
    found = samples.findings.start().wait(60)
    assert samples.findings.status.state == "done", samples.findings.status.sentence
    assert samples.kept_findings()
    kinds = samples.explorer.table.findings
    assert set(kinds) == {item.kind for item in found.items if item.affected}
    for item in found.items:
        if item.affected:
            selection = samples.explorer.select(Filter(finding=item.kind))
            assert selection.count == item.affected
            shown = samples.page(selection, "", 0, 50)
            scores = shown[SCORE].tolist()
            assert scores == sorted(scores, reverse=True)
            said = found.source.rows(item.kind).set_index("position").loc[shown.index]
            for column, name in ((PROPOSED, "proposed_tag"), (NOTE, "note")):
                expected = said[name].fillna("").tolist()
                assert (shown[column].fillna("").tolist() if column in shown else [""] * len(shown)) == expected
    everything = [samples.shown_columns(Filter(finding=kind)) for kind in kinds]
    assert {PROPOSED, NOTE} <= {name for columns in everything for name in columns}


def test_without_a_run_there_are_no_tokens_and_it_says_so(dataset: Dataset) -> None:
    samples = Samples(dataset)
    samples.tokens.start().wait(10)
    assert "choose a run" in samples.tokens.status.sentence


def test_columns_have_the_titles_of_the_file(tmp_path: Path) -> None:
    fields = Fields(text=("a.b", "<i>t</i>"), label="team", id="number", created=None)
    samples = Samples(dataset_of(tmp_path / "a.csv", "number,a.b,<i>t</i>,team\n1,x,y,p\n2,z,w,q\n", fields))
    assert samples.shown_columns(Filter()) == ("id", "a.b", "<i>t</i>", "tag")
    assert samples.titles["a.b"] == "A.b"


def test_a_map_that_another_run_has_drawn_is_there(home: Path, tmp_path: Path) -> None:
    lines = (ROOT / "data" / "labeled_projects.csv").read_text(encoding="utf-8").splitlines()[1:60]
    dataset = dataset_of(tmp_path / "some.csv", "\n".join([HEADER.strip(), *lines, ""]))
    one = Samples(dataset)
    other = Samples(dataset, text_map=one.map)
    bare, square = other.explorer, ((-1e3, -1e3), (1e3, -1e3), (1e3, 1e3), (-1e3, 1e3))
    with pytest.raises(FilterError, match="not there yet"):
        bare.select(Filter(polygon=square))
    assert one.map.start().wait(60) is not None, one.map.status.sentence
    for samples in (one, other):
        assert samples.explorer.select(Filter(polygon=square)).count == samples.map.value.info.placed
    assert other.explorer is not bare
    assert other.explorer is other.explorer
