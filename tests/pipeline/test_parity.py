"""The parity table on real runs, and on runs that were made to differ from their torch weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from engine.backends.registry import backend_names
from engine.errors import BackendError, BundleError, DataError
from engine.pipeline.parity import check_run
from engine.pipeline.proof.answers import answers_alone, answers_mixed, answers_sorted
from engine.pipeline.proof.table import EQUAL, FAILS, MISSING, WITHIN, RunParity, WayParity
from engine.runs.attachments import read_attachment
from engine.runs.bundle import Bundle, seal
from engine.runs.store import open_store


def run_of(home: Path, model: str) -> Bundle:
    for path in sorted((home / "data" / "runs").iterdir()):
        if json.loads((path / "run.json").read_text())["model"] == model:
            return open_store().open(path.name)
    raise AssertionError(model)


def change_weights(bundle: Bundle, initializer_of: int, factor: float) -> Bundle:
    """Give a run an ONNX model whose weights are not those of its torch module."""
    path = bundle.path / "model.onnx"
    model = onnx.load(path)
    tensors = sorted(model.graph.initializer, key=lambda tensor: -np.prod(tensor.dims))
    floats = [tensor for tensor in tensors if tensor.data_type == onnx.TensorProto.FLOAT]
    tensor = floats[initializer_of]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    onnx.save(model, path)
    seal(bundle.path, bundle.manifest)
    return open_store().open(bundle.run_id)


@pytest.mark.parametrize("model", ["ngram", "cnn"])
def test_fp32_answers_as_torch_on_every_backend(demo_home: Path, model: str) -> None:
    bundle = run_of(demo_home, model)
    table = check_run(bundle, precisions=["fp32"])
    assert [(way.backend, way.precision) for way in table.ways] == [
        (name, "fp32") for name in ("reference", *backend_names())
    ]
    assert table.sound
    assert "torch" in table.baseline
    for way in table.ways:
        assert way.verdict == EQUAL
        if way.backend == "reference":
            assert way.shapes <= 1e-4
            continue
        assert max(way.shapes, way.texts, way.mates) <= 1e-4
        assert way.flips == way.mate_flips == 0
        assert (way.f1.change, way.f1.low, way.f1.high) == (0, 0, 0)
    assert table.held_out == 136
    longest = bundle.manifest.tokenizer.max_tokens
    assert {(1, 1), (1, longest), (32, 1)} <= set(table.shapes)
    assert len(table.shapes) >= 12
    stored = read_attachment(bundle, "parity")
    assert json.loads((stored.path / "parity.json").read_text())["run_id"] == bundle.run_id
    assert stored.manifest.parameters["precisions"] == ["fp32"]
    assert stored.manifest.environment["libraries"]["onnxruntime"]


def test_a_second_table_takes_the_place_of_the_first(demo_home: Path) -> None:
    bundle = run_of(demo_home, "ngram")
    check_run(bundle, backends=["onnxruntime"], precisions=["fp32"])
    check_run(bundle, backends=["onnxruntime"], precisions=["fp32"], most_texts=40)
    stored = json.loads((read_attachment(bundle, "parity").path / "parity.json").read_text())
    assert (stored["held_out"], stored["held_out_rows"]) == (40, 136)


def test_every_precision_gets_a_verdict_that_its_figures_bear_out(demo_home: Path) -> None:
    table = check_run(run_of(demo_home, "cnn"), most_texts=60)
    assert {"fp32", "fp32-optimized", "int8-dynamic", "int8-static"} <= {way.precision for way in table.ways}
    for way in table.ways:
        assert way.verdict in (EQUAL, WITHIN, FAILS, MISSING)
        if way.verdict == MISSING or way.backend == "reference":
            assert way.reason
            continue
        assert (way.verdict == EQUAL) == (max(way.shapes, way.texts, way.mates) <= 1e-4)
        assert way.flip_interval[0] <= way.flips / table.held_out <= way.flip_interval[1]
        assert way.f1.low <= way.f1.change <= way.f1.high
        assert bool(way.reason) == (way.verdict != EQUAL)
    static = next(way for way in table.ways if (way.backend, way.precision) == ("onnxruntime", "int8-static"))
    assert static.verdict in (WITHIN, FAILS)
    assert "first operator that differs" in static.divergence


def test_an_onnx_model_of_other_weights_fails_and_the_operator_is_named(demo_home: Path) -> None:
    bundle = change_weights(run_of(demo_home, "cnn"), 0, -3.0)
    table = check_run(bundle, backends=["onnxruntime"], precisions=["fp32"])
    (way,) = table.ways
    assert way.verdict == FAILS
    assert not table.sound
    assert way.flips > 0
    assert "get another tag" in way.reason
    assert "embedding" in way.divergence


def test_a_run_without_torch_weights_is_compared_with_onnx_runtime(demo_home: Path) -> None:
    bundle = run_of(demo_home, "ngram")
    (bundle.path / "model.safetensors").unlink()
    seal(bundle.path, bundle.manifest)
    table = check_run(open_store().open(bundle.run_id), precisions=["fp32"])
    assert "ONNX Runtime" in table.baseline
    assert "no torch weights" in table.baseline
    assert table.sound


def test_bad_requests_are_a_sentence_and_leave_nothing(demo_home: Path) -> None:
    bundle = run_of(demo_home, "ngram")
    with pytest.raises(BackendError, match="No backend 'nonsense'"):
        check_run(bundle, backends=["nonsense"])
    with pytest.raises(BackendError, match=r"precision 'int3'.*fp32"):
        check_run(bundle, precisions=["int3"])
    shutil.rmtree(demo_home / "data" / "datasets")
    with pytest.raises(DataError, match="run the training"):
        check_run(bundle, precisions=["fp32"])
    (bundle.path / "model.onnx").unlink()
    seal(bundle.path, bundle.manifest)
    with pytest.raises(BundleError, match="has no model"):
        check_run(open_store().open(bundle.run_id))
    assert not (bundle.path / "attachments").exists()


def test_a_table_that_cannot_be_written_leaves_the_old_one(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = run_of(demo_home, "ngram")
    first = check_run(bundle, backends=["onnxruntime"], precisions=["fp32"])

    def full(_self: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(BundleError, match="No space left"):
            check_run(bundle, backends=["onnxruntime"], precisions=["fp32"], most_texts=20)
    stored = read_attachment(bundle, "parity")
    assert json.loads((stored.path / "parity.json").read_text())["held_out"] == first.held_out
    assert sorted(path.name for path in stored.path.parent.parent.iterdir()) == ["parity"]


class Sums:
    """Answers each text by its own tokens, or by everything in its batch where `leaks`."""

    def __init__(self, leaks: bool = False) -> None:
        self.leaks = leaks

    def run(self, feeds):
        ids = feeds["input_ids"]
        rows = ids.sum(1) if not self.leaks else np.full(len(ids), ids.sum())
        return {"logits": np.stack([rows, (ids > 0).sum(1)], 1).astype(np.float32)}


def test_answers_stand_in_the_order_of_the_texts() -> None:
    chance = np.random.default_rng(0)
    ids = [tuple(chance.integers(1, 50, size).tolist()) for size in chance.integers(1, 30, 101)]
    right = np.array([[sum(row), len(row)] for row in ids], dtype=np.float32)
    for answered in (
        answers_alone(Sums(), ids, 0, 3),
        answers_mixed(Sums(), ids, 0, 2),
        answers_sorted(Sums(), ids, 0),
    ):
        assert (answered == right).all()
    assert (answers_alone(Sums(leaks=True), ids, 0) == right).all()
    assert (answers_mixed(Sums(leaks=True), ids, 0) != right).any()


def test_only_fp32_makes_a_table_unsound() -> None:
    def table(*rows: tuple[str, str]) -> RunParity:
        ways = tuple(WayParity("x", precision, verdict) for precision, verdict in rows)
        return RunParity(1, "r", "b", 1, 1, {}, (), ways, "c", {})

    assert table(("fp32", EQUAL), ("int8-dynamic", FAILS)).sound
    assert not table(("fp32", EQUAL), ("fp32", WITHIN)).sound
    assert not table(("fp32", FAILS)).sound
