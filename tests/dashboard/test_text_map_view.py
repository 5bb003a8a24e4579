"""The map as it follows the state: its legend, and what must not come from other samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.job import Job
from dashboard.sections.explore import text_map as module
from dashboard.sections.explore.drawing import name_of
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.text_map import TextMapView
from dashboard.state import DashboardState
from engine.exploration.text_map import PLACE, MapInfo, TextMap
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from dashboard.samples import Samples

NOWHERE = 7


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def mapped(catalogue: Catalogue, run: int) -> Samples:
    """Samples whose map is there, with a few rows that lie nowhere."""
    samples = catalogue.samples(catalogue.runs()[run].run_id)
    count = samples.facts.num_rows
    points = np.random.default_rng(run).random((count, 2)).astype(np.float32)
    points[:NOWHERE] = np.nan
    info = MapInfo("0" * 32, "by hand", count, count - NOWHERE, count, 0.0)
    samples.map = Job(lambda _report: TextMap(points, np.zeros((count, 2), np.float32), info), "map")
    samples.map.start().wait(30)
    return samples


def explored(samples: Samples, catalogue: Catalogue, **chosen: str) -> Exploration:
    state = DashboardState()
    state.samples.param.update(**chosen)
    exploration = Exploration(state, catalogue)
    exploration.open(samples)
    return exploration


def pick(view: TextMapView, key: str) -> None:
    view._legend.picked = {"key": key, "count": view._legend.picked.get("count", 0) + 1}


def test_the_legend_is_the_filter_and_its_colours_are_in_the_state(catalogue: Catalogue) -> None:
    exploration = explored(mapped(catalogue, 0), catalogue, colour="finding")
    chosen, view = exploration.chosen, TextMapView(exploration)
    # Nothing is known of findings yet; a link that names them shows tags until it is.
    assert view._by.value == "tag"
    assert chosen.colour == "finding"
    assert f"{NOWHERE} rows share no word with another one and lie nowhere" in view._said.html
    view._said.picked = {"key": name_of("missing", PLACE), "count": 1}
    assert chosen.missing == PLACE
    assert exploration.selection.count == NOWHERE
    chosen.missing = ""
    pick(view, name_of("tag", "mlops"))
    assert chosen.tag == "mlops"
    assert view._legend.html.count("<button") == 1
    assert 'aria-pressed="true"' in view._legend.html
    # A click on what the legend showed before that is none.
    pick(view, name_of("tag", "computer-vision"))
    assert chosen.tag == "mlops"
    pick(view, name_of("tag", "mlops"))
    assert chosen.tag == ""
    view._by.value = "outcome"
    assert chosen.colour == "outcome"
    assert "correct" in view._legend.html
    chosen.colour = "tag"
    assert view._by.value == "tag"


def test_what_was_begun_for_other_samples_changes_nothing(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = mapped(catalogue, 0), mapped(catalogue, 1)
    exploration = explored(first, catalogue)
    view = TextMapView(exploration)
    late: list = []
    monkeypatch.setattr(module, "run", lambda _worker, compute, show, **_options: late.append((show, compute())))
    view._draw()
    x, y = first.map.value.points[NOWHERE].tolist()
    view._map.tapped = {"x": x, "y": y, "reach": (1e-3, 1e-3), "count": 1}
    exploration.samples = second
    before = view._legend.html, view._drawn
    assert len(late) == 2
    for show, value in late:
        assert value
        show(value)
    assert (view._legend.html, view._drawn) == before
    assert exploration.chosen.row == ""
    pick(view, name_of("tag", "mlops"))
    assert exploration.chosen.tag == ""
