"""The guard: on what two runs are compared, and one clear sentence for what they cannot be compared on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.evaluation.answers import Answers
from engine.evaluation.guard import guard, matched

LABELS = ("a", "b", "c")


def answers(
    run: str = "one", ids: str = "12345", true: str = "aabbc", predicted: str = "aabbc", **more: Any
) -> Answers:
    labels = more.pop("labels", LABELS)
    trained = more.pop("trained", [])
    texts = more.pop("texts", np.array([ord(name) for name in ids], np.uint64))
    trained_texts = more.pop("trained_texts", np.empty(0, np.uint64))
    trained = None if trained is None else list(trained)
    return Answers.of(
        run, list(ids), list(true), list(predicted), labels, trained=trained, texts=texts, trained_texts=trained_texts,
        **more,
    )  # fmt: skip


def test_runs_on_the_same_rows_are_compared_without_a_word() -> None:
    shared = guard(answers(), answers("two", predicted="abbbc"))
    assert shared.allowed
    assert shared.remarks == ()
    assert (shared.true.tolist(), shared.after.tolist()) == ([0, 0, 1, 1, 2], [0, 1, 1, 1, 2])
    assert shared.tags == LABELS


@given(st.permutations("12345"), st.sets(st.sampled_from("3456789"), min_size=1))
@settings(deadline=None)
def test_rows_are_matched_by_id_whatever_their_order(first: list[str], second: set[str]) -> None:
    other = sorted(second)
    rows = matched(np.array(first, object), np.array(other, object))
    assert [first[row] for row in rows[0]] == [other[row] for row in rows[1]] == [i for i in other if i in first]


def test_other_rows_are_left_out_and_those_learned_from_are_counted() -> None:
    after = answers("two", ids="45678", true="bcaab", trained="123")
    shared = guard(answers(trained="67"), after)
    assert shared.allowed
    assert len(shared.true) == 2
    assert shared.rows_before.tolist() == [3, 4]
    assert shared.rows_after.tolist() == [0, 1]
    (remark,) = shared.remarks
    assert remark == (
        "They were judged on different rows: compared are the 2 that both were judged on, of 5 of run one and 5 of run "
        "two (run two was trained on 3 of those of run one and run one was trained on 2 of those of run two)."
    )


def test_no_row_in_common_is_refused_with_what_to_do() -> None:
    shared = guard(answers(), answers("two", ids="67890", trained="12345"))
    assert not shared.allowed
    assert shared.refusal == (
        "Run one and run two cannot be compared: none of the 5 rows that the one was judged on is among the 5 of the "
        "other (run two was trained on 5 of those of run one); train the later one with --parent one, so that rows "
        "keep their split, or judge both on one --holdout file."
    )
    assert not len(shared.true)


def test_changed_labels_are_counted_and_the_newer_ones_are_used() -> None:
    old = answers(labelled="2026-01-01")
    new = answers("two", true="abbbc", labelled="2026-02-01", version="corrected")
    for before, after in ((old, new), (new, old)):
        shared = guard(before, after)
        assert shared.changed == 1
        assert shared.true.tolist() == [0, 1, 1, 1, 2]
        assert shared.newer_is_after is (after is new)
        assert shared.remarks == (
            "1 of the 5 rows has another tag in the newer labels; both runs are judged by those, of run two (version "
            "corrected).",
        )


def test_rows_with_a_tag_that_only_one_model_has_are_left_out() -> None:
    before = answers(predicted="aabba", labels=("b", "a"), true="aabbb")
    after = answers("two", predicted="cabbc")
    shared = guard(before, after)
    assert shared.tags == ("a", "b")
    assert shared.rows_after.tolist() == [0, 1, 2, 3]
    # What the later run alone can say is wrong.
    assert shared.after.tolist() == [2, 0, 1, 1]
    assert "Only run two has the tag 'c'; where it gives it to a compared row, it is wrong." in shared.remarks
    assert "1 row was left out, because not both models can give the tag." in shared.remarks
    refused = guard(answers(), answers("two", true="xxyyx", predicted="xxyyx", labels=("x", "y")))
    assert "no row has a tag that both models can give; the tags of the one are 'a', 'b', 'c'" in refused.refusal


def test_what_only_one_run_was_trained_on_is_left_out() -> None:
    before = answers(trained_texts=np.array([ord("1"), ord("2")], np.uint64))
    after = answers("two", trained_texts=np.array([ord("2"), ord("5")], np.uint64))
    shared = guard(before, after)
    assert shared.rows_after.tolist() == [1, 2, 3]
    assert shared.leaked == 2
    assert shared.remarks == (
        "Both were trained on the text of 1 of the rows, under another id: on new texts both do worse.",
        "2 rows were left out, because only one of the two was trained on the text and so knew the answer.",
    )
    everything = answers("two", trained_texts=np.array([ord(name) for name in "12345"], np.uint64))
    assert "was trained on the text of every row" in guard(answers(), everything).refusal


def test_what_is_not_known_is_said() -> None:
    elsewhere = answers("two", trained=None, trained_texts=None)
    assert guard(answers(), elsewhere).remarks == (
        "Run two was trained elsewhere, and nobody knows here on which rows: those that it has seen make it look "
        "better than it is.",
    )
    seen = answers(trained_texts=np.array([ord("1")], np.uint64))
    shared = guard(seen, elsewhere)
    assert len(shared.true) == 5
    assert "trained on the text of 1 of the rows" in shared.remarks[-1]
    bare = answers("two", texts=None, trained_texts=None)
    assert [remark.split(",")[0] for remark in guard(answers(), bare).remarks] == [
        "Whether their ids stand for the same texts cannot be checked",
        "Whether run two was trained on a text that it was judged on cannot be checked",
    ]


def test_the_same_ids_of_other_data_are_no_rows_in_common() -> None:
    foreign = answers("two", texts=np.arange(5).astype(np.uint64))
    assert "each stands for another text in the other's data" in guard(answers(), foreign).refusal
    texts = np.array([ord(name) for name in "1234x"], np.uint64)
    shared = guard(answers(dataset="x"), answers("two", texts=texts, dataset="y"))
    assert len(shared.true) == 4
    assert "1 row was left out, because the text was changed" in shared.remarks[0]


def test_the_probability_of_the_true_tag_is_that_by_the_newer_labels() -> None:
    matrix = np.arange(15, dtype=np.float32).reshape(5, 3) / 120
    before = answers(probabilities=matrix, labels=("c", "b", "a"))
    after = answers("two", ids="54321", true="cbbaa", predicted="cbbaa")
    shared = guard(before, after)
    truth = shared.truth(before, after=False)
    assert truth is not None
    assert truth.tolist() == [matrix[4, 0], matrix[3, 1], matrix[2, 1], matrix[1, 2], matrix[0, 2]]
    assert shared.truth(after, after=True) is None


def test_answers_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="an id has two predictions"):
        answers(ids="11345")
    with pytest.raises(DataError, match="a probability of the row '2' is no number"):
        answers(probabilities=np.where(np.arange(15).reshape(5, 3) == 4, np.nan, 0.1))
    with pytest.raises(DataError, match="true tags of run one are missing in 1 row, the first of them row 2"):
        answers(true=["a", None, "b", "b", "c"])
    with pytest.raises(ValueError, match="5 ids, 4 true tags"):
        answers(true="aabb")
    with pytest.raises(ValueError, match="probabilities"):
        answers(probabilities=np.zeros((5, 2)))
