from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from engine.errors import ExportError
from engine.export.exporter import export_classifier
from engine.export.parity.classifiers import check_parity
from engine.export.parity.invariance import batch_invariance, count_flips
from engine.export.parity.text_cases import answer_texts, grid_cases, shape_grid, text_cases
from engine.training.ngram import NgramClassifier

VOCABULARY = 40
SIZES = {"vocabulary_size": VOCABULARY, "max_tokens": 32}


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[nn.Module, bytes]:
    generator = torch.Generator().manual_seed(0)
    module = NgramClassifier(3, VOCABULARY, 101, (17, 60)).eval()
    with torch.no_grad():
        module.words[2:] = torch.rand(VOCABULARY - 2, 4, generator=generator) + 0.1
        module.bias.copy_(torch.tensor([0.5, -0.5, 0.0]))
    path = tmp_path_factory.mktemp("parity") / "model.onnx"
    export_classifier(module, path, **SIZES)
    return module, path.read_bytes()


def test_a_true_export_passes(exported):
    module, content = exported
    report = check_parity(module, content, **SIZES, texts_ids=[[3, 4, 5], [7], [1], list(range(1, 40)), []])
    assert report.difference <= 1e-5
    assert report.mates <= 1e-5
    assert report.flips == report.mate_flips == 0
    assert report.scale > 0
    assert {(1, 1), (1, 32), (32, 1), (7, 13), (31, 5), (2, 32)} <= set(report.shapes)
    assert len(set(report.shapes)) >= 12
    assert report.texts == sum(batch for batch, _ in report.shapes)


@pytest.mark.parametrize("tokens", [1, 2, 7])
def test_short_models_are_checked_too(exported, tokens):
    module, content = exported
    report = check_parity(module, content, vocabulary_size=VOCABULARY, max_tokens=tokens)
    assert max(sequence for _, sequence in report.shapes) == tokens


def test_one_tampered_weight_is_found(exported):
    module, content = exported
    model = onnx.load_from_string(content)
    tensor = next(t for t in model.graph.initializer if list(t.dims) == [VOCABULARY, 4])
    values = numpy_helper.to_array(tensor).copy()
    values[20, 1] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ExportError, match="differs from torch"):
        check_parity(module, model.SerializeToString(), **SIZES)


def mean_model(frozen: int | None = None, nan: bool = False) -> bytes:
    """Mean of the ids over all columns, padding too: what masking forgets; optionally for one length only."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axis"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "factors"], ["logits"]),
    ]
    factors = np.array([[1.0, np.nan if nan else 2.0]], np.float32)
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", frozen or "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.array([1]), "axis"), numpy_helper.from_array(factors, "factors")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


class Mean(nn.Module):
    def forward(self, ids):
        return ids.float().mean(1, keepdim=True) * torch.tensor([[1.0, 2.0]])


def test_unmasked_padding_is_found():
    with pytest.raises(ExportError, match="padding is not masked"):
        check_parity(Mean(), mean_model(), **SIZES)


def test_a_frozen_axis_is_found():
    with pytest.raises(ExportError, match=r"fails at input_ids \[1, 1\]"):
        check_parity(Mean(), mean_model(frozen=7), **SIZES)


def test_not_a_number_is_found():
    with pytest.raises(ExportError, match="differs from torch"):
        check_parity(Mean(), mean_model(nan=True), **SIZES)


def test_another_number_of_tags_is_found(exported):
    with pytest.raises(
        ExportError,
        match=r"At input_ids \[1, 1\] the ONNX model answers logits with shape \(1, 2\), the module with \(1, 3\)",
    ):
        check_parity(exported[0], mean_model(), **SIZES)


def test_what_is_not_a_model_is_one_sentence(exported):
    with pytest.raises(ExportError) as caught:
        check_parity(exported[0], b"no model", **SIZES)
    assert "\n" not in str(caught.value)


def test_padding_has_the_id_that_it_has(exported):
    """A model whose padding is 5 is not asked with 0 for padding, nor the other way round."""

    class Masked(nn.Module):
        def forward(self, ids):
            real = (ids != 5).float()
            return (ids * real).sum(1, keepdim=True) / real.sum(1, keepdim=True) * torch.tensor([[1.0, 2.0]])

    seen = []

    class Watched:
        name, computes = "watched", ("fp32",)

        def open(self, model, *, name, compute="fp32", threads=1):
            return self

        def run(self, feeds):
            seen.append(feeds["input_ids"])
            return {"logits": Masked()(torch.from_numpy(feeds["input_ids"])).numpy()}

    texts = [[1, 2, 3], [4], [6, 7]]
    report = check_parity(Masked(), b"", Watched(), **SIZES, texts_ids=texts, pad_id=5)
    assert report.mates <= 1e-6
    assert all((ids != 5).any(1).all() for ids in seen)
    assert any((ids[:, -1] == 5).any() for ids in seen)
    with pytest.raises(ExportError, match="padding is not masked"):
        check_parity(Masked(), b"", Watched(), **SIZES, texts_ids=texts, pad_id=0)


def test_a_model_without_logits_is_told(exported):
    class Other:
        name, computes = "other", ("fp32",)

        def open(self, model, *, name, compute="fp32", threads=1):
            return self

        def run(self, feeds):
            return {"scores": np.zeros((1, 3))}

    with pytest.raises(ExportError, match=r"no logits .* but scores"):
        check_parity(exported[0], b"", Other(), **SIZES)


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 7, 64, 512, 20_000])
@pytest.mark.parametrize("batch", [2, 8, 32])
def test_the_grid_has_the_corners_and_twelve_shapes(max_tokens, batch):
    shapes = shape_grid(max_tokens, batch=batch, most_tokens=4_096)
    assert len(set(shapes)) == len(shapes) >= 12
    assert {(1, 1), (1, max_tokens), (batch, 1)} <= set(shapes)
    if max_tokens > 2:
        assert max(rows for rows, sequence in shapes if sequence == max_tokens) == max(
            2 if max_tokens <= 2_048 else 1, min(batch, 4_096 // max_tokens)
        )
    assert all(rows * sequence <= 4_096 or rows == 1 for rows, sequence in shapes)
    cases = grid_cases(30, max_tokens, pad_id=3, shapes=shapes)
    assert [case["input_ids"].shape for case in cases] == shapes
    for case in cases:
        assert (case["input_ids"][:, 0] != 3).all()
        assert case["input_ids"].max() < 30
    if max_tokens > 3:
        assert any((case["input_ids"] == 3).any() for case in cases)


def test_texts_are_padded_to_the_longest_of_their_batch():
    cases = text_cases([[1, 2, 3], [4], [5, 6]], pad_id=9, batch=2)
    assert [case["input_ids"].tolist() for case in cases] == [[[1, 2, 3], [4, 9, 9]], [[5, 6]]]


class Talking:
    """A classifier of which a test says how a text's score depends on its batch; its second logit is 0."""

    def __init__(self, score) -> None:
        self._score = score

    def run(self, feeds):
        ids = feeds["input_ids"]
        scores = np.array([self._score(row, ids) for row in ids], dtype=np.float32)
        return {"logits": np.stack([scores, np.zeros_like(scores)], 1)}


