from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.tags import MAX_TAGS, map_tags, require_tags
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
    with pytest.raises(DataError, match=r"Only one tag is left .* lower training\.min_count, which is 3"):
        require_tags(mapped, tags, (), 3)
    require_tags(tags, tags)


def test_more_tags_than_a_model_takes() -> None:
    tags = pd.Series([f"tag {n}" for n in range(MAX_TAGS + 1)])
    require_tags(tags[1:], tags)
    with pytest.raises(
        DataError, match=r"51 tags.* at most 50; raise training\.min_count or name .* training\.accepted"
    ):
        require_tags(tags, tags)


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        (["mlops", "nlp", "Computer Vision"], ['"Computer Vision" (did you mean "computer-vision"?)']),
        (["NLP", "mlops"], ['"NLP" (did you mean "nlp"?)']),
        (["mlops", "nlp", "mlop", "zzz"], ['tags "mlop" (did you mean "mlops"?), "zzz";', '"computer-vision"']),
    ],
)
def test_accepted_tags_that_no_row_has_are_refused(accepted: list[str], words: list[str]) -> None:
    tags = pd.Series(["mlops", "mlops", "nlp", "nlp", "computer-vision"])
    mapped, _ = map_tags(tags, accepted)
    with pytest.raises(DataError) as caught:
        require_tags(mapped, tags, accepted)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_accepted_tags_that_are_rare_or_take_the_others_are_fine() -> None:
    tags = pd.Series(["mlops", "mlops", "nlp", "nlp", "computer-vision"])
    accepted = ["mlops", "nlp", "computer-vision", "other"]
    mapped, _ = map_tags(tags, accepted, 2)
    require_tags(mapped, tags, accepted, 2)
