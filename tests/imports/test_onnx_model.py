"""ONNX files as people bring them: each form becomes a run that answers alike, or one sentence says why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.dataset.fields import Fields
from engine.errors import TagscopeError
from engine.inference.model import ServedModel
from engine.pipeline.imports.onnx_model import import_onnx
from engine.pipeline.imports.request import ImportRequest
from engine.runs.predictions import read_predictions
from engine.runs.store import open_store

from . import made

if TYPE_CHECKING:
    from pathlib import Path

    from engine.pipeline.run import TrainResult

FIELDS = Fields(text=("text",))
TEXTS = ["the whale", "lathe near a turbine and a robot", "opera " * 40, "drum cat", "about"]


@pytest.fixture
def folder(home: Path) -> Path:
    """Where a person keeps files, apart from the home that is written to."""
    found = home.parent / "files"
    found.mkdir()
    return found


@pytest.fixture
def request_of(folder: Path) -> ImportRequest:
    return ImportRequest(made.write_tokenizer(folder), made.write_labels(folder), made.write_rows(folder), FIELDS)


def kept(home: Path) -> list[Path]:
    """What lies in the home, hidden folders too."""
    return [path for path in home.rglob("*") if path.is_file() or path.name.startswith(".")]


def served(result: TrainResult) -> np.ndarray:
    return ServedModel(open_store().open(result.manifest.run_id)).probabilities(TEXTS)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as we write it": ({}, {}),
    "other names": ({"names": ("ids:0", "scope/input_mask", "segment_ids"), "output": "dense"}, {}),
    "32-bit ids": ({"integer": TensorProto.INT32}, {}),
    "Softmax": ({"end": "Softmax", "output": "probs"}, {}),
    "Softmax, named": ({"end": "Softmax"}, {"probabilities": True}),
    "LogSoftmax": ({"end": "LogSoftmax"}, {}),
    "half": ({"number": TensorProto.FLOAT16}, {}),
    "double": ({"number": TensorProto.DOUBLE, "end": "Softmax"}, {}),
    "columns unknown": ({"columns": None}, {}),
    "fixed sizes that are not used": ({"shape": (1, 16)}, {}),
    "an inner value has our name": ({"inner": "logits", "end": "Softmax", "output": "probs"}, {}),
    "an inner value has our input's name": ({"inner": "input_ids", "names": ("x", "x_mask", "x_types")}, {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_answers_as_the_file_does(folder: Path, request_of: ImportRequest, form: str) -> None:
    options, given = FORMS[form]
    result = import_onnx(made.write_model(folder, **options), request_of, **given)
    assert served(result) == pytest.approx(softmax(made.expected(TEXTS)), abs=2e-3 if form == "half" else 1e-5)
    parity = result.manifest.parity
    assert parity["judge"] == "ONNX reference evaluator"
    assert parity["difference"] <= 1e-4
    assert parity["mates"] <= 1e-4
    assert len(set(parity["shapes"])) >= 12
    model = onnx.load_from_string(open_store().open(result.manifest.run_id).model_bytes())
    (ids,), (logits,) = model.graph.input, model.graph.output
    assert (ids.name, logits.name) == ("input_ids", "logits")
    assert [axis.dim_param for axis in ids.type.tensor_type.shape.dim] == ["batch", "sequence"]


def test_each_label_by_itself_becomes_shares(folder: Path, request_of: ImportRequest) -> None:
    result = import_onnx(made.write_model(folder, end="Sigmoid"), request_of, probabilities=True)
    chances = 1 / (1 + np.exp(-made.expected(TEXTS)))
    assert served(result) == pytest.approx(chances / chances.sum(axis=1, keepdims=True), abs=1e-5)


def test_the_run_is_whole_and_says_where_it_came_from(folder: Path, request_of: ImportRequest, home: Path) -> None:
    stages: list[str] = []
    model = made.write_model(folder)
    result = import_onnx(model, request_of, progress=lambda stage, _share: stages.append(stage))
    bundle = open_store().open(result.manifest.run_id)
    assert sorted(bundle.manifest.files) == ["model.onnx", "performance.json", "predictions.parquet", "tokenizer.json"]
    assert result.performance["overall"]["f1"] == 1.0
    assert result.performance["overall"]["num_samples"] == 90
    assert set(read_predictions(bundle)["split"]) == {"test"}
    assert bundle.manifest.parameters["training"]["trained_elsewhere"]
    assert bundle.manifest.parameters["source"]["name"] == "model.onnx"
    assert str(folder) not in (bundle.path / "run.json").read_text()
    assert len(list((home / "data" / "datasets").iterdir())) == 1
    assert list(dict.fromkeys(stages)) == ["Load", "Rewrite", "Check parity", "Evaluate", "Write"]
    again = import_onnx(model, request_of)
    assert again.manifest.model_digest == result.manifest.model_digest


def test_paths_and_remarks_of_the_maker_are_left_behind(folder: Path, request_of: ImportRequest) -> None:
    model = made.classifier()
    model.doc_string = model.graph.node[0].doc_string = "/home/somebody/secret.py"
    model.metadata_props.add(key="path", value="/home/somebody")
    (folder / "noted.onnx").write_bytes(model.SerializeToString())
    result = import_onnx(folder / "noted.onnx", request_of)
    assert b"somebody" not in open_store().open(result.manifest.run_id).model_bytes()


def test_where_padding_is_not_masked_that_is_said_and_each_text_is_answered_alone(
    folder: Path, request_of: ImportRequest
) -> None:
    result = import_onnx(made.write_model(folder, mask=False), request_of)
    (remark,) = result.manifest.parameters["source"]["remarks"]
    assert "padding is not masked" in remark
    assert result.manifest.parity["mate_flips"] > 0
    assert served(result) == pytest.approx(softmax(made.expected(TEXTS)), abs=1e-5)


def test_what_only_one_engine_knows_is_taken_and_said(folder: Path, request_of: ImportRequest) -> None:
    model = made.classifier(end="Gelu")
    (ended,) = (node for node in model.graph.node if node.op_type == "Gelu")
    ended.domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    (folder / "gelu.onnx").write_bytes(model.SerializeToString())
    result = import_onnx(folder / "gelu.onnx", request_of)
    (remark,) = result.manifest.parameters["source"]["remarks"]
    assert "only ONNX Runtime speaks for its answers" in remark
    assert "difference" not in result.manifest.parity


def test_two_outputs_of_which_one_is_the_classifiers(folder: Path, request_of: ImportRequest) -> None:
    model = made.classifier(output="scores")
    model.graph.output.append(helper.make_tensor_value_info("embedded", TensorProto.FLOAT, ["n", "tokens", 3]))
    (folder / "two.onnx").write_bytes(model.SerializeToString())
    assert served(import_onnx(folder / "two.onnx", request_of)) == pytest.approx(
        softmax(made.expected(TEXTS)), abs=1e-5
    )
    model.graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n", 3]))
    (folder / "three.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TagscopeError, match=r"scores, embedded, mean.*--output"):
        import_onnx(folder / "three.onnx", request_of)
    assert (
        import_onnx(folder / "three.onnx", request_of, output="mean").manifest.parameters["source"]["output"] == "mean"
    )


def test_an_exported_gru_with_a_mask_answers_as_its_module(folder: Path, request_of: ImportRequest) -> None:
    import torch
    from torch import nn

    from engine.export.axes import Axis
    from engine.export.exporter import export_model

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(len(made.VOCABULARY), 8)
            self.gru = nn.GRU(8, 6, batch_first=True)
            self.head = nn.Linear(6, 3)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            kept = attention_mask.unsqueeze(-1).to(torch.float32)
            states, _ = self.gru(self.embed(input_ids))
            return self.head((states * kept).sum(1) / kept.sum(1))

    torch.manual_seed(3)
    module = Recurrent().eval()
    axes = {0: Axis("batch"), 1: Axis("sequence")}
    example = {"input_ids": torch.ones(3, 7, dtype=torch.int64), "attention_mask": torch.ones(3, 7, dtype=torch.int64)}
    export_model(module, example, folder / "gru.onnx", dynamic=dict.fromkeys(example, axes), cases=())
    result = import_onnx(folder / "gru.onnx", request_of)
    alone = [torch.tensor([[made.VOCABULARY.get(word, 1) for word in text.split()]]) for text in TEXTS]
    with torch.no_grad():
        logits = np.concatenate([module(ids, torch.ones_like(ids)).numpy() for ids in alone])
    assert served(result) == pytest.approx(softmax(logits), abs=1e-5)
    assert result.manifest.parity["mate_flips"] == 0


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "a frozen Reshape": ({"shape": (1, 16), "flat": True}, {}, ["batch at 1 and sequence at 16 fixed", "dynamic axes"]),
    "columns": ({"columns": 4}, {}, ["4 columns", "3 labels"]),
    "no such output": ({}, {"output": "scores"}, ["no output scores", "logits"]),
    "Sigmoid": ({"end": "Sigmoid"}, {}, ["Sigmoid", "--probabilities"]),
    "no probabilities": ({}, {"probabilities": True}, ["no probabilities", "--probabilities"]),
    "other inputs": ({"names": ("input_ids", "a_mask", "position_ids")}, {}, ["position_ids", "cannot be made"]),
    "floats as ids": ({"integer": TensorProto.FLOAT}, {}, ["input_ids is float", "token ids"]),
    "three axes": ({"shape": ("n", "tokens", 3)}, {}, ["[n, tokens, 3]", "[batch, sequence]"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_classifier_is_refused(folder: Path, request_of: ImportRequest, home: Path, name: str) -> None:
    options, given, words = REFUSED[name]
    with pytest.raises(TagscopeError) as refused:
        import_onnx(made.write_model(folder, **options), request_of, **given)
    assert all(word in str(refused.value) for word in ["model.onnx", *words]), refused.value
    assert "\n" not in str(refused.value)
    assert kept(home) == []


def external() -> bytes:
    model = made.classifier()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../etc/passwd")
    return bytes(model.SerializeToString())


def library() -> bytes:
    model = made.classifier()
    model.graph.node[0].domain = "ai.onnx.contrib"
    model.opset_import.append(helper.make_opsetid("ai.onnx.contrib", 1))
    return bytes(model.SerializeToString())


def old() -> bytes:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"], axis=0),
        helper.make_node("ReduceMean", ["embedded"], ["logits"], axes=[1], keepdims=0),
    ]
    return by_hand(nodes, {"table": made.weights()}, opset=7)


def frozen_batch() -> bytes:
    """Declares both axes dynamic, and always answers for one text: what an exporter makes of a batch of one."""
    table, axes = made.weights(), np.array([0, 1], dtype=np.int64)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"], axis=0),
        helper.make_node("ReduceMean", ["embedded", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "first"], ["logits"]),
    ]
    return by_hand(nodes, {"table": table, "axes": axes, "first": np.array([0])}, opset=18)


def frozen_sequence() -> bytes:
    """Declares both axes dynamic, and works for 8 tokens alone: what tracing makes of some layers."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"], axis=0),
        helper.make_node("Reshape", ["embedded", "size"], ["frozen"], name="attention/Reshape_4"),
        helper.make_node("ReduceMean", ["frozen", "axes"], ["logits"], keepdims=0),
    ]
    weights = {"table": made.weights(), "size": np.array([-1, 8, 3]), "axes": np.array([1])}
    return by_hand(nodes, weights, opset=18)


