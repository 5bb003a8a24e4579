"""A data set as the table shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboard.samples import CELL_LIMIT, Samples
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.snapshot import Dataset

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,created_on,title,description,tag\n"


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    path = tmp_path / "projects.csv"
    rows = [
        "2,2024-03-01,Ärger mit CNN,,vision",
        "10,2023-01-05,Second,(a+b) [c],text",
        "1,2024-01-01,Third," + "x" * 5_000 + ",text",
        "7,,,,text",
    ]
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return Samples(Dataset.from_table(load_table(path), "projects"))


def test_facts_are_those_of_the_file(samples: Samples) -> None:
    facts = samples.facts
    assert (facts.num_rows, facts.num_left_out, facts.tags) == (3, 1, {"text": 2, "vision": 1})
    assert (facts.first, facts.last) == ("2023-01-05", "2024-03-01")


def test_numbers_as_ids_sort_as_numbers(samples: Samples) -> None:
    assert sorted(samples.rows("", "")["id"]) == [1, 2, 10]


def test_other_ids_stay_the_texts_that_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title,description,tag\n007,a,b,x\n1e5,c,d,y\n", encoding="utf-8")
    assert list(Samples(Dataset.from_table(load_table(path), "a")).rows("", "")["id"]) == ["007", "1e5"]


def test_long_cells_are_cut_and_say_so(samples: Samples) -> None:
    cells = samples.rows("", "")["text_1"]
    assert cells.str.len().max() < CELL_LIMIT + 30
    assert cells.iloc[2].endswith("(5,000 characters)")


@pytest.mark.parametrize(
    ("tag", "text", "ids"),
    [
        ("", "", [2, 10, 1]),
        ("text", "", [10, 1]),
        ("", "ärger MIT", [2]),
        ("", "(a+b) [c", [10]),
        ("vision", "third", []),
        ("", "x" * 4_000, [1]),
        ("no such tag", "", []),
    ],
)
def test_rows_are_found_by_tag_and_by_any_part_of_the_text(
    samples: Samples, tag: str, text: str, ids: list[int]
) -> None:
    assert list(samples.rows(tag, text)["id"]) == ids


def test_the_same_filter_is_answered_from_memory(samples: Samples) -> None:
    assert samples.rows("text", "") is samples.rows("text", "")


def test_columns_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("number,a.b,<i>t</i>,team\n1,x,y,p\n2,z,w,q\n", encoding="utf-8")
    fields = Fields(text=("a.b", "<i>t</i>"), label="team", id="number", created=None)
    samples = Samples(Dataset.from_table(load_table(path, fields), "a"))
    assert list(samples.rows("", "").columns) == ["id", "text_0", "text_1", "tag"]
    assert samples.titles["text_0"] == "A.b"
