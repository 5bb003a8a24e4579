from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from engine.evaluation.metrics import performance, scores

LABELS = ["a", "b", "c"]
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=40)


@given(PAIRS, st.sampled_from(["weighted", "micro", "macro"]))
@settings(deadline=None)
def test_scores_equal_those_of_scikit_learn(pairs, average) -> None:
    true, predicted = zip(*pairs, strict=True)
    expected = precision_recall_fscore_support(true, predicted, labels=LABELS, average=average, zero_division=0)
    found = scores(true, predicted, average=average, labels=LABELS)
    assert [found["precision"], found["recall"], found["f1"]] == pytest.approx(expected[:3], abs=1e-12)
    assert found["num_samples"] == len(pairs)


@given(PAIRS, st.data())
@settings(deadline=None)
def test_performance_equals_scikit_learn(pairs, data) -> None:
    true, predicted = (np.array(side, dtype=object) for side in zip(*pairs, strict=True))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(true), max_size=len(true))))
    result = performance(true, predicted, LABELS, {"part": mask, "none": np.zeros(len(true), bool)})
    assert list(result) == ["overall", "class", "slices"]
    assert list(result["class"]) == LABELS
    by_class = precision_recall_fscore_support(true, predicted, labels=LABELS, average=None, zero_division=0)
    for tag, values in zip(LABELS, zip(*by_class, strict=True), strict=True):
        assert list(result["class"][tag].values()) == pytest.approx(values)
    weighted = precision_recall_fscore_support(true, predicted, average="weighted", zero_division=0)
    assert list(result["overall"].values()) == pytest.approx([*weighted[:3], len(true)])
    zeros = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_samples": 0}
    assert result["slices"]["none"] == zeros
    if mask.any():
        micro = precision_recall_fscore_support(true[mask], predicted[mask], average="micro", zero_division=0)
        assert list(result["slices"]["part"].values()) == pytest.approx([*micro[:3], mask.sum()])
    else:
        assert result["slices"]["part"] == zeros


def test_the_lessons_figures(lesson_data) -> None:
    # The confusion counts behind the lesson's overall figures, as far as they determine them.
    import json

    lesson = json.loads((lesson_data / "performance.json").read_text(encoding="utf-8"))
    counts = {tag: round(score["num_samples"]) for tag, score in lesson["class"].items()}
    true, predicted = [], []
    for tag, count in counts.items():
        right = round(lesson["class"][tag]["recall"] * count)
        true += [tag] * count
        predicted += [tag] * right + ["other"] * (count - right)
    result = performance(true, predicted, list(counts), {})
    assert list(result["overall"].values()) == pytest.approx(list(lesson["overall"].values()))
    for tag in counts:
        assert list(result["class"][tag].values()) == pytest.approx(list(lesson["class"][tag].values()))


def test_no_samples() -> None:
    result = performance([], [], ["a", "b"], {"s": np.zeros(0, bool)})
    zeros = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_samples": 0}
    assert result == {"overall": zeros, "class": {"a": zeros, "b": zeros}, "slices": {"s": zeros}}


def test_a_tag_that_the_model_does_not_know_counts_as_wrong() -> None:
    result = performance(["a", "a", "new", "new"], ["a", "a", "a", "a"], ["a"], {})
    assert list(result["class"]) == ["a", "new"]
    assert result["class"]["new"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_samples": 2}
    assert result["overall"]["recall"] == 0.5
    assert result["overall"]["num_samples"] == 4


def test_plain_types_and_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = performance(["a"], ["b"], ["a", "b", "never"], {})
    for score in (result["overall"], *result["class"].values()):
        assert [type(value) for value in score.values()] == [float, float, float, int]


def test_different_lengths() -> None:
    with pytest.raises(ValueError, match="2 true tags and 1 predicted"):
        scores(["a", "b"], ["a"], labels=["a", "b"])
