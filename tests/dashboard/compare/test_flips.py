"""Fixed and broken, and the courses over many runs: each count leads to exactly the rows that pandas finds."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from dashboard.evaluation.selection import COURSES, parse_selection
from dashboard.sections.compare.changes import MOST_LISTED, Changes, moved_most
from dashboard.sections.compare.courses import Courses, by_tag_of, patterns_of
from dashboard.sections.compare.timeline import METRICS, draw_points, points_of
from dashboard.sections.compare.verdict import Verdict, verdict_html
from dashboard.sections.compare.words import MORE, NOT_MORE, point_name
from dashboard.state import DashboardState

from .made import LABELS, Runs

SEEDS = st.integers(0, 2**32 - 1)


def shown(runs: Runs, state: DashboardState) -> set[str]:
    """Ids of the examples that Errors would show."""
    run = runs.runs[state.selection.run_id]
    return set(run.ids[run.mask(parse_selection(state.examples.examples))])


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_verdict_counts_what_pandas_counts(seed: int) -> None:
    runs, state = Runs(seed), DashboardState()
    before, after = runs.run_ids[0], runs.run_ids[2]
    both = runs.both(before, after)
    kinds = {
        "fixed": ~both["was"] & both["now"],
        "broken": both["was"] & ~both["now"],
        "both right": both["was"] & both["now"],
        "both wrong": ~both["was"] & ~both["now"],
    }
    verdict = Verdict(state)
    verdict.show(runs.pair(before, after))
    counts = re.findall(r'data-pick="([\w ]+)".*?<b>([\d,]+)</b>', verdict._counts.html)
    assert dict(counts) == {name: f"{mask.sum():,}" for name, mask in kinds.items()}
    for name, mask in kinds.items():
        verdict._picked(name)
        assert shown(runs, state) == set(both["id"][mask])
    fixed, broken = int(kinds["fixed"].sum()), int(kinds["broken"].sum())
    p = binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
    comparison = runs.pair(before, after).comparison
    assert comparison is not None
    words = verdict_html(comparison)
    if fixed + broken:
        assert (MORE if p <= 0.05 else NOT_MORE) in words
    assert ("This run is" in words) == (p <= 0.05)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_changes_by_tag_lead_to_their_rows(seed: int) -> None:
    runs, state = Runs(seed), DashboardState()
    before, after = runs.run_ids[0], runs.run_ids[1]
    pair, both = runs.pair(before, after), runs.both(before, after)
    changes = Changes(state)
    changes.show(pair, runs.runs[after])
    keys = re.findall(r'data-pick="((?:fixed|broken):\d+)".*?<b>([\d,]+)</b>', changes._tags.html)
    for key, count in keys:
        flip, place = key.split(":")
        has = both["true"] == LABELS[int(place)]
        knew = [(both[f"said_{at}"] == LABELS[int(place)]) == has for at in (0, 1)]
        rows = ~knew[0] & knew[1] if flip == "fixed" else knew[0] & ~knew[1]
        changes._tag_picked(key)
        assert shown(runs, state) == set(both["id"][rows])
        assert count == f"{rows.sum():,}"
    for flip in ("fixed", "broken"):
        state.runs.flip = flip
        moved = moved_most(pair, runs.runs[after], flip)
        rows = ~both["was"] & both["now"] if flip == "fixed" else both["was"] & ~both["now"]
        assert moved.total == rows.sum()
        assert len(moved.after) == min(MOST_LISTED, moved.total) == changes._list.html.count("<li>")
        assert [one.id for one in moved.after] == [one.id for one in moved.before]
        frame = both.set_index("id")
        for now, then in zip(moved.after, moved.before, strict=True):
            assert (then.predicted, now.predicted) == (frame.loc[now.id, "said_0"], frame.loc[now.id, "said_1"])
        if moved.total:
            changes._listed("all:")
            assert shown(runs, state) == set(both["id"][rows])
            changes._listed("example:0")
            assert state.examples.example == moved.after[0].id


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_courses_tags_and_patterns_lead_to_their_rows(seed: int) -> None:
    runs, state = Runs(seed), DashboardState()
    history = runs.history(runs.run_ids)
    courses = Courses(state)
    by_tag, patterns = by_tag_of(history), patterns_of(history)
    courses.show(history, by_tag, patterns)
    # pandas: an example per row, a run per column, nothing where it was not judged.
    wide = pd.DataFrame(
        {
            run_id: (frame["said"] == frame["true"]).astype(float).to_numpy()
            for run_id, frame in ((one, runs.frames[one].set_index("id").reindex(history.ids)) for one in runs.run_ids)
        },
        index=history.ids,
    )
    for run_id in runs.run_ids:
        wide.loc[~wide.index.isin(runs.frames[run_id]["id"]), run_id] = np.nan
    expected = wide.apply(_course, axis=1)
    true = runs.frames[runs.run_ids[-1]].set_index("id")["true"].reindex(history.ids)
    for course in COURSES:
        courses._course_picked(course)
        assert state.selection.run_id == history.reference == runs.run_ids[-1]
        assert shown(runs, state) == set(history.ids[expected == course])
    for row, tag in enumerate(history.tags):
        for place, course in enumerate(COURSES):
            ids = set(history.ids[(expected == course) & (true == tag)])
            assert by_tag[row, place] == len(ids)
            if ids:
                assert f'data-pick="{row}:{place}"' in courses._by_tag.html
                courses._tag_picked(f"{row}:{place}")
                assert shown(runs, state) == ids
    texts = wide.apply(lambda row: "".join("-" if value != value else str(int(value)) for value in row), axis=1)
    for pattern, count in patterns.items():
        courses._pattern_picked(pattern)
        assert shown(runs, state) == set(history.ids[texts == pattern])
        assert (texts == pattern).sum() == count


def test_a_listed_example_means_the_flip_that_is_listed_whatever_was_chosen_since(monkeypatch) -> None:
    runs, state = Runs(12), DashboardState()
    before, after = runs.run_ids[:2]
    changes = Changes(state)
    changes.show(runs.pair(before, after), runs.runs[after])
    both = runs.both(before, after)
    monkeypatch.setattr(changes, "_find", lambda: None)
    # The list of the fixed ones is still on its way to the page.
    changes._listed("flip:fixed")
    changes._listed("all:")
    assert shown(runs, state) == set(both["id"][both["was"] & ~both["now"]])
    changes._listed("example:0")
    assert state.examples.example in shown(runs, state)


def test_a_pattern_means_the_runs_as_they_were_drawn_whatever_was_chosen_since() -> None:
    runs, state = Runs(11), DashboardState()
    drawn = tuple(reversed(runs.run_ids[:3]))
    history = runs.history(drawn, None, runs.run_ids[2])
    courses, patterns = Courses(state), patterns_of(history)
    courses.show(history, by_tag_of(history), patterns)
    # Both are still on their way to the page.
    state.runs.param.update(order="version", over=",".join(runs.run_ids))
    assert any(pattern != pattern[::-1] for pattern in patterns)
    for pattern in patterns:
        courses._pattern_picked(pattern)
        meant = history.flips.pattern_rows([{"1": 1, "0": 0, "-": -1}[sign] for sign in pattern])
        assert state.selection.run_id == runs.run_ids[2]
        assert shown(runs, state) == set(history.ids[meant])


def _course(row: pd.Series) -> str:
    answers = row.dropna().astype(int).tolist()
    changes = sum(one != other for one, other in pairwise(answers))
    if not answers:
        return "not judged"
    if changes > 1:
        return "flaky"
    if changes == 1:
        return "fixed" if answers[-1] else "broken"
    return "always right" if answers[-1] else "never right"


def test_the_chart_shows_each_figure_with_its_interval_and_leads_to_the_run() -> None:
    from sklearn.metrics import f1_score

    runs = Runs(7, 200)
    history = runs.history(runs.run_ids)
    reference = runs.run_ids[-1]
    for metric in METRICS:
        points = points_of(history, metric, runs, lambda point: point_name(point, "time"))  # type: ignore[arg-type]
        for point in points:
            both = runs.both(point.run_id, reference)
            if metric == "accuracy":
                value = both["was"].mean()
            else:
                value = f1_score(both["true"], both["said_0"], average=metric.split()[0])
            assert abs(point.estimate.value - value) < 1e-9
            assert point.estimate.low <= value <= point.estimate.high
        chart = draw_points(points, reference, runs.run_ids[0], dark=False)
        assert {one.key for one in chart.rectangles} == set(runs.run_ids)
        assert len({one.tip for one in chart.rectangles}) == len(points)
        # The pieces of a column fill it and do not lie upon each other.
        for place, point in enumerate(points):
            pieces = [one for one in chart.rectangles if one.key == point.run_id]
            area = sum((one.right - one.left) * (one.top - one.bottom) for one in pieces)
            assert abs(area - 1.0) < 1e-9
            assert all(place <= one.left < one.right <= place + 1 for one in pieces)
