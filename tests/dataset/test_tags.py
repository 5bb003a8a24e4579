from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.tags import map_tags, require_tags
from engine.errors import DataError

TAGS = st.lists(st.sampled_from(["a", "b", "c", "d", "other"]))


@given(TAGS, st.lists(st.sampled_from(["a", "b", "c", "x"]), unique=True), st.integers(0, 4))
@settings(deadline=None)
def test_law(values: list[str], accepted: list[str], min_count: int) -> None:
    tags = pd.Series(values, dtype="str", index=range(10, 10 + len(values)), name="tag")
    mapped, counts = map_tags(tags, accepted, min_count)
    assert mapped.index.equals(tags.index)
    assert mapped.name == "tag"
    expected = [
        tag if tag == "other" or ((not accepted or tag in accepted) and values.count(tag) >= min_count) else "other"
        for tag in values
    ]
    assert mapped.tolist() == expected
    assert sum(counts.values()) == sum(new != old for new, old in zip(expected, values, strict=True))
    assert all(counts[tag] == values.count(tag) for tag in counts)
    again, none = map_tags(mapped, accepted, 0)
    assert again.tolist() == mapped.tolist()
    assert none == {}


def test_missing_tags_stay_missing_and_the_name_can_be_chosen() -> None:
    mapped, counts = map_tags(pd.Series(["a", None, "z"], dtype="str"), ["a"], other="rest")
    assert mapped.isna().tolist() == [False, True, False]
    assert mapped.iloc[2] == "rest"
    assert counts == {"z": 1}


def test_counts_are_in_order() -> None:
    tags = pd.Series(["z", "y", "y", "b", "a", "k"] + ["k"] * 5)
    assert list(map_tags(tags, ["k"])[1]) == ["y", "a", "b", "z"]


def test_lesson_mapping(lesson_data) -> None:
    tags = pd.read_csv(lesson_data / "dataset.csv")["tag"]
    mapped, counts = map_tags(tags, ["natural-language-processing", "computer-vision", "mlops"])
    assert set(mapped) == {"natural-language-processing", "computer-vision", "mlops", "other"}
    assert set(counts) == set(tags) - set(mapped)


def test_nothing_left_to_learn() -> None:
    tags = pd.Series(["computer-vision", "mlops", "mlops"])
    accepted = ["computer vision", "nlp"]
    mapped, _ = map_tags(tags, accepted)
    with pytest.raises(DataError, match='did you mean "computer-vision"'):
        require_tags(mapped, tags, accepted)
    mapped, _ = map_tags(tags, (), 3)
    with pytest.raises(DataError, match="lower the minimum count, which is 3"):
        require_tags(mapped, tags, (), 3)
    require_tags(tags, tags)
