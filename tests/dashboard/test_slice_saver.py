"""A filter saved from the page: what is written, what is refused, and who sees it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import dashboard
from config.settings import get_settings, load_settings
from dashboard.catalogue import Catalogue
from dashboard.evaluation.selection import ExampleSelection, format_selection
from dashboard.sections.explore import slice_saver as module
from dashboard.sections.explore.controls import Strip
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.slice_saver import SliceSaver
from dashboard.state import DashboardState
from engine.evaluation.declared_slices import DeclaredSlice, WordRange
from engine.evaluation.slices_file import read_slices, save_slice, slices_path
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '"><img src=x onerror=alert(1)> [x]\\ # $$\\frac'


class Visitor:
    """A visitor of the Data section, who clicks and types as the browser says it."""

    def __init__(self, catalogue: Catalogue, **conditions: str) -> None:
        self.state = DashboardState()
        self.exploration = Exploration(self.state, catalogue)
        self.saver = SliceSaver(self.exploration)
        self.view = self.saver._view
        self.exploration.open(catalogue.samples(catalogue.default_run()))
        self.filter(**conditions)

    def filter(self, **conditions: str) -> None:
        self.state.samples.param.update(**conditions)

    def pick(self, key: str) -> None:
        assert f'data-pick="{key}"' in self.view.html, self.view.html
        self.view.picked = {"key": key, "count": self.view.picked.get("count", 0) + 1}

    def type(self, name: str) -> None:
        assert "<input" in self.view.html
        self.view.entered = {"values": {"name": name}, "count": self.view.entered.get("count", 0) + 1}

    def save(self, name: str) -> None:
        self.pick("open")
        self.type(name)
        self.pick("save")

    @property
    def words(self) -> str:
        """What the card says."""
        card = self.view.html.partition('<div class="card"')[2]
        return html.unescape(" ".join(re.findall(r"<p [^>]*>(.*?)</p>", card)))


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def test_a_filter_becomes_a_slice_that_leads_to_performance(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue)
    assert visitor.view.html == ""
    visitor.filter(tag="mlops", words="10..")
    visitor.pick("open")
    assert "data-focus" in visitor.view.html.partition("<input")[2].partition(">")[0]
    visitor.type("  long mlops ")
    visitor.pick("save")
    assert read_slices() == {"long mlops": DeclaredSlice(tag=("mlops",), words=WordRange(10))}
    run = catalogue.evaluations.get(catalogue.default_run())
    rows = np.count_nonzero(run.slice_mask("long mlops"))
    assert visitor.words == (
        f"Saved as “long mlops”. {rows:,} of the {run.rows:,} rows that this run is judged on are in it."
    )
    assert visitor.state.selection.saved == 1
    visitor.pick("show")
    assert (visitor.state.selection.slice_name, visitor.state.selection.asked) == ("long mlops", 1)
    assert "card" not in visitor.view.html


def test_what_a_slice_cannot_keep_is_named_and_taken_out_by_a_click(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue, tag="mlops", outcome="wrong", predicted="computer-vision")
    visitor.pick("open")
    assert visitor.words.startswith("A slice holds for every run, but the outcome and the predicted tag belong to")
    assert visitor.words.endswith("take them out; tag can stay.")
    assert "<input" not in visitor.view.html
    visitor.pick("remove")
    assert (visitor.state.samples.tag, visitor.state.samples.outcome) == ("mlops", "")
    visitor.type("mlops")
    # What is set in the meantime is not forgotten.
    visitor.filter(outcome="wrong")
    assert "the outcome belongs to" in visitor.words
    visitor.pick("close")
    visitor.filter(tag="", outcome="wrong")
    visitor.pick("open")
    assert 'data-pick="remove"' not in visitor.view.html  # nothing would be left
    assert read_slices() == {}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"words": "8..3"}, "its condition “words” goes from 8 to 3"),
        ({"text": "/open"}, "has no end"),
        ({"created": "soon"}, "is no range of days"),
    ],
)
def test_a_condition_that_cannot_be_read_is_said_at_once(
    catalogue: Catalogue, conditions: dict[str, str], expected: str
) -> None:
    visitor = Visitor(catalogue, **conditions)
    visitor.pick("open")
    assert expected in visitor.words


def test_a_condition_that_the_data_does_not_have_is_not_saved_unseen(catalogue: Catalogue) -> None:
    # What cannot be used is left out of the rows on show, so they are not those of this filter.
    visitor = Visitor(catalogue, tag="not there", text="model")
    visitor.save("mine")
    assert 'no tag "not there"' in visitor.words
    assert read_slices() == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("   ", "Give the slice a name first."),
        ("short_text", "“short_text” is a function in config/slices.py"),
        ("x" * 61, "take 1 to 60 characters"),
        ("a\u202eb", "take 1 to 60 characters that can be seen"),
        ("\ud800", "take 1 to 60 characters that can be seen"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_in_place(catalogue: Catalogue, name: str, expected: str) -> None:
    visitor = Visitor(catalogue, tag="mlops")
    visitor.save(name)
    assert expected in visitor.words
    assert "<input" in visitor.view.html
    assert visitor.view.values == {"name": name}
    assert not slices_path().exists()


def test_a_hostile_name_is_a_name(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue, tag="mlops", text=f"/{re.escape(HOSTILE)}|a/")
    for _ in range(2):  # the second time it is taken
        visitor.save(HOSTILE)
        assert "<img" not in visitor.view.html
        assert HOSTILE in visitor.words
        visitor.pick("close")
    assert list(read_slices()) == [HOSTILE]
    section = dashboard.PerformanceSection(catalogue=catalogue)
    assert HOSTILE in section._slices.names


def test_a_taken_name_is_replaced_only_when_asked_for(catalogue: Catalogue) -> None:
    first = DeclaredSlice(tag=("computer-vision",))
    save_slice("mine", first)
    save_slice("other", first)
    visitor = Visitor(catalogue, tag="mlops")
    visitor.save("mine")
    assert "There is a slice “mine” already" in visitor.words
    # Another name in the field is not the one that was asked about.
    visitor.type("other")
    visitor.pick("replace")
    assert "There is a slice “other” already" in visitor.words
    assert read_slices() == {"mine": first, "other": first}
    visitor.type("mine")
    visitor.pick("save")
    visitor.pick("replace")
    assert read_slices() == {"other": first, "mine": DeclaredSlice(tag=("mlops",))}
    assert visitor.words.startswith("Saved as “mine”.")


def test_the_page_adds_no_more_than_it_may(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SLICES", 1)
    visitor = Visitor(catalogue, tag="mlops")
    visitor.save("one")
    visitor.pick("close")
    visitor.save("two")
    assert visitor.words == "slices.toml has as many slices as it may have (1); delete some there, or replace one."


def test_a_slice_without_rows_here_says_so(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue, split="train")
    visitor.save("learned from")
    assert "None of the 136 rows that this run is judged on is in it" in visitor.words


def test_the_confirmation_goes_with_its_filter(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue, tag="mlops")
    visitor.save("mine")
    visitor.filter(words="3..")
    assert "card" not in visitor.view.html
    visitor.pick("open")
    visitor.type("another")
    visitor.pick("open")  # as the second half of Escape and a click that follow each other quickly
    assert 'class="card"' in visitor.view.html
    assert visitor.view.values == {"name": "another"}
    visitor.filter(tag="", words="")
    assert visitor.view.html == ""


def test_all_sections_of_the_visitor_have_the_slice_without_a_reload(catalogue: Catalogue) -> None:
    visitor = Visitor(catalogue, tag="mlops")
    shared = {"state": visitor.state, "catalogue": catalogue}
    performance = dashboard.PerformanceSection(**shared)
    errors = dashboard.ErrorsSection(**shared)
    compare = dashboard.CompareSection(**shared)
    assert "mine" not in performance._slices.names
    visitor.save("mine")
    run = catalogue.evaluations.get(catalogue.default_run())
    expected = np.flatnonzero(run.true == run.code("mlops"))
    assert performance._slices.has_rows("mine")
    assert "mine" in compare._slices._matrix.names
    visitor.state.examples.show(format_selection(ExampleSelection(slice_name="mine")))
    assert errors._listing.rows.tolist() == expected.tolist()
    # Another meaning of the same name, while it is on show.
    visitor.pick("close")
    visitor.filter(tag="computer-vision")
    visitor.save("mine")
    visitor.pick("replace")
    assert errors._listing.rows.tolist() == np.flatnonzero(run.true == run.code("computer-vision")).tolist()


@pytest.mark.parametrize(("setting", "views"), [("true", 2), ("false", 1)])
def test_the_setting_decides_whether_visitors_may(
    home: Path, demo_home: Path, monkeypatch: pytest.MonkeyPatch, setting: str, views: int
) -> None:
    monkeypatch.setenv("TAGSCOPE_DASHBOARD__SAVE_SLICES", setting)
    get_settings.cache_clear()
    catalogue = Catalogue(load_settings(), open_store())
    exploration = Exploration(DashboardState(), catalogue)
    strip = Strip(exploration)
    exploration.open(catalogue.samples(catalogue.default_run()))
    assert len(strip.__panel__()) == 1
    exploration.chosen.tag = "mlops"
    assert len(strip.__panel__()) == views
    assert ("Save as slice" in strip.__panel__()[-1].html) == (setting == "true")
