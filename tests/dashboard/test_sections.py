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
from dashboard.components.cards import MetricCards
from dashboard.components.message import Message
from dashboard.state import DashboardState
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from bokeh.model import Model

SECTIONS = dashboard.__all__
# Panel's Tabulator still uses what pandas 3.1 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def html(section) -> str:
    return "\n".join(pane.object for pane in pn.panel(section.__panel__()).select(pn.pane.HTML) if pane.visible)


@pytest.mark.parametrize("name", SECTIONS)
def test_it_renders_by_itself(catalogue: Catalogue, name: str) -> None:
    section = getattr(dashboard, name)(catalogue=catalogue)
    root: Model = section.__panel__().get_root()
    assert "Figure" in {type(model).__name__.capitalize() for model in root.references()}


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
    cards = [view._html() for view in _viewers(section, MetricCards)]
    assert f"{performance.overall.f1:.3f}" in cards[0]
    for tag, score in performance.classes.items():
        state.selection.tag = tag
        assert f"{score.f1:.3f}" in section._tags._cards._html()
    for name, score in performance.slices.items():
        state.selection.slice_name = name
        assert f"{score.num_samples:,}" in section._slices._cards._html()


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
        for section in sections:
            section._fill(*section._read(run.run_id))
    assert (state.selection.tag, state.selection.slice_name) == ("not in any run", "neither")
    assert state.samples.tag == "nor this"


def test_the_table_follows_its_filter(catalogue: Catalogue) -> None:
    state = DashboardState()
    section = dashboard.DataSection(state=state, catalogue=catalogue)
    state.samples.param.update(tag="mlops", text="drift")
    shown = section._table.frame
    assert 0 < len(shown) < 134
    assert set(shown["tag"]) == {"mlops"}
    state.samples.text = "no such words anywhere"
    assert len(section._table.frame) == 0


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


def _viewers(section, kind):
    return [value for value in vars(section).values() if isinstance(value, kind)]
