"""Only a model's own bytes: no file that it names is read, by any backend, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from engine.backends.inspection import check_self_contained
from engine.backends.registry import backend_names, open_backend
from engine.errors import BundleError

FLOATS = np.ones(150, np.float32)


def refused(model: bytes, words: str) -> None:
    for name in backend_names():
        with pytest.raises(BundleError, match=words) as caught:
            open_backend(name).open(model, name="Run 1")
        assert str(caught.value).startswith("Run 1: ")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


def external(location: str) -> TensorProto:
    weight = TensorProto(name="words", data_type=TensorProto.FLOAT, dims=[50, 3])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(FLOATS.nbytes))):
        weight.external_data.add(key=key, value=value)
    return weight


AXIS = numpy_helper.from_array(np.array([1]), "axis")


@pytest.mark.parametrize("where", ["here", "absolute", "above", "missing"])
def test_a_model_that_names_a_file_is_refused_where_the_file_is_there_too(make_model, tmp_path, monkeypatch, where):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    FLOATS.tofile(folder / "weights.bin")
    locations = {
        "here": "weights.bin",
        "absolute": str(folder / "weights.bin"),
        "above": "../folder/weights.bin",
        "missing": "nothing.bin",
    }
    model = make_model(weights=[external(locations[where]), AXIS])
    assert where == "missing" or onnx.load_from_string(model).graph.initializer[0].data_location
    refused(model, r"external data.*export it as one file")


@pytest.mark.parametrize("place", ["constant", "branch", "function", "sparse"])
def test_a_file_is_found_wherever_it_is_named(make_model, place):
    weight = external("weights.bin")
    constant = helper.make_node("Constant", [], ["words"], value=weight)
    last = helper.make_node("ReduceSum", ["each", "axis"], ["logits"], keepdims=0)
    look_up = helper.make_node("Gather", ["words", "input_ids"], ["each"])
    more = {}
    nodes = [constant, look_up, last]
    if place == "branch":
        value = helper.make_tensor_value_info("words", TensorProto.FLOAT, [50, 3])
        branch = helper.make_graph([constant], "branch", [], [value])
        nodes = [helper.make_node("If", ["axis"], ["chosen"], then_branch=branch, else_branch=branch), look_up, last]
    elif place == "function":
        opset = helper.make_opsetid("", 20)
        more["functions"] = [helper.make_function("ours", "Words", [], ["words"], [constant], [opset])]
        more["opsets"] = [helper.make_opsetid("ours", 1)]
        nodes = [helper.make_node("Words", [], ["words"], domain="ours"), look_up, last]
    elif place == "sparse":
        indices = numpy_helper.from_array(np.arange(150), "indices")
        sparse = onnx.SparseTensorProto(values=weight, indices=indices, dims=[50, 3])
        nodes[0] = helper.make_node("Constant", [], ["words"], sparse_value=sparse)
    with pytest.raises(BundleError, match="external data"):
        check_self_contained(make_model(nodes, [AXIS], **more), "Run 1")


@pytest.mark.parametrize(
    ("domain", "operator"),
    [("ai.onnx.contrib", "BertTokenizer"), ("somebody", "Thing"), ("com.microsoft", "EPContext")],
)
def test_an_operator_from_outside_is_refused_with_its_name(make_model, domain, operator):
    node = helper.make_node(operator, ["input_ids"], ["logits"], domain=domain)
    model = make_model([node], opsets=[helper.make_opsetid(domain, 1)])
    refused(model, rf"{domain}::{operator} .* never loaded; express it by standard operators")


@pytest.mark.parametrize("sign", [b"\xff", b"\n", b"\x1b", b"\0"])
@pytest.mark.parametrize("name", [b"input_ids", b"logits", b"batch", b"words", b"Gather", b"keepdims"])
def test_a_name_that_is_no_text_is_refused(small, name, sign):
    spoiled = small.replace(name, sign + name[1:])
    assert spoiled != small
    refused(spoiled, "a name in the ONNX model is no text")


def test_an_operator_with_a_name_without_end_is_cut(make_model):
    node = helper.make_node("A" * 10_000, ["input_ids"], ["logits"], domain="zz")
    with pytest.raises(BundleError, match="zz::AAA") as caught:
        check_self_contained(make_model([node], opsets=[helper.make_opsetid("zz", 1)]), "long")
    assert len(str(caught.value)) < 400


def test_an_operator_that_does_not_exist_is_refused_by_the_engine(make_model):
    refused(make_model([helper.make_node("NoSuchThing", ["input_ids"], ["logits"])]), "refuses the model")


def test_a_function_of_the_model_is_no_operator_from_outside(make_model, words):
    opset = helper.make_opsetid("", 20)
    body = [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)]
    function = helper.make_function("ours", "Total", ["x", "axis"], ["y"], body, [opset])
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["each"]),
        helper.make_node("Total", ["each", "axis"], ["logits"], domain="ours"),
    ]
    model = make_model(nodes, functions=[function], opsets=[helper.make_opsetid("ours", 1)])
    assert ("ours", "Total") in check_self_contained(model, "small")
    ids = np.array([[1, 2, 3]])
    answers = open_backend("onnxruntime").open(model, name="small").run({"input_ids": ids})["logits"]
    np.testing.assert_allclose(answers, words[ids].sum(1), atol=1e-5)


@pytest.mark.skipif("openvino" not in backend_names(), reason="needs the extra openvino")
def test_openvino_has_no_functions_and_says_which_one_it_lacks(make_model):
    opset = helper.make_opsetid("", 20)
    body = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    function = helper.make_function("ours", "Real", ["x"], ["y"], body, [opset])
    node = helper.make_node("Real", ["input_ids"], ["logits"], domain="ours")
    model = make_model([node], functions=[function], opsets=[helper.make_opsetid("ours", 1)])
    with pytest.raises(BundleError, match=r"OpenVINO .* refuses the model .*ours\.Real") as caught:
        open_backend("openvino").open(model, name="small")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"random bytes " * 30, bytes(300), b"ORTM" * 9, b"<?xml version='1.0'?><net/>", b"\xff" * 40]
)
def test_what_is_no_model_is_refused(content):
    refused(content, "not a whole ONNX model")


def test_a_model_that_is_cut_off_anywhere_is_refused(small):
    # Where the cut falls between two parts, what is left is a model without its last part: whole, if the graph is.
    whole = 0
    for end in range(len(small)):
        try:
            check_self_contained(small[:end], "small")
        except BundleError as error:
            assert "not a whole ONNX model" in str(error)
        else:
            whole += 1
            assert len(onnx.load_from_string(small[:end]).graph.node) == 2
    assert whole <= 2


def test_the_demo_models_pass():
    found = sorted((Path(__file__).parents[2] / "data" / "runs").glob("*/model.onnx"))
    assert len(found) == 3
    for path in found:
        operators = check_self_contained(path.read_bytes(), path.name)
        assert operators == {(node.domain, node.op_type) for node in onnx.load(path).graph.node}


@given(st.binary(max_size=300))
def test_random_bytes_end_in_one_sentence_or_pass(content):
    try:
        check_self_contained(content, "random")
    except BundleError as error:
        assert "\n" not in str(error)


@given(st.data())
def test_a_damaged_model_ends_in_one_sentence_or_passes(small, data):
    damaged = bytearray(small)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(small) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_self_contained(bytes(damaged), "damaged")
    except BundleError as error:
        assert "\n" not in str(error)
