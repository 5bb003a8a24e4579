from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.evaluation.performance_file import Performance, read_performance
from engine.evaluation.summary import summarise

if TYPE_CHECKING:
    from pathlib import Path


def score(f1: float, n: int) -> dict[str, float]:
    return {"precision": 0.9, "recall": 0.8, "f1": f1, "num_samples": n}


def record(f1: float = 0.85, n: int = 144, **options: object) -> Performance:
    content = {"overall": score(f1, n), "class": {"good": score(0.9, 100), "bad": score(0.6, 44)}, "slices": {}}
    return read_performance(content | options)


def test_the_lessons_file(lesson_data: Path) -> None:
    assert summarise(read_performance(lesson_data / "performance.json")) == [
        "The weighted F1 is 0.816, with a precision of 0.916 and a recall of 0.785 (n = 144).",
        "It is worst on the tag other: F1 0.563 (n = 20).",
        "There is no earlier run to compare this one with (n = 144).",
    ]


def test_interval_slice_and_few_samples() -> None:
    slices = {"low": score(0.2, 3), "none": score(0, 0), "high": score(0.99, 50)}
    sentences = summarise(record(slices=slices), interval=(0.8, 0.89))
    assert "0.850 (95 % interval 0.800 to 0.890)" in sentences[0]
    assert (
        "tag bad: F1 0.600 (n = 44), and worse still on the slice low: F1 0.200 (n = 3, too few to be sure)."
        in sentences[1]
    )


@pytest.mark.parametrize(
    ("now", "before", "interval", "expected"),
    [
        (0.85, 0.80, None, "It is better than the run before by 0.050: F1 0.850 now, 0.800 before (n = 144)."),
        (0.80, 0.85, None, "It is worse than the run before by 0.050: F1 0.800 now, 0.850 before (n = 144)."),
        (0.85, 0.85, (0.8, 0.9), "It is as good as the run before: F1 0.850 now, 0.850 before (n = 144)."),
        (0.85, 0.82, (0.8, 0.9), "It is better than the run before by 0.030, which may be chance: F1 0.850"),
        (0.85, 0.70, (0.8, 0.9), "It is better than the run before by 0.150: F1"),
    ],
)
def test_against_the_run_before(now: float, before: float, interval: tuple[float, float] | None, expected: str) -> None:
    assert summarise(record(now), record(before), interval=interval)[2].startswith(expected)


def test_not_comparable() -> None:
    reason = "the test rows differ"
    assert summarise(record(), record(), not_comparable=reason)[2] == (
        "It is not comparable with the run before: the test rows differ (n = 144 now, 144 before)."
    )
    assert "different numbers of samples (n = 144 now, 1,440 before)" in summarise(record(), record(n=1440))[2]
    other = record(**{"class": {"good": score(0.9, 100)}})
    assert "do not have the same tags" in summarise(record(), other)[2]
    assert "no samples" in summarise(record(), record(n=0))[2]


def test_always_three_sentences_with_n() -> None:
    empty = read_performance({"overall": score(0, 0), "class": {}})
    for sentences in (
        summarise(empty),
        summarise(empty, record()),
        summarise(record(), empty),
        summarise(record(), record()),
    ):
        assert len(sentences) == 3
        for sentence in sentences:
            assert sentence.endswith(".")
            assert "n = " in sentence
