"""Precisions of a run: made once, kept with it, close to fp32, and no text's answer hangs on its batch-mates."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.backends.registry import backend_names, open_backend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.precisions import precision as precisions
from engine.export.precisions.optimisation import to_half
from engine.export.precisions.precision import (
    FP16,
    INT8_DYNAMIC,
    INT8_STATIC,
    OPTIMIZED,
    Way,
    make_precision,
    open_way,
    precision_name,
    ways,
)
from engine.export.precisions.quantisation import quantise_by_row
from engine.runs.attachments import attachments, has_attachment, read_attachment
from engine.runs.bundle import Bundle, seal
from engine.runs.manifest import TokenizerReference
from engine.runs.store import DirectoryStore
from engine.runs.tokenizer import WordTokenizer

if TYPE_CHECKING:
    from pathlib import Path

WORDS = 400
CHANCE = np.random.default_rng(3)
TEXTS = [CHANCE.integers(1, WORDS + 2, CHANCE.integers(1, 25)).tolist() for _ in range(300)]
# Of the largest logit. fp16 keeps 11 bits, bf16 and int8 with a scale of its own per row 8.
CLOSE = {"fp32": 1e-5, OPTIMIZED: 1e-5, "fp16": 5e-3, "bf16": 5e-2, INT8_DYNAMIC: 5e-2, INT8_STATIC: 1e-1}


def weight(name: str, *shape: int) -> TensorProto:
    values = np.random.default_rng(len(name) + sum(shape)).normal(size=shape) / np.sqrt(shape[-2] if shape[1:] else 9)
    return numpy_helper.from_array(values.astype(np.float32), name)


def model(opset: int = 20) -> onnx.ModelProto:
    """Words -> a product per token -> sum over the mask -> two products with bias, one transposed -> 4 logits."""
    axis = numpy_helper.from_array(np.array([1]), "axis")
    last = numpy_helper.from_array(np.array([-1]), "last")
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["each"]),
        helper.make_node("MatMul", ["each", "first"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["bent"]),
        helper.make_node("Cast", ["input_ids"], ["mask"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["mask"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["ones", "last"], ["column"]),
        helper.make_node("Mul", ["bent", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis"], ["text"], keepdims=0),
        helper.make_node("Gemm", ["text", "second", "bias"], ["wide"], transB=1),
        helper.make_node("Relu", ["wide"], ["positive"]),
        helper.make_node("MatMul", ["positive", "third"], ["narrow"]),
        helper.make_node("Gemm", ["narrow", "head", "head_bias"], ["logits"]),
    ]
    weights = [
        *(weight("words", WORDS + 2, 64), weight("first", 64, 64), weight("second", 128, 64), weight("bias", 128)),
        *(weight("third", 128, 64), weight("head", 64, 4), weight("head_bias", 4), axis, last),
    ]
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.fixture
def store(demo_home: Path) -> DirectoryStore:
    return DirectoryStore(demo_home / "data" / "runs", demo_home / "config")


def make_run(store: DirectoryStore, content: onnx.ModelProto) -> Bundle:
    """A run with a model; the rest of it is a demo run's."""
    run_id = "0" * 31 + "1"
    manifest = msgspec.structs.replace(
        store.open(str(store.promoted())).manifest,
        run_id=run_id,
        labels=("a", "b", "c", "d"),
        tokenizer=TokenizerReference(WordTokenizer.format, 40),
    )
    with store.writing(run_id) as folder:
        (folder / "model.onnx").write_bytes(content.SerializeToString())
        WordTokenizer([f"w{number}" for number in range(WORDS)], 40).save(folder / "tokenizer.json")
        seal(folder, manifest)
    return store.open(run_id)


@pytest.fixture
def bundle(store: DirectoryStore) -> Bundle:
    return make_run(store, model())


def demo(store: DirectoryStore, name: str) -> Bundle:
    return store.open(next(manifest.run_id for manifest in store.runs() if manifest.model == name))


def padded(texts) -> np.ndarray:
    ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
    return ids


def answers(session, texts, batch: int) -> np.ndarray:
    parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    return np.concatenate([session.run({"input_ids": padded(part)})["logits"] for part in parts])


def test_all_that_can_be_tried_is_near_fp32_and_made_once(bundle):
    found = ways(bundle)
    assert found[0] == Way("onnxruntime", "fp32")
    assert str(found[0]) == "onnxruntime fp32"
    assert {way.backend for way in found} == set(backend_names())
    assert {way.precision for way in found if way.backend == "onnxruntime"} == {
        *("fp32", OPTIMIZED, INT8_DYNAMIC, INT8_STATIC)
    }
    assert ways(bundle, ["onnxruntime"]) == [way for way in found if way.backend == "onnxruntime"]
    expected = answers(open_backend("onnxruntime").open(bundle.model_bytes(), name="fp32"), TEXTS, 32)
    scale = np.abs(expected).max()
    for way in found:
        made = make_precision(bundle, way.precision, TEXTS)
        again = make_precision(bundle, way.precision, TEXTS)
        assert made is None or (made.manifest.kind, made.path) == ("precision", again.path)
        close = np.abs(answers(open_way(bundle, way, threads=2), TEXTS, 32) - expected).max() / scale
        assert close <= CLOSE[way.precision], way
        # It really was computed otherwise.
        assert way.precision in ("fp32", OPTIMIZED) or close > 1e-5, way
    names = [each.name for each in attachments(bundle)]
    assert names == ["precision-fp32-optimized", "precision-int8-dynamic", "precision-int8-static"]


