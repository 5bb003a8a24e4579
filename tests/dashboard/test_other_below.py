"""Answers below a threshold that count as `other`: figures, rows behind them and sentences, as pandas has them."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.evaluation.evaluation import Evaluation
from dashboard.evaluation.selection import ExampleSelection, SelectionError, Span, format_selection, parse_selection
from dashboard.sections.errors.conditions import count_kinds, further, without
from dashboard.sections.errors.list_html import list_html
from dashboard.sections.errors.listing import Wanted, find
from engine.dataset.fields import OTHER
from engine.errors import DataError
from engine.evaluation.answers import Answers

RUN = "0" * 32
EIGHTHS = (np.arange(9) / 8).tolist()


def made(seed: int, labels: tuple[str, ...] = ("a", OTHER, "b")) -> tuple[Evaluation, pd.DataFrame]:
    """A run whose confidences meet thresholds, and the same as a frame."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 50))
    matrix = rng.dirichlet([0.5] * len(labels), size).astype(np.float32)
    # Ties: the greatest is an eighth, what is left goes to the others.
    best, rows = matrix.argmax(axis=1), np.arange(size)
    matrix[rows, best] = np.maximum(np.round(matrix[rows, best] * 8) / 8, 0.5)
    said = np.array(labels, object)[best]
    frame = pd.DataFrame({"true": rng.choice([*labels, "unknown"], size).astype(object), "said": said})
    frame["id"] = [f"row {place}" for place in range(size)]
    frame["confidence"] = matrix[rows, best].astype(np.float64)
    return evaluation(frame, labels, matrix), frame


def evaluation(frame: pd.DataFrame, labels: tuple[str, ...], matrix: np.ndarray) -> Evaluation:
    answers = Answers.of(RUN, *(frame[name].to_numpy(object) for name in ("id", "true", "said")), labels)
    bundle = SimpleNamespace(run_id=RUN, manifest=SimpleNamespace(dataset=SimpleNamespace(digest="gone")))
    return Evaluation(bundle, None, answers, None, lambda: matrix, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*EIGHTHS, 0.3, 0.9]))
def test_selections_and_figures_are_those_of_the_answers_that_are_given(seed: int, threshold: float) -> None:
    run, frame = made(seed)
    below = frame["confidence"] < threshold
    answer = frame["said"].where(~below, OTHER)
    wrong = answer != frame["true"]

    def asked(**values: object) -> list[str]:
        selection = parse_selection(format_selection(ExampleSelection(other_below=threshold, **values)))
        return run.ids[run.positions(selection)].tolist()

    def ids(mask: pd.Series) -> list[str]:
        return frame["id"][mask].tolist()

    assert asked(outcome="wrong") == ids(wrong)
    assert asked(outcome="correct") == ids(~wrong)
    assert asked(outcome="wrong", confidence=Span(0.0, threshold, below=True)) == ids(wrong & below)
    assert asked(outcome="wrong", confidence=Span(threshold, 1.0)) == ids(wrong & ~below)
    for tag in run.tags:
        is_true, is_said = frame["true"] == tag, answer == tag
        assert asked(predicted=tag) == ids(is_said)
        assert asked(tag=tag) == ids(is_true | is_said)
        for kind, mask in (("tp", is_true & is_said), ("fp", is_said & ~is_true), ("fn", is_true & ~is_said)):
            assert asked(outcome=kind, tag=tag) == ids(mask)
    confident = wrong & ~below & (frame["confidence"] >= np.float32(0.9))
    assert asked(outcome="confidently wrong") == ids(confident)
    at = run.coverage.at([threshold], "other")[0]
    assert (at.wrong, at.others, at.others_wrong) == (wrong.sum(), below.sum(), (wrong & below).sum())
    # The pills of the Errors section count the same rows.
    counts = count_kinds(run, ExampleSelection(tag=OTHER, other_below=threshold))
    for kind, number in counts.items():
        assert number == len(asked(outcome=kind, tag=OTHER))


def test_the_condition_has_words_and_is_taken_out() -> None:
    selection = ExampleSelection(outcome="wrong", other_below=0.6180339887498949)
    assert format_selection(selection) == "outcome:wrong;other-below:0.6180339887498949"
    assert selection.words == "wrong, answers below 0.618 counted as other"
    assert further(selection) == {"other_below": "answers below 0.618 counted as other"}
    assert without(selection, "other_below") == ExampleSelection(outcome="wrong")


@pytest.mark.parametrize("text", ["nan", "1.5", "-1", "1e999", "0.5x", "1-1", "inf", "٣"])
def test_a_threshold_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(SelectionError, match=r"threshold .* is none"):
        parse_selection(f"outcome:wrong;other-below:{text}")


def test_an_example_shows_the_answer_that_is_given_and_whose_place_it_takes() -> None:
    frame = pd.DataFrame({"id": ["x", "y", "z", "o"], "true": [OTHER, "b", "a", "a"], "said": ["b", "b", "a", OTHER]})
    chances = [[0.3, 0.3, 0.4], [0.3, 0.3, 0.4], [0.9, 0.1, 0], [0.3, 0.4, 0.3]]
    run = evaluation(frame, ("a", OTHER, "b"), np.array(chances, np.float32))
    chosen = format_selection(ExampleSelection(other_below=0.5))
    found = find(run, Wanted(chosen, example="x"))
    assert [entry.instead for entry in found.entries] == [OTHER, OTHER, "", ""]
    cards = re.findall(r"<header>.*?</header>", list_html(found))
    right, wrong = '<span class="tag right">', '<span class="tag wrong">'
    assert f"Rightly</span> {right}other</span> <span>instead of b, 40%</span>" in cards[0]
    assert f"{right}b</span> <span>· predicted</span> {wrong}other</span> <span>instead of b, 40%" in cards[1]
    assert f"Rightly</span> {right}a</span> <span>90%</span>" in cards[2]
    assert f"predicted</span> {wrong}other</span> <span>40%</span>" in cards[3]
    table = list_html(found, table=True)
    assert '<td class="right">other <span class="instead">instead of b</span></td>' in table
    # Why the model answered so is asked of its own answer.
    assert found.opened.example.predicted == "b"


def test_what_cannot_be_told_is_one_sentence() -> None:
    with pytest.raises(SelectionError, match="between runs has no threshold"):
        ExampleSelection(flip="fixed", against=RUN, other_below=0.5)
    with pytest.raises(SelectionError, match="between runs has no threshold"):
        ExampleSelection(course="flaky", other_below=0.5)
    run, _ = made(1, ("a", "b"))
    assert not run.coverage.knows_other
    with pytest.raises(SelectionError, match="has no tag “other”"):
        run.mask(ExampleSelection(outcome="wrong", other_below=0.5))


def test_a_probability_that_is_none_is_named_by_run_row_and_tag() -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "true": ["a", "b"], "said": ["a", "b"]})
    matrix = np.array([[1.0000002, 0.0], [0.25, 0.75]], np.float32)
    assert evaluation(frame, ("a", "b"), matrix).confidence.tolist() == [1.0, 0.75]
    for value, said in ((1.5, "is 1.5 in the row 'y'"), (np.nan, r"is missing \(NaN\) in the row 'y'")):
        matrix[1, 1] = value
        with pytest.raises(DataError, match=f"Run {RUN}: the probability of 'b' {said}"):
            evaluation(frame, ("a", "b"), matrix).coverage  # noqa: B018
