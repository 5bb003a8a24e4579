"""The head on a frozen encoder: multinomial logistic regression over embeddings, its options found on training rows.

In: a pretrained encoder, texts and tag numbers. Out: a `TrainedModel` like those that are trained whole.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from engine.errors import TrainingError
from engine.runs.tokenizer import SubwordTokenizer
from engine.training.calibration import fit_sharpness
from engine.training.embeddings import EmbeddingCache, embed
from engine.training.encoder import EncoderClassifier
from engine.training.trainer import TrainedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from engine.training.pretrained import Pretrained

# Inverse strength of the penalty, as scikit-learn's `C`: the strongest first.
PENALTIES = (1.0, 3.0, 10.0, 30.0)
_DEFAULT = (3.0, True)
_FOLDS = 5
# More rows than this tell the options apart no better, and would take minutes.
_ROWS_TO_CHOOSE_ON = 5_000
_MOST_ITERATIONS = 1_000


def train_head(
    pretrained: Pretrained,
    texts: Sequence[str],
    targets: NDArray[np.int64],
    num_labels: int,
    *,
    cache: EmbeddingCache,
    validation: tuple[Sequence[str], NDArray[np.int64]] | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> TrainedModel:
    """Give an encoder a classification head; the encoder itself stays as it is.

    Parameters
    ----------
    pretrained
        The encoder.
    texts
        Cleaned training texts.
    targets
        int64 [texts]; each of the numbers in [0, num_labels) is there.
    num_labels
        Number of tags, at least 2.
    cache
        Keeps the embeddings.
    validation
        Held-out texts and their tag numbers: they set the temperature of the probabilities.
    seed
        Of the folds on which the head's options are chosen.
    max_tokens
        Texts are cut after so many tokens; where the encoder's authors cut them if it is None.
    progress
        Called with a stage (`embed`, `fit`) and the share of it done, in [0, 1].

    Raises
    ------
    engine.errors.TrainingError
        The encoder cannot take so many tokens, or does not give numbers.
    """
    report = progress or (lambda stage, share: None)
    tokenizer = SubwordTokenizer(pretrained.tokenizer, checked_max_tokens(pretrained, max_tokens))
    module = encoder_classifier(pretrained, num_labels)
    everything = [*texts, *(validation[0] if validation else ())]
    vectors = embed(
        module,
        [tokenizer.encode(text) for text in everything],
        encoder=pretrained.digest,
        cache=cache,
        progress=lambda share: report("embed", share),
    )
    if not np.isfinite(vectors).all():
        raise TrainingError(
            f"{pretrained.name}: the encoder's answers are not all numbers, so its weights are damaged; fetch it again."
        )
    seen, unseen = vectors[: len(texts)], vectors[len(texts) :]
    head = fit_head(seen, targets, num_labels, seed=seed, progress=lambda share: report("fit", share))
    module.set_head(torch.from_numpy(head.weight), torch.from_numpy(head.bias))
    history: dict[str, Any] = {"tried": head.tried}
    if validation is not None:
        factor = fit_sharpness(unseen @ head.weight.T + head.bias, validation[1])
        module.sharpen(factor)
        history["temperature"] = 1.0 / factor
    return TrainedModel("encoder", module, tokenizer, module.config, head.options, history)


def checked_max_tokens(pretrained: Pretrained, wanted: int | None) -> int:
    """Where texts are cut, in tokens; what is wanted must fit the model.

    Raises
    ------
    engine.errors.TrainingError
        The model has no positions for so many tokens, or none is left beside the special ones.
    """
    special = int(pretrained.tokenizer.num_special_tokens_to_add(False))
    found = pretrained.max_tokens if wanted is None else wanted
    longest = pretrained.longest or found
    if not special < found <= longest:
        raise TrainingError(
            f"{pretrained.name}: texts cannot be cut at {found} tokens; give --max-tokens a number from {special + 1} "
            f"to {longest}."
        )
    return found


def encoder_classifier(pretrained: Pretrained, labels: int) -> EncoderClassifier:
    """Build a pretrained encoder with an untrained head, in evaluation mode."""
    module = EncoderClassifier(labels, pretrained.config, pretrained.pooling, pretrained.pad_id)
    module.encoder.load_state_dict(pretrained.model.state_dict())
    return module.eval()


@dataclass(frozen=True)
class Head:
    """A linear layer and how it was found.

    Attributes
    ----------
    weight
        float64 [labels, width].
    bias
        float64 [labels].
    options
        `C` and `balanced`: whether each tag counts alike, however many rows it has.
    tried
        Mean weighted F1 of each choice by cross-validation and its standard error; empty where there were too few
        rows to compare.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    options: dict[str, Any]
    tried: list[dict[str, Any]]