def echo() -> bytes:
    """Answers with the very mask that it takes."""
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", "tokens"])
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])
    nodes = [helper.make_node("Add", ["mask", "mask"], ["unused"])]
    graph = helper.make_graph(nodes, "echo", [ids, mask], [mask])
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    )


def by_hand(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], opset: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "made by hand",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return bytes(model.SerializeToString())


def small_table() -> bytes:
    model = made.classifier()
    table = numpy_helper.from_array(made.weights()[:10], "table")
    model.graph.initializer[0].CopyFrom(table)
    return bytes(model.SerializeToString())


BYTES = {
    "empty": (b"", "whole ONNX model"),
    "random": (np.random.default_rng(0).bytes(5_000), "whole ONNX model"),
    "truncated": (made.classifier().SerializeToString()[:-200], "whole ONNX model"),
    "a text": (b"this is no model", "whole ONNX model"),
    "external data with a path": (external(), "another file"),
    "an operator of a library": (library(), "ai.onnx.contrib::Gather"),
    "an old opset": (old(), "opset 7"),
    "a frozen batch": (frozen_batch(), "dynamic batch axis"),
    "a frozen sequence": (
        frozen_sequence(),
        r"batch 1, sequence 1 \(in its Reshape attention/Reshape_4\).*dynamo=False",
    ),
    "an output that is an input": (echo(), "not an output of any node"),
    "another tokenizer's model": (small_table(), "tokenizer of another model"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_cannot_be_used_are_refused(folder: Path, request_of: ImportRequest, home: Path, name: str) -> None:
    content, words = BYTES[name]
    (folder / "bad.onnx").write_bytes(content)
    with pytest.raises(TagscopeError, match=words) as refused:
        import_onnx(folder / "bad.onnx", request_of)
    assert "bad.onnx" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert kept(home) == []


LABEL_FILES = {
    "a list": json.dumps(made.LABELS),
    "an object": json.dumps({str(number): label for number, label in enumerate(made.LABELS)}),
    "a config": json.dumps({"hidden_size": 3, "id2label": {"2": "music", "0": "animals", "1": "machines"}}),
    "lines": "animals\r\nmachines\n\nmusic",
}


@pytest.mark.parametrize("form", LABEL_FILES)
def test_labels_come_in_four_forms(folder: Path, request_of: ImportRequest, form: str) -> None:
    path = folder / ("labels.txt" if form == "lines" else "some.json")
    path.write_text(LABEL_FILES[form], encoding="utf-8")
    changed = ImportRequest(request_of.tokenizer, path, request_of.data, FIELDS)
    assert import_onnx(made.write_model(folder), changed).manifest.labels == made.LABELS


BAD_PARTS: dict[str, tuple[str, str | None, str]] = {
    "no labels file": ("labels", None, "No such file"),
    "broken JSON": ("labels", '["a", ', "not valid JSON"),
    "a label twice": ("labels", '["a", "b", "a"]', "'a' stands there twice"),
    "one label": ("labels", '["a"]', "1 labels"),
    "gaps in the columns": ("labels", '{"0": "a", "2": "b"}', "not the columns"),
    "numbers": ("labels", "[1, 2]", "not texts"),
    "labels that the data does not have": ("labels", '["a", "b", "c"]', "does not know the tags"),
    "too few labels": ("labels", '["animals", "machines", "music", "other"]', "4 labels"),
    "no tokenizer": ("tokenizer", None, "save_pretrained"),
    "no tokenizer's JSON": ("tokenizer", '{"a": 1}', "not a tokenizer"),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_what_comes_with_the_model_is_checked(folder: Path, request_of: ImportRequest, home: Path, name: str) -> None:
    part, content, words = BAD_PARTS[name]
    path = folder / "part.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    parts = {"tokenizer": request_of.tokenizer, "labels": request_of.labels, part: path}
    with pytest.raises(TagscopeError, match=words):
        import_onnx(made.write_model(folder), ImportRequest(**parts, data=request_of.data, fields=FIELDS))
    assert kept(home) == []


def test_what_pads_is_asked_for_where_nothing_tells_it(folder: Path, request_of: ImportRequest) -> None:
    tokenizer = made.write_tokenizer(folder, padding=False)
    given = {"tokenizer": tokenizer, "labels": request_of.labels, "data": request_of.data, "fields": FIELDS}
    with pytest.raises(TagscopeError, match="--pad-id"):
        import_onnx(made.write_model(folder), ImportRequest(**given))
    with pytest.raises(TagscopeError, match="real texts"):
        import_onnx(made.write_model(folder), ImportRequest(**given, pad_id=made.VOCABULARY["cat"]))
    with pytest.raises(TagscopeError, match=r"fails at the id that pads, 999; name the one .* by --pad-id"):
        import_onnx(made.write_model(folder), ImportRequest(**given, pad_id=999))
    result = import_onnx(made.write_model(folder), ImportRequest(**given, pad_id=0))
    assert served(result) == pytest.approx(softmax(made.expected(TEXTS)), abs=1e-5)


def test_padding_and_length_are_those_of_the_tokenizers_folder(folder: Path, request_of: ImportRequest) -> None:
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0, "max_position_embeddings": 99}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 7}))
    request = ImportRequest(folder, request_of.labels, request_of.data, FIELDS)
    made.write_tokenizer(folder, padding=False)
    assert import_onnx(made.write_model(folder), request).manifest.tokenizer.max_tokens == 7


def test_a_home_that_cannot_be_written_to_is_a_sentence(folder: Path, request_of: ImportRequest, home: Path) -> None:
    (home / "data").write_text("a file where a folder should be")
    with pytest.raises(TagscopeError, match="cannot be written"):
        import_onnx(made.write_model(folder), request_of)
    assert [path.name for path in kept(home)] == ["data"]


def test_other_engines_know_the_output_by_our_name(folder: Path, request_of: ImportRequest) -> None:
    pytest.importorskip("openvino")
    from engine.backends.registry import open_backend

    # A cast that changes nothing: an engine that takes it out must not lose the name of what it made.
    result = import_onnx(made.write_model(folder, end="Softmax", output="probs"), request_of)
    session = open_backend("openvino").open(open_store().open(result.manifest.run_id).model_bytes(), name="the model")
    ids = np.array([[made.VOCABULARY["whale"], made.VOCABULARY["the"]]])
    answer = session.run({"input_ids": ids})
    assert answer["logits"] == pytest.approx(made.expected(["whale the"]), abs=1e-5)
