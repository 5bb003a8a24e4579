"""Histories: on whose rows several runs are followed, which are left out, and in which order they stand."""

from __future__ import annotations

import pytest

from engine.errors import DataError
from engine.evaluation.answers import Answers
from engine.evaluation.flips import COURSES
from engine.evaluation.history import history, ordered, reference_of


def run(name: str, predicted: str = "aab", ids: str = "123", true: str = "aab", **more: str) -> Answers:
    return Answers.of(name, list(ids), list(true), list(predicted), ("a", "b"), trained=[], **more)


def test_history_follows_the_rows_of_the_newest_labels() -> None:
    runs = [
        run("late", "bbb", true="abb", created="3", labelled="2", git_tag="v1.10"),
        run("early", "bba", created="1", labelled="1", git_tag="v1.9"),
        run("part", "ab", ids="29", true="aa", created="2", labelled="1"),
        run("other", "a", ids="7", true="a", created="2", labelled="1"),
    ]
    found = history(runs)
    assert [one.run for one in found.runs] == ["early", "part", "late"]
    assert found.reference.run == "late"
    assert found.flips.right.tolist() == [[0, 1, 0], [-1, 0, -1], [0, 1, 1]]
    assert [COURSES[one] for one in found.flips.courses] == ["never right", "flaky", "fixed"]
    assert list(found.left_out) == ["other"]
    assert "none of the 1 rows" in found.left_out["other"]
    assert any("1 of the 3 rows has another tag" in remark for remark in found.remarks["early"])
    assert [one.run for one in history(runs, "git tag").runs] == ["early", "late", "part"]


def test_runs_are_ordered_by_time_git_tag_or_version() -> None:
    runs = [
        run("c", created="3", git_tag="v1.9", version="v2", dataset="d3"),
        run("a", created="1", git_tag="v1.10", version="v10", dataset="d1"),
        run("b", created="2", version="v2", dataset="d3"),
    ]
    assert [one.run for one in ordered(runs)] == ["a", "b", "c"]
    assert [one.run for one in ordered(runs, "git tag")] == ["c", "a", "b"]
    assert [one.run for one in ordered(runs, "version")] == ["b", "c", "a"]
    # A version that is only the digest has no place among names: they go as they appeared.
    runs.append(run("d", created="0", version="ffff", dataset="ffff0000"))
    assert [one.run for one in ordered(runs, "version")] == ["d", "a", "b", "c"]
    with pytest.raises(DataError, match="ordered by time, git tag, version, not by 'name'"):
        ordered(runs, "name")  # type: ignore[arg-type]


def test_the_run_that_is_looked_at_and_its_base_are_never_left_out() -> None:
    base, shown = run("base", created="1", labelled="1"), run("shown", created="2", labelled="2")
    later = run("later", ids="23", true="ab", predicted="ab", created="3", labelled="3")
    # Judged on rows of its own, as by another --holdout and without --parent.
    apart = run("apart", ids="89", true="ab", predicted="ab", created="4", labelled="4")
    runs = [apart, shown, base, later]
    assert history(runs).reference is apart
    assert reference_of(runs, shown, base) is later
    found = history(runs, reference=reference_of(runs, shown, base))
    assert [one.run for one in found.runs] == ["base", "shown", "later"]
    assert list(found.left_out) == ["apart"]
    assert "none of the 2 rows" in found.left_out["apart"]
    # The newest one that goes with the run on show, but not with its base, would leave out the base.
    between = run("between", ids="19", true="ab", predicted="ab", created="5", labelled="5")
    small = run("small", ids="23", true="ab", predicted="ab", created="0", labelled="0")
    assert reference_of([*runs, between], shown) is between
    assert reference_of([*runs, between], shown, small) is later
    # Where these two themselves cannot be compared, the base is what is left out.
    assert reference_of(runs, apart, base) is apart
    assert "base" in history(runs, reference=apart).left_out


def test_all_are_judged_by_the_labels_of_the_reference_also_where_a_run_has_newer_ones() -> None:
    old = run("old", predicted="aab", created="1", labelled="1")
    new = run("new", predicted="bab", true="bab", created="2", labelled="2")
    found = history([old, new], reference=old)
    assert found.flips.right.tolist() == [[1, 1, 1], [0, 1, 1]]
    assert any(
        "newer labels; both runs are judged by the older ones, of run old" in one for one in found.remarks["new"]
    )
    assert history([old, new]).flips.right.tolist() == [[0, 1, 1], [1, 1, 1]]


def test_runs_go_in_the_order_that_is_given_and_the_reference_need_not_be_among_them() -> None:
    runs = [run("b", created="2"), run("a", "bbb", created="1")]
    judge = run("judge", ids="234", true="abb", predicted="abb", created="3")
    found = history(runs, None, judge)
    assert [one.run for one in found.runs] == ["b", "a"]
    assert found.flips.right.tolist() == [[1, 1, -1], [0, 1, -1]]
    nobody = history(runs, None, run("apart", ids="89", true="ab", predicted="ab"))
    assert nobody.runs == ()
    assert nobody.flips.counts()["not judged"] == 2
    with pytest.raises(DataError, match="There is no run"):
        history([])
