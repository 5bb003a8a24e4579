"""Broken and partial runs: each section that judges a run says in one sentence what is wrong, and the rest works."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import pytest

from config.settings import load_settings
from dashboard import CompareSection, ErrorsSection, PerformanceSection
from dashboard.catalogue import Catalogue
from dashboard.components.clickable import Clickable
from dashboard.state import DashboardState
from engine.errors import BundleError
from engine.runs.bundle import read_manifest, seal
from engine.runs.predictions import read_predictions
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECTIONS = (PerformanceSection, ErrorsSection, CompareSection)
FIGURES = {PerformanceSection: "True tag among", ErrorsSection: "data-card", CompareSection: "McNemar"}
"""What a section shows of a run that it could read."""


def rewritten(change: Callable[[pd.DataFrame], pd.DataFrame | bytes | None]) -> Callable[[Path], None]:
    """Change a run's predictions and seal it anew; None takes them out."""

    def damage(folder: Path) -> None:
        path = folder / "predictions.parquet"
        made = change(pd.read_parquet(path))
        path.unlink()
        if isinstance(made, bytes):
            path.write_bytes(made)
        elif made is not None:
            made.to_parquet(path, index=False)
        seal(folder, read_manifest(folder))

    return damage


def manifest(**values: Any) -> Callable[[Path], None]:
    """Change a run's manifest; a function of what stands there now, or a value."""

    def damage(folder: Path) -> None:
        path = folder / "run.json"
        now = json.loads(path.read_text())
        changed = {name: value(now[name]) if callable(value) else value for name, value in values.items()}
        path.write_text(json.dumps({**now, **changed}))

    return damage


def no_data_set(folder: Path) -> None:
    shutil.rmtree(folder.parents[1] / "datasets")


def with_two_answers(frame: pd.DataFrame) -> pd.DataFrame:
    """The first test row is answered twice, at last as a training row."""
    return pd.concat([frame, frame[frame["split"] == "test"].head(1).assign(split="train")], ignore_index=True)


