from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import TrainingError
from engine.training.features import make_features
from engine.training.fitting import LinearProblem, fit
from engine.training.ngram import NgramClassifier
from engine.training.options import NgramOptions, read_options
from engine.training.padding import logits_of, pad
from engine.training.trainer import build_module, load_weights, save_module, train_model
from engine.training.vocabulary import word_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(corpus, held_out):
    return train_model("ngram", *corpus, 3, validation=held_out)


def encoded(texts):
    tokenizer = word_tokenizer(texts, max_words=1000, max_tokens=64)
    return tokenizer, [tokenizer.encode(text) for text in texts]


def test_it_learns(model, held_out):
    texts, targets = held_out
    logits = logits_of(model.module, [model.tokenizer.encode(text) for text in texts])
    assert (logits.argmax(1) == targets).mean() > 0.95


def test_folded_tables_give_the_logits_of_the_unfolded_weights(corpus):
    texts, targets = corpus
    tokenizer, ids = encoded(texts)
    features = make_features(ids, tokenizer.words, NgramOptions())
    chance = np.random.default_rng(0)
    problem = LinearProblem(features, targets, 3, penalty=10.0, balance=1.0)
    weights = chance.normal(size=(sum(problem.sizes), 3))
    by_word, by_gram, by_pair = np.split(weights, np.cumsum(problem.sizes)[:-1])
    unfolded = (
        features.words @ (features.word_idf[:, None] * by_word)
        + (features.words @ features.grams) @ by_gram
        + (features.pairs.multiply(features.pair_idf)) @ by_pair
    )
    words, pairs = problem.fold(weights)
    module = NgramClassifier(3, tokenizer.vocabulary_size, features.pair_table.buckets, features.pair_table.multipliers)
    with torch.no_grad():
        module.words.copy_(torch.from_numpy(np.column_stack([words, features.word_norms])))
        module.pairs[:-1].copy_(torch.from_numpy(np.column_stack([pairs, features.pair_idf**2])))
        module.pair_keys.copy_(torch.from_numpy(features.pair_table.keys[:, None]))
    np.testing.assert_allclose(logits_of(module, ids), unfolded, atol=1e-4)


