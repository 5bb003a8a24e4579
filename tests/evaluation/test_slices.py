from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.errors import TagscopeError
from engine.evaluation.slices import slice_masks


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": ["one", "two words", "three words here"],
            "tag": pd.Series(["a", None, "b"], dtype="str"),
            "id": ["1", "2", "3"],
        },
        index=[5, 7, 9],
    )


def boom(frame: pd.DataFrame) -> pd.Series:
    raise ZeroDivisionError("no reason")


@pytest.mark.parametrize(
    "function",
    [
        lambda frame: frame["text"].str.contains("words"),
        lambda frame: frame["text"].str.contains("words").to_numpy(),
        lambda frame: frame["text"].str.contains("words").astype("boolean"),
        lambda frame: frame["text"].str.contains("words").astype(object),
        lambda frame: pd.Series([pd.NA, True, True], dtype="boolean", index=frame.index),
        lambda frame: pd.Series([None, True, True], dtype=object, index=frame.index),
        lambda frame: np.array([False, True, True], dtype=object),
    ],
)
def test_answers_that_are_taken(frame: pd.DataFrame, function) -> None:
    masks = slice_masks(frame, {"words": function})
    assert masks["words"].dtype == bool
    assert masks["words"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (boom, "ZeroDivisionError: no reason"),
        (lambda frame: frame["nothing"], "KeyError"),
        (lambda frame: True, "returned a bool"),
        (lambda frame: None, "returned a NoneType"),
        (lambda frame: [True, False, True], "returned a list"),
        (lambda frame: frame, "returned a DataFrame"),
        (lambda frame: frame["text"].eq("one").head(2), "2 values for 3 rows"),
        (lambda frame: np.zeros((3, 2), bool), "3 x 2 values for 3 rows"),
        (lambda frame: frame["text"].eq("one")[::-1], "rows in another order"),
        (lambda frame: frame["text"].eq("one").reset_index(drop=True), "rows in another order"),
        (lambda frame: frame["text"].str.len(), "values of the type int64"),
        (lambda frame: frame["text"], "values of the type str"),
        (lambda frame: frame["text"].eq("one").astype(float), "values of the type float64"),
    ],
)
def test_answers_that_are_refused_name_the_slice(frame: pd.DataFrame, function, what: str) -> None:
    with pytest.raises(TagscopeError) as caught:
        slice_masks(frame, {"good": lambda frame: frame["text"].eq("one"), "my slice": function})
    assert '"my slice"' in str(caught.value)
    assert what in str(caught.value)
    assert "config/slices.py" in str(caught.value)


def test_a_function_cannot_change_the_data(frame: pd.DataFrame) -> None:
    def greedy(own: pd.DataFrame) -> pd.Series:
        own.loc[:, "text"] = "gone"
        own["tag"] = "gone"
        return own["text"].eq("gone")

    before = frame.copy(deep=True)
    assert slice_masks(frame, {"greedy": greedy, "one": lambda own: own["text"].eq("one")})["one"].sum() == 1
    pd.testing.assert_frame_equal(frame, before)


def test_no_rows_and_no_functions(frame: pd.DataFrame) -> None:
    assert slice_masks(frame, {}) == {}
    assert slice_masks(frame.head(0), {"one": lambda own: own["text"].eq("one")})["one"].shape == (0,)
