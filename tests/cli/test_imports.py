"""`tagscope import ...` as a person calls it: the installed command, in a folder of its own, on real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.cli import main
from engine.inference.predictor import get_predictor
from engine.runs.store import open_store
from tests.imports import made

TAGSCOPE = Path(sys.executable).with_name("tagscope")
MODULE = """
from torch import nn

class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.EmbeddingBag({words}, {labels}, mode="sum", padding_idx=0)

    def forward(self, ids):
        return self.embed(ids)
"""


@pytest.fixture
def folder(home: Path) -> Path:
    found = home.parent / "files"
    found.mkdir()
    made.write_rows(found)
    made.write_labels(found)
    made.write_tokenizer(found)
    return found


def call(folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TAGSCOPE_HOME": str(home), "COLUMNS": "200"}
    command = [str(TAGSCOPE), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def imported(folder: Path, home: Path, *arguments: str) -> str:
    """Import and return the run's id; what was printed is what training prints."""
    done = call(folder, home, "import", *arguments, "--text", "text")
    assert done.returncode == 0, done.stderr
    for words in ("overall", "slice short_text", "95 % interval of the overall F1", *made.LABELS):
        assert words in done.stdout
    (run_id,) = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("Run "))
    return run_id


PARTS = ("--tokenizer", "tokenizer.json", "--labels", "labels.json", "--data", "rows.csv")


def test_an_onnx_model_answers(folder: Path, home: Path) -> None:
    made.write_model(folder, end="Softmax", output="probs")
    run_id = imported(folder, home, "onnx", "model.onnx", *PARTS, "--promote", "--max-tokens", "64")
    (answer,) = json.loads(call(folder, home, "predict", "the whale", "--json").stdout)
    assert (answer["run_id"], answer["predicted_tag"]) == (run_id, "animals")
    assert open_store().open(run_id).manifest.tokenizer.max_tokens == 64


def test_a_torch_module_of_the_current_folder_answers(folder: Path, home: Path) -> None:
    code = MODULE.format(words=len(made.VOCABULARY), labels=len(made.LABELS))
    (folder / "my_classifier.py").write_text(code, encoding="utf-8")
    weights = torch.from_numpy(made.weights())
    weights[0] = 0
    save_file({"embed.weight": weights}, folder / "weights.safetensors")
    run_id = imported(
        folder, home, "torch", "my_classifier:Summed", "--weights", "weights.safetensors", *PARTS, "--version", "first"
    )
    bundle = open_store().open(run_id)
    assert bundle.manifest.parity["difference"] <= 1e-4
    assert bundle.manifest.dataset.version == "first"
    assert get_predictor().predict(["robot"], run_id)[0].predicted_tag == "machines"


def test_labels_in_another_order_are_doubted(folder: Path, home: Path) -> None:
    command = ("import", "onnx", str(made.write_model(folder)), *PARTS, "--text", "text")
    assert "check that the labels" not in call(folder, home, *command).stderr
    made.write_labels(folder, [*made.LABELS[1:], made.LABELS[0]])
    done = call(folder, home, *command)
    assert done.returncode == 0
    assert "and always saying 'machines' would be for 33.3%: check that the labels, their order" in done.stderr


def test_predictions_are_listed_and_answer_nothing(folder: Path, home: Path) -> None:
    made.rows().assign(guess=lambda rows: rows["tag"]).to_parquet(folder / "answers.parquet")
    run_id = imported(folder, home, "predictions", "answers.parquet", "--predicted", "guess")
    (row,) = json.loads(call(folder, home, "runs", "--json").stdout)
    assert (row["run_id"], row["overall"]["f1"]) == (run_id, 1.0)
    for arguments in (
        ("predict", "the whale", "--run", run_id),
        ("promote", run_id),
        ("evaluate", run_id, "--data", "rows.csv", "--text", "text"),
    ):
        done = call(folder, home, *arguments)
        assert done.returncode == 1
        assert "made from predictions and has no model to answer with" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (home / "config" / "run_id.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("onnx", "nowhere.onnx", *PARTS), "nowhere.onnx"),
        (("onnx", "labels.json", *PARTS), "not a whole ONNX model"),
        (("torch", "no_such_module:build", "--weights", "w.safetensors", *PARTS), "no module no_such_module"),
        (("predictions", "rows.csv"), "--predicted"),
        (("hf", "nowhere", "--data", "rows.csv"), "nowhere"),
        (("hf", "nowhere", "--data", "rows.csv", "--labels", "rows.json"), "rows.json"),
        (("onnx", "model.onnx", *PARTS[:4]), "--data FILE"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["tagscope", "import", *arguments, "--text", "text"])
    with pytest.raises(SystemExit) as stopped:
        main()
    out, err = capsys.readouterr()
    assert stopped.value.code == 1
    assert words in err.splitlines()[-1]
    assert "Traceback" not in out + err
    assert list(home.iterdir()) == []
