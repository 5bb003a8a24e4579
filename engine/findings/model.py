"""The model that judges tags: what it would say of each row without having seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.naive_bayes import ComplementNB

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse

FOLDS = 5
SMOOTHING = 0.3


def complement_bayes() -> ComplementNB:
    """Return the model that is used: complement naive Bayes (Rennie et al., 2003).

    It is one sparse product, so that 100,000 rows take seconds. Logistic regression on the same features takes some
    hundred times as long; how many wrong tags each of them finds is measured by `benchmarks/findings.py --logistic`.
    """
    return ComplementNB(alpha=SMOOTHING)


def out_of_fold(
    features: scipy.sparse.csr_matrix,
    tags: np.ndarray,
    count: int,
    groups: np.ndarray,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
    model: Callable[[], Any] = complement_bayes,
) -> np.ndarray:
    """Predict each row by a model trained on the other folds.

    Parameters
    ----------
    features : scipy.sparse.csr_matrix
        Float, shape (n, terms), not negative.
    tags : numpy.ndarray
        Int, shape (n,), in [0, count).
    count : int
        Number of tags.
    groups : numpy.ndarray
        Int, shape (n,): rows of one group come into one fold, so that a row is not judged by its own copy.
    seed : int
        Of the folds.
    progress : callable, optional
        Takes the share done.
    model : callable, optional
        Makes a classifier of scikit-learn with `predict_proba`.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n, count); rows sum to 1.
    """
    folds = _folds(tags, groups, seed)
    answers = np.zeros((len(tags), count), np.float32)
    for fold in range(FOLDS):
        held = folds == fold
        if held.any() and not held.all():
            trained = model().fit(features[~held], tags[~held])
            answers[np.ix_(held, trained.classes_)] = trained.predict_proba(features[held])
        progress((fold + 1) / FOLDS)
    return answers


def _folds(tags: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Deal the groups of each tag (that of a group's first row) to the folds in turn, in a seeded order."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(tags[first[order]], kind="stable")]
    fold_of = np.empty(len(first), np.int64)
    fold_of[order] = np.arange(len(first)) % FOLDS
    return np.asarray(fold_of[inverse])
