"""The command line on real runs and on bad input: one sentence, no trace, nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = "id,title,description,tag\n"
GOOD = "".join(f"{n},title {n} words,more text here,{'cv' if n % 2 else 'nlp'}\n" for n in range(40))

Command = Callable[..., tuple[int, str, str]]


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_are_listed_with_whole_ids(demo_home: Path, tagscope: Command) -> None:
    code, out, _ = tagscope("runs")
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    assert code == 0
    assert [line for line in out.splitlines() if "promoted" in line and promoted in line]
    rows = json.loads(tagscope("runs", "--json")[1])
    assert len(rows) == 3
    assert [row["run_id"] for row in rows if row["promoted"]] == [promoted]


def test_predict_prints_the_tag_or_json(demo_home: Path, tagscope: Command) -> None:
    text = "Transfer learning with transformers for text classification."
    assert tagscope("predict", text)[1].startswith("natural-language-processing")
    (answer,) = json.loads(tagscope("predict", text, "--json", "--top-k", 1)[1])
    assert answer["input_text"] == text
    assert len(answer["probabilities"]) == 1


def test_promote_moves_the_pointer(demo_home: Path, tagscope: Command) -> None:
    pointer = demo_home / "config" / "run_id.txt"
    other = next(path.name for path in (demo_home / "data" / "runs").iterdir() if path.name not in pointer.read_text())
    assert tagscope("promote", other)[0] == 0
    assert pointer.read_text().strip() == other


def test_evaluate_prints_every_tag_and_slice(demo_home: Path, tagscope: Command) -> None:
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    code, out, err = tagscope("evaluate", promoted, "--data", ROOT / "data" / "labeled_projects.csv")
    assert code == 0
    for name in ("overall", "mlops", "slice nlp_cnn", "slice short_text"):
        assert name in out
    assert "were in the run's training split" in err


def test_check_lists_what_is_wrong_by_row(home: Path, tagscope: Command) -> None:
    (home / "rows.csv").write_text(HEADER + GOOD + "99,,,nlp\n")
    code, out, _ = tagscope("check", "--data", home / "rows.csv")
    assert code == 0
    assert any("42" in line and "text" in line for line in out.splitlines())
    (home / "rows.csv").write_text(HEADER + GOOD + "1,again,,nlp\n3,again,,nlp\n")
    code, out, err = tagscope("check", "--data", home / "rows.csv")
    assert code == 1
    assert "42" in out
    assert "43" in out
    assert "cannot be trained on" in err


BAD_FILES = {
    "empty": (b"", ["empty"]),
    "header only": (HEADER.encode(), ["no row"]),
    "missing column": (b"id,title,tag\n1,a,b\n", ["description", "title"]),
    "latin-1": ((HEADER + GOOD).encode() + "77,café,x,nlp\n".encode("latin-1"), ["42", "UTF-8"]),
    "utf-16": ((HEADER + GOOD).encode("utf-16"), ["UTF-8"]),
    "duplicate ids": ((HEADER + GOOD + "3,again,twice,nlp\n").encode(), ["42", 'the id "3"']),
    "one tag": ((HEADER + "".join(f"{n},t {n},d,nlp\n" for n in range(30))).encode(), ["tag", "nlp"]),
    "10 MB cell": ((HEADER + GOOD + f"77,{'x' * 10_000_000},d,nlp\n").encode(), ["42", "title", "10,000,000"]),
    "unclosed quote": ((HEADER + GOOD + '77,"never closed,d,nlp\n' + GOOD).encode(), ["42", "quot"]),
    "ragged row": ((HEADER + GOOD + "77,a,b,nlp,more,cells\n").encode(), ["42"]),
    "nul byte": ((HEADER + GOOD + "77,a\0b,c,nlp\n").encode(), ["42"]),
    "no text at all": ((HEADER + "".join(f"{n},,,{'nlp' if n % 2 else 'cv'}\n" for n in range(30))).encode(), ["text"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_sentence_with_file_row_and_remedy(home: Path, tagscope: Command, name: str) -> None:
    content, words = BAD_FILES[name]
    data = home / "rows.csv"
    data.write_bytes(content)
    code, out, err = tagscope("train", "--data", data)
    sentence = err.strip().splitlines()[-1]
    assert code == 1
    assert "rows.csv" in sentence
    assert all(word in sentence for word in words), sentence
    assert "Traceback" not in out + err
    assert files_under(home) == {"rows.csv": content}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--data", "nowhere.csv"), ["nowhere.csv"]),
        (("train", "--data", "."), ["folder"]),
        (("train",), ["--data FILE"]),
        (("check", "--data", "nowhere.csv"), ["nowhere.csv"]),
        (("dashboard", "--data", "nowhere.csv"), ["nowhere.csv"]),
        (("predict", "some text", "--run", "../../etc/passwd"), ["not a run id", "tagscope runs"]),
        (("predict", "some text", "--run", "0" * 32), ["No run has the id"]),
        (("predict", " "), ["Text 1 has no words left"]),
        (("promote", "../../etc/passwd"), ["not a run id"]),
        (("evaluate", "0" * 32, "--data", "x.csv"), ["No run has the id"]),
    ],
)
def test_bad_arguments_are_one_sentence(demo_home: Path, tagscope: Command, arguments, words: list[str]) -> None:
    before = files_under(demo_home)
    code, out, err = tagscope(*arguments)
    assert code == 1
    assert all(word in err for word in words), err
    assert "Traceback" not in out + err
    assert files_under(demo_home) == before


def test_a_tampered_run_is_refused_by_name_and_listed_as_damaged(demo_home: Path, tagscope: Command) -> None:
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    model = demo_home / "data" / "runs" / promoted / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    code, _, err = tagscope("predict", "some text")
    assert code == 1
    assert "model.onnx: the file was changed" in err
    assert any(promoted in line and "damaged" in line for line in tagscope("runs")[1].splitlines())
    shutil.rmtree(demo_home / "data" / "runs" / promoted)
    assert "No run has the id" in tagscope("predict", "some text")[2]


def test_a_broken_pointer_does_not_hide_the_runs_that_mend_it(demo_home: Path, tagscope: Command) -> None:
    (demo_home / "config" / "run_id.txt").write_text("garbage")
    code, out, err = tagscope("runs", "--json")
    assert code == 0
    assert "holds no run id" in err
    assert [row["promoted"] for row in json.loads(out)] == [False] * 3
    assert tagscope("promote", json.loads(out)[0]["run_id"])[0] == 0
    assert tagscope("predict", "some text")[0] == 0


def test_a_damaged_run_is_named_in_the_json_too(demo_home: Path, tagscope: Command) -> None:
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    (demo_home / "data" / "runs" / promoted / "tokenizer.json").unlink()
    code, out, _ = tagscope("runs", "--json")
    assert code == 0
    assert [row["run_id"] for row in json.loads(out) if "damaged" in row] == [promoted]


def test_a_run_that_came_without_its_data_set_is_evaluated(demo_home: Path, tagscope: Command) -> None:
    shutil.rmtree(demo_home / "data" / "datasets")
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    code, out, err = tagscope("evaluate", promoted, "--data", ROOT / "data" / "labeled_projects.csv")
    assert code == 0
    assert "overall" in out
    assert "data set is not here" in err


def test_a_slice_without_rows_says_so(demo_home: Path, tagscope: Command) -> None:
    rows = (ROOT / "data" / "labeled_projects.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    long_ones = [line for line in rows[1:200] if line.count(" ") > 12 and "cnn" not in line.lower()]
    (demo_home / "long.csv").write_text("".join([rows[0], *long_ones]), encoding="utf-8")
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    _, out, _ = tagscope("evaluate", promoted, "--data", demo_home / "long.csv")
    assert any("slice nlp_cnn" in line and "no rows" in line for line in out.splitlines())
    assert "95 % interval of the overall F1" in out


def test_a_pointer_that_cannot_be_written_is_a_sentence(demo_home: Path, tagscope: Command) -> None:
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    shutil.rmtree(demo_home / "config")
    (demo_home / "config").write_text("a file where a folder should be")
    code, out, err = tagscope("promote", promoted)
    assert code == 1
    assert "cannot be written" in err
    assert "Traceback" not in out + err
