"""From CSV to run: the demo again, other people's columns, splits that stay, nothing half-written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from config.settings import get_settings
from engine.dataset.snapshot import open_dataset
from engine.errors import DataError, TrainingError
from engine.inference.predictor import get_predictor
from engine.pipeline.evaluate import evaluate
from engine.pipeline.train import STAGES, TrainRequest, TrainResult, train
from engine.runs.predictions import read_predictions
from engine.runs.store import DirectoryStore, open_store

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "data" / "labeled_projects.csv"


def write_csv(path: Path, columns: dict[str, list[str]]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def embedded_rows(count: int) -> pd.DataFrame:
    return pd.read_csv(EMBEDDED, dtype=str, keep_default_na=False).head(count)


def run_train(data: Path, **overrides: object) -> TrainResult:
    return train(TrainRequest.from_settings(get_settings(), data, **overrides))


def test_training_the_promoted_run_again_gives_its_metrics(home: Path) -> None:
    demo = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
    kept = demo.open(str(demo.promoted()))
    stages: list[tuple[str, float]] = []
    request = TrainRequest.from_settings(get_settings(), EMBEDDED)
    result = train(request, progress=lambda stage, share: stages.append((stage, share)))

    new, old = result.performance, kept.performance()
    assert new["class"].keys() == old["class"].keys()
    groups = [(new["overall"], old["overall"])]
    groups += [(new[kind][name], old[kind][name]) for kind in ("class", "slices") for name in old[kind]]
    for one, other in groups:
        assert one == pytest.approx(other, abs=0.005)
    assert {stage for stage, _ in stages} == set(STAGES)
    assert all(0 <= share <= 1 for _, share in stages)

    bundle = open_store().open(result.manifest.run_id)
    assert bundle.manifest.dataset.digest == kept.manifest.dataset.digest
    assert sum(file.stat().st_size for file in bundle.path.rglob("*")) < 2e6
    assert bundle.manifest.parity["difference"] <= 1e-4
    assert bundle.manifest.parity["flips"] == 0
    rows = open_dataset(get_settings().datasets_dir, bundle.manifest.dataset.digest).frame
    assert list(rows["id"]) == list(read_predictions(bundle)["id"])


def test_a_file_with_other_columns_languages_and_no_ids(home: Path) -> None:
    topics = {
        "料理": "今日の夕食は{}を作りました",
        "天気": "明日の天気は{}でしょう",
        "спорт": "команда {} выиграла матч",
    }
    rows = [(tag, text.format(number)) for number in range(40) for tag, text in topics.items()]
    data = write_csv(home / "mine.csv", {"kind": [tag for tag, _ in rows], "body": [text for _, text in rows]})
    result = run_train(data, text=("body",), label="kind")
    assert set(result.performance["class"]) == set(topics)
    assert result.performance["overall"]["f1"] == 1.0
    (answer,) = get_predictor.__wrapped__().predict(["明日の天気は"], result.manifest.run_id)
    assert answer.predicted_tag == "天気"


def test_small_and_unaccepted_tags_become_other(home: Path) -> None:
    rows = embedded_rows(300)
    rows.loc[:2, "tag"] = "quantum"
    rows.to_csv(data := home / "rows.csv", index=False)
    accepted = ("natural-language-processing", "computer-vision", "quantum")
    result = run_train(data, accepted=accepted)
    assert result.manifest.labels == ("computer-vision", "natural-language-processing", "other")
    assert result.manifest.mapped_tags["quantum"] == 3
    assert sum(result.manifest.mapped_tags.values()) + sum(rows["tag"].isin(accepted[:2])) == 300


def test_a_holdout_file_is_what_the_run_is_judged_on(home: Path) -> None:
    rows = embedded_rows(400)
    rows.head(300).to_csv(data := home / "rows.csv", index=False)
    rows.tail(100).to_csv(holdout := home / "holdout.csv", index=False)
    result = run_train(data, holdout=holdout)
    predictions = read_predictions(open_store().open(result.manifest.run_id)).set_index("id")
    assert set(predictions.index[predictions["split"] == "test"]) == set(rows.tail(100)["id"])
    assert result.performance["overall"]["num_samples"] == 100


def test_rows_keep_their_split_when_labels_change_and_rows_come(home: Path) -> None:
    rows = embedded_rows(400)
    rows.head(350).to_csv(data := home / "rows.csv", index=False)
    first = run_train(data).manifest.run_id
    rows.loc[::9, "tag"] = "mlops"
    rows.to_csv(data, index=False)
    second = run_train(data, parent=first, version="second").manifest
    before, after = (
        read_predictions(open_store().open(run_id)).set_index("id")["split"] for run_id in (first, second.run_id)
    )
    assert after[before.index].equals(before)
    assert (second.parent_run, second.dataset.version) == (first, "second")


def test_a_parent_without_a_row_in_common_is_refused(demo_home: Path) -> None:
    rows = embedded_rows(100)
    rows["id"] = "other-" + rows["id"]
    rows.to_csv(data := demo_home / "rows.csv", index=False)
    with pytest.raises(DataError, match="no row in common"):
        run_train(data, parent=open_store().promoted())


def test_a_holdout_named_in_the_settings_is_looked_up_from_the_home(home: Path, monkeypatch, tmp_path: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "settings.toml").write_text("[training]\nholdout = 'holdout.csv'\n")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    assert TrainRequest.from_settings(get_settings(), EMBEDDED).holdout == home / "holdout.csv"


def test_empty_texts_are_left_out_and_listed(home: Path) -> None:
    rows = embedded_rows(200)
    rows.loc[[4, 9], ["title", "description"]] = ""
    rows.to_csv(data := home / "rows.csv", index=False)
    result = run_train(data)
    assert list(result.left_out["id"]) == [rows.loc[4, "id"], rows.loc[9, "id"]]
    assert result.manifest.dataset.num_rows == 198
    assert result.manifest.dataset.num_left_out == 2


def test_a_data_set_that_cannot_be_trained_on_writes_nothing(home: Path) -> None:
    data = write_csv(home / "rows.csv", {"title": ["a b", "c d"], "description": ["", ""], "tag": ["x", "y"]})
    with pytest.raises((DataError, TrainingError), match=r"rows\.csv"):
        run_train(data, min_count=1, test_share=0.0, validation_share=0.0)
    assert [path.name for path in home.iterdir()] == ["rows.csv"]


def test_evaluating_the_training_file_warns_and_agrees_with_the_predictions(demo_home: Path) -> None:
    bundle = open_store().open(str(open_store().promoted()))
    kept = read_predictions(bundle)
    result = evaluate(bundle, EMBEDDED)
    assert result.trained_on >= (kept["split"] == "train").sum()
    recalls = result.performance["class"]
    for tag, rows in kept.groupby("tag"):
        assert recalls[tag]["recall"] == pytest.approx(np.mean(rows["predicted_tag"] == tag))


def test_evaluating_unknown_tags_names_them(demo_home: Path) -> None:
    rows = embedded_rows(50)
    rows.loc[0, "tag"] = "cooking"
    rows.to_csv(data := demo_home / "rows.csv", index=False)
    with pytest.raises(DataError, match="'cooking' are unknown to run"):
        evaluate(open_store().open(str(open_store().promoted())), data)


@pytest.mark.long
def test_fifty_tags_and_short_training_sets(home: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        (f"tag{tag:02}", f"word{tag} topic{tag % 7} {random.integers(50)} filler")
        for tag in range(50)
        for _ in range(6)
    ]
    with (home / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *[(text, tag) for tag, text in rows]])
    result = run_train(home / "rows.csv", text=("text",), label="label")
    assert len(result.manifest.labels) == 50
    assert result.performance["overall"]["f1"] > 0.9


@pytest.mark.long
@pytest.mark.parametrize("moment", [".writing-*", ".writing-*/model.onnx"])
def test_a_killed_training_leaves_no_run(home: Path, moment: str) -> None:
    runs = home / "data" / "runs"
    command = [sys.executable, "-m", "engine.cli", "train", "--data", str(EMBEDDED)]
    environment = {**os.environ, "TAGSCOPE_HOME": str(home)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        while not list(runs.glob(moment)):
            assert process.poll() is None
            time.sleep(0.01)  # a folder tells nobody that it was made
        process.send_signal(signal.SIGKILL)
    assert [path.name[:9] for path in runs.iterdir()] == [".writing-"]
    store = open_store()
    assert (store.runs(), store.broken(), store.promoted()) == ([], {}, None)
    assert not (home / "config").exists()
    listed = subprocess.run(
        [sys.executable, "-m", "engine.cli", "runs", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert json.loads(listed.stdout) == []
