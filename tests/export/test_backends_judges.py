from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import BackendError, BundleError
from engine.export.parity.comparison import compare
from engine.export.parity.reference_backend import ReferenceBackend
from engine.export.parity.torch_backend import TorchBackend


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 16)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(16, 3)

    def forward(self, input_ids):
        return self.output(self.dropout(self.embedding(input_ids).mean(1)))


class Several(nn.Module):
    def forward(self, first, second):
        return first - second, [first * second]


class Named(nn.Module):
    def forward(self, x):
        return {"hidden": x, "logits": x + 1}


IDS = {"input_ids": np.arange(12).reshape(3, 4)}
FIRST, SECOND = np.array([5.0, 7.0], np.float32), np.array([1.0, 2.0], np.float32)


def test_the_module_answers_in_evaluation_mode_without_gradients():
    module = Scorer().train()
    session = TorchBackend(module).open(b"not looked at", name="scorer")
    answer = session.run(IDS)
    with torch.no_grad():
        expected = module.eval()(torch.arange(12).reshape(3, 4)).numpy()
    assert list(answer) == ["logits"]
    assert (answer["logits"] == expected).all()
    assert (session.run(IDS)["logits"] == expected).all()


def test_inputs_go_by_name_where_forward_has_the_names_and_by_position_where_not():
    feeds = {"second": SECOND, "first": FIRST}
    by_name = TorchBackend(Several(), ("second", "first"), ("difference", "product")).open()
    assert by_name.run(feeds)["difference"].tolist() == [4.0, 5.0]
    by_place = TorchBackend(Several(), ("a", "b"), ("difference", "product")).open()
    answer = by_place.run({"b": SECOND, "a": FIRST})
    assert answer["difference"].tolist() == [4.0, 5.0]
    assert answer["product"].tolist() == [5.0, 14.0]


def test_of_a_mapping_the_outputs_are_its_keys():
    session = TorchBackend(Named(), ("x",), ("logits",)).open()
    assert session.run({"x": FIRST})["logits"].tolist() == [6.0, 8.0]


def test_answers_are_copies_and_inputs_may_be_read_only():
    frozen = FIRST.copy()
    frozen.flags.writeable = False
    answer = TorchBackend(Named(), ("x",), ("hidden", "logits")).open().run({"x": frozen})
    answer["hidden"][:] = 0
    assert frozen.tolist() == [5.0, 7.0]


def test_one_session_serves_many_threads():
    session = TorchBackend(Scorer()).open()
    batches = [{"input_ids": np.full((2, length), length)} for length in range(1, 17)]
    alone = [session.run(batch)["logits"] for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(session.run, batches * 4))
    assert all((together[place]["logits"] == alone[place % 16]).all() for place in range(64))


def test_bf16_is_near_fp32_and_not_the_same():
    backend = TorchBackend(Scorer())
    assert backend.computes == ("fp32", "bf16")
    exact, coarse = (backend.open(compute=compute).run(IDS)["logits"] for compute in backend.computes)
    assert exact.dtype == coarse.dtype == np.float32
    assert 0 < np.abs(exact - coarse).max() < 0.05
    with pytest.raises(BackendError, match=r"int3 .* offers fp32, bf16"):
        backend.open(compute="int3")


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    seen = []

    class Watching(nn.Module):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return x

    TorchBackend(Watching(), ("x",), ("y",)).open(threads=before + 2).run({"x": FIRST})
    assert seen == [before + 2]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"input_ids": np.full((2, 3), 99)}, r"on input_ids \[2, 3\] \(index out of range"),
        ({"input_ids": np.array([["a"]])}, r"on input_ids \[1, 1\]"),
        ({"ids": np.ones((1, 1))}, "takes input_ids and was given ids"),
        ({}, "given nothing"),
    ],
)
def test_what_torch_cannot_run_is_one_sentence(feeds, words):
    with pytest.raises(BackendError, match=words) as caught:
        TorchBackend(Scorer()).open(name="scorer").run(feeds)
    assert "\n" not in str(caught.value)


def test_another_number_of_outputs_is_told():
    session = TorchBackend(Several(), ("first", "second"), ("logits",)).open()
    with pytest.raises(BackendError, match="it returns 2 tensors, not 1: logits"):
        session.run({"first": FIRST, "second": SECOND})


# --- the reference evaluator


def model_of(nodes, functions=(), domains=()) -> bytes:
    graph = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "width"]),
            helper.make_tensor_value_info("at", TensorProto.INT64, ["batch", "chosen"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))
    return model.SerializeToString()


def feeds(width=5):
    chance = np.random.default_rng(0)
    return {
        "x": chance.normal(size=(3, width)).astype(np.float32),
        "at": chance.integers(-width, width, size=(3, 2)),
    }


@pytest.mark.parametrize("width", [1, 5, 63, 64, 65, 512])
def test_the_judge_and_onnx_runtime_gather_alike_at_any_width(width):
    model = model_of([helper.make_node("GatherElements", ["x", "at"], ["y"], axis=1)])
    judge, runtime = (backend.open(model, name="m") for backend in (ReferenceBackend(), OnnxRuntimeBackend()))
    assert compare(judge, runtime, [feeds(width)]).difference == 0.0


def test_the_judge_runs_functions_of_the_model():
    twice = helper.make_function(
        "tagscope", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    model = model_of([helper.make_node("Twice", ["x"], ["y"], domain="tagscope")], [twice], ["tagscope"])
    answer = ReferenceBackend().open(model, name="m").run(feeds())
    assert (answer["y"] == 2 * feeds()["x"]).all()


def test_overflow_is_infinity_and_no_warning():
    model = model_of([helper.make_node("Exp", ["x"], ["y"])])
    given = {**feeds(), "x": np.array([[1e4, 0.0]], np.float32)}
    assert ReferenceBackend().open(model, name="m").run(given)["y"].tolist() == [[np.inf, 1.0]]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            model_of([helper.make_node("FastGelu", ["x"], ["y"], domain="com.microsoft")], domains=["com.microsoft"]),
            "lacks an operator .*Gelu",
        ),
        (model_of([helper.make_node("Nonsense", ["x"], ["y"])]), "lacks an operator .*Nonsense"),
        (model_of([helper.make_node("Twice", ["x"], ["y"], domain="elsewhere")], domains=["elsewhere"]), "elsewhere"),
        (b"\x00random bytes", "not a whole ONNX model"),
        (b"", "not a whole ONNX model"),
    ],
)
def test_what_the_judge_cannot_open_is_one_sentence(model, words):
    with pytest.raises(BundleError, match=words) as caught:
        ReferenceBackend().open(model, name="m")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("m: ")


def test_what_the_judge_cannot_run_names_the_shapes():
    model = model_of([helper.make_node("MatMul", ["x", "x"], ["y"])])
    with pytest.raises(BackendError, match=r"on x \[3, 5\], at \[3, 2\]") as caught:
        ReferenceBackend().open(model, name="m").run(feeds())
    assert "\n" not in str(caught.value)


def test_the_judge_computes_in_fp32_only():
    assert ReferenceBackend().computes == ("fp32",)
    with pytest.raises(BackendError, match="bf16"):
        ReferenceBackend().open(model_of([helper.make_node("Exp", ["x"], ["y"])]), name="m", compute="bf16")


def test_a_model_with_data_in_another_file_is_refused():
    model = onnx.load_from_string(model_of([helper.make_node("Add", ["x", "w"], ["y"])]))
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="elsewhere.bin")
    with pytest.raises(BundleError, match="another file"):
        ReferenceBackend().open(model.SerializeToString(), name="m")
