"""Each section alone, as in a notebook cell."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import panel as pn
import pytest

import dashboard
from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.components.cards import MetricCards, cards_html
from dashboard.components.clickable import Clickable
from dashboard.components.message import Message
from dashboard.page import url_fields
from dashboard.sections import base, data
from dashboard.sections.explore.charts import FilteredChart
from dashboard.sections.performance.parts import Part
from dashboard.sections.performance.scored import of_file
from dashboard.state import DashboardState
from engine.evaluation.performance_file import Score
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bokeh.model import Model

SECTIONS = dashboard.__all__
WITHOUT_CHART = ("CompareSection", "ErrorsSection")


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def html(section) -> str:
    root = pn.panel(section.__panel__())
    shown = [pane.object for pane in root.select(pn.pane.HTML) if pane.visible]
    return "\n".join([*shown, *(view.html for view in root.select(Clickable))])


@pytest.mark.parametrize("name", SECTIONS)
def test_it_renders_by_itself(catalogue: Catalogue, name: str) -> None:
    section = getattr(dashboard, name)(catalogue=catalogue)
    root: Model = section.__panel__().get_root()
    assert "Figure" in {type(model).__name__.capitalize() for model in root.references()} or name in WITHOUT_CHART
    assert "<h2>" in html(section)
    assert 'role="alert"' not in html(section)


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("run_id", ["../../etc/passwd", "f" * 32])
def test_an_unknown_run_is_a_sentence_in_place(catalogue: Catalogue, name: str, run_id: str) -> None:
    section = getattr(dashboard, name)(run_id=run_id, catalogue=catalogue)
    section.__panel__().get_root()
    assert 'role="alert"' in html(section)
    assert run_id in html(section)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_home_without_runs_says_how_to_train(home: Path, name: str) -> None:
    section = getattr(dashboard, name)(catalogue=Catalogue(load_settings(), open_store()))
    section.__panel__().get_root()
    assert "tagscope train --data FILE" in html(section)


def test_the_figures_follow_tag_slice_and_run(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = dashboard.PerformanceSection(state=state, catalogue=catalogue)
    performance = catalogue.report(catalogue.default_run()).performance
    assert f"{performance.overall.f1:.3f}" in cards_html(_viewers(section.overall, MetricCards)[0].cards)
    for tag, score in performance.classes.items():
        state.selection.tag = tag
        assert f"{score.f1:.3f}" in _chosen(section._tags)
    for name, score in performance.slices.items():
        state.selection.slice_name = name
        assert f"{score.num_samples:,}" in _chosen(section._slices)


def test_tags_whose_names_begin_alike_have_figures_of_their_own() -> None:
    long = "a tag whose name is much longer than what a selector has room for, number "
    scores = {f"{long}{number}": Score(0.5, 0.5, number / 10, 10) for number in range(3)}
    part = Part("By tag", "Tag", "tag", DashboardState())
    part.fill(of_file(scores), "")
    assert len(part.select.options) == len(scores)
    for name, score in scores.items():
        part.show(name)
        assert part.select.value == name
        assert f"{score.f1:.3f}" in _chosen(part)


def _chosen(part: Part) -> str:
    """HTML of the figures on show."""
    return dict(part._cards.choices)[part._cards.chosen]


def test_what_was_chosen_survives_a_run_that_does_not_have_it(catalogue: Catalogue) -> None:
    state = DashboardState()
    sections = [
        kind(state=state, catalogue=catalogue) for kind in (dashboard.DataSection, dashboard.PerformanceSection)
    ]
    for section in sections:
        section.__panel__().get_root()
    state.selection.param.update(tag="not in any run", slice_name="neither")
    state.samples.tag = "nor this"
    for run in catalogue.runs():
        state.selection.run_id = run.run_id
        assert sections[1].evaluation.run_id == run.run_id
    assert (state.selection.tag, state.selection.slice_name) == ("not in any run", "neither")
    assert state.samples.tag == "nor this"


def test_the_table_follows_its_filter(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = dashboard.DataSection(state=state, catalogue=catalogue)
    state.samples.param.update(tag="mlops", text="drift")
    table = section._table.rows
    assert 0 < table.total < 134
    assert set(table.frame["tag"]) == {"mlops"}
    state.samples.text = "no such words anywhere"
    assert len(table.frame) == table.total == 0


def test_every_view_follows_the_filter(catalogue: Catalogue) -> None:
    section = dashboard.DataSection(catalogue=catalogue)
    charts = [view.chart for view in _parts(section, FilteredChart)]
    before = [chart.chart for chart in charts]
    text = html(section)
    section.state.samples.param.update(created="2024-01-01..2024-12-31", split="train")
    assert len(charts) == 5
    assert all(chart.chart != old for chart, old in zip(charts, before, strict=True))
    assert html(section) != text
    assert "Clear all" in html(section)
    for chip in ("Created: 2024-01-01 to 2024-12-31", "Split: train"):
        assert chip in html(section)


def test_a_bad_pattern_is_one_sentence_and_the_other_conditions_hold(catalogue: Catalogue) -> None:
    section = dashboard.DataSection(catalogue=catalogue)
    section.state.samples.param.update(tag="mlops", text="/(/")
    assert html(section).count("cannot be used") == 1
    assert section._table.rows.total == 134
    section.state.samples.text = ""
    assert "cannot be used" not in html(section)


def test_a_chip_takes_its_condition_out_and_all_of_them_at_once(catalogue: Catalogue) -> None:
    section = dashboard.DataSection(catalogue=catalogue)
    section.state.samples.param.update(tag="mlops", words="5..", split="train")
    section.exploration.clear("split")
    assert (section.state.samples.split, section.state.samples.tag) == ("", "mlops")
    section.exploration.clear()
    assert section._table.rows.total == 905


def test_what_the_link_names_and_the_data_does_not_have_is_said(catalogue: Catalogue) -> None:
    state = DashboardState()
    state.samples.param.update(finding="no-such-finding", split="holdout", missing="nowhere", polygon="0,0;1,0;0,1")
    section = dashboard.DataSection(state=state, catalogue=catalogue)
    for name in ("no-such-finding", "holdout", "nowhere", "map"):
        assert name in html(section)
    assert section._table.rows.total == 905


def test_what_nobody_has_read_yet_is_read_in_a_thread(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(_worker: object, compute: object, show: object, *, working: object) -> None:
        asked.append((compute, show, working))

    monkeypatch.setattr(data, "run", run)
    state = DashboardState()
    for field in url_fields(state, catalogue):
        if field.name in ("show", "terms"):
            field.check("mlops")
    section = dashboard.DataSection(state=state, catalogue=catalogue)
    assert catalogue.kept_samples(catalogue.default_run()) is None
    ((compute, show, working),) = asked
    working(True)
    assert "being read" in html(section)
    show(compute())
    assert "being read" not in html(section)
    assert section._table.rows.total == 905
    # Whoever comes next sees it at once, and another run's rows when they are there.
    other = dashboard.DataSection(catalogue=catalogue)
    assert (other._table.rows.total, len(asked)) == (905, 1)
    run_id = next(run.run_id for run in catalogue.runs() if run.manifest.dataset.version == "corrected")
    other.state.selection.run_id = run_id
    assert catalogue.kept_samples(run_id) is None
    compute, show, working = asked[1]
    working(True)
    assert other._body.loading
    working(False)
    show(compute())
    assert not other._body.loading
    assert other.exploration.samples is catalogue.kept_samples(run_id)


HOSTILE = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)> cat pictures", "x" * 99_000, "=cmd()", "**b**"]


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_answered_and_none_is_markup(catalogue: Catalogue, text: str) -> None:
    pane = dashboard.InferencePane(text=text, catalogue=catalogue)
    assert "<script>alert" not in html(pane)
    assert "<img" not in html(pane)
    assert "probable" in html(pane)


def test_an_empty_text_gets_a_sentence(catalogue: Catalogue) -> None:
    assert "Enter a text" in html(dashboard.InferencePane(text=" \n", catalogue=catalogue))


def test_a_message_shows_commands_and_escapes_the_rest() -> None:
    shown = Message(text="Run `tagscope train --data <FILE>` & wait.")._html()
    assert "<code>tagscope train --data &lt;FILE&gt;</code> &amp; wait." in shown
    assert Message(text="").__panel__().visible is False


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("dashboard", ["panel", "pandas"]),
        ("dashboard.state", ["panel", "pandas"]),
        ("dashboard.url", ["panel", "pandas"]),
        ("dashboard.theme", ["panel"]),
        ("dashboard.page", ["holoviews", "hvplot", "datashader", "torch", "sklearn"]),
    ],
)
def test_imports_wait_until_they_are_needed(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _parts(section, kind):
    """The parts of a kind that follow the section's exploration."""
    watchers = section.exploration.param.watchers["turn"]["value"]
    return [watcher.fn.__self__ for watcher in watchers if isinstance(getattr(watcher.fn, "__self__", None), kind)]


