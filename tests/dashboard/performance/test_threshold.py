"""The threshold of a run that has the tag `other`: as deployed, an answer below it is `other`; all counts as pandas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.components.cards import Card, MetricCards, cards_html
from dashboard.evaluation.link import evaluation_fields
from dashboard.evaluation.selection import parse_selection
from dashboard.sections.performance.linked import key_of
from dashboard.sections.performance.section import PerformanceSection
from dashboard.sections.performance.threshold import NO_OTHER
from dashboard.sections.performance.threshold_figures import cheapest
from dashboard.url import UrlState
from engine.dataset.fields import OTHER, Fields
from engine.evaluation.coverage import Coverage
from engine.pipeline.imports.predictions import import_predictions
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

TAGS = ("birds", OTHER, "ships")


def answers(size: int = 240) -> pd.DataFrame:
    """Answers with confidences in twentieths, so that many meet a threshold; unsure ones are often `other`."""
    rng = np.random.default_rng(4)
    best = rng.integers(8, 20, size) / 20
    said = rng.choice(TAGS, size)
    true = np.where(rng.random(size) < best**2, said, np.where(rng.random(size) < 0.8, OTHER, "ships"))
    frame = pd.DataFrame({"text": [f"text of row {place}" for place in range(size)], "tag": true})
    frame.insert(0, "id", [f"r{place}" for place in range(size)])
    for tag in TAGS:
        frame[f"probability:{tag}"] = np.where(said == tag, best, (1 - best) / 2)
    frame["predicted_tag"] = said
    return frame


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = answers()
    rows["confidence"] = rows[[f"probability:{tag}" for tag in TAGS]].max(axis=1).astype(np.float32).astype(float)
    return rows


def visit(file: Path, frame: pd.DataFrame) -> PerformanceSection:
    frame.to_csv(file, index=False)
    run_id = import_predictions(file, Fields(text=("text",))).manifest.run_id
    return PerformanceSection(run_id, catalogue=Catalogue(load_settings(), open_store()))


@pytest.fixture
def section(home: Path, tmp_path: Path) -> PerformanceSection:
    return visit(tmp_path / "answers.csv", answers())


def asked(section: PerformanceSection) -> set[str]:
    run = section.evaluation
    return set(run.ids[run.positions(parse_selection(section.state.examples.examples))])


def press(section: PerformanceSection, label: str) -> None:
    """Click a card as the browser does: by the key that its HTML has."""
    view = section.threshold._cards._buttons
    card = next(card for card in section.threshold._cards.cards if card.label == label)
    keys = re.findall(rf'<button data-pick="([^"]*)" aria-label="{label}: ', view.html)
    assert keys == [card.key.replace("&", "&amp;")]
    view.picked = {"key": card.key, "count": view.picked.get("count", 0) + 1}


@pytest.mark.parametrize("text", ["", "0.4", "0.6", "0.62", "1"])
def test_below_it_the_answer_is_other_unless_rejected_is_chosen(
    section: PerformanceSection, frame: pd.DataFrame, text: str
) -> None:
    threshold = float(text or 0)
    section.state.figures.param.update(threshold=text, cost="3")
    below = frame["confidence"] < threshold
    answer = frame["predicted_tag"].where(~below, OTHER)
    wrong = answer != frame["tag"]
    cards = {card.label: card for card in section.threshold._cards.cards}
    assert list(cards) == ["Coverage", "Right of all", "Wrong answers", "Become other"]
    assert cards["Coverage"].value == f"{(~below).mean():.1%}"
    assert cards["Right of all"].value == f"{(~wrong).mean():.1%}"
    assert cards["Wrong answers"].value == f"{wrong.sum():,}"
    assert (cards["Become other"].value, cards["Become other"].note) == (
        f"{below.sum():,}",
        f"{(below & ~wrong).sum():,} rightly",
    )
    assert f"that is <b>{3 * wrong.mean():.3f}</b> a row" in section.threshold._cost.html
    press(section, "Wrong answers")
    assert asked(section) == set(frame["id"][wrong])
    if below.any():
        press(section, "Become other")
        assert asked(section) == set(frame["id"][below])
    section.threshold._choose("rejected")
    wrong = ~below & (frame["predicted_tag"] != frame["tag"])
    cards = {card.label: card for card in section.threshold._cards.cards}
    assert list(cards) == ["Coverage", "Right of these", "Wrong answers", "Rejected"]
    assert (cards["Wrong answers"].value, cards["Rejected"].value) == (f"{wrong.sum():,}", f"{below.sum():,}")
    assert f"that is <b>{(3 * wrong + below).mean():.3f}</b> a row" in section.threshold._cost.html
    if wrong.any():
        press(section, "Wrong answers")
        assert asked(section) == set(frame["id"][wrong])
    if below.any():
        press(section, "Rejected")
        assert asked(section) == set(frame["id"][below])


def test_every_bar_leads_to_the_rows_that_it_counts(section: PerformanceSection, frame: pd.DataFrame) -> None:
    right = frame["predicted_tag"] == frame["tag"]
    for below in (OTHER, "rejected"):
        section.threshold._choose(below)
        drawing = section.threshold.chart.drawing
        shown = {one.key: one for one in drawing.chart.rectangles}
        assert shown.keys() == drawing.examples.keys()
        for place in range(20):
            kept, is_other = frame["confidence"] >= place / 20, frame["tag"] == OTHER
            expected = {"right": kept & right, "wrong": kept & ~right}
            if below == OTHER:
                expected |= {"right as other": ~kept & is_other, "wrong as other": ~kept & ~is_other}
            else:
                expected |= {"rejected": ~kept}
            height = 0.0
            for name, mask in expected.items():
                key = key_of(name, str(place))
                assert (key in shown) == mask.any()
                if not mask.any():
                    continue
                section.threshold.chart.pick(key)
                assert asked(section) == set(frame["id"][mask]), (below, name, place)
                assert f"{name}: {mask.sum():,} row" in shown[key].tip
                height += shown[key].top - shown[key].bottom
            assert height == pytest.approx(1)


def test_the_cheapest_has_the_fewest_wrong_answers(section: PerformanceSection, frame: pd.DataFrame) -> None:
    section.state.figures.cost = "3"
    assert "Cheapest on these rows" in section.threshold._cost.html
    section.threshold._cost.picked = {"key": "cheapest", "count": 1}

    def mistakes(at: float) -> int:
        return int((frame["predicted_tag"].where(frame["confidence"] >= at, OTHER) != frame["tag"]).sum())

    chosen = float(section.state.figures.threshold)
    assert mistakes(chosen) == min(mistakes(at) for at in (0.0, *frame["confidence"], 2.0)) < mistakes(0)
    assert "No threshold is cheaper" in section.threshold._cost.html
    assert cheapest(Coverage([0.4, 0.9], [False, False], [True, True]), 2.0, OTHER) is None


def test_the_choice_is_in_the_link_and_only_offered_where_the_run_has_the_tag(
    section: PerformanceSection, tmp_path: Path
) -> None:
    state, view = section.state, section.threshold
    url = UrlState(
        evaluation_fields(state.figures, state.runs, state.examples, lambda _run: None),
        lambda *_: None,
        lambda _: None,
    )
    assert view._choice.visible
    assert (view._below.chosen, url.search()) == (OTHER, "")
    view._below.__panel__().picked = {"key": "rejected", "count": 1}
    assert (view._below.chosen, view.below, url.search()) == ("rejected", "rejected", "?below=rejected")
    view._below.__panel__().picked = {"key": OTHER, "count": 2}
    assert (view._below.chosen, url.search()) == (OTHER, "")
    renamed = answers().replace(OTHER, "whales").rename(columns={f"probability:{OTHER}": "probability:whales"})
    without = visit(tmp_path / "others.csv", renamed)
    assert not without.threshold._choice.visible
    assert without.threshold.below == "rejected"
    assert without.threshold._message.text == ""
    without.state.figures.below = OTHER
    assert without.threshold._message.text == NO_OTHER
    assert without.threshold._cards.cards[3].label == "Rejected"


def test_a_card_that_was_clicked_while_the_slider_moved_leads_to_what_it_said(
    section: PerformanceSection, frame: pd.DataFrame
) -> None:
    section.threshold._slider.value = 0.7
    wrong = frame["predicted_tag"].where(frame["confidence"] >= 0.7, OTHER) != frame["tag"]
    card = section.threshold._cards.cards[2]
    section.threshold._slider.value = 0.9
    section.threshold._cards._buttons.picked = {"key": card.key, "count": 1}
    assert asked(section) == set(frame["id"][wrong])
    section.threshold._cards._buttons.picked = {"key": "<nonsense>", "count": 2}
    assert asked(section) == set(frame["id"][wrong])


def test_cards_without_a_key_are_no_buttons() -> None:
    heard = []
    cards = [Card("Wrong <b>", "7", "of 9", 'tag:"x"'), Card("Rejected", "0", "of 9")]
    view = MetricCards(cards=cards, on_pick=heard.append)
    assert view._buttons.html.count("<button") == 1
    assert 'data-pick="tag:&quot;x&quot;" aria-label="Wrong &lt;b&gt;: 7 of 9"' in view._buttons.html
    assert "<button" not in cards_html(cards)
    view._buttons.picked = {"key": 'tag:"x"', "count": 1}
    assert heard == ['tag:"x"']
