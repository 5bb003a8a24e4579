"""The training loop of `cnn`: minibatches of like length, AdamW, an end when held-out texts stop gaining."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from engine.runs.tokenizer import PAD_ID, UNKNOWN_ID
from engine.training.cnn import TextCnn
from engine.training.padding import batches, logits_of, pad
from engine.training.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from engine.training.options import CnnOptions

# Texts are sorted by length within pools of so many batches: little padding, yet other batches in each epoch.
_POOL_BATCHES = 50
_HELD_OUT_SHARE = 0.1
_FEWEST_HELD_OUT = 20


def learn(
    ids: Sequence[Sequence[int]],
    targets: NDArray[np.int64],
    labels: int,
    validation: tuple[Sequence[Sequence[int]], NDArray[np.int64]] | None,
    *,
    vocabulary_size: int,
    seed: int,
    options: CnnOptions,
    progress: Callable[[float], None],
) -> tuple[TextCnn, dict[str, Any]]:
    """Train a `TextCnn`; the same seed and texts give the same weights.

    Parameters
    ----------
    ids
        Token ids of the training texts, not padded.
    targets
        int64 [texts], tag numbers.
    labels
        Number of tags.
    validation
        The same of held-out texts. Without them a tenth of the training texts is held out here.
    vocabulary_size
        Number of token ids.
    seed
        Of the first weights, the order of the texts and the dropout.
    options
        See `CnnOptions`.
    progress
        Called with the share done.

    Returns
    -------
    tuple
        The module with the weights that were best on the held-out texts, and its history: `loss` and
        `validation_loss` of each epoch, and `best_epoch`, counted from 1.
    """
    chance = np.random.default_rng(seed)
    rows = np.arange(len(ids))
    if validation is None or len(validation[0]) == 0:
        rows, held = _hold_out(targets, chance)
        validation = ([ids[number] for number in held], targets[held])
    # The global generator, which starts weights and drops features, is given back as it was.
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _run(ids, targets, rows, labels, validation, vocabulary_size, chance, options, progress)


def _hold_out(targets: NDArray[np.int64], chance: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = chance.permutation(len(targets))
    held = np.zeros(len(targets), dtype=bool)
    # Each tag keeps its first text for training.
    _, first = np.unique(targets[order], return_index=True)
    spare = np.delete(order, first)
    held[spare[: max(_FEWEST_HELD_OUT, int(len(targets) * _HELD_OUT_SHARE))]] = True
    if held.sum() == 0:
        held[order[0]] = True
        return np.arange(len(targets)), np.flatnonzero(held)
    return np.flatnonzero(~held), np.flatnonzero(held)


def _run(
    ids: Sequence[Sequence[int]],
    targets: NDArray[np.int64],
    rows: NDArray[np.int64],
    labels: int,
    validation: tuple[Sequence[Sequence[int]], NDArray[np.int64]],
    vocabulary_size: int,
    chance: np.random.Generator,
    options: CnnOptions,
    progress: Callable[[float], None],
) -> tuple[TextCnn, dict[str, Any]]:
    module = TextCnn(labels, vocabulary_size, options.embedding, options.kernels, options.filters, options.dropout)
    optimiser = torch.optim.AdamW(module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    counts = np.maximum(np.bincount(targets[rows], minlength=labels), 1)
    weights = torch.tensor(np.sqrt(len(rows) / (labels * counts)), dtype=torch.float32)
    epochs = max(2, min(options.max_epochs, options.max_steps * options.batch_rows // max(len(rows), 1)))
    history: dict[str, Any] = {"loss": [], "validation_loss": [], "best_epoch": 0}
    best = copy.deepcopy(module.state_dict())
    lowest = np.inf
    for epoch in range(1, epochs + 1):
        module.train()
        total = 0.0
        order = _shuffled(rows, lengths, chance, options)
        done = 0
        for batch in order:
            input_ids = pad([ids[number] for number in batch])
            hidden = torch.rand(input_ids.shape) < options.word_dropout
            input_ids = input_ids.masked_fill(hidden & (input_ids != PAD_ID), UNKNOWN_ID)
            wanted = torch.from_numpy(targets[batch])
            loss = functional.cross_entropy(module(input_ids), wanted, weight=weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            done += len(batch)
            progress((epoch - 1 + done / len(rows)) / epochs)
        module.eval()
        logits = torch.from_numpy(logits_of(module, validation[0]))
        held_out = float(functional.cross_entropy(logits, torch.from_numpy(validation[1])))
        history["loss"].append(total / len(rows))
        history["validation_loss"].append(held_out)
        if held_out < lowest:
            lowest = held_out
            best = copy.deepcopy(module.state_dict())
            history["best_epoch"] = epoch
        elif epoch - history["best_epoch"] >= options.patience:
            break
    module.load_state_dict(best)
    return module.eval(), history


def _shuffled(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], chance: np.random.Generator, options: CnnOptions
) -> list[NDArray[np.int64]]:
    order = chance.permutation(rows)
    pool = options.batch_rows * _POOL_BATCHES
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        found.extend(batches(lengths, part, tokens=options.batch_tokens, rows=options.batch_rows))
    return [found[number] for number in chance.permutation(len(found))]
