"""Every installed backend: the same answers, from several threads, and one sentence for what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from engine.backends import openvino
from engine.backends.onnx_runtime import open_session, session_options
from engine.backends.protocol import FP32
from engine.backends.registry import backend_names, open_backend
from engine.errors import BackendError, BundleError

ROOT = Path(__file__).parents[2]
# Outputs of these are sums of three numbers of size 1: what a format of so many bits loses.
LOSS = {"fp32": 1e-6, "bf16": 0.05, "fp16": 0.01}


def one_sentence(error: BaseException) -> bool:
    return "\n" not in str(error) and "Traceback" not in str(error)


@pytest.mark.parametrize("name", backend_names())
def test_every_backend_answers_at_every_shape_in_all_it_computes(name, small, words):
    backend = open_backend(name)
    assert backend.name == name
    assert backend.computes[0] == FP32
    chance = np.random.default_rng(1)
    for compute in backend.computes:
        session = backend.open(small, name="small", compute=compute, threads=2)
        for shape in [(1, 1), (1, 9), (5, 1), (7, 13), (2, 3)]:
            ids = chance.integers(0, 50, shape)
            answers = session.run({"input_ids": ids})
            assert list(answers) == ["logits"]
            assert answers["logits"].dtype == np.float32
            np.testing.assert_allclose(answers["logits"], words[ids].sum(1), atol=LOSS[compute] * shape[1])


@pytest.mark.parametrize("name", backend_names())
def test_answers_do_not_change_when_the_next_ones_come(name, small, words):
    session = open_backend(name).open(small, name="small")
    first = session.run({"input_ids": np.array([[1, 2]])})["logits"]
    kept = first.copy()
    session.run({"input_ids": np.array([[3, 4]])})
    np.testing.assert_array_equal(first, kept)
    # Not contiguous, as a slice of a larger batch is.
    ids = np.arange(40).reshape(8, 5)[::2, ::2]
    np.testing.assert_allclose(session.run({"input_ids": ids})["logits"], words[ids].sum(1), atol=1e-5)


@pytest.mark.parametrize("name", backend_names())
def test_a_session_is_shared_by_threads(name, small, words):
    session = open_backend(name).open(small, name="small")

    def answer(seed):
        ids = np.random.default_rng(seed).integers(0, 50, (1 + seed % 7, 1 + seed % 11))
        return np.abs(session.run({"input_ids": ids})["logits"] - words[ids].sum(1)).max()

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(answer, range(300))) < 1e-4


@pytest.mark.parametrize("name", backend_names())
@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"other": np.zeros((1, 2), np.int64)},
        {"input_ids": np.zeros((1, 2), np.int64), "other": np.zeros((1, 2), np.int64)},
        {"input_ids": np.zeros((1, 2), np.float32)},
        {"input_ids": np.zeros(2, np.int64)},
        {"input_ids": "words"},
    ],
    ids=["nothing", "another name", "one too many", "another type", "another rank", "no array"],
)
def test_an_input_that_does_not_fit_is_one_sentence_with_its_shape(name, feeds, small):
    session = open_backend(name).open(small, name="Run 1")
    session.run({"input_ids": np.array([[1, 2]])})
    with pytest.raises(BackendError, match=r"Run 1: .* cannot run the model on") as caught:
        session.run(feeds)
    assert one_sentence(caught.value)
    for key, value in feeds.items():
        assert f"{key} {getattr(value, 'shape', 'str')}" in str(caught.value)


def test_onnx_runtime_on_the_cpu_comes_first_and_remote_providers_never():
    assert backend_names()[0] == "onnxruntime"
    assert not any("azure" in name.lower() for name in backend_names())
    assert open_backend(" OnnxRuntime:CPU ").name == "onnxruntime"


@pytest.mark.parametrize("name", ["onnxruntime:Azure", "onnxruntime:NoSuch", "tensorrt", "", "openvino:GPU"])
def test_an_unknown_backend_names_those_there_are(name):
    with pytest.raises(BackendError, match="is installed here; there are: onnxruntime") as caught:
        open_backend(name)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("name", backend_names())
def test_a_precision_that_is_not_computed_here_names_those_that_are(name, small):
    with pytest.raises(BackendError, match=rf"{name} does not compute in fp8 .* offers fp32"):
        open_backend(name).open(small, name="small", compute="fp8")


@pytest.mark.parametrize("name", backend_names())
def test_no_thread_computes_nothing(name, small):
    with pytest.raises(BackendError, match=rf"{name} cannot compute on 0 threads; give at least 1"):
        open_backend(name).open(small, name="small", threads=0)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda model: model.ClearField("opset_import"), r"\(Missing opset in the model\."),
        (
            lambda model: setattr(model.graph.initializer[0], "raw_data", b"123"),
            r"\(Initializer 'words': raw_data size",
        ),
        (lambda model: setattr(model.graph.node[0], "op_type", "NoSuch"), "NoSuch"),
    ],
)
def test_the_reason_of_onnx_runtime_is_told_and_not_where_in_its_source_it_arose(small, spoil, reason):
    model = onnx.load_from_string(small)
    spoil(model)
    with pytest.raises(BundleError, match=reason) as caught:
        open_session(model.SerializeToString(), "small")
    assert "onnxruntime_src" not in str(caught.value)
    assert "ONNXRuntimeError" not in str(caught.value)


def test_the_served_session_has_its_options(small):
    session = open_session(small, "small")
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert not options.enable_cpu_mem_arena
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session_options(3).intra_op_num_threads == 3


def test_a_model_that_only_the_engine_can_refuse_is_one_sentence(small):
    # Whole as protobuf, and no graph of ONNX: an input that nothing gives.
    broken = small.replace(b"words", b"sword", 1)
    for name in backend_names():
        with pytest.raises(BundleError, match=r"Run 1: .* refuses the model") as caught:
            open_backend(name).open(broken, name="Run 1")
        assert one_sentence(caught.value)


@pytest.mark.skipif(not openvino.installed(), reason="needs the extra openvino")
def test_openvino_computes_fp32_unless_asked_even_where_the_processor_has_less(small):
    backend = open_backend("openvino")
    hints = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    for compute in backend.computes:
        compiled = backend.open(small, name="small", compute=compute).compiled
        assert hints[compute] in str(compiled.get_property("INFERENCE_PRECISION_HINT"))


REPORTS = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(f"{event} {args[1:]}") if event.startswith("socket.") else None)
import numpy as np
from engine.backends.registry import open_backend
session = open_backend("openvino").open(sys.stdin.buffer.read(), name="small")
session.run({"input_ids": np.array([[1, 2]])})
import json
print(json.dumps(seen + [name for name in sys.modules if name.startswith("openvino_telemetry")]))
"""


@pytest.mark.skipif(not openvino.installed(), reason="needs the extra openvino")
def test_openvino_reports_to_nobody(small, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", REPORTS], input=small, env=environment, capture_output=True, cwd=tmp_path, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    # Its telemetry keeps an id and a count in a folder `intel` of the home.
    assert list(tmp_path.iterdir()) == []


MISSING = """
import sys
sys.modules["openvino"] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "openvino" else real(name, *rest)
from engine.backends.registry import backend_names, open_backend
from engine.errors import BackendError
assert "openvino" not in backend_names()
try:
    open_backend("openvino")
except BackendError as error:
    print(error)
"""


def test_without_the_extra_the_sentence_says_how_to_install_it(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", MISSING], env=environment, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == "OpenVINO is not installed; run `pip install 'tagscope[openvino]'`.\n"
