"""The Compare section on the demo runs: what it says, what a click changes, and where nothing can be compared."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import panel as pn
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.components.clickable import Clickable
from dashboard.evaluation.selection import parse_selection
from dashboard.page import url_fields
from dashboard.sections.compare import followed
from dashboard.sections.compare.both import EMPTY, NO_MODEL, answers_of
from dashboard.sections.compare.family import family_of
from dashboard.sections.compare.section import NO_OTHER, CompareSection
from dashboard.sections.compare.way import show_flips
from dashboard.state import DashboardState
from dashboard.url import UrlState
from engine.client.predictor import get_predictor
from engine.runs.bundle import read_manifest, seal
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def html(section: CompareSection) -> str:
    root = pn.panel(section.__panel__())
    shown = [pane.object for pane in root.select(pn.pane.HTML) if pane.visible]
    return "\n".join([*shown, *(view.html for view in root.select(Clickable))])


def judge_on_other_rows(folder: Path) -> None:
    """Let a run be judged on what the others were trained on."""
    path = folder / "predictions.parquet"
    frame = pd.read_parquet(path)
    swapped = frame["split"].map({"test": "train", "train": "test"}).fillna(frame["split"])
    frame.assign(split=swapped).to_parquet(path, index=False)
    seal(folder, read_manifest(folder))


def test_a_run_that_cannot_be_read_takes_no_other_runs_column(
    catalogue: Catalogue, demo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "MOST_COLUMNS", 1)
    newest, *_, base = (entry.run_id for entry in catalogue.runs())
    shown = next(entry.run_id for entry in catalogue.runs() if entry.run_id not in (newest, base))

    def columns() -> tuple[list[str], str]:
        family = family_of(catalogue, shown, base, "")
        found = followed.follow_runs(catalogue, family, shown, base, "time", "accuracy")
        assert isinstance(found, followed.Followed)
        matrices = followed.compare_runs(catalogue, found, base, "time")
        return [run_id for run_id in matrices.heads if run_id != base], " ".join(matrices.remarks)

    assert columns() == ([newest], "Shown are the last 1 of 2 runs.")
    (demo_home / "data" / "runs" / newest / "predictions.parquet").write_bytes(b"no table")
    others, said = columns()
    assert others == [shown]
    assert "predictions.parquet" in said


def test_every_part_shows_the_demo_runs_and_follows_them(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = CompareSection(state=state, catalogue=catalogue)
    run_id = catalogue.default_run()
    base = catalogue.earlier_run(run_id)
    found = catalogue.evaluations.pair(base, run_id).comparison
    assert found is not None
    said = html(section)
    assert f"it fixed {len(found.improved):,} and broke {len(found.regressed):,}" in said
    assert "McNemar" in said
    assert all(f'title="{name}"' in section._slices._table.html for name in (one.name for one in found.slices))
    assert [point.run_id for point in section._timeline._points] == [run.run_id for run in catalogue.runs()][::-1]
    assert section._timeline._chart.chart is not None
    assert state.runs.against == ""
    # By slice, as by tag.
    place = next(place for place, one in enumerate(found.slices) if one.improved)
    section._changes._slice_picked(f"fixed:{place}")
    evaluation = catalogue.evaluations.get(run_id)
    rows = evaluation.positions(parse_selection(state.examples.examples))
    assert len(rows) == found.slices[place].improved
    assert evaluation.slice_mask(found.slices[place].name)[rows].all()
    # A point leads to its run; the chosen base stays.
    other = section._timeline._points[-1].run_id
    section._timeline._picked(other)
    assert state.selection.run_id == other
    assert section.evaluation is not None
    assert section.evaluation.run_id == other
    assert section._run.value == base == state.runs.against


def test_the_base_itself_is_compared_with_the_run_before_or_any_other(catalogue: Catalogue) -> None:
    first = catalogue.runs()[-1].run_id
    state = DashboardState()
    state.runs.against = first
    section = CompareSection(first, state=state, catalogue=catalogue)
    assert section._run.value not in (first, None)
    assert "examples it fixed" in html(section)
    assert state.runs.against == first


def test_a_single_run_is_a_friendly_sentence(demo_home: Path) -> None:
    runs = Catalogue(load_settings(), open_store()).runs()
    for entry in runs:
        if not entry.promoted:
            shutil.rmtree(demo_home / "data" / "runs" / entry.run_id)
    section = CompareSection(catalogue=Catalogue(load_settings(), open_store()))
    assert section._problem.text == NO_OTHER
    assert section._problem.kind == "hint"
    assert not section._runs_place.visible
    assert not section._both_place.visible


def test_a_refusal_says_why_and_what_to_do_and_the_other_runs_are_followed(demo_home: Path) -> None:
    catalogue = Catalogue(load_settings(), open_store())
    run_id = catalogue.default_run()
    base = catalogue.earlier_run(run_id)
    judge_on_other_rows(demo_home / "data" / "runs" / base)
    section = CompareSection(run_id, catalogue=Catalogue(load_settings(), open_store()))
    assert "cannot be compared" in section._problem.text
    assert "--parent" in section._problem.text
    assert "Choose another run above" in section._problem.text
    assert not section._pair_place.visible
    assert section._runs_place.visible
    assert len(section._timeline._points) == 2
    assert base in section._choice._left_out.text
    # Nothing is said twice.
    said = section._problem.text + section._choice._left_out.text + section._refused.text
    sentences = [one for one in said.split(". ") if "cannot be compared" in one]
    assert len(sentences) == len(set(sentences)) >= 1
    assert "No other run can be compared with the base run." in section._tags._table.html


def test_a_newer_run_on_other_rows_does_not_empty_what_is_followed(demo_home: Path) -> None:
    newest, shown, base = (entry.run_id for entry in Catalogue(load_settings(), open_store()).runs())
    judge_on_other_rows(demo_home / "data" / "runs" / newest)
    catalogue = Catalogue(load_settings(), open_store())
    assert catalogue.evaluations.pair(base, shown).comparison is not None
    state = DashboardState()
    section = CompareSection(shown, state=state, catalogue=catalogue)
    assert [point.run_id for point in section._timeline._points] == [base, shown]
    assert f"labels of run {shown[:8]}" in section._timeline._remark
    assert newest in section._choice._left_out.text
    assert "cannot be compared" in section._choice._left_out.text
    # What is clicked is what was counted, and stays so while another run is on show.
    courses = section._courses
    assert courses._history is not None
    for course, count in courses._history.flips.counts().items():
        courses._course_picked(course)
        assert state.selection.run_id == shown
        meant = parse_selection(state.examples.examples)
        assert len(catalogue.evaluations.get(shown).positions(meant)) == count
        assert len(catalogue.evaluations.get(base).positions(meant)) == count
    # Whoever looks at the newest run has it alone, and is told of the others: of its base at the top.
    state.selection.run_id = newest
    assert [point.run_id for point in section._timeline._points] == [newest]
    assert shown in section._problem.text
    assert base in section._choice._left_out.text


def test_runs_are_put_in_and_out(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = CompareSection(state=state, catalogue=catalogue)
    third = next(
        entry.run_id for entry in catalogue.runs() if entry.run_id not in (section._before, catalogue.default_run())
    )
    section._choice._picked(section._before)
    assert state.runs.over == ""
    section._choice._picked(third)
    assert third not in state.runs.over
    assert len(section._timeline._points) == 2
    section._choice._picked(third)
    assert len(section._timeline._points) == 3
    state.runs.metric = "macro F1"
    assert section._choice._metric.value == "macro F1"
    assert "Macro F1" in section._timeline._remark
    state.runs.order = "version"
    assert "corrected" in " ".join(point.label for point in section._timeline._points)


def test_both_runs_answer_as_the_predictor_does(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = CompareSection(state=state, catalogue=catalogue)
    both = section._both
    assert both._hint.text == EMPTY
    state.runs.text = "<b>Tracking</b> drift of deployed models"
    assert both._text.value_input == state.runs.text
    assert both._hint.text == ""
    for place, run_id in zip(both._places, (section._before, catalogue.default_run()), strict=True):
        prediction = get_predictor().predict([state.runs.text], run_id)[0]
        assert prediction.predicted_tag in place.object
        for tag, share in list(prediction.probabilities.items())[:5]:
            assert tag in place.object
            assert f"{share:.1%}" in place.object
        assert run_id[:8] in place.object
    assert answers_of(catalogue, " \n", list(catalogue.store.runs()[0].run_id)) == []
    (unknown,) = answers_of(catalogue, "text", ["f" * 32])
    assert unknown[0] is None
    assert "f" * 32 in unknown[1]


def test_a_run_without_a_model_says_so(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(catalogue, "manifest", lambda _run_id: SimpleNamespace(model_digest=""))
    assert answers_of(catalogue, "text", [catalogue.default_run()]) == [(None, NO_MODEL)]


def test_a_click_is_one_step_of_the_history_with_both_runs_in_it(catalogue: Catalogue) -> None:
    state = DashboardState()
    written: list[tuple[str, bool]] = []
    url = UrlState(url_fields(state, catalogue), lambda search, push: written.append((search, push)), print)
    url.follow()
    one, other = (entry.run_id for entry in catalogue.runs()[:2])
    state.examples.page = "3"
    written.clear()
    show_flips(state, "broken", one, other, tag="mlops")
    ((search, push),) = written
    assert push
    assert f"run={other}" in search
    assert f"compare={one}" in search
    assert "examples-page" not in search
    assert "tag%3Amlops" in search
    assert state.examples.asked == 1