@pytest.mark.parametrize("precision", [INT8_DYNAMIC, INT8_STATIC])
@pytest.mark.parametrize("backend", backend_names())
def test_a_text_in_int8_is_answered_alike_alone_and_in_any_batch(bundle, backend, precision):
    if backend.startswith("onnxruntime:"):
        pytest.skip("graphics cards compute in fp16")
    make_precision(bundle, precision, TEXTS)
    session = open_way(bundle, Way(backend, precision))
    alone = answers(session, TEXTS, 1)
    # 1e-5 is the rounding of fp32 around it; a scale per batch would show as 1e-2.
    for batch in (7, 32, 300):
        np.testing.assert_allclose(answers(session, TEXTS, batch), alone, atol=1e-5 * np.abs(alone).max())


def operators(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def made_model(bundle: Bundle, precision: str) -> bytes:
    return (read_attachment(bundle, f"precision-{precision}").path / "model.onnx").read_bytes()


def test_large_products_are_int8_and_the_last_layer_is_not(bundle):
    for precision, products in ((INT8_DYNAMIC, 3), (INT8_STATIC, 2)):
        attachment = make_precision(bundle, precision, TEXTS)
        content = made_model(bundle, precision)
        loaded = onnx.load_from_string(content)
        weights = [
            part for part in loaded.graph.initializer if part.data_type == TensorProto.INT8 and len(part.dims) == 2
        ]
        assert len(weights) == products
        assert "head" in {part.name for part in loaded.graph.initializer}
        assert not loaded.graph.value_info
        assert attachment.manifest.parameters["precision"] == precision
        assert "onnxruntime" in attachment.manifest.environment["libraries"]
    assert attachment.manifest.parameters["calibration_texts"] == 256


def test_a_function_of_the_model_runs_on_every_backend(store):
    given = model()
    body = [helper.make_node("Tanh", ["x"], ["y"])]
    given.functions.append(helper.make_function("ours", "Bend", ["x"], ["y"], body, list(given.opset_import)))
    given.opset_import.append(helper.make_opsetid("ours", 1))
    bend = next(node for node in given.graph.node if node.op_type == "Tanh")
    bend.op_type, bend.domain = "Bend", "ours"
    run = make_run(store, given)
    expected = answers(open_backend("onnxruntime").open(model().SerializeToString(), name="it"), TEXTS, 32)
    for way in ways(run):
        make_precision(run, way.precision, TEXTS)
        close = np.abs(answers(open_way(run, way), TEXTS, 32) - expected).max() / np.abs(expected).max()
        assert close <= CLOSE[way.precision], way


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_int8_by_row_holds_for_the_operators_of_older_models(opset):
    given = model(opset)
    before = given.SerializeToString(deterministic=True)
    quantised = quantise_by_row(given, full_range=False)
    assert given.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(quantised, full_check=True)
    backend = open_backend("onnxruntime")
    expected, found = (backend.open(each.SerializeToString(), name="it") for each in (given, quantised))
    right = answers(expected, TEXTS, 32)
    assert np.abs(answers(found, TEXTS, 32) - right).max() <= CLOSE[INT8_DYNAMIC] * np.abs(right).max()
    with pytest.raises(ExportError, match="opset 12, and int8 needs 13"):
        quantise_by_row(model(12), full_range=True)


def test_a_row_of_zeros_and_a_very_large_one_stay_numbers():
    given = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "one",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
            [weight("w", 64, 64)],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    rows = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32) * np.array(
        [[0], [1e30], [1e-6]], np.float32
    )
    expected, found = (
        open_backend("onnxruntime").open(each.SerializeToString(), name="it").run({"x": rows})["y"]
        for each in (given, quantise_by_row(given, full_range=True))
    )
    assert not found[0].any()
    # Each row is as exact as the others, however large its neighbours are.
    for right, row in zip(expected[1:], found[1:], strict=True):
        assert np.abs(row - right).max() <= 0.02 * np.abs(right).max()


