from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training.cnn import TextCnn
from engine.training.options import CnnOptions, read_options
from engine.training.padding import logits_of, pad
from engine.training.trainer import build_module, load_weights, save_module, train_model

OPTIONS = {"vocabulary": 500, "filters": 16, "embedding": 24, "max_epochs": 12, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def model(corpus, held_out):
    return train_model("cnn", *corpus, 3, validation=held_out, max_tokens=64, options=OPTIONS)


def test_it_learns(model, held_out):
    texts, targets = held_out
    logits = logits_of(model.module, [model.tokenizer.encode(text) for text in texts])
    assert (logits.argmax(1) == targets).mean() > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(corpus, held_out):
    options = {**OPTIONS, "max_epochs": 2}

    def weights(seed):
        trained = train_model("cnn", *corpus, 3, validation=held_out, seed=seed, options=options)
        return torch.cat([value.flatten() for value in trained.module.state_dict().values()])

    torch.manual_seed(17)
    expected = torch.rand(1)
    torch.manual_seed(17)
    first = weights(1)
    assert torch.equal(torch.rand(1), expected), "the caller's generator was moved"
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


def test_it_trains_without_held_out_texts(corpus):
    model = train_model("cnn", *corpus, 3, options={**OPTIONS, "max_epochs": 2})
    assert len(model.history["validation_loss"]) == 2
    assert "temperature" not in model.history


def test_it_trains_on_a_handful_of_texts():
    model = train_model("cnn", ["a b", "c d"], np.array([0, 1]), 2, options={**OPTIONS, "max_epochs": 2})
    assert np.isfinite(logits_of(model.module, [model.tokenizer.encode("a")])).all()


def test_the_options_that_were_used_are_told(model):
    assert json.loads(json.dumps(model.options)) == model.options
    assert read_options(CnnOptions, model.options) == CnnOptions(**OPTIONS)


def test_weights_are_saved_and_read_again(model, held_out, tmp_path):
    save_module(model.module, tmp_path / "model.safetensors")
    module = load_weights(build_module("cnn", model.parameters), tmp_path / "model.safetensors")
    ids = [model.tokenizer.encode(text) for text in held_out[0]]
    np.testing.assert_array_equal(logits_of(module, ids), logits_of(model.module, ids))


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    padding=st.integers(0, 7),
    kernels=st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_padding_and_batch_mates_do_not_change_an_answer(lengths, padding, kernels, seed):
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    module = TextCnn(4, 50, 8, tuple(kernels), 5, 0.5).eval()
    with torch.no_grad():
        module.embedding.weight[0] = 3.0  # even if the padding's vector were not zero
    rows = [chance.integers(1, 50, length).tolist() for length in lengths]
    with torch.no_grad():
        together = module(torch.nn.functional.pad(pad(rows), (0, padding)))
        alone = torch.cat([module(pad([row])) for row in rows])
    assert together.shape == (len(rows), 4)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_a_padding_row_is_finite():
    assert torch.isfinite(TextCnn(2, 9, 4, (2, 3), 3, 0.0)(torch.zeros(1, 3, dtype=torch.int64))).all()


def test_steps_are_bounded(corpus):
    model = train_model("cnn", *corpus, 3, options={**OPTIONS, "max_epochs": 50, "max_steps": 1})
    assert len(model.history["loss"]) == 2
