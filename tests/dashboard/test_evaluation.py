"""A run's evaluation: its figures are those of performance.json, and each selection means exactly its rows."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.evaluation.comparison import pair_of
from dashboard.evaluation.evaluation import Evaluation
from dashboard.evaluation.history import history_of, reference_for
from dashboard.evaluation.selection import NO_TAG, WRONG, ExampleSelection, SelectionError, Span, weak_name
from engine.errors import TagscopeError
from engine.evaluation.answers import Answers
from engine.evaluation.declared_slices import DeclaredSlice, WordRange
from engine.evaluation.slices import slice_masks
from engine.evaluation.slices_file import save_slice, slices_path
from engine.runs.bundle import read_manifest, seal
from engine.runs.store import open_store
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABELS = ("a", "b", "c")
RUN_IDS = ("0" * 32, "1" * 32, "2" * 32)


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


class Runs:
    """Runs that answer at random, on overlapping rows of one data set."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        size = int(rng.integers(1, 60))
        true = rng.choice(["a", "b", "c", "unknown"], size, p=[0.4, 0.3, 0.25, 0.05])
        self.frames, self.runs = {}, {}
        for run_id in RUN_IDS:
            probabilities = rng.dirichlet([0.3] * 3, size).astype(np.float32)
            said = np.array(LABELS, object)[probabilities.argmax(axis=1)]
            said[rng.random(size) < 0.05] = "strange"
            there = rng.random(size) < 0.9
            there[0] = True
            ids = np.array([f"row {place}" for place in range(size)], object)
            frame = pd.DataFrame({"id": ids, "true": true.astype(object), "said": said})
            places = np.flatnonzero(there) if run_id == RUN_IDS[0] else rng.permutation(np.flatnonzero(there))
            frame = frame.iloc[places].reset_index(drop=True)
            matrix = probabilities[places]
            known = frame["said"].isin(LABELS).to_numpy()
            codes = pd.Index(LABELS).get_indexer(frame["said"])
            frame["confidence"] = np.where(known, matrix[np.arange(len(frame)), codes], np.float32(0))
            self.frames[run_id] = frame
            answers = Answers.of(
                run_id, frame["id"], frame["true"], frame["said"], LABELS, created=run_id, labelled=run_id
            )
            bundle = SimpleNamespace(run_id=run_id, manifest=SimpleNamespace(dataset=SimpleNamespace(digest="gone")))
            self.runs[run_id] = Evaluation(bundle, None, answers, self, lambda matrix=matrix: matrix, None)

    def get(self, run_id: str) -> Evaluation:
        return self.runs[run_id]

    def moved(self, before: str, after: str) -> dict[str, float]:
        """By how much the probability of the true tag changed, by id; those that both runs were judged on."""
        chances = []
        for run_id in (before, after):
            frame, matrix = self.frames[run_id], self.runs[run_id].probabilities()
            known = zip(frame["id"], frame["true"], matrix, strict=True)
            chances.append({name: row[LABELS.index(tag)] for name, tag, row in known if tag in LABELS})
        return {name: chances[1][name] - chances[0][name] for name in chances[0].keys() & chances[1].keys()}

    def pair(self, before: str, after: str):
        return pair_of(self.runs[before], self.runs[after], {})

    def history(self, runs, order: str | None = "time", reference: str = ""):
        return history_of([self.runs[run_id] for run_id in runs], order, {}, {}, self.runs.get(reference))

    def reference(self, runs, shown: str, base: str = "") -> str:
        return reference_for([self.runs[run_id] for run_id in runs], self.runs[shown], self.runs.get(base), {})

    def relatives(self, _run_id: str) -> tuple[str, ...]:
        return RUN_IDS

    def ids(self, selection: ExampleSelection, run_id: str = RUN_IDS[-1]) -> set[str]:
        run = self.runs[run_id]
        return set(run.ids[run.mask(selection)])


SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_selections_mean_the_rows_that_pandas_finds(seed: int) -> None:
    runs = Runs(seed)
    run, frame = runs.runs[RUN_IDS[-1]], runs.frames[RUN_IDS[-1]]
    right = frame["true"] == frame["said"]
    for tag in run.tags:
        is_true, is_said = frame["true"] == tag, frame["said"] == tag
        for kind, mask in (("tp", is_true & is_said), ("fp", is_said & ~is_true), ("fn", is_true & ~is_said)):
            assert runs.ids(ExampleSelection(outcome=kind, tag=tag)) == set(frame["id"][mask])
        assert runs.ids(ExampleSelection(tag=tag)) == set(frame["id"][is_true | is_said])
        for other in (*run.tags, NO_TAG):
            said = ~frame["said"].isin(run.tags) if other == NO_TAG else frame["said"] == other
            cell = runs.ids(ExampleSelection(true=tag, predicted=other))
            assert cell == set(frame["id"][is_true & said])
            column = [*run.tags, NO_TAG].index(other)
            assert len(cell) == run.counts.cells[run.tags.index(tag), column]
    assert runs.ids(WRONG) == set(frame["id"][~right])
    assert runs.ids(ExampleSelection(outcome="correct")) == set(frame["id"][right])
    sure = ExampleSelection(outcome="confidently wrong")
    assert runs.ids(sure) == set(frame["id"][~right & (frame["confidence"] >= np.float32(0.9))])
    # The bins of the reliability curve and both sides of a threshold, each with its rows.
    for place, one in enumerate(run.calibration.bins):
        span = Span(one.start, one.end, above=place > 0)
        assert len(runs.ids(ExampleSelection(confidence=span))) == one.accuracy.n
    at = run.coverage.at([0.7])[0]
    assert len(runs.ids(ExampleSelection(confidence=Span(0.7, 1.0)))) == at.answered
    assert len(runs.ids(ExampleSelection(outcome="wrong", confidence=Span(0.7, 1.0)))) == at.wrong
    assert len(runs.ids(ExampleSelection(confidence=Span(0.0, 0.7, below=True)))) == at.rejected


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_flips_mean_the_rows_that_pandas_finds(seed: int) -> None:
    runs = Runs(seed)
    before, after = RUN_IDS[:2]
    pair = runs.pair(before, after)
    both = runs.frames[before].merge(runs.frames[after], on="id", suffixes=("_0", "_1"))
    both = both[both["true_1"].isin(LABELS)]
    was, now = (both[f"true_{at}"] == both[f"said_{at}"] for at in (0, 1))

    def found(**values: str) -> set[str]:
        return runs.ids(ExampleSelection(against=before, **values), after)

    if pair.comparison is None:
        with pytest.raises(SelectionError, match="cannot be compared"):
            found(flip="fixed")
        return
    assert found(flip="fixed") == set(both["id"][~was & now])
    assert found(flip="broken") == set(both["id"][was & ~now])
    assert found(flip="both right") == set(both["id"][was & now])
    assert found(flip="both wrong") == set(both["id"][~was & ~now])
    moved = runs.moved(before, after)
    for flip in ("fixed", "broken"):
        chosen = ExampleSelection(flip=flip, against=before)
        ids = [str(runs.runs[after].ids[row]) for row in runs.runs[after].positions(chosen, "moved")]
        assert set(ids) == found(flip=flip)
        assert (np.diff([abs(moved[name]) for name in ids]) <= 0).all()
    for delta in pair.comparison.tags:
        has, said = both["true_1"] == delta.name, [both[f"said_{at}"] == delta.name for at in (0, 1)]
        fixed, broken = found(flip="fixed", tag=delta.name), found(flip="broken", tag=delta.name)
        assert fixed == set(both["id"][(said[0] != has) & (said[1] == has)])
        assert (len(fixed), len(broken)) == (delta.improved, delta.regressed)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_courses_and_patterns_mean_their_examples(seed: int) -> None:
    runs = Runs(seed)
    history = runs.history(RUN_IDS)
    for course, count in history.flips.counts().items():
        found = runs.ids(ExampleSelection(course=course), history.reference)
        assert len(found) == count
        # Another run has those of them that it was judged on.
        other = runs.runs[RUN_IDS[0]]
        meant = ExampleSelection(course=course, by=history.reference)
        assert runs.ids(meant, RUN_IDS[0]) == found & set(other.ids)
    patterns, counts = history.flips.patterns()
    for pattern, count in zip(patterns, counts, strict=True):
        text = "".join("01-"[answer] for answer in pattern)
        assert len(runs.ids(ExampleSelection(pattern=text), history.reference)) == count
    with pytest.raises(SelectionError, match="of 5 runs"):
        runs.ids(ExampleSelection(pattern="11111"))


