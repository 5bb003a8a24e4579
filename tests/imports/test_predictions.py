"""Tables of predictions: everything but inference works on the run that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from config.settings import get_settings, load_settings
from dashboard.catalogue import Catalogue
from dashboard.report import SEEN_UNKNOWN
from dashboard.sections.compare.section import NO_OTHER, CompareSection
from engine.dataset.fields import Fields
from engine.errors import TagscopeError
from engine.exploration.filter import Filter
from engine.inference.predictor import get_predictor
from engine.pipeline.evaluate import evaluate
from engine.pipeline.imports.predictions import PredictionColumns, import_predictions
from engine.pipeline.rows import load_rows
from engine.runs.predictions import probability_matrix, read_predictions
from engine.runs.store import open_store

from . import made

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FIELDS = Fields(text=("text",))


def table() -> pd.DataFrame:
    """The rows, one in seven of them taken for music."""
    frame = made.rows()
    frame["predicted_tag"] = frame["tag"].where(np.arange(len(frame)) % 7 > 0, "music")
    return frame


def with_probabilities() -> pd.DataFrame:
    frame = table()
    for tag in made.LABELS:
        frame[f"probability:{tag}"] = np.where(frame["predicted_tag"] == tag, 0.8, 0.1)
    return frame


def write(folder: Path, frame: pd.DataFrame, name: str = "answers.csv") -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["answers.csv", "answers.parquet"])
def test_the_figures_are_those_of_the_predictions(home: Path, tmp_path: Path, name: str) -> None:
    result = import_predictions(write(tmp_path, table(), name), FIELDS)
    frame = table()
    assert result.performance["overall"]["f1"] == pytest.approx(
        f1_score(frame["tag"], frame["predicted_tag"], average="weighted")
    )
    bundle = open_store().open(result.manifest.run_id)
    assert sorted(bundle.manifest.files) == ["performance.json", "predictions.parquet"]
    assert bundle.manifest.model_digest == ""
    kept = read_predictions(bundle)
    assert list(kept.columns) == ["id", "split", "tag", "predicted_tag"]
    assert list(kept["predicted_tag"]) == list(frame["predicted_tag"])
    assert str(tmp_path) not in (bundle.path / "run.json").read_text()


def test_the_data_set_is_that_of_any_other_run_on_these_rows(home: Path, tmp_path: Path) -> None:
    result = import_predictions(write(tmp_path, table(), "answers.parquet"), FIELDS)
    rows = load_rows(made.write_rows(tmp_path), FIELDS, made.LABELS)
    assert result.manifest.dataset.digest == rows.dataset.digest
    assert [path.name for path in get_settings().datasets_dir.iterdir()] == [rows.dataset.digest]


@pytest.mark.parametrize("name", ["answers.csv", "answers.parquet"])
def test_probabilities_are_kept_and_can_speak_alone(home: Path, tmp_path: Path, name: str) -> None:
    given = import_predictions(write(tmp_path, with_probabilities(), name), FIELDS)
    alone = import_predictions(write(tmp_path, with_probabilities().drop(columns="predicted_tag"), name), FIELDS)
    assert alone.performance["overall"] == given.performance["overall"]
    kept = read_predictions(open_store().open(alone.manifest.run_id))
    matrix = probability_matrix(kept, alone.manifest.labels)
    assert matrix.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-6)
    assert list(np.asarray(made.LABELS)[matrix.argmax(axis=1)]) == list(table()["predicted_tag"])


def test_what_rounding_moved_beyond_one_is_one(home: Path, tmp_path: Path) -> None:
    frame = with_probabilities()
    first, *others = (f"probability:{tag}" for tag in made.LABELS)
    frame.loc[0, [first, *others]] = [1.0000002, -0.0000002, *[0.0] * (len(others) - 1)]
    kept = read_predictions(open_store().open(import_predictions(write(tmp_path, frame), FIELDS).manifest.run_id))
    assert kept.loc[0, [first, *others]].tolist() == [1.0, *[0.0] * len(others)]


def test_columns_have_any_name_and_rows_without_a_tag_are_left_out(home: Path, tmp_path: Path) -> None:
    frame = with_probabilities().rename(columns={"tag": "truth", "predicted_tag": "guess", "id": "key"})
    frame = frame.rename(columns=lambda name: name.replace("probability:", "p_"))
    frame["set"] = np.where(np.arange(len(frame)) < 30, "Train", "test")
    frame.loc[3, "truth"] = ""
    frame.loc[4, "text"] = "two\nlines, and a comma"
    result = import_predictions(
        write(tmp_path, frame),
        Fields(text=("text",), label="truth", id="key"),
        PredictionColumns(predicted="guess", split="set", probability="p_"),
    )
    assert result.performance["overall"]["num_samples"] == 60
    assert list(result.left_out["id"]) == ["r3"]
    kept = read_predictions(open_store().open(result.manifest.run_id)).set_index("id")
    assert list(kept["predicted_tag"]) == list(frame.drop(index=3)["guess"])
    assert kept.loc["r4", "split"] == "train"
    assert "trained_elsewhere" not in result.manifest.parameters["training"]


def test_a_tag_that_was_only_predicted_is_one_of_the_labels(home: Path, tmp_path: Path) -> None:
    frame = table().assign(predicted_tag=lambda rows: rows["predicted_tag"].replace("music", "noise"))
    result = import_predictions(write(tmp_path, frame), FIELDS)
    assert result.manifest.labels == ("animals", "machines", "music", "noise")
    assert result.performance["class"]["music"]["recall"] == 0


def test_imports_of_the_same_rows_are_offered_to_each_other_whatever_their_files_are_called(
    home: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("first.csv", "second.csv", "others.csv")]
    wrong = table().assign(predicted_tag=lambda rows: rows["predicted_tag"].replace("music", "machines"))
    other = table().assign(text=lambda rows: "other " + rows["text"])
    for file, frame in zip(files, (wrong, table(), other), strict=True):
        frame.to_csv(file, index=False)
    first, second, others = (import_predictions(file, FIELDS).manifest for file in files)
    assert first.dataset.digest == second.dataset.digest
    assert first.dataset.name != second.dataset.name
    catalogue = Catalogue(load_settings(), open_store())
    for run in (first, second):
        assert {entry.run_id for entry in catalogue.relatives(run.run_id)} == {first.run_id, second.run_id}
    assert catalogue.earlier_run(second.run_id) == first.run_id
    assert catalogue.earlier_run(others.run_id) == ""
    section = CompareSection(second.run_id, catalogue=catalogue)
    assert section._before == first.run_id
    assert list(section._run.options.values()) == [first.run_id]
    assert section._pair_place.visible
    alone = CompareSection(others.run_id, catalogue=catalogue)
    assert alone._problem.text == NO_OTHER
    # What it advises is there.
    assert all(command in NO_OTHER for command in ("`tagscope train --data FILE --parent RUN`", "`tagscope import`"))


def test_it_is_shown_and_says_that_it_has_no_model(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path, table())
    run_id = import_predictions(path, FIELDS).manifest.run_id
    catalogue = Catalogue(load_settings(), open_store())
    assert catalogue.default_run() == catalogue.answering_run() == run_id
    explorer = catalogue.samples(run_id).explorer
    music = explorer.select(Filter(tags=("music",)))
    assert set(explorer.page(music, size=1_000)["split"]) == {"test"}
    report = catalogue.report(run_id)
    assert report.remarks == (SEEN_UNKNOWN,)
    assert len(report.sentences) == 3
    bundle = open_store().open(run_id)
    for ask in (
        lambda: get_predictor().predict(["the whale"], run_id),
        lambda: evaluate(bundle, path),
        lambda: open_store().promote(run_id),
    ):
        with pytest.raises(TagscopeError, match="has no model to answer with; choose a run that has one"):
            ask()
    assert open_store().promoted() is None


def changed(column: str, value: Any) -> pd.DataFrame:
    frame = with_probabilities().astype({column: object})
    frame.loc[5, column] = value
    return frame


REFUSED: dict[str, tuple[pd.DataFrame, str]] = {
    "no predictions": (made.rows(), '"predicted_tag" and none that begins with "probability:".*--predicted'),
    "an empty prediction": (changed("predicted_tag", ""), 'line 7: "predicted_tag" has no predicted tag'),
    "a word as probability": (changed("probability:music", "{much}"), 'line 7: .*has "{much}", which is no prob'),
    "above one": (changed("probability:music", "1.5"), 'line 7: .*"1.5", which is no probability'),
    "not a number": (changed("probability:music", "nan"), "line 7: .*no probability"),
    "sums": (changed("probability:music", "0.5"), "line 7: the probabilities sum to"),
    "a tag without a column": (changed("predicted_tag", "noise"), '"noise" is predicted.*"probability:noise"'),
    "an unknown split": (table().assign(split="dev"), r'line 2: "split" has "dev".*\(90 rows are so\)'),
    "nothing to judge on": (table().assign(split="train"), "no row is test"),
    "one tag": (table().assign(tag="a", predicted_tag="a"), "only one tag"),
    "ids twice": (table().assign(id="r0"), '"r0" is also on line 2'),
    "numbers of tags": (table().assign(predicted_tag="1"), 'no predicted tag, "1", is one of .*"tag", "animals"'),
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_cell_is_named_by_its_line(home: Path, tmp_path: Path, name: str, suffix: str) -> None:
    frame, words = REFUSED[name]
    path = write(tmp_path, frame.astype(str), f"answers.{suffix}")
    with pytest.raises(TagscopeError, match=words) as refused:
        import_predictions(path, FIELDS)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(home.iterdir()) == []


NAMED = {
    "a column that is not there": (PredictionColumns(predicted="guess"), 'no column "guess".*by --predicted'),
    "splits that are not there": (PredictionColumns(split="set"), 'no column "set".*by --split'),
    "no such probabilities": (PredictionColumns(probability="p_"), 'no column begins with "p_".*--probability'),
    "the true tag": (PredictionColumns(predicted="tag"), '"tag" is named as predicted tag and also as true tag'),
    "the text": (PredictionColumns(predicted="text"), '"text" is named as predicted tag and also .* as text'),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_column_that_was_named_is_there(home: Path, tmp_path: Path, name: str) -> None:
    columns, words = NAMED[name]
    with pytest.raises(TagscopeError, match=words):
        import_predictions(write(tmp_path, with_probabilities()), FIELDS, columns)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("name", ["answers.csv", "answers.parquet", "folder"])
def test_a_file_that_is_none_is_a_sentence(home: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TagscopeError, match=name):
        import_predictions(tmp_path / name, FIELDS)
    (tmp_path / "folder").mkdir()
    (tmp_path / "answers.csv").write_bytes(b"")
    (tmp_path / "answers.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(TagscopeError, match=name):
        import_predictions(tmp_path / name, FIELDS)
    assert list(home.iterdir()) == []