def test_the_gradient_is_that_of_the_loss(corpus):
    texts, targets = corpus[0][:40], corpus[1][:40]
    tokenizer, ids = encoded(texts)
    problem = LinearProblem(
        make_features(ids, tokenizer.words, NgramOptions(min_bigram_texts=1)), targets, 3, penalty=2.0, balance=0.5
    )
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(sum(problem.sizes), 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(3, dtype=torch.float64, generator=generator)
    direction = torch.randn(weights.shape, dtype=torch.float64, generator=generator)
    _, by_weight, by_bias = problem.loss_and_gradients(weights, bias)
    step = 1e-5
    for along, slope in [
        ((direction, torch.zeros(3)), (by_weight * direction).sum()),
        ((torch.zeros_like(weights), torch.ones(3)), by_bias.sum()),
        ((torch.zeros_like(weights), torch.tensor([1.0, 0.0, -2.0])), by_bias[0] - 2 * by_bias[2]),
    ]:
        above = problem.loss_and_gradients(weights + step * along[0], bias + step * along[1])[0]
        below = problem.loss_and_gradients(weights - step * along[0], bias - step * along[1])[0]
        assert float((above - below) / (2 * step)) == pytest.approx(float(slope), rel=1e-5, abs=1e-8)


def test_the_fit_is_scikit_learns_logistic_regression(corpus):
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    texts, targets = corpus[0][:-40], corpus[1][:-40]  # so that tags differ in size
    tokenizer, ids = encoded(texts)
    options = NgramOptions(tolerance=1e-9)
    features = make_features(ids, tokenizer.words, options)
    module, _ = fit(features, targets, 3, options, lambda share: None)
    matrix = sparse.hstack(
        [
            features.words.multiply(features.word_idf),
            features.words @ features.grams,
            features.pairs.multiply(features.pair_idf),
        ]
    ).tocsr()
    other = LogisticRegression(C=10.0, class_weight="balanced", tol=1e-9, max_iter=2000).fit(matrix, targets)
    expected = other.decision_function(matrix)
    found = logits_of(module, ids)
    # Softmax leaves a constant per row open.
    np.testing.assert_allclose(
        found - found.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=2e-3
    )


def test_training_twice_gives_the_same_weights_on_any_number_of_threads(corpus, held_out, model):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = train_model("ngram", *corpus, 3, validation=held_out, seed=5)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    for key, value in model.module.state_dict().items():
        assert torch.equal(value, again.module.state_dict()[key]), key


FRESH = """
import json, sys
from pathlib import Path
from engine.training.trainer import save_module, train_model
texts, targets, validation = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
save_module(train_model("ngram", texts, targets, 3, validation=validation).module, Path(sys.argv[2]))
"""


def test_fresh_processes_with_any_number_of_threads_give_the_same_bytes(corpus, held_out, model, tmp_path):
    rows = [corpus[0], corpus[1].tolist(), [held_out[0], held_out[1].tolist()]]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    found = []
    for threads in "12":
        # Strings hash otherwise too.
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", FRESH, str(tmp_path / "rows.json"), str(tmp_path / threads)]
        subprocess.run(command, env=environment, check=True, timeout=300)
        found.append((tmp_path / threads).read_bytes())
    assert found[0] == found[1]
    weights = load_weights(build_module("ngram", model.parameters), tmp_path / "1").state_dict()
    assert weights["words"].dtype == weights["pairs"].dtype == weights["bias"].dtype == torch.float32
    save_module(model.module, tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == found[0]


def test_rows_in_another_order_give_the_same_answers(corpus, held_out, model):
    order = np.random.default_rng(0).permutation(len(corpus[0]))
    again = train_model("ngram", [corpus[0][i] for i in order], corpus[1][order], 3, validation=held_out)
    ids = [model.tokenizer.encode(text) for text in held_out[0]]
    assert again.tokenizer.words == model.tokenizer.words
    np.testing.assert_allclose(logits_of(again.module, ids), logits_of(model.module, ids), atol=1e-2)


def test_batch_mates_and_padding_do_not_change_an_answer(model, held_out):
    ids = [model.tokenizer.encode(text) for text in held_out[0]]
    with torch.no_grad():
        together = model.module(torch.nn.functional.pad(pad(ids), (0, 5)))
        alone = torch.cat([model.module(pad([row])) for row in ids])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", ["image", "never-seen", "画", "", "🙂"])
def test_one_token_and_unknown_texts_have_finite_answers(model, text):
    logits = logits_of(model.module, [model.tokenizer.encode(text)])
    assert logits.shape == (1, 3)
    assert np.isfinite(logits).all()


def test_a_text_of_unknown_words_gets_the_bias(model):
    logits = logits_of(model.module, [[1], [1, 1, 1]])
    np.testing.assert_array_equal(logits, np.tile(model.module.bias.detach().numpy(), (2, 1)))


@given(batch=st.integers(1, 6), sequence=st.integers(1, 20), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_the_module_is_the_formula(batch, sequence, seed):
    chance = np.random.default_rng(seed)
    module = NgramClassifier(3, 12, 23, (5, 7))
    stored = [(a, b) for a in range(2, 12) for b in range(2, 12) if chance.random() < 0.2]
    kept = {}
    with torch.no_grad():
        module.words[2:] = torch.from_numpy(chance.uniform(0.1, 1, (10, 4)))
        for a, b in stored:
            kept[(a * 5 + b * 7) % 23] = (a, b)
        for slot, (a, b) in kept.items():
            module.pair_keys[slot] = a * 12 + b
            module.pairs[slot] = torch.from_numpy(chance.uniform(0.1, 1, 4))
        module.bias.copy_(torch.from_numpy(chance.normal(size=3)))
    rows = [chance.integers(1, 12, chance.integers(1, sequence + 1)).tolist() for _ in range(batch)]
    found = logits_of(module, rows)
    assert found.shape == (batch, 3)
    slots = {pair: slot for slot, pair in kept.items()}
    words, pairs = module.words.detach().numpy(), module.pairs.detach().numpy()
    for row, logits in zip(rows, found, strict=True):
        total = words[row].sum(0)
        for pair in itertools.pairwise(row):
            if pair in slots:
                total = total + pairs[slots[pair]]
        expected = total[:3] / np.sqrt(max(total[3], 1e-6)) + module.bias.detach().numpy()
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_weights_are_saved_and_read_again(model, held_out, tmp_path):
    save_module(model.module, tmp_path / "model.safetensors")
    module = load_weights(build_module("ngram", model.parameters), tmp_path / "model.safetensors")
    ids = [model.tokenizer.encode(text) for text in held_out[0]]
    np.testing.assert_array_equal(logits_of(module, ids), logits_of(model.module, ids))


def test_other_users_may_read_the_weights_as_any_other_file(model, tmp_path):
    (tmp_path / "any").touch()
    save_module(model.module, tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_with_its_number(model, tmp_path):
    # By way of a link: a writer that renames would replace the device itself.
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        save_module(model.module, tmp_path / "full")
    assert caught.value.errno == errno.ENOSPC


def test_the_options_that_were_used_are_told(corpus, model):
    assert json.loads(json.dumps(model.options)) == model.options
    assert read_options(NgramOptions, model.options) == NgramOptions()
    # The bound that applied, not the one that was asked for.
    asked = {"max_gram_weights": 300, "gram_lengths": [2, 3], "penalty": 2.0}
    used = train_model("ngram", *corpus, 3, options=asked).options
    assert read_options(NgramOptions, used) == NgramOptions(**asked | {"gram_lengths": (2, 3)}, max_grams=100)


def test_the_temperature_leaves_the_tags_as_they_are(corpus, held_out, model):
    plain = train_model("ngram", *corpus, 3)
    ids = [model.tokenizer.encode(text) for text in held_out[0]]
    raw = logits_of(plain.module, ids)
    np.testing.assert_allclose(logits_of(model.module, ids) * model.history["temperature"], raw, atol=1e-4)


def test_a_file_without_repeated_pairs_or_shared_grams_can_be_trained_on():
    model = train_model("ngram", ["ab", "xy", "cd", "uv"], np.array([0, 1, 0, 1]), 2)
    assert logits_of(model.module, [model.tokenizer.encode("ab")]).argmax() == 0


def test_progress_rises_within_each_stage(corpus):
    seen: dict[str, list[float]] = {}
    train_model("ngram", *corpus, 3, progress=lambda stage, share: seen.setdefault(stage, []).append(share))
    assert list(seen) == ["vocabulary", "features", "fit"]
    assert all(shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1 for shares in seen.values())
    assert seen["fit"][-1] == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "svm"}, "no model 'svm'; use one of ngram, cnn"),
        ({"options": {"penlty": 1}}, "no option 'penlty'"),
        ({"num_labels": 1}, "only one tag"),
        ({"num_labels": 4}, "Tag number 3 has no training text"),
        ({"num_labels": 2}, "numbered 0 to 2; number them 0 to 1"),
        ({"targets": np.zeros(3, dtype=int)}, "300 training texts"),
        ({"texts": [], "targets": np.zeros(0, dtype=int)}, "no training texts"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(corpus, change, words):
    arguments = {"name": "ngram", "texts": corpus[0], "targets": corpus[1], "num_labels": 3, **change}
    with pytest.raises(TrainingError, match=words):
        train_model(**arguments)


def test_quality_on_the_lessons_data(lesson_data):
    import pandas as pd
    from sklearn.metrics import f1_score

    known = {"natural-language-processing", "computer-vision", "mlops"}

    def read(name):
        frame = pd.read_csv(lesson_data / name, dtype=str, keep_default_na=False)
        return (frame["title"] + " " + frame["description"]).tolist(), frame["tag"].where(
            frame["tag"].isin(known), "other"
        )

    texts, tags = read("dataset.csv")
    names = sorted(set(tags))
    began = time.perf_counter()
    model = train_model("ngram", texts, np.array([names.index(tag) for tag in tags]), len(names))
    seconds = time.perf_counter() - began
    texts, tags = read("holdout.csv")
    predicted = logits_of(model.module, [model.tokenizer.encode(text) for text in texts]).argmax(1)
    assert f1_score(tags, [names[number] for number in predicted], average="weighted") > 0.88
    assert seconds < 30