def test_conditions_hold_together_and_orders_put_first_what_they_say() -> None:
    runs = Runs(5)
    run = runs.runs[RUN_IDS[-1]]
    both = runs.ids(ExampleSelection(outcome="wrong", true="a", confidence=Span(0.5, 1.0)))
    assert both == runs.ids(WRONG) & runs.ids(ExampleSelection(true="a")) & runs.ids(
        ExampleSelection(confidence=Span(0.5, 1.0))
    )
    confidence = run.confidence[run.positions(WRONG, "confident")]
    assert (np.diff(confidence) <= 0).all()
    assert sorted(run.positions(WRONG, "surprised")) == run.positions(WRONG).tolist()
    assert run.chances is not None
    assert (np.diff(run.chances.truth[run.positions(WRONG, "surprised")]) >= 0).all()
    with pytest.raises(SelectionError, match="order “size”"):
        run.positions(WRONG, "size")


def test_an_example_has_its_five_best_tags() -> None:
    runs = Runs(7)
    run = runs.runs[RUN_IDS[-1]]
    matrix = run.probabilities()
    for example in run.examples(range(run.rows)):
        best = np.argsort(-matrix[example.row], kind="stable")[:5]
        assert example.top == tuple((LABELS[code], float(matrix[example.row, code])) for code in best)
        assert example.id == run.ids[example.row]
        assert example.text is None
        assert example.predicted == runs.frames[RUN_IDS[-1]]["said"][example.row]


def test_figures_are_those_of_performance_json(catalogue: Catalogue) -> None:
    for entry in catalogue.runs():
        run, judged = catalogue.evaluations.get(entry.run_id), catalogue.report(entry.run_id).performance
        assert run.rows == judged.overall.num_samples
        overall = run.report.weighted
        assert [overall.precision.value, overall.recall.value, overall.f1.value] == pytest.approx(
            [judged.overall.precision, judged.overall.recall, judged.overall.f1]
        )
        assert {tag: scores.support for tag, scores in run.report.tags.items()} == {
            tag: score.num_samples for tag, score in judged.classes.items()
        }
        assert {tag: scores.f1.value for tag, scores in run.report.tags.items()} == pytest.approx(
            {tag: score.f1 for tag, score in judged.classes.items()}
        )
        assert {name: (share.value, share.n) for name, share in run.slice_shares().items()} == {
            name: (pytest.approx(score.f1), score.num_samples) for name, score in judged.slices.items()
        }


def test_it_is_made_once_and_ids_are_shared(catalogue: Catalogue) -> None:
    first, second, third = (entry.run_id for entry in catalogue.runs())
    evaluations = catalogue.evaluations
    assert evaluations.kept(first) is None
    assert evaluations.get(first) is evaluations.get(first) is evaluations.kept(first)
    assert evaluations.pair(second, first) is evaluations.pair(second, first)
    assert evaluations.history([first, second]) is evaluations.history([second, first])
    one, other = (evaluations.get(run_id) for run_id in (second, third))
    assert one.manifest.dataset == other.manifest.dataset
    assert all(mine is yours for mine, yours in zip(one.ids, other.ids, strict=True))


