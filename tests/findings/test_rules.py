"""The rules by which findings judge, on numbers made by hand."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from engine.findings.context import Options
from engine.findings.finder import find
from engine.findings.labelling.disagreeing_neighbours import disagreeing_neighbours
from engine.findings.labelling.outliers import outliers
from engine.findings.labelling.overlapping_tags import overlapping_tags
from engine.findings.labelling.small_tags import small_tags
from engine.findings.preprocessing.mapped_tags import mapped_tags
from engine.findings.preprocessing.unknown_tokens import unknown_tokens
from engine.findings.similarity import Neighbours
from engine.findings.tokens import TokenCounts

from .made import dataset

if TYPE_CHECKING:
    from pathlib import Path

    from engine.findings.contract import Result


class Given(types.SimpleNamespace):
    """A context of which the rows and what is computed from them are given."""

    count: int

    def __len__(self) -> int:
        return self.count

    def sample_remark(self) -> str:
        return ""


def given(count: int, **inputs: Any) -> Any:
    """As many rows, each with a text of its own."""
    return Given(
        count=count,
        distinct=(np.arange(count), np.arange(count)),
        ids=np.array([*map(str, range(count))], object),
        **inputs,
    )


def affected(result: Result) -> list[int]:
    return sorted(result.rows["position"][result.rows["affected"]])


def column(result: Result, name: str) -> dict[int, Any]:
    return dict(zip(result.rows["position"], result.rows[name], strict=True))


def test_a_row_lies_among_another_tag_if_hardly_any_neighbour_has_its_own_and_most_have_one() -> None:
    # Tag a: rows 0 to 3, b: 4 to 7, c: 8 and 9.
    positions = [[4, 5, 6, 7], [2, 4, 5, 6], [4, 5, 8, 9], *([[0, 1, 2, 3]] * 7)]
    found = Neighbours(np.array(positions), np.ones((10, 4), np.float32), 10)
    result = disagreeing_neighbours(
        given(10, neighbours=found, tags=np.repeat([0, 1, 2], [4, 4, 2]), tag_names=np.array(["a", "b", "c"], object))
    )
    # Row 1 has a neighbour of its own tag, row 2 as many of b as of c, row 3 none of another tag.
    assert affected(result) == [0, 4, 5, 6, 7, 8, 9]
    assert [column(result, "score")[row] for row in range(4)] == [1, 0.75, 1, 0]
    assert [column(result, "proposed_tag")[row] for row in (0, 8)] == ["b", "a"]


@pytest.mark.parametrize(
    ("cosines", "far"),
    [
        ([0.0, 0.01, *np.linspace(0.4, 0.6, 18)], [0, 1]),
        # So uneven that nothing is far from usual; only who shares no word with anybody stands alone.
        ([0.0, *np.geomspace(1e-5, 1, 19)], [0]),
    ],
)
def test_a_row_is_far_if_its_neighbours_are_much_less_alike_than_usual(cosines: list[float], far: list[int]) -> None:
    count = len(cosines)
    found = Neighbours(np.array([[(row + 1) % count] * 3 for row in range(count)]), np.ones((count, 3)), count)
    result = outliers(given(count, neighbours=found, cosines=np.repeat(np.array(cosines)[:, None], 3, axis=1)))
    assert affected(result) == far
    assert column(result, "score")[0] == 1


def test_two_tags_overlap_in_both_directions_and_a_few_rows_are_no_proof() -> None:
    # 30 of 100 a look like b, 10 of 100 b like a; one of 3 c looks like a.
    tags = np.repeat([0, 1, 2], [100, 100, 3])
    guesses = np.repeat([1, 0, 0, 1, 0, 2], [30, 70, 10, 90, 1, 2])
    inputs = {"tags": tags, "guesses": guesses, "judged": np.ones(203, bool), "probabilities": np.full((203, 3), 0.6)}
    result = overlapping_tags(given(203, tag_names=np.array(["a", "b", "c"], object), **inputs))
    assert [(entry["tag"], entry["other_tag"], entry["rows"], entry["share"]) for entry in result.table] == [
        ("a", "b", 40, 0.2)
    ]
    assert affected(result) == [*range(30), *range(100, 110)]
    assert (column(result, "proposed_tag")[0], column(result, "proposed_tag")[100]) == ("b", "a")


def test_the_smaller_a_tag_the_worse() -> None:
    tags = np.repeat([0, 1, 2], [2, 18, 20])
    result = small_tags(given(40, tags=tags, tag_names=np.array(["a", "b", "c"], object)))
    assert affected(result) == [*range(20)]
    assert (column(result, "score")[0], column(result, "score")[2]) == pytest.approx((0.9, 0.1))


@pytest.mark.parametrize("run", [None, types.SimpleNamespace(manifest=types.SimpleNamespace(mapped_tags={"a": 2}))])
def test_a_tag_that_becomes_other_though_a_model_knows_it_is_named(run: Any) -> None:
    inputs = {
        "tags": np.array([0, 0, 1, 1]),
        "tag_names": np.array(["a", "b"], object),
        "guesses": np.array([0, 0, 1, 0]),
    }
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    result = mapped_tags(
        given(4, bundle=run, options=Options(accepted=("b",), min_count=1), probabilities=probabilities, **inputs)
    )
    assert column(result, "score") == pytest.approx({0: 0.9, 1: 0.8})
    assert result.table == [{"tag": "a", "rows": 2, "recall": 1.0}]
    assert "a could be told apart" in result.sentence


def test_unknown_words_are_told_although_no_row_consists_of_them() -> None:
    numbers = (np.array([4, 4]), np.array([4, 4]))
    few = unknown_tokens(given(2, tokens=TokenCounts(*numbers, np.array([1, 0]), 8, (("zzqx", 1),))))
    assert (affected(few), few.noteworthy, few.table) == ([], True, [{"word": "zzqx", "times": 1}])
    assert affected(unknown_tokens(given(2, tokens=TokenCounts(*numbers, np.array([1, 2]), 8)))) == [1]
    assert not unknown_tokens(given(2, tokens=TokenCounts(*numbers, np.array([0, 0]), 8))).noteworthy


@pytest.mark.usefixtures("home")
def test_what_is_sure_but_small_is_no_drift_nor_what_is_large_but_chance(tmp_path: Path) -> None:
    half = 2_000
    titles = [f"some words here now n{number}" for number in range(2 * half)]
    frame = pd.DataFrame({"id": range(2 * half), "title": titles, "description": ""})
    # The share of a tag is 46 % and 52 %; a word is in 0.1 % and 1.5 %: both far beyond chance.
    share = frame.index % half
    later = frame.index >= half
    frame["tag"] = np.where(share < np.where(later, 1_040, 920), "a", "b")
    frame.loc[share < np.where(later, 30, 2), "title"] += " seldom"
    splits = np.where(later, "test", "train")
    kinds = ["tag-drift-between-splits", "word-drift-between-splits"]
    assert [item.noteworthy for item in find(dataset(tmp_path, frame), splits=splits, kinds=kinds).items] == [False] * 2
    few = frame.head(12).assign(tag=list("aaaabbbbcccc"))
    data = dataset(tmp_path, few)
    assert not find(data, splits=["train"] * 6 + ["train", "test"] * 3, kinds=kinds[:1]).items[0].noteworthy
