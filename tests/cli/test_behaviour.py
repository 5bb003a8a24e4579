"""`tagscope behaviour` on the demo run: the checks that ship, a broken limit, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from engine.dataset.snapshot import open_dataset
from engine.inference.predictor import get_predictor
from engine.pipeline.checks import judged_texts, run_checks

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., tuple[int, str, str]]
BROKEN = """
[minimum.impossible]
tag = "mlops"
texts = ["Image segmentation of medical scans", "Deploying models to production with Docker"]
limit = 0.4

[minimum.unknown]
tag = "cooking"
texts = ["Soup"]
limit = 0
"""


def test_the_checks_that_ship_hold_for_the_demo_run_and_repeat(demo_home: Path, tagscope: Command) -> None:
    code, out, _ = tagscope("behaviour")
    assert code == 0
    assert "no limit is broken" in out
    assert "BROKEN" not in out
    first = tagscope("behaviour", "--json")[1]
    assert first == tagscope("behaviour", "--json")[1]
    found = json.loads(first)
    assert found["run"] == (demo_home / "config" / "run_id.txt").read_text().strip()
    checks = {check["name"]: check for check in found["checks"]}
    assert {check["kind"] for check in checks.values()} == {"invariance", "directional", "minimum"}
    typo = checks["typo"]
    assert typo["rate"]["n"] == found["texts"] == 136
    assert len(typo["failures"]) / 136 == pytest.approx(typo["rate"]["value"])
    # Each failure is what the predictor says.
    predictor = get_predictor()
    for failure in typo["failures"]:
        before, after = predictor.predict([failure["text"], failure["changed"]], found["run"])
        assert (before.predicted_tag, after.predicted_tag) == (failure["expected"], failure["got"])
        assert failure["expected"] != failure["got"]
    line = next(line for line in out.splitlines() if line.strip().startswith("typo "))
    assert f"{typo['rate']['low']:.1%} to {typo['rate']['high']:.1%}" in line


def test_a_broken_limit_is_exit_code_1_and_lists_the_example(demo_home: Path, tagscope: Command) -> None:
    (demo_home / "config" / "checks.toml").write_text(BROKEN)
    code, out, _ = tagscope("behaviour")
    assert code == 1
    assert "not looked at: this run has no tag 'cooking'" in out
    assert "Image segmentation of medical scans" in out
    assert "The tag is 'computer-vision'" in out
    assert "of 1 checks that were looked at 1 broke its limit" in out
    # What has texts of its own needs no data set.
    for path in (demo_home / "data" / "datasets").iterdir():
        path.rename(demo_home / path.name)
    assert tagscope("behaviour", "--failures", 0)[0] == 1


def test_what_cannot_be_run_is_exit_code_2_and_one_sentence(demo_home: Path, tagscope: Command) -> None:
    bad = demo_home / "bad.toml"
    bad.write_text('[minimum.x]\ntag = "mlops"\n')
    for path in (demo_home / "data" / "datasets").iterdir():
        path.rename(demo_home / path.name)
    for arguments, words in {
        ("--checks", str(bad)): 'the check "x" lacks the field "texts"',
        ("--checks", str(demo_home / "none.toml")): "there is no such file",
        ("--run", "0" * 32): "0" * 32,
        ("--run", "nonsense"): "is not a run id",
        (): "has no texts here to change",
    }.items():
        code, out, err = tagscope("behaviour", *arguments)
        assert (code, out) == (2, "")
        assert words in err
        assert len(err.strip().splitlines()) == 1


def test_texts_are_those_that_the_run_was_judged_on(demo_home: Path) -> None:
    get_predictor.cache_clear()
    predictor = get_predictor()
    model = predictor.load()
    bundle = predictor.store.open(model.run_id)
    texts = judged_texts(bundle, most=50)
    assert texts == judged_texts(bundle, most=50)
    assert texts != judged_texts(bundle, most=50, seed=1)
    assert len(set(texts)) == 50
    predictions = pd.read_parquet(demo_home / "data" / "runs" / model.run_id / "predictions.parquet")
    ids = set(predictions.query("split == 'test'")["id"])
    frame = open_dataset(demo_home / "data" / "datasets", bundle.manifest.dataset.digest).frame
    assert set(texts) <= set(frame.loc[frame["id"].isin(ids), "text"])
    seen: list[float] = []
    report = run_checks(predictor, texts=texts[:3], progress=seen.append)
    assert report.texts == 3
    assert seen[-1] == 1
    assert seen == sorted(seen)