def test_a_slice_that_was_saved_is_there_at_once_and_one_that_fails_spoils_no_other(
    catalogue: Catalogue, home: Path
) -> None:
    run_id = catalogue.default_run()
    run = catalogue.evaluations.get(run_id)
    before = run.slice_names
    earlier = next(entry.run_id for entry in catalogue.runs() if entry.run_id != run_id)
    pair = catalogue.evaluations.pair(earlier, run_id)
    save_slice("long ones", DeclaredSlice(words=WordRange(least=20)))
    assert run.slice_names == (*before, "long ones")
    rows = run.positions(ExampleSelection(slice_name="long ones"))
    assert rows.tolist() == np.flatnonzero(run.slice_mask("long ones")).tolist()
    assert all(len(text.split()) > 10 for text in run.texts(rows))
    assert run.slice_report("long ones").rows == len(rows) == run.slice_shares()["long ones"].n
    assert [one.name for one in catalogue.evaluations.pair(earlier, run_id).comparison.slices] == [*before, "long ones"]
    assert [one.name for one in pair.comparison.slices] == [*before]
    with pytest.raises(SelectionError, match="no slice “short ones”"):
        run.mask(ExampleSelection(slice_name="short ones"))


def test_runs_on_the_same_rows_share_their_slices_and_others_do_not(catalogue: Catalogue) -> None:
    runs = [catalogue.evaluations.get(entry.run_id) for entry in catalogue.runs()]
    for one in runs:
        for other in runs:
            same = [(run.ids.tolist(), [run.tags[code] for code in run.true]) for run in (one, other)]
            assert (one.slices is other.slices) == (same[0] == same[1])
    assert len({id(run.slices) for run in runs}) == 2


