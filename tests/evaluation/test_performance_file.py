from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engine.errors import DataError
from engine.evaluation.metrics import performance
from engine.evaluation.performance_file import Score, read_performance

if TYPE_CHECKING:
    from pathlib import Path

SCORE = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "num_samples": 4.0}
GOOD = {"overall": SCORE, "class": {"a b": SCORE, "c": {**SCORE, "f1": 0, "num_samples": 0}}, "slices": {"s": SCORE}}


def write(folder: Path, content: object) -> Path:
    path = folder / "performance.json"
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_performance(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.endswith(".")
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_the_lessons_file(lesson_data: Path) -> None:
    record = read_performance(lesson_data / "performance.json")
    assert record.overall.num_samples == 144
    assert isinstance(record.overall.num_samples, int)
    assert list(record.classes) == ["computer-vision", "mlops", "natural-language-processing", "other"]
    assert record.slices["nlp_cnn"] == Score(1.0, 1.0, 1.0, 1)
    assert record.worst is not None
    assert record.worst[0] == "other"
    assert record.extra == {}


def test_our_own_file_and_extra_keys(tmp_path: Path) -> None:
    content = performance(["a", "b"], ["a", "a"], ["a", "b"], {"s": np.array([True, False])})
    content["intervals"] = {"f1": [0.1, 0.9]}
    record = read_performance(write(tmp_path, content))
    assert record == read_performance(content)
    assert record.extra == {"intervals": {"f1": [0.1, 0.9]}}
    assert record.classes["b"] == Score(0.0, 0.0, 0.0, 1)
    assert read_performance(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(content).encode())) == record


def test_slices_may_be_missing_and_extra_keys_inside_are_passed_over() -> None:
    record = read_performance({"overall": {**SCORE, "auc": 1}, "class": {}})
    assert record.slices == {}
    assert record.worst is None


def test_worst_needs_samples_and_prefers_many() -> None:
    low = {**SCORE, "f1": 0.1}
    classes = {
        "few": low,
        "many": {**low, "num_samples": 40},
        "none": {**SCORE, "f1": 0, "num_samples": 0},
        "good": SCORE,
    }
    worst = read_performance({"overall": SCORE, "class": classes}).worst
    assert worst is not None
    assert worst[0] == "many"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ", line 1, column 1: the file is empty;"),
        (" \n", ", line 2, column 1: the file is empty;"),
        ('{"overall": {\n  "f1": 0.5,,\n}', ", line 2, column 13: this is not valid JSON"),
        (json.dumps(GOOD, indent=1)[:-40], "this is not valid JSON"),
        ("[" * 100_000, ": this JSON is nested too deeply"),
        ('{"overall": ' + "9" * 5000 + "}", "too long a number"),
    ],
)
def test_broken_json_is_located(tmp_path: Path, text: str, place: str) -> None:
    assert place in message(write(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "there is no such file" in message(tmp_path / "none.json")
    assert "cannot be read" in message(tmp_path)
    assert ", line 2: byte 0xE9 is not UTF-8" in message(write(tmp_path, b'{\n"caf\xe9": 1}'))


def changed(way: tuple[str, ...], value: object) -> dict:
    content = json.loads(json.dumps(GOOD))
    target = content
    for key in way[:-1]:
        target = target[key]
    if value is None:
        del target[way[-1]]
    else:
        target[way[-1]] = value
    return content


@pytest.mark.parametrize(
    ("way", "value", "expected"),
    [
        (("overall",), None, 'the key "overall" is missing'),
        (("class",), None, 'the key "class" is missing'),
        (("class",), [], 'the key "class" must be an object with names and values, not a list'),
        (("overall", "f1"), None, 'the key "overall" > "f1" is missing'),
        (("class", "a b", "f1"), "0.5", 'the key "class" > "a b" > "f1" must be a number, not a text'),
        (("class", "c"), 3, 'the key "class" > "c" must be an object with names and values, not a number'),
        (("slices", "s", "recall"), 1.5, 'the key "slices" > "s" > "recall" is 1.5 and must lie between 0 and 1'),
        (("slices", "s", "precision"), True, "must be a number, not true or false"),
        (("overall", "num_samples"), 3.5, "is 3.5 and must be a whole number"),
        (("overall", "num_samples"), -1, "is -1 and must be a whole number"),
        (("overall", "precision"), float("nan"), "must be a finite number"),
        (("overall", "num_samples"), 10**400, "must be a finite number"),
    ],
)
def test_wrong_schema_names_the_key(tmp_path: Path, way: tuple[str, ...], value: object, expected: str) -> None:
    assert expected in message(write(tmp_path, changed(way, value)))
    with pytest.raises(DataError, match="The performance record"):
        read_performance(changed(way, value))


@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"'])
def test_not_an_object(tmp_path: Path, content: str) -> None:
    assert "the content must be an object" in message(write(tmp_path, content))
