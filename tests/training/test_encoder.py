"""Encoders with a head: the answers of `transformers`, whatever pads a text; embeddings kept; the head's fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
)

from engine.errors import BundleError
from engine.training.embeddings import EmbeddingCache, embed
from engine.training.encoder import EncoderClassifier, SequenceClassifier
from engine.training.head import fit_head
from engine.training.trainer import build_module, load_weights, save_module

if TYPE_CHECKING:
    from pathlib import Path

SIZE = {"vocab_size": 60, "max_position_embeddings": 40}
WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS = {
    "bert": BertConfig(**SIZE, **WIDE, pad_token_id=0),
    "roberta": RobertaConfig(**SIZE, **WIDE, pad_token_id=1),
    "distilbert": DistilBertConfig(**SIZE, dim=32, n_layers=2, n_heads=4, hidden_dim=48, pad_token_id=0),
    "mpnet": MPNetConfig(**SIZE, **WIDE, pad_token_id=1),
    "electra": ElectraConfig(**SIZE, **WIDE, embedding_size=16, pad_token_id=0),
}
FAMILIES = sorted(CONFIGS)


def parameters(family: str, **more: object) -> dict[str, object]:
    """What a run keeps to build the module again, as JSON gives it back."""
    config = json.loads(json.dumps({**CONFIGS[family].to_diff_dict(), "model_type": family}))
    return {"encoder": config, "pad_id": CONFIGS[family].pad_token_id, **more}


def texts(pad_id: int, lengths: tuple[int, ...] = (9, 4, 1, 7)) -> torch.Tensor:
    chance = np.random.default_rng(3)
    ids = np.full((len(lengths), max(lengths)), pad_id)
    for row, length in enumerate(lengths):
        ids[row, :length] = chance.integers(2, SIZE["vocab_size"], length)
    return torch.from_numpy(ids)


def make(family: str, pooling: str = "mean") -> EncoderClassifier:
    torch.manual_seed(1)
    module = build_module("encoder", parameters(family, labels=3, pooling=pooling))
    assert isinstance(module, EncoderClassifier)
    return module


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@torch.no_grad()
def test_a_vector_is_that_of_transformers_pooled_and_scaled_to_length_one(family: str, pooling: str) -> None:
    module = make(family, pooling)
    ids = texts(module.pad_id)
    reference = AutoModel.from_config(CONFIGS[family], attn_implementation="eager").eval()
    reference.load_state_dict(module.encoder.state_dict(), strict=False)
    found = module.embed(ids)
    for row, vector in zip(ids, found, strict=True):
        alone = row[row != module.pad_id]
        states = reference(input_ids=alone[None], attention_mask=torch.ones(1, len(alone))).last_hidden_state[0]
        pooled = {"mean": states.mean(0), "cls": states[0], "max": states.amax(0)}[pooling]
        torch.testing.assert_close(vector, pooled / pooled.norm(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@torch.no_grad()
def test_a_sequence_classifier_answers_as_transformers_does(family: str) -> None:
    torch.manual_seed(2)
    module = build_module("sequence-classifier", parameters(family))
    assert isinstance(module, SequenceClassifier)
    reference = AutoModelForSequenceClassification.from_config(CONFIGS[family]).eval()
    reference.load_state_dict(module.model.state_dict())
    ids = texts(module.pad_id)
    expected = reference(input_ids=ids, attention_mask=(ids != module.pad_id).long()).logits
    torch.testing.assert_close(module(ids), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_module_is_built_again_from_its_parameters_and_weights(tmp_path: Path) -> None:
    module = make("roberta")
    module.set_head(torch.randn(3, 32), torch.randn(3))
    save_module(module, tmp_path / "model.safetensors")
    kept = json.loads(json.dumps(module.config))
    torch.manual_seed(99)
    again = load_weights(build_module("encoder", kept), tmp_path / "model.safetensors")
    ids = texts(module.pad_id)
    assert torch.equal(again(ids), module(ids))


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "sum"},
        {"encoder": {"model_type": "no-such-model"}},
        {"encoder": {}},
        {"encoder": {"model_type": "bert", "hidden_size": 30, "num_attention_heads": 4}},
        {"surplus": 1},
    ],
)
def test_parameters_that_fit_no_encoder_are_refused_in_one_sentence(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="parameters of the run do not fit model 'encoder'"):
        build_module("encoder", {**parameters("bert", labels=3, pooling="mean"), **change})


class Counting(EncoderClassifier):
    """Counts the texts that it embeds."""

    texts = 0

    def embed(self, input_ids: torch.Tensor) -> torch.Tensor:
        self.texts += len(input_ids)
        return super().embed(input_ids)


@pytest.fixture
def counting() -> Counting:
    return Counting(labels=2, pooling="mean", **parameters("bert")).eval()


IDS = [[2, 5, 6, 3], [2, 7, 3], [2, 5, 6, 3], [2, 8, 9, 10, 11, 3], [2, 3]]


def vectors(module: Counting, cache: EmbeddingCache, ids: list[list[int]] = IDS, encoder: str = "e" * 64) -> np.ndarray:
    return embed(module, ids, encoder=encoder, cache=cache, progress=lambda share: None)


def test_embeddings_are_computed_once_and_come_back_from_the_disk(counting: Counting, tmp_path: Path) -> None:
    first = vectors(counting, EmbeddingCache(tmp_path))
    assert counting.texts == 4  # one stands twice
    np.testing.assert_array_equal(first[0], first[2])
    with torch.no_grad():
        alone = np.stack([counting.embed(torch.tensor([row])).numpy()[0] for row in IDS])
    np.testing.assert_allclose(first, alone, atol=1e-6)
    counting.texts = 0
    again = vectors(counting, EmbeddingCache(tmp_path), [*IDS, [2, 12, 3]])
    np.testing.assert_array_equal(again[:-1], first)
    assert counting.texts == 1
    vectors(counting, EmbeddingCache(tmp_path), encoder="f" * 64)
    assert counting.texts == 5  # another encoder has vectors of its own


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_a_damaged_file_is_computed_again(counting: Counting, tmp_path: Path, damage: bytes | None) -> None:
    first = vectors(counting, EmbeddingCache(tmp_path))
    (file,) = tmp_path.rglob("*.npy")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    np.testing.assert_array_equal(vectors(counting, EmbeddingCache(tmp_path)), first)
    assert counting.texts == 8
    assert [path.read_bytes() for path in tmp_path.rglob("*.npy")] == [content]


def test_the_cache_keeps_to_its_bound_and_gives_up_what_is_oldest(counting: Counting, tmp_path: Path) -> None:
    vectors(counting, EmbeddingCache(tmp_path))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))
    cache = EmbeddingCache(tmp_path, limit=2 * size)
    for number in range(5):
        vectors(counting, cache, encoder=str(number) * 64)
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.npy")) <= 2 * size
    assert sorted(path.parent.name[0] for path in tmp_path.rglob("*.npy")) == ["3", "4"]
    assert len(vectors(counting, EmbeddingCache(tmp_path / "none", limit=10))) == len(IDS)
    assert not (tmp_path / "none").exists()


def blobs(rows: int, tags: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(tags, 12))
    targets = np.arange(rows) % tags
    points = centres[targets] + spread * chance.normal(size=(rows, 12))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), targets


def test_the_head_learns_and_says_how_its_options_were_chosen() -> None:
    seen, targets = blobs(120, 4, 0.4)
    unseen, expected = blobs(80, 4, 0.4, seed=1)
    head = fit_head(seen, targets, 4)
    assert ((unseen @ head.weight.T + head.bias).argmax(1) == expected).mean() > 0.95
    best = max(head.tried, key=lambda choice: choice["f1"])
    (taken,) = (choice for choice in head.tried if {**choice, **head.options} == choice)
    assert best["f1"] - best["error"] <= taken["f1"]
    assert not any(choice["f1"] >= best["f1"] - best["error"] for choice in head.tried if choice["C"] < taken["C"])
    again = fit_head(seen, targets, 4)
    np.testing.assert_array_equal(again.weight, head.weight)


def test_two_tags_have_the_probabilities_of_logistic_regression() -> None:
    seen, targets = blobs(60, 2, 1.0)
    head = fit_head(seen, targets, 2)
    model = LogisticRegression(
        C=head.options["C"], class_weight="balanced" if head.options["balanced"] else None, max_iter=1000
    ).fit(seen.astype(np.float64), targets)
    logits = seen @ head.weight.T + head.bias
    found = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, model.predict_proba(seen.astype(np.float64)), atol=1e-6)


def test_a_tag_with_a_single_text_leaves_nothing_to_compare_on() -> None:
    seen, targets = blobs(30, 3, 0.3)
    targets[targets == 2] = 0
    targets[0] = 2
    head = fit_head(seen, targets, 3)
    assert head.tried == []
    assert head.weight.shape == (3, 12)