def test_a_change_of_the_file_costs_only_the_slices_that_changed(
    catalogue: Catalogue, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def masks(frame: pd.DataFrame, slices: dict[str, object]) -> dict[str, np.ndarray]:
        asked.extend(slices)
        return slice_masks(frame, slices)

    monkeypatch.setattr("dashboard.evaluation.rows.slice_masks", masks)
    run = catalogue.evaluations.get(catalogue.default_run())
    save_slice("long", DeclaredSlice(words=WordRange(least=20)))
    before = {name: mask.copy() for name, mask in run.slices.masks.items()}
    assert asked == ["nlp_cnn", "short_text", "long"] == list(before)
    save_slice("short", DeclaredSlice(words=WordRange(most=19)))
    assert (run.slice_mask("short") == ~run.slice_mask("long")).all()
    assert asked[3:] == ["short"]
    # By hand, in an editor that keeps the size and the time of the file.
    file = slices_path()
    times = file.stat()
    file.write_text(file.read_text().replace("20", "30").replace("19", "29"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (run.slice_mask("short") == ~run.slice_mask("long")).all()
    assert run.slice_mask("long").sum() < before["long"].sum()
    assert asked[4:] == ["long", "short"]
    assert (run.slice_mask("nlp_cnn") == before["nlp_cnn"]).all()
    # A mistake is a sentence and not the end of the others.
    file.write_text(file.read_text() + "[slice.broken]\ncolour = 3\n")
    with pytest.raises(TagscopeError, match='"broken" has the unknown field "colour"'):
        run.slice_mask("long")
    file.unlink()
    assert run.slice_names == ("nlp_cnn", "short_text")


def test_weak_slices_are_found_once_and_chosen_by_their_names(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = catalogue.evaluations.get(catalogue.default_run())
    # All of a common word wrong: that is weak.
    mask = np.array(["model" in words_of(text) for text in run.texts(np.arange(run.rows))])
    monkeypatch.setattr(run, "predicted", np.where(mask, (run.true + 1) % len(run.tags), run.true))
    name = weak_name(['with the word "model"'])
    assert run.needs(ExampleSelection(weak=name)) is run.weak
    rows = run.positions(ExampleSelection(weak=name))
    assert run.needs(ExampleSelection(weak=name)) is None
    assert mask[rows].all()
    assert len(rows) >= 15
    with pytest.raises(SelectionError, match="No weak slice"):
        run.mask(ExampleSelection(weak="about nothing"))


def rewrite(home: Path, run_id: str, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    """Change a run's predictions and seal it anew; None takes them out."""
    folder = home / "data" / "runs" / run_id
    path = folder / "predictions.parquet"
    frame = change(pd.read_parquet(path))
    path.unlink() if frame is None else frame.to_parquet(path, index=False)
    seal(folder, read_manifest(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: None, "has no predictions.parquet"),
        (lambda frame: frame.drop(columns="tag"), "column tag is missing"),
        (lambda frame: frame.drop(columns=frame.columns[-1]), "is missing"),
        (lambda frame: frame.assign(id="x" + frame["id"]), "none of its"),
        (lambda frame: frame.assign(split="train"), "judged on nothing"),
        (lambda frame: frame.assign(tag=None), "judged on nothing"),
        (lambda frame: pd.concat([frame, frame.head(1)]), "two predictions"),
    ],
)
def test_what_is_broken_is_one_sentence_and_the_other_runs_work(
    demo_home: Path, change: Callable[[pd.DataFrame], pd.DataFrame | None], words: str
) -> None:
    catalogue = Catalogue(load_settings(), open_store())
    broken, *others = [entry.run_id for entry in catalogue.runs()]
    rewrite(demo_home, broken, change)
    catalogue = Catalogue(load_settings(), open_store())
    with pytest.raises(TagscopeError, match=words):
        catalogue.evaluations.get(broken)
    history = catalogue.evaluations.history([broken, *others])
    assert words in history.left_out[broken]
    assert [point.run_id for point in history.points] == others[::-1]
    with pytest.raises(TagscopeError, match=words):
        catalogue.evaluations.pair(others[0], broken)


def test_another_schema_version_is_one_sentence(demo_home: Path, catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    path = demo_home / "data" / "runs" / run_id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(TagscopeError, match="schema version 2"):
        catalogue.evaluations.get(run_id)


def test_rows_that_cannot_be_judged_are_left_out_and_said(demo_home: Path) -> None:
    run_id = Catalogue(load_settings(), open_store()).default_run()

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        test = frame.index[frame["split"] == "test"]
        frame.loc[test[0], "id"] = "a stranger"
        frame.loc[test[1], "tag"] = None
        frame.loc[test[2], "predicted_tag"] = "strange"
        return frame

    rewrite(demo_home, run_id, change)
    run = Catalogue(load_settings(), open_store()).evaluations.get(run_id)
    assert run.rows == 134
    assert [any(word in remark for remark in run.remarks) for word in ("a stranger", "without a true", "strange")] == [
        True
    ] * 3
    found = run.positions(ExampleSelection(predicted=NO_TAG))
    assert [example.predicted for example in run.examples(found)] == ["strange"]


def test_without_probabilities_the_rest_works(demo_home: Path) -> None:
    run_id = Catalogue(load_settings(), open_store()).default_run()
    rewrite(demo_home, run_id, lambda frame: frame[["id", "split", "tag", "predicted_tag"]])
    run = Catalogue(load_settings(), open_store()).evaluations.get(run_id)
    assert run.chances is None
    assert 0 < len(run.positions(WRONG)) < run.rows
    assert run.examples([0])[0].confidence is None
    for ask in (
        lambda: run.confidence,
        lambda: run.coverage,
        lambda: run.calibration,
        run.probabilities,
        lambda: run.mask(ExampleSelection(confidence=Span(0.5, 1.0))),
        lambda: run.mask(ExampleSelection(outcome="nearly right")),
        lambda: run.positions(WRONG, "unsure"),
    ):
        with pytest.raises(TagscopeError, match="has no probabilities"):
            ask()


def test_without_its_data_set_a_run_has_figures_and_no_texts(demo_home: Path, catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    whole = catalogue.evaluations.get(run_id)
    folder = demo_home / "data" / "datasets" / whole.manifest.dataset.digest
    shutil.move(folder, demo_home / "elsewhere")
    bare = Catalogue(load_settings(), open_store())
    run = bare.evaluations.get(run_id)
    assert run.report == whole.report
    assert run.slice_names == ()
    assert run.examples([0])[0].text is None
    assert "no texts" in run.remarks[-1]
    assert run.weak.start().wait() is None
    assert "not here" in run.weak.status.sentence
    with pytest.raises(TagscopeError, match="not here"):
        run.mask(ExampleSelection(slice_name="short_text"))
    # As soon as it is here again it is used.
    shutil.move(demo_home / "elsewhere", folder)
    assert bare.evaluations.get(run_id).slice_names == whole.slice_names
