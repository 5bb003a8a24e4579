from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from engine.errors import DataError
from engine.evaluation.counts import coded, count, count_slices, count_tags, tag_codes, tag_set

TAGS = ("a", "b", "c")
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40)


@given(PAIRS)
@settings(deadline=None)
def test_counts_equal_those_of_scikit_learn(pairs) -> None:
    true, predicted = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    counts = count(true, predicted, TAGS)
    expected = confusion_matrix(true, predicted, labels=range(4))[:3] if pairs else np.zeros((3, 4))
    assert counts.cells.tolist() == expected.tolist()
    assert counts.rows == len(pairs)
    assert counts.support.tolist() == [(true == code).sum() for code in range(3)]
    assert counts.predicted.tolist() == [(predicted == code).sum() for code in range(3)]
    assert counts.right.tolist() == [((true == code) & (predicted == code)).sum() for code in range(3)]
    assert counts.occurs.tolist() == [code in true or code in predicted for code in range(3)]


@given(PAIRS, st.data())
@settings(deadline=None)
def test_a_slice_is_counted_as_its_rows_alone(pairs, data) -> None:
    true, predicted = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))), dtype=bool)
    found = count_slices(true, predicted, TAGS, {"all": None, "part": mask})
    assert (found["all"].cells == count(true, predicted, TAGS).cells).all()
    assert (found["part"].cells == count(true[mask], predicted[mask], TAGS).cells).all()


@pytest.mark.parametrize("kind", [list, np.array, lambda tags: pd.Series(tags, dtype="str"), pd.Categorical])
def test_a_tag_that_the_model_does_not_know_is_added_and_an_unknown_answer_is_none_of_them(kind) -> None:
    true, predicted, tags = coded(kind(["b", "new", "a"]), kind(["strange", "a", "a"]), ["b", "a"])
    assert tags == ("b", "a", "new") == tag_set(["b", "a"], ["b", "new", "a"])
    assert true.tolist() == [0, 2, 1]
    assert predicted.tolist() == [3, 1, 1]


def test_what_is_missing_is_refused_with_a_sentence() -> None:
    for missing in (None, float("nan"), pd.NA):
        with pytest.raises(DataError, match=r"^The true tags are missing in 2 rows, the first of them row 2; .*\.$"):
            count_tags(["a", missing, missing], ["a", "a", "a"], ["a"])
        with pytest.raises(DataError, match=r"predicted tags are missing in 1 row, the first of them row 3"):
            count_tags(["a", "a", "a"], ["a", "a", missing], ["a"])
    with pytest.raises(DataError, match=r"missing \(NaN\) in row 2"):
        count([0.0, np.nan], [0, 0], TAGS)
    with pytest.raises(DataError, match="must be whole numbers, not float64"):
        count([0.0, 1.0], [0, 0], TAGS)
    with pytest.raises(DataError, match="The true tag 3 is no position among the tags: give whole numbers from 0 to 2"):
        count([3], [0], TAGS)
    with pytest.raises(DataError, match="The predicted tag -1 is no position"):
        count([0], [-1], TAGS)
    with pytest.raises(DataError, match="2 true tags and 1 predicted"):
        count([0, 1], [0], TAGS)
    with pytest.raises(DataError, match="not an array of 2 dimensions"):
        count([[0]], [[0]], TAGS)
    for mask in (np.array([True]), np.array([1, 0])):
        with pytest.raises(DataError, match='mask of the slice "s" must be one True or False for each of 2 rows'):
            count_slices([0, 1], [0, 1], TAGS, {"s": mask})


def test_no_rows_and_no_tags() -> None:
    assert count([], [], TAGS).rows == 0
    assert tag_codes([], TAGS, "true tags").shape == (0,)
    assert count([], [], ()).cells.shape == (0, 1)