def _viewers(section, kind):
    return [value for value in vars(section).values() if isinstance(value, kind)]


class Turns:
    """Stands for the worker that looks again after a while; `pass_by` is that while."""

    def __init__(self) -> None:
        self._look: Callable[[object], None] | None = None

    def run(self, _compute: object, look: Callable[[object], None], *, pause: float) -> None:
        assert pause
        self._look = look

    def pass_by(self) -> None:
        look, self._look = self._look, None
        if look is not None:
            look(None)


def test_another_run_is_read_by_the_sections_in_sight_first(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, clock, heard = DashboardState(), [0.0], []
    seen, hidden = (kind(state=state, catalogue=catalogue) for kind in (dashboard.ErrorsSection, dashboard.DataSection))
    monkeypatch.setattr(base.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(base, "is_served", lambda: True)
    hidden._queued = turns = Turns()

    def wait() -> None:
        clock[0] += base.OUT_OF_SIGHT_SECONDS
        turns.pass_by()

    hidden._in_turn(lambda: heard.append("nobody knows what is in sight"))
    state.sight.sections = ["errors"]
    state.sight.work["errors"].begin()
    seen._in_turn(lambda: heard.append("in sight"))
    hidden._in_turn(lambda: heard.append("when that is done"))
    assert heard == ["nobody knows what is in sight", "in sight"]
    wait()
    assert len(heard) == 2
    state.sight.work["errors"].end()
    wait()
    assert heard[2:] == ["when that is done"]
    state.sight.work["errors"].begin()
    hidden._in_turn(lambda: heard.append("scrolled to"))
    state.sight.sections = ["errors", "data"]
    wait()
    assert heard[3:] == ["scrolled to"]
    state.sight.sections = ["errors"]
    hidden._in_turn(lambda: heard.append("long enough"))
    while len(heard) == 4 and clock[0] < 60:
        wait()
    assert heard[4:] == ["long enough"]
    assert clock[0] < 10