def fit_head(
    vectors: NDArray[np.float32],
    targets: NDArray[np.int64],
    labels: int,
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Head:
    """Fit the head, its options chosen by cross-validation on the same rows.

    Of the choices whose score is within one standard error of the best, the one with the strongest penalty is taken
    (Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", section 7.10): the best itself is best by
    chance. On the lesson's folds this gives F1 0.924, the best choice 0.922.

    Parameters
    ----------
    vectors
        [texts, width].
    targets
        int64 [texts]; each of the numbers in [0, labels) is there.
    labels
        Number of tags, at least 2.
    seed
        Of the folds.
    progress
        Called with the share done, 0 to 1.
    """
    report = progress or (lambda share: None)
    # One thread adds sums up in one order, and on a busy machine none waits for another; see `one_thread`.
    with threadpool_limits(1):
        tried = _compare(vectors, targets, seed, report)
        penalty, balanced = _choose(tried)
        model = _fit(vectors, targets, penalty, balanced)
    weight, bias = model.coef_, model.intercept_
    if labels == 2:
        # Two tags come as one row: half of it on either side gives the same probabilities.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    report(1.0)
    return Head(
        weight.astype(np.float64), bias.astype(np.float64), {"C": float(penalty), "balanced": bool(balanced)}, tried
    )


def _choose(tried: list[dict[str, Any]]) -> tuple[float, bool]:
    if not tried:
        return _DEFAULT
    best = max(tried, key=lambda choice: choice["f1"])
    enough = best["f1"] - best["error"]
    chosen = next(choice for choice in tried if choice["f1"] >= enough)
    return chosen["C"], chosen["balanced"]


def _compare(
    vectors: NDArray[np.float32], targets: NDArray[np.int64], seed: int, report: Callable[[float], None]
) -> list[dict[str, Any]]:
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    chosen = _sample(targets, seed)
    vectors, targets = vectors[chosen], targets[chosen]
    folds = min(_FOLDS, int(np.bincount(targets).min()))
    if folds < 2:
        return []
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(vectors, targets))
    choices = [(penalty, balanced) for penalty in PENALTIES for balanced in (True, False)]
    tried = []
    for number, (penalty, balanced) in enumerate(choices):
        scores = [
            f1_score(
                targets[test],
                _fit(vectors[train], targets[train], penalty, balanced).predict(vectors[test]),
                average="weighted",
                zero_division=0.0,
            )
            for train, test in parts
        ]
        error = float(np.std(scores, ddof=1) / np.sqrt(folds))
        tried.append({"C": penalty, "balanced": balanced, "f1": float(np.mean(scores)), "error": error})
        report((number + 1) / (len(choices) + 1))
    return tried


def _sample(targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Rows to compare options on: all of them, or as many of each tag as its share, at least as many as folds."""
    if len(targets) <= _ROWS_TO_CHOOSE_ON:
        return np.arange(len(targets))
    share = _ROWS_TO_CHOOSE_ON / len(targets)
    chance = np.random.default_rng(seed)
    parts = []
    for tag in np.unique(targets):
        rows = np.flatnonzero(targets == tag)
        parts.append(chance.choice(rows, min(len(rows), max(_FOLDS, round(share * len(rows)))), replace=False))
    return np.sort(np.concatenate(parts))


def _fit(vectors: NDArray[np.float32], targets: NDArray[np.int64], penalty: float, balanced: bool) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, class_weight="balanced" if balanced else None, max_iter=_MOST_ITERATIONS)
    with warnings.catch_warnings():
        # A fit that is not quite at the end is still the best one found; the score says how good it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(vectors.astype(np.float64), targets)
