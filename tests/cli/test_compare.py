"""`tagscope compare` on the demo runs, on a planted change, and on broken or partial bundles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from engine.pipeline.answers import slices_of
from engine.pipeline.comparison import compare_answers, compare_runs, read_runs
from engine.runs.bundle import file_digest
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., tuple[int, str, str]]
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def runs(demo_home: Path) -> list[str]:
    """Ids of the demo runs, the earliest first; the last one is on corrected labels."""
    store = DirectoryStore(demo_home / "data" / "runs", demo_home / "config")
    return [manifest.run_id for manifest in reversed(store.runs())]


def folder(home: Path, run: str) -> Path:
    return home / "data" / "runs" / run


def predictions(home: Path, run: str) -> pd.DataFrame:
    return pd.read_parquet(folder(home, run) / "predictions.parquet")


def rewrite(home: Path, run: str, frame: pd.DataFrame | None, **manifest: Any) -> None:
    """Give a run other predictions, sealed as if it had been written so."""
    path = folder(home, run) / "predictions.parquet"
    record = json.loads((folder(home, run) / "run.json").read_text())
    if frame is None:
        path.unlink()
        del record["files"][path.name]
    else:
        frame.to_parquet(path, index=False)
        record["files"][path.name] = file_digest(path)
    record |= manifest
    (folder(home, run) / "run.json").write_text(json.dumps(record))


def test_deltas_equal_scikit_learn_on_the_demo(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    code, out, _ = tagscope("compare", *runs[:2], "--json")
    assert code == 0
    found = json.loads(out)
    frames = [predictions(demo_home, run).query("split == 'test'").set_index("id") for run in runs[:2]]
    before, after = frames[0], frames[1].loc[frames[0].index]
    assert found["rows"] == len(before)
    overall = {one["name"]: one for one in found["overall"]}
    for key, frame in (("before", before), ("after", after)):
        assert overall["accuracy"][key] == pytest.approx(accuracy_score(frame["tag"], frame["predicted_tag"]))
        expected = f1_score(frame["tag"], frame["predicted_tag"], average="weighted")
        assert overall["weighted F1"][key] == pytest.approx(expected)
    assert overall["accuracy"]["significant"]
    fixed = after["predicted_tag"].eq(after["tag"]) & before["predicted_tag"].ne(before["tag"])
    assert set(found["fixed_ids"]) == set(fixed.index[fixed])
    assert found["flips"]["fixed"] == fixed.sum()
    assert [one["name"] for one in found["slices"]] == ["nlp_cnn", "short_text"]
    code, out, err = tagscope("compare", *runs[:2])
    assert code == 0
    assert f"{fixed.sum()} were fixed" in out
    line = next(line for line in out.splitlines() if line.strip().startswith("accuracy"))
    assert "better" in line
    assert f"{overall['accuracy']['change']:+.3f}" in line
    assert "under another id" in err


def test_the_newer_labels_are_used_and_the_changed_ones_counted(runs: list[str], tagscope: Command) -> None:
    _, out, err = tagscope("compare", runs[1], runs[2])
    assert "5 of the 136 rows have another tag in the newer labels" in err
    assert f"of run {runs[2]} (version corrected)" in err
    assert "No change is more than chance" in out
    assert json.loads(tagscope("compare", runs[2], runs[1], "--json")[1])["labels_changed"] == 5


def test_a_planted_regression_is_marked(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    frame = predictions(demo_home, runs[1])
    judged = frame["split"].eq("test")
    broken = judged & frame["tag"].eq("mlops")
    worse = frame.assign(predicted_tag=frame["predicted_tag"].mask(broken, "time-series"))
    rewrite(demo_home, runs[0], frame)
    rewrite(demo_home, runs[1], worse)
    _, out, _ = tagscope("compare", runs[0], runs[1])
    marked = {line.split("  ")[0].strip() for line in out.splitlines() if line.rstrip().endswith("worse")}
    assert {"tag mlops", "tag time-series"} <= marked
    assert "tag computer-vision" not in marked


def drop(column: str) -> Edit:
    return lambda frame: frame.drop(columns=column)


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(1)])


def strangers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(id="x" + frame["id"])


def untagged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(tag=pd.Series([None] * len(frame), dtype="str"))


def nan(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{"probability:mlops": np.float32("nan")})


BROKEN: dict[str, tuple[Edit, str]] = {
    "missing tag's probabilities": (drop("probability:mlops"), "column probability:mlops is missing"),
    "missing column": (drop("predicted_tag"), "column predicted_tag is missing"),
    "two predictions": (twice, "has two predictions"),
    "unknown ids": (strangers, "none of its 905 ids is in the data set"),
    "no tags": (untagged, "was judged on nothing"),
    "no numbers": (nan, "is no number"),
    "nothing to judge on": (lambda frame: frame.assign(split="train"), "was judged on nothing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_bundle_is_one_sentence(demo_home: Path, runs: list[str], tagscope: Command, name: str) -> None:
    edit, words = BROKEN[name]
    rewrite(demo_home, runs[0], edit(predictions(demo_home, runs[0])))
    for order in (runs[:2], runs[1::-1]):
        code, out, err = tagscope("compare", *order)
        assert (code, out) == (1, "")
        assert words in err
        assert len(err.strip().splitlines()) == 1
        assert "Traceback" not in err


def test_a_bundle_without_predictions_or_with_a_damaged_file(
    demo_home: Path, runs: list[str], tagscope: Command
) -> None:
    path = folder(demo_home, runs[1]) / "predictions.parquet"
    path.write_bytes(b"no parquet")
    record = json.loads((path.parent / "run.json").read_text())
    record["files"][path.name] = file_digest(path)
    (path.parent / "run.json").write_text(json.dumps(record))
    assert "cannot be read" in tagscope("compare", *runs[:2])[2]
    rewrite(demo_home, runs[0], None)
    code, _, err = tagscope("compare", runs[0], runs[2])
    assert code == 1
    assert "has no predictions.parquet" in err
    code, _, err = tagscope("compare", runs[1], "nonsense")
    assert (code, "is not a run id" in err) == (1, True)


def test_some_unknown_ids_and_gaps_are_left_out_and_said(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    frame = predictions(demo_home, runs[0])
    judged = np.flatnonzero(frame["split"].eq("test"))
    frame.loc[judged[0], "id"] = "nobody"
    frame.loc[judged[1], "predicted_tag"] = None
    frame.loc[judged[2], "predicted_tag"] = "a tag of its own"
    rewrite(demo_home, runs[0], frame)
    code, out, err = tagscope("compare", *runs[:2], "--json")
    assert code == 0
    assert json.loads(out)["rows"] == len(judged) - 2
    code, _, err = tagscope("compare", *runs[:2])
    assert "has 1 prediction for ids that its data set does not have, such as 'nobody'; left out." in err
    assert "has 1 row to be judged on without a true or a predicted tag; left out." in err
    assert "gives 1 row a tag that its run.json does not list" in err


def test_runs_that_share_no_row_say_so(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    frame = predictions(demo_home, runs[1])
    splits = frame["split"].map({"test": "train", "train": "test", "validation": "validation"})
    rewrite(demo_home, runs[1], frame.assign(split=splits))
    code, out, err = tagscope("compare", *runs[:2])
    assert (code, out) == (1, "")
    assert "cannot be compared: none of the 136 rows" in err
    assert f"run {runs[1]} was trained on 136 of those of run {runs[0]}" in err
    code, out, _ = tagscope("compare", *runs[:2], "--json")
    assert code == 1
    found = json.loads(out)
    assert (found["allowed"], "overall" in found) == (False, False)
    assert "cannot be compared" in found["refusal"]


def test_without_the_data_set_there_are_no_slices_and_it_says_so(
    demo_home: Path, runs: list[str], tagscope: Command
) -> None:
    for path in (demo_home / "data" / "datasets").iterdir():
        path.rename(demo_home / path.name)
    code, out, err = tagscope("compare", runs[1], runs[2])
    assert code == 0
    assert "accuracy" in out
    assert "slice" not in out.replace("number of tags and of slices", "")
    assert "There are no slices, because the data set" in err
    assert "cannot be checked, because a data set is not here" in err


def test_a_run_trained_elsewhere_is_compared_with_a_warning(
    demo_home: Path, runs: list[str], tagscope: Command
) -> None:
    rewrite(demo_home, runs[0], predictions(demo_home, runs[0]), parameters={"training": {"trained_elsewhere": True}})
    code, _, err = tagscope("compare", *runs[:2])
    assert code == 0
    assert "was trained elsewhere" in err


def test_runs_without_probabilities_are_compared(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    frame = predictions(demo_home, runs[0])
    rewrite(demo_home, runs[0], frame[["id", "split", "tag", "predicted_tag"]])
    assert tagscope("compare", *runs[:2])[0] == 0


def test_slices_declared_in_the_home_are_compared_too(demo_home: Path, runs: list[str], tagscope: Command) -> None:
    (demo_home / "config" / "slices.toml").write_text('[slice.tests]\nsplit = "test"\nwords = { from = 20 }\n')
    found = json.loads(tagscope("compare", *runs[:2], "--json")[1])
    by_name = {one["name"]: one for one in found["slices"]}
    assert list(by_name) == ["nlp_cnn", "short_text", "tests"]
    assert 0 < by_name["tests"]["rows"] <= found["rows"]


def test_answers_that_are_kept_are_compared_as_those_that_are_read(demo_home: Path, runs: list[str]) -> None:
    frame = predictions(demo_home, runs[0])
    # They share some rows only, in another order, so that each row must keep its slices.
    judged = np.flatnonzero(frame["split"].eq("test"))
    rewrite(demo_home, runs[0], frame.drop(judged[::3]).sample(frac=1, random_state=0))
    store = DirectoryStore(demo_home / "data" / "runs", demo_home / "config")
    bundles = [store.open(run) for run in runs[:2]]
    answers, datasets = read_runs(bundles)
    kept = {one.run: slices_of(one, datasets[one.dataset]) for one in answers}
    again = compare_answers(*answers, masks=lambda newer: kept[newer.run])
    assert again.as_json() == compare_runs(*bundles).as_json()
    assert compare_answers(*answers).as_json()["slices"] == []
    texts = datasets[answers[0].dataset].frame.set_index("id")["text"].loc[again.ids]
    short = next(one for one in again.as_json()["slices"] if one["name"] == "short_text")
    assert short["rows"] == (texts.str.split().str.len() < 8).sum() > 0
    assert len(again.ids) < len(answers[1].ids)


@pytest.mark.parametrize("version", [999, "new"])
def test_a_run_of_another_schema_version_is_one_sentence(
    demo_home: Path, runs: list[str], tagscope: Command, version: object
) -> None:
    rewrite(demo_home, runs[0], predictions(demo_home, runs[0]), schema_version=version)
    code, out, err = tagscope("compare", *runs[:2])
    assert (code, out) == (1, "")
    assert "run.json" in err or "version" in err
    assert len(err.strip().splitlines()) == 1