@pytest.mark.parametrize("precision", [INT8_DYNAMIC, INT8_STATIC])
def test_a_model_of_look_ups_has_nothing_to_quantise(store, precision):
    run = demo(store, "ngram")
    with pytest.raises(ExportError, match="nothing to quantise") as caught:
        make_precision(run, precision, TEXTS)
    assert "\n" not in str(caught.value)
    assert not (run.path / "attachments").exists() or list((run.path / "attachments").iterdir()) == []
    make_precision(run, OPTIMIZED)
    assert open_way(run, Way("onnxruntime", OPTIMIZED)).run({"input_ids": np.array([[1, 2]])})["logits"].shape == (1, 6)


def test_convolutions_are_quantised_with_fixed_scales(store):
    run = demo(store, "cnn")
    make_precision(run, INT8_STATIC, TEXTS)
    convolutions = operators(run.model_bytes()).count("Conv")
    made = onnx.load_from_string(made_model(run, INT8_STATIC))
    int8 = [part for part in made.graph.initializer if part.data_type == TensorProto.INT8 and len(part.dims) > 2]
    assert len(int8) == convolutions > 0
    fp32, quantised = (answers(open_way(run, Way("onnxruntime", name)), TEXTS, 16) for name in ("fp32", INT8_STATIC))
    assert np.abs(fp32 - quantised).max() <= 0.2 * np.abs(fp32).max()


def test_static_scales_need_texts(bundle):
    for none in (None, []):
        with pytest.raises(ExportError, match="needs texts to calibrate on"):
            make_precision(bundle, INT8_STATIC, none)
    assert attachments(bundle) == []


def test_fp16_is_a_file_only_where_a_graphics_card_may_run_it(bundle, monkeypatch):
    if any(name.startswith("onnxruntime:") for name in backend_names()):
        pytest.skip("there is another provider here")
    monkeypatch.setattr(precisions, "backend_names", lambda: ("onnxruntime",))
    with pytest.raises(BackendError, match=r"No backend here computes in fp16: it needs .* graphics card") as caught:
        make_precision(bundle, FP16)
    assert "\n" not in str(caught.value)
    with pytest.raises(BackendError, match="No backend here computes in 'fp8'"):
        make_precision(bundle, "fp8")
    assert attachments(bundle) == []


def test_a_model_in_fp16_is_near_and_keeps_its_inputs_and_outputs():
    half = to_half(model())
    assert half.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert TensorProto.FLOAT16 in {part.data_type for part in half.graph.initializer}
    session, right = (open_backend("onnxruntime").open(each.SerializeToString(), name="it") for each in (half, model()))
    expected = answers(right, TEXTS, 32)
    assert np.abs(answers(session, TEXTS, 32) - expected).max() <= CLOSE["fp16"] * np.abs(expected).max()


def test_importing_the_converter_leaves_the_search_path_as_it_was():
    import sys

    before = list(sys.path)
    to_half(model())
    assert sys.path == before


def test_what_was_not_made_or_is_not_offered_is_one_sentence(bundle):
    with pytest.raises(BundleError, match="was not made yet; `tagscope tune"):
        open_way(bundle, Way("onnxruntime", INT8_DYNAMIC))
    with pytest.raises(BackendError, match="does not offer the precision 'fp8' here; it offers fp32"):
        open_way(bundle, Way("onnxruntime", "fp8"))
    with pytest.raises(BackendError, match="No backend 'abacus' is installed here"):
        ways(bundle, ["abacus"])


def test_a_damaged_precision_is_not_used(bundle):
    made = make_precision(bundle, INT8_DYNAMIC)
    (made.path / "model.onnx").write_bytes(b"other")
    for use in (
        lambda: make_precision(bundle, INT8_DYNAMIC),
        lambda: open_way(bundle, Way("onnxruntime", INT8_DYNAMIC)),
    ):
        with pytest.raises(BundleError, match="was changed after it was written"):
            use()


def test_a_model_that_no_manifest_names_is_not_used(bundle):
    made = make_precision(bundle, INT8_DYNAMIC)
    manifest = made.path.parent / "attachment.json"
    known = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**known, "files": {}}))
    with pytest.raises(BundleError, match=r"lacks model\.onnx; remove the folder precision-int8-dynamic"):
        open_way(bundle, Way("onnxruntime", INT8_DYNAMIC))


@pytest.mark.parametrize("ids", [[[], []], [[10**9]], [[2**70]]])
def test_texts_that_nothing_can_be_calibrated_on_are_one_sentence_and_leave_nothing(bundle, ids):
    with pytest.raises(ExportError, match=r"needs texts to calibrate on|give texts that it accepts") as caught:
        make_precision(bundle, INT8_STATIC, ids)
    assert "\n" not in str(caught.value)
    assert not has_attachment(bundle, precision_name(INT8_STATIC))


def test_a_full_disk_leaves_no_precision(bundle, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(bundle.path), "write_bytes", full)
    with pytest.raises(BundleError, match=r"cannot be written here \(No space left on device\)"):
        make_precision(bundle, INT8_DYNAMIC)
    monkeypatch.undo()
    assert list((bundle.path / "attachments").iterdir()) == []