TEXTS = [[2, 2], [3], [4, 4, 4, 4, 4, 4, 4], [5], [6, 6, 6]] * 4


def test_answers_of_texts_come_in_their_order():
    logits = answer_texts(Talking(lambda row, ids: row[0]), TEXTS, batch=3)
    assert logits[:, 0].tolist() == [row[0] for row in TEXTS]
    assert count_flips(logits, logits) == 0
    assert count_flips(logits, -logits) == len(TEXTS)


def test_a_text_that_never_minds_its_mates_is_invariant():
    found = batch_invariance(Talking(lambda row, ids: row.sum()), TEXTS)
    assert (found.difference, found.flips, found.texts) == (0.0, 0, 20)
    assert found.scale == 28.0
    assert len({way.name for way in found.compositions}) == 3


def test_each_way_of_minding_its_mates_is_found():
    # One scale for the whole batch, as dynamic quantisation takes it.
    largest = batch_invariance(Talking(lambda row, ids: row[0] - 0.5 * (ids.max() - row.max())), TEXTS)
    assert largest.difference > 0
    assert all(way.difference > 0 for way in largest.compositions)
    # The number of columns, whatever is in them: only this text's own padding.
    columns = batch_invariance(Talking(lambda row, ids: row[0] - len(row)), TEXTS, max_tokens=64)
    assert columns.flips > 0
    assert columns.compositions[0].difference == pytest.approx((7 + 3 - 1) / 4)
    # Only some texts, and these in any company.
    some = batch_invariance(
        Talking(lambda row, ids: 1.0 if len(ids) == 1 or row[0] != 4 else -1.0), TEXTS, batch=len(TEXTS)
    )
    assert some.flips == 4
    assert some.compositions[0].flips == 4


def test_padding_stays_within_the_longest_sequence():
    widths = []

    def score(row, ids):
        widths.append(ids.shape[1])
        return 1.0

    batch_invariance(Talking(score), TEXTS, max_tokens=8)
    assert max(widths) == 8


def test_not_a_number_among_mates_is_found():
    found = batch_invariance(Talking(lambda row, ids: np.nan if len(ids) > 1 else 1.0), TEXTS)
    assert found.difference == np.inf


def test_what_is_known_alone_is_not_computed_again():
    sizes, shares = [], []

    def score(row, ids):
        sizes.append(len(ids))
        return row[0]

    alone = answer_texts(Talking(lambda row, ids: row[0]), TEXTS, batch=1)
    found = batch_invariance(Talking(score), TEXTS, alone=alone, batch=5, progress=shares.append)
    assert found.difference == 0
    assert min(sizes) > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
