"""The Performance section without a browser: its figures, and that each leads to exactly the rows that pandas finds."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import param
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.evaluation.selection import NO_TAG, parse_selection
from dashboard.sections.performance.bars import MOST_BARS, choice_key, draw_bars
from dashboard.sections.performance.calibration import draw_calibration
from dashboard.sections.performance.confusion import Confused, draw_matrix
from dashboard.sections.performance.linked import key_of
from dashboard.sections.performance.scored import METRICS, of_slices, of_tags, order, tag_examples
from dashboard.sections.performance.section import PerformanceSection
from dashboard.sections.performance.threshold import cheapest, draw_coverage
from engine.evaluation.confusion import confused_order, top_confusions
from engine.evaluation.counts import count
from engine.evaluation.coverage import Coverage
from engine.runs.bundle import read_manifest, seal
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.sections.performance.linked import Drawing


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


@pytest.fixture
def section(catalogue: Catalogue) -> PerformanceSection:
    return PerformanceSection(catalogue=catalogue)


@pytest.fixture
def frame(catalogue: Catalogue) -> pd.DataFrame:
    """The judged rows of the default run, read without the engine."""
    run_id = catalogue.default_run()
    rows = pd.read_parquet(catalogue.store.open(run_id).predictions_path())
    rows = rows[rows["split"] == "test"].reset_index(drop=True)
    chances = [name for name in rows if name.startswith("probability:")]
    rows["confidence"] = rows[chances].to_numpy().max(axis=1).astype(np.float64)
    rows["id"] = rows["id"].astype(str)
    return rows


def asked(section: PerformanceSection) -> set[str]:
    """Ids of the examples that the last click asked for."""
    evaluation: Evaluation | None = section.evaluation
    assert evaluation is not None
    return set(evaluation.ids[evaluation.mask(parse_selection(section.state.examples.examples))])


def said(drawing: Drawing, key: str) -> int:
    """How many rows the tip of a key says."""
    tip = next(one.tip for one in drawing.chart.rectangles if one.key == key)
    return int(re.findall(r"([\d,]+) rows?", tip)[-1].replace(",", ""))


def all_lead_to_what_they_say(section: PerformanceSection, drawing: Drawing) -> None:
    """Each rectangle leads to as many rows as its tip says."""
    evaluation = section.evaluation
    assert evaluation is not None
    assert drawing.examples
    for key in {one.key for one in drawing.chart.rectangles} & drawing.examples.keys():
        assert said(drawing, key) == np.count_nonzero(evaluation.mask(drawing.examples[key])), key


def test_cards_have_intervals_and_the_change_against_the_run_before(section: PerformanceSection) -> None:
    cards = {card.label: card for card in (*section.overall._main.cards, *section.overall._more.cards)}
    assert list(cards) == [
        "F1", "Precision", "Recall", "Samples", "Accuracy", "Macro F1", "True tag among the first 3", "Log loss",
    ]  # fmt: skip
    report = section.evaluation.report
    assert cards["F1"].note == f"95 %: {report.weighted.f1.low:.3f} to {report.weighted.f1.high:.3f}"
    before = section.catalogue.earlier_run(section.evaluation.run_id)
    delta = section.catalogue.evaluations.pair(before, section.evaluation.run_id).comparison.overall[1]
    html = section.overall._changes.html
    assert f"{delta.change:+.3f}" in html
    assert f"{delta.low:+.3f} to {delta.high:+.3f}" in html
    assert f"(95 % interval of the change {delta.low:+.3f} to {delta.high:+.3f})" in section.overall._list.object
    assert section.overall._list.object.count("<li>") == 3


def test_fixed_and_broken_lead_to_their_rows(section: PerformanceSection, frame: pd.DataFrame) -> None:
    before = section.catalogue.earlier_run(section.evaluation.run_id)
    old = pd.read_parquet(section.catalogue.store.open(before).predictions_path())
    old = old.assign(id=old["id"].astype(str)).set_index("id").loc[frame["id"]].reset_index()
    was, now = old["tag"] == old["predicted_tag"], frame["tag"] == frame["predicted_tag"]
    for flip, mask in (("fixed", ~was & now), ("broken", was & ~now)):
        section.overall._changes.picked = {"key": flip, "count": section.state.examples.asked + 1}
        assert asked(section) == set(frame["id"][mask])
        assert f"<b>{mask.sum():,}</b>" in section.overall._changes.html


def test_damaged_figures_are_counted_anew(section: PerformanceSection, frame: pd.DataFrame) -> None:
    run_id = section.evaluation.run_id
    folder = section.catalogue.store.open(run_id).path
    (folder / "performance.json").write_text('{"overall": {"f1": 2}, "class": {}}', encoding="utf-8")
    seal(folder, read_manifest(folder))
    anew = PerformanceSection(run_id, catalogue=Catalogue(load_settings(), open_store()))
    assert "performance.json" in anew._message.text
    assert "counted anew" in anew._message.text
    cards = {card.label: card.value for card in (*anew.overall._main.cards, *anew.overall._more.cards)}
    assert cards["Accuracy"] == f"{(frame['tag'] == frame['predicted_tag']).mean():.3f}"
    assert cards["Samples"] == f"{len(frame):,}"
    assert set(anew._tags.names) == set(frame["tag"])
    assert anew.overall._list.object.count("<li>") == 3
    assert anew.confusion.chart.drawing is not None


def test_a_run_that_cannot_be_compared_says_why(section: PerformanceSection, demo_home: Path) -> None:
    first = section.catalogue.earlier_run(section.evaluation.run_id)
    section.state.selection.run_id = first
    assert not section.overall._changes.visible
    assert "no earlier run" in section.overall._list.object
    section.state.runs.against = "f" * 32
    assert "f" * 32 in section.overall._remarks.text


def test_bars_are_sorted_and_lead_to_what_they_rest_on(section: PerformanceSection, frame: pd.DataFrame) -> None:
    is_right = frame["tag"] == frame["predicted_tag"]
    masks = {
        "f1": lambda tag: (frame["tag"] == tag) | (frame["predicted_tag"] == tag),
        "precision": lambda tag: frame["predicted_tag"] == tag,
        "recall": lambda tag: frame["tag"] == tag,
        "support": lambda tag: frame["tag"] == tag,
        "name": lambda tag: (frame["tag"] == tag) | (frame["predicted_tag"] == tag),
    }
    for metric in METRICS:
        section.state.figures.bars = metric
        drawing = section._tags.chart.drawing
        all_lead_to_what_they_say(section, drawing)
        all_lead_to_what_they_say(section, section._slices.chart.drawing)
        for tag in frame["tag"].unique():
            section._tags.chart.pick(key_of("examples", tag, metric))
            assert asked(section) == set(frame["id"][masks[metric](tag)])
        names = list(drawing.chart.rows.values())
        support = frame["tag"].value_counts()
        recall = is_right.groupby(frame["tag"]).mean()
        expected = {"name": sorted(names), "support": list(support.index), "recall": list(recall.sort_values().index)}
        if metric in ("name", "recall"):
            assert names == expected[metric]
    kinds = (("tp", is_right), ("fp", ~is_right), ("fn", ~is_right))
    for kind, mask in kinds:
        section.state.selection.tag = "mlops"
        section._tags._kinds.picked = {"key": kind, "count": section.state.examples.asked + 1}
        column = "tag" if kind != "fp" else "predicted_tag"
        assert asked(section) == set(frame["id"][mask & (frame[column] == "mlops")])
    section._tags.chart.pick(choice_key("time-series"))
    assert section.state.selection.tag == "time-series"
    assert section._tags.select.value == "time-series"


def test_the_selected_part_has_its_interval_on_its_cards(section: PerformanceSection) -> None:
    section.state.selection.tag = "mlops"
    scores = section.evaluation.report.tags["mlops"]
    html = dict(section._tags._cards.choices)[section._tags._cards.chosen]
    assert f"{scores.f1.low:.3f} to {scores.f1.high:.3f}" in html


def test_each_cell_and_confusion_leads_to_its_rows(section: PerformanceSection, frame: pd.DataFrame) -> None:
    for kind in ("rates", "counts"):
        section.state.figures.confusion = kind
        all_lead_to_what_they_say(section, section.confusion.chart.drawing)
    pairs = frame.groupby(["tag", "predicted_tag"])["id"].agg(set)
    for (true, predicted), ids in pairs.items():
        section.confusion.chart.pick(key_of("cell", true, predicted))
        assert asked(section) == ids
    wrong = pairs[[true != predicted for true, predicted in pairs.index]].map(len)
    section.confusion._list.picked = {"key": "0", "count": 1}
    assert len(asked(section)) == wrong.max()


@pytest.mark.parametrize("size", [50, 90])
def test_a_matrix_of_many_tags_is_drawn_whole(size: int) -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, size, 20_000)
    said_code = np.where(rng.random(20_000) < 0.7, true, rng.integers(0, size + 1, 20_000))
    counts = count(true, said_code, [f"tag {place}" for place in range(size)])
    found = Confused(counts, confused_order(counts.cells).tolist(), top_confusions(counts, 5))
    chart = draw_matrix(found, "rates", dark=False)
    cells = {one.key for one in chart.chart.rectangles}
    assert len(cells) == np.count_nonzero(counts.cells)
    assert chart.chart.pixels < 40 * size
    assert any(one.predicted == NO_TAG for one in chart.examples.values())


def test_threshold_and_cost_tell_what_is_answered(section: PerformanceSection, frame: pd.DataFrame) -> None:
    right = frame["tag"] == frame["predicted_tag"]
    for text in ("", "0.5", "0.83"):
        section.state.figures.threshold = text
        answered = frame["confidence"] >= float(text or 0)
        cards = {card.label: card for card in section.threshold._cards.cards}
        assert cards["Coverage"].value == f"{answered.mean():.1%}"
        assert cards["Right of these"].value == f"{right[answered].mean():.1%}"
        assert cards["Wrong answers"].value == f"{(answered & ~right).sum():,}"
        assert section.threshold._slider.value == float(text or 0)
    drawing = section.threshold.chart.drawing
    all_lead_to_what_they_say(section, drawing)
    section.threshold.chart.pick(key_of("wrong", "10"))
    assert asked(section) == set(frame["id"][~right & (frame["confidence"] >= 0.5)])
    section.threshold.chart.pick(key_of("rejected", "10"))
    assert asked(section) == set(frame["id"][frame["confidence"] < 0.5])
    section.threshold._cost.entered = {"values": {"cost": "5"}, "count": 1}
    assert section.state.figures.cost == "5"
    section.threshold._cost.picked = {"key": "cheapest", "count": 1}
    chosen = float(section.state.figures.threshold)
    costs = [
        (frame["confidence"] < at).sum() + 5 * (~right & (frame["confidence"] >= at)).sum()
        for at in (0.0, *frame["confidence"], chosen)
    ]
    assert costs[-1] == min(costs)
    assert len(section.state.figures.threshold) < 8


def test_the_slider_is_kept_when_it_is_let_go(section: PerformanceSection) -> None:
    section.threshold._slider.value = 0.4
    assert section.state.figures.threshold == ""
    assert section.threshold._cards.cards[3].value == f"{section.evaluation.coverage.at([0.4])[0].rejected:,}"
    with param.edit_constant(section.threshold._slider):
        section.threshold._slider.value_throttled = 0.4
    assert section.state.figures.threshold == "0.4"


def test_the_cheapest_threshold_rejects_the_same_rows_in_few_digits() -> None:
    rng = np.random.default_rng(0)
    for ratio in (0.5, 2.0, 30.0):
        confidence = rng.uniform(0.001, 1, 300).astype(np.float32)
        curve = Coverage(confidence, rng.random(300) < confidence)
        best, text = curve.cheapest(ratio, 1.0), cheapest(curve, ratio)
        assert curve.at([float(text or 0)])[0].rejected == best.rejected
    assert cheapest(Coverage(np.array([0.4, 0.5]), np.array([False, False])), 9.0) is None
    assert cheapest(Coverage(np.zeros(0), np.zeros(0, bool)), 9.0) in ("", None)
    assert draw_coverage(Coverage(np.zeros(0), np.zeros(0, bool)), 0.5, dark=True).chart.rectangles == ()


def test_each_bin_of_the_reliability_curve_leads_to_its_rows(section: PerformanceSection, frame: pd.DataFrame) -> None:
    drawing = section.calibration.chart.drawing
    all_lead_to_what_they_say(section, drawing)
    bins = pd.cut(frame["confidence"], np.linspace(0, 1, 11), include_lowest=True, labels=False)
    for place, ids in frame.groupby(bins)["id"]:
        section.calibration.chart.pick(key_of(str(int(place)), "10"))
        assert asked(section) == set(ids)
    ece = section.evaluation.calibration.ece
    assert f"{ece.low:.3f} to {ece.high:.3f}" in section.calibration._sentence.object
    assert draw_calibration(section.evaluation.calibration, dark=True).chart.rows is not None


def test_more_tags_than_a_chart_can_show_are_said(section: PerformanceSection) -> None:
    parts = of_tags(section.evaluation)
    many = {f"{tag} {place}": part for place in range(20) for tag, part in parts.items()}
    section._tags.fill(many, "")
    section._tags.show("")
    assert f"The first {MOST_BARS} of {len(many):,}" in section._tags.chart.caption._remark
    assert len(draw_bars(many, "f1", "", False, tag_examples).chart.rows) == MOST_BARS
    for place, name in enumerate(order(many, "f1")):
        rows = draw_bars(many, "f1", name, False, tag_examples).chart.row_keys
        assert choice_key(name) in rows
        assert len(rows) == MOST_BARS + (place >= MOST_BARS)
    assert set(order(parts, "support")) == set(parts)


def test_weak_slices_are_looked_for_and_lead_to_their_rows(
    section: PerformanceSection, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, evaluation = section.weak_slices, section.evaluation
    assert "Look for weak slices" in view._content.html
    from engine.evaluation import weak_slices as engine

    real = engine.weak_slices
    # On 136 rows nothing is certain enough: here every error rate above the usual one counts.
    monkeypatch.setattr(engine, "weak_slices", lambda *args, **options: real(*args, **{**options, "alpha": 1e9}))
    view._content.picked = {"key": "start", "count": 1}
    found = evaluation.weak.value
    assert found.found
    for place, one in enumerate(found.found):
        view._content.picked = {"key": f"rows:{place}", "count": 2 * place + 2}
        assert asked(section) == set(evaluation.ids[one.positions])
        view._content.picked = {"key": f"wrong:{place}", "count": 2 * place + 3}
        assert len(asked(section)) == one.errors


def test_slices_are_micro_averages_also_where_answers_are_no_tags(section: PerformanceSection) -> None:
    slices, problems = of_slices(section.evaluation)
    assert problems == []
    shares = section.evaluation.slice_shares()
    assert {name: part.scores.f1 for name, part in slices.items()} == shares
    assert {name: part.right + part.false_negatives for name, part in slices.items()} == {
        name: share.n for name, share in shares.items()
    }


def test_a_run_without_predictions_keeps_its_figures_and_says_what_is_missing(demo_home: Path) -> None:
    store = open_store()
    folder = store.open(Catalogue(load_settings(), store).default_run()).path
    (folder / "predictions.parquet").unlink()
    seal(folder, read_manifest(folder))
    catalogue = Catalogue(load_settings(), open_store())
    section = PerformanceSection(catalogue=catalogue)
    performance = catalogue.report(catalogue.default_run()).performance
    assert section.overall._main.cards[0].value == f"{performance.overall.f1:.3f}"
    assert "figures of performance.json only" in section._missing.text
    assert section.evaluation is None
    assert not section.confusion.__panel__().visible
    assert section._tags.chart.drawing.examples == {}


def test_a_run_without_probabilities_says_so_where_they_are_needed(demo_home: Path) -> None:
    store = open_store()
    folder = store.open(Catalogue(load_settings(), store).default_run()).path
    path = folder / "predictions.parquet"
    rows = pd.read_parquet(path)
    rows.drop(columns=[name for name in rows if name.startswith("probability:")]).to_parquet(path)
    seal(folder, read_manifest(folder))
    section = PerformanceSection(catalogue=Catalogue(load_settings(), open_store()))
    assert "no probabilities" in section.threshold._message.text
    assert "no probabilities" in section.calibration._message.text
    assert len(section.overall._more.cards) == 2
    assert section.confusion.chart.drawing is not None


def test_a_run_whose_data_set_is_gone_has_figures_but_no_slices(demo_home: Path) -> None:
    shutil.rmtree(demo_home / "data" / "datasets")
    section = PerformanceSection(catalogue=Catalogue(load_settings(), open_store()))
    assert "no texts and no slices" in section._missing.text
    assert section.confusion.chart.drawing is not None
    # Those of performance.json are there, but lead nowhere.
    assert section._slices.names
    assert section._slices.chart.drawing.examples == {}
    section.weak_slices.start()
    assert "data set" in section.weak_slices._message.text
