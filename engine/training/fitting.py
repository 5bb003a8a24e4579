"""The fit of the `ngram` model: a convex problem, solved from zero, without chance, then folded into tables.

In: sparse TF-IDF features and tag numbers. Out: an `NgramClassifier`. The problem has one optimum, and L-BFGS in
float64 goes there until the gradient vanishes, so any CPU ends at the same weights but for rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engine.training.ngram import NgramClassifier
from engine.training.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.training.features import Features
    from engine.training.options import NgramOptions

_HISTORY = 10


class LinearProblem:
    """Weighted softmax cross-entropy with an L2 penalty over words, character n-grams and pairs.

    The loss is ``sum_i c_i CE(z_i, y_i) / sum_i c_i + |w|^2 / (2 C n)``: that of scikit-learn's
    `LogisticRegression`, divided by ``C n``. The bias has no penalty.

    Parameters
    ----------
    features
        Of the training texts.
    targets
        int64 [texts], tag numbers.
    labels
        Number of tags.
    penalty
        `C`.
    balance
        See `NgramOptions`.
    """

    def __init__(
        self, features: Features, targets: NDArray[np.int64], labels: int, *, penalty: float, balance: float
    ) -> None:
        self.features = features
        self.labels = labels
        self.targets = torch.from_numpy(np.asarray(targets, dtype=np.int64))
        counts = np.maximum(np.bincount(targets, minlength=labels), 1)
        weights = (len(targets) / (labels * counts)) ** balance
        row_weights = weights[targets]
        self.row_weights = torch.from_numpy(row_weights / row_weights.sum())
        self.decay = 1.0 / (penalty * float(row_weights.sum()))
        # Products with a transpose read rows of the transpose: several times faster than columns.
        self._words_t = features.words.T.tocsr()
        self._pairs_t = features.pairs.T.tocsr()
        self._grams_t = features.grams.T.tocsr()
        self.sizes = (features.words.shape[1], features.grams.shape[1], features.pairs.shape[1])

    def fold(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of words and of their n-grams as one row per word, and those of pairs as one row per slot.

        Parameters
        ----------
        weights
            [words + grams + pairs, labels].
        """
        words, grams, pairs = np.split(weights, np.cumsum(self.sizes)[:-1])
        features = self.features
        return features.word_idf[:, None] * words + features.grams @ grams, features.pair_idf[:, None] * pairs

    def logits(self, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits of the training texts, [texts, labels]."""
        words, pairs = self.fold(weights)
        logits: NDArray[np.float64] = self.features.words @ words + self.features.pairs @ pairs + bias
        return logits

    def loss_and_gradients(self, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, and its gradient by weights and by bias, in closed form; all float64."""
        logits = torch.from_numpy(self.logits(weights.numpy(), bias.numpy()))
        logs = torch.log_softmax(logits, 1)
        picked = logs.gather(1, self.targets[:, None])[:, 0]
        loss = -(self.row_weights * picked).sum() + 0.5 * self.decay * weights.square().sum()
        error = logs.exp_()
        error.scatter_add_(1, self.targets[:, None], torch.full_like(error[:, :1], -1.0))
        error.mul_(self.row_weights[:, None])
        rows = error.numpy()
        by_word = self._words_t @ rows
        by_pair = self._pairs_t @ rows
        features = self.features
        gradient = np.concatenate(
            [features.word_idf[:, None] * by_word, self._grams_t @ by_word, features.pair_idf[:, None] * by_pair]
        )
        return loss, torch.from_numpy(gradient).add_(weights, alpha=self.decay), error.sum(0)


def solve(
    problem: LinearProblem, *, max_iterations: int, tolerance: float, progress: Callable[[float], None]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Minimise from zero by L-BFGS with a strong Wolfe line search (Nocedal and Wright, chapter 7).

    Returns
    -------
    tuple
        Weights [words + grams + pairs, labels], bias [labels], and the loss at each evaluation.
    """
    weights = torch.zeros(sum(problem.sizes), problem.labels, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(problem.labels, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, bias],
        max_iter=max_iterations,
        max_eval=max_iterations * 5 // 4,
        tolerance_grad=tolerance,
        tolerance_change=0.0,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
    )
    losses: list[float] = []

    @torch.no_grad()
    def evaluate() -> Tensor:
        loss, weights.grad, bias.grad = problem.loss_and_gradients(weights.detach(), bias.detach())
        losses.append(float(loss))
        progress(min(1.0, len(losses) / max_iterations))
        return loss

    with one_thread():
        optimiser.step(evaluate)
    return weights.detach().numpy(), bias.detach().numpy(), losses


def fit(
    features: Features,
    targets: NDArray[np.int64],
    labels: int,
    options: NgramOptions,
    progress: Callable[[float], None],
) -> tuple[NgramClassifier, list[float]]:
    """Fit the model and fold its weights into the tables that it looks up.

    Parameters
    ----------
    features
        Of the training texts.
    targets
        int64 [texts], tag numbers.
    labels
        Number of tags.
    options
        See `NgramOptions`.
    progress
        Called with the share done.

    Returns
    -------
    tuple
        The module, and the loss at each evaluation.
    """
    problem = LinearProblem(features, targets, labels, penalty=options.penalty, balance=options.balance)
    weights, bias, losses = solve(
        problem, max_iterations=options.max_iterations, tolerance=options.tolerance, progress=progress
    )
    words, pairs = problem.fold(weights)
    table = features.pair_table
    module = NgramClassifier(labels, len(features.word_idf), table.buckets, table.multipliers)
    with torch.no_grad():
        module.words.copy_(torch.from_numpy(np.column_stack([words, features.word_norms])))
        module.pairs[:-1].copy_(torch.from_numpy(np.column_stack([pairs, features.pair_idf**2])))
        module.bias.copy_(torch.from_numpy(bias))
        module.pair_keys.copy_(torch.from_numpy(table.keys)[:, None])
    return module.eval(), losses