def with_strangers(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.index[frame["split"] == "test"][:3]
    return frame.assign(id=frame["id"].astype(str).where(~frame.index.isin(rows), "x" + frame["id"].astype(str)))


UNREADABLE = {
    "no predictions": (rewritten(lambda _frame: None), "has no predictions.parquet"),
    "garbage": (rewritten(lambda _frame: b"no table"), "predictions.parquet: cannot be read"),
    "no column of tags": (rewritten(lambda frame: frame.drop(columns="tag")), "column tag is missing"),
    "no probabilities of a tag": (
        rewritten(lambda frame: frame.drop(columns="probability:mlops")),
        "column probability:mlops is missing",
    ),
    "an id with two predictions": (rewritten(with_two_answers), "has two predictions"),
    "ids that nobody knows": (
        rewritten(lambda frame: frame.assign(id="x" + frame["id"].astype(str))),
        "none of its 905 ids is in the data set",
    ),
    "changed after it was sealed": (
        lambda folder: (folder / "predictions.parquet").write_bytes(b"no table"),
        "predictions.parquet: the file was changed after it was written",
    ),
    "another schema version": (manifest(schema_version=2), "run.json: schema version 2"),
}
PARTIAL = {
    "some ids that nobody knows": (rewritten(with_strangers), "has 3 predictions for ids that its data set does not"),
    "a tag less": (manifest(labels=lambda labels: labels[:-1]), "a tag that its run.json does not list"),
    "no data set": (no_data_set, "no texts and no slices"),
    "words for numbers": (
        rewritten(lambda frame: frame.assign(**{"probability:mlops": "often"})),
        "could not convert string to float",
    ),
}
WITHOUT_A_WORD = {
    # Compare needs neither the texts nor the probabilities; it says that slices are missing, and on what it rests.
    ("no data set", CompareSection),
    ("words for numbers", CompareSection),
    # The order of the examples needs probabilities only if somebody asks for it.
    ("words for numbers", ErrorsSection),
}


def catalogue() -> Catalogue:
    return Catalogue(load_settings(), open_store())


def damaged(home: Path, damage: Callable[[Path], None], *, base: bool = False) -> tuple[str, str, str]:
    """Damage the run on show or its base; returns these two and a third."""
    shown = catalogue().default_run()
    before = catalogue().earlier_run(shown)
    other = next(entry.run_id for entry in catalogue().runs() if entry.run_id not in (shown, before))
    damage(home / "data" / "runs" / (before if base else shown))
    return shown, before, other


def seen(section: Any) -> str:
    """What can be seen of a section: the markup of all that is not hidden."""
    found: list[str] = []

    def look(view: Any) -> None:
        if not view.visible:
            return
        if isinstance(view, Clickable):
            found.append(view.html)
        elif isinstance(view, pn.pane.HTML):
            found.append(str(view.object))
        for part in getattr(view, "objects", ()):
            look(part)

    look(pn.panel(section.__panel__()))
    return "\n".join(found)


def said(section: Any, words: str) -> int:
    """In how many of its messages a section says something; none is more than sentences, or says where the home is."""
    messages = re.findall(r'<div class="ts-message[^"]*"[^>]*>(.*?)</div>', seen(section), re.DOTALL)
    assert not any("Traceback" in one or "Error:" in one or "\n" in one.strip() for one in messages)
    assert str(load_settings().home) not in seen(section)
    return sum(one.count(words) for one in messages)


@pytest.mark.parametrize("kind", SECTIONS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_run_that_cannot_be_read_is_one_sentence_and_another_run_is_shown(
    demo_home: Path, name: str, kind: type
) -> None:
    damage, words = UNREADABLE[name]
    shown, before, other = damaged(demo_home, damage)
    state = DashboardState()
    section = kind(shown, state=state, catalogue=catalogue())
    section.__panel__().get_root()
    assert said(section, words) == 1
    assert FIGURES[kind] not in seen(section)
    # What performance.json says is there without a prediction; a run that was tampered with is not believed at all.
    believed = name not in ("changed after it was sealed", "another schema version")
    assert ("ts-cards" in seen(section)) == (kind is PerformanceSection and believed)
    # The two that are whole, as if nothing had been; with a chosen base, for the run before may be the broken one.
    state.runs.against = before
    state.selection.run_id = other
    assert FIGURES[kind] in seen(section)
    if kind is not CompareSection:
        assert said(section, words) == 0
    else:
        # It follows all runs of the data, and a run whose run.json can be read is one of them.
        assert said(section, words) == (name != "another schema version")
        assert [point.run_id for point in section._timeline._points] == [before, other]


@pytest.mark.parametrize("kind", SECTIONS)
@pytest.mark.parametrize("name", PARTIAL)
def test_a_run_that_lacks_something_is_shown_with_a_sentence(demo_home: Path, name: str, kind: type) -> None:
    damage, words = PARTIAL[name]
    shown, _before, _other = damaged(demo_home, damage)
    section = kind(shown, catalogue=catalogue())
    section.__panel__().get_root()
    if (name, kind) in WITHOUT_A_WORD:
        assert said(section, words) == 0
    else:
        # Performance says what is missing in the place of each thing that needs it.
        assert 1 <= said(section, words) <= (2 if kind is PerformanceSection else 1)
    figures = "Macro F1" if name == "words for numbers" and kind is PerformanceSection else FIGURES[kind]
    assert figures in seen(section)
    if kind is CompareSection and name == "no data set":
        assert said(section, "There are no slices, because the data set") == 1
        assert section._tags._matrix.cells


@pytest.mark.parametrize("kind", SECTIONS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_base_that_cannot_be_read_is_one_sentence_where_it_is_needed(demo_home: Path, name: str, kind: type) -> None:
    damage, words = UNREADABLE[name]
    shown, before, other = damaged(demo_home, damage, base=True)
    state = DashboardState()
    state.runs.against = before
    section = kind(shown, state=state, catalogue=catalogue())
    section.__panel__().get_root()
    assert said(section, words) == (kind is not ErrorsSection)
    if kind is not CompareSection:
        assert FIGURES[kind] in seen(section)
        return
    # The runs that can be read are followed, and both runs are asked: a model may be whole that has no predictions.
    assert {point.run_id for point in section._timeline._points} == {shown, other}
    assert section._both_place.visible
    state.runs.against = other
    assert FIGURES[kind] in seen(section)
    assert section._problem.text == ""


def test_probabilities_that_are_no_numbers_are_a_sentence_in_the_catalogue_too(demo_home: Path) -> None:
    shown, _before, _other = damaged(demo_home, PARTIAL["words for numbers"][0])
    with pytest.raises(BundleError, match="column probability:mlops does not hold numbers"):
        read_predictions(open_store().open(shown))
    with pytest.raises(BundleError, match="does not hold numbers"):
        catalogue().samples(shown)


def test_of_two_answers_to_a_row_the_data_section_takes_the_last_split(demo_home: Path) -> None:
    shown, _before, _other = damaged(demo_home, rewritten(with_two_answers))
    samples = catalogue().samples(shown)
    assert not samples.kept_findings()
    findings = samples.findings.start().wait()
    assert findings is not None
    assert findings.items
