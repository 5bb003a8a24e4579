"""Metrics: precision, recall and F1 overall, per tag and per slice, in the schema of ``performance.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike


def scores(
    true: ArrayLike, predicted: ArrayLike, *, average: str | None = "weighted", labels: Sequence[str]
) -> dict[str, float]:
    """Return precision, recall and F1 of predictions, as defined by scikit-learn.

    Parameters
    ----------
    true, predicted : array-like of str, shape (n,)
        The tags.
    average : str, optional
        ``"weighted"``, ``"micro"`` or ``"macro"``, over `labels`.
    labels : sequence of str
        The tags that count. A ratio without a denominator is 0.

    Returns
    -------
    dict
        ``precision``, ``recall``, ``f1`` (float) and ``num_samples`` (int, n). All zero for no samples.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> scores(["a", "b"], ["a", "a"], average="micro", labels=["a", "b"])
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'num_samples': 2}
    """
    true_codes, predicted_codes = encode(true, labels), encode(predicted, labels)
    return _scores(true_codes, predicted_codes, average, len(labels))


def _scores(true: np.ndarray, predicted: np.ndarray, average: str | None, count: int) -> dict[str, float]:
    """Return the scores of codes; see `scores`."""
    if len(true) != len(predicted):
        raise ValueError(f"{len(true)} true tags and {len(predicted)} predicted ones")
    if not len(true):
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_samples": 0}
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, labels=range(count), average=average, zero_division=0
    )
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1), "num_samples": len(true)}


def encode(values: ArrayLike, labels: Sequence[str]) -> np.ndarray:
    """Return the position of each value in `labels`, int64; the number of labels for one that is not among them."""
    codes = pd.Index(list(labels), dtype=object).get_indexer(pd.Index(np.asarray(values, dtype=object)))
    return np.where(codes < 0, len(labels), codes).astype(np.int64)


def performance(
    true: ArrayLike, predicted: ArrayLike, labels: Sequence[str], slices: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Return the content of ``performance.json``.

    Parameters
    ----------
    true, predicted : array-like of str, shape (n,)
        The tags.
    labels : sequence of str
        The tags of the model, in the order in which they are to appear. True tags that are not among them are added
        at the end (sorted): the model cannot get them right, and that counts.
    slices : mapping of str to numpy.ndarray
        Name to mask, bool, shape (n,).

    Returns
    -------
    dict
        ``overall`` (weighted by the number of samples), ``class`` (by tag) and ``slices`` (by name, micro average; all
        zeros for a slice without rows): each with ``precision``, ``recall``, ``f1``, ``num_samples``.
    """
    true = np.asarray(true, dtype=object)
    labels = [*labels, *sorted(set(true) - set(labels))]
    count = len(labels)
    true_codes, predicted_codes = encode(true, labels), encode(predicted, labels)
    result: dict[str, dict[str, Any]] = {
        "overall": _scores(true_codes, predicted_codes, "weighted", count),
        "class": {},
        "slices": {},
    }
    precision, recall, f1, support = _by_class(true_codes, predicted_codes, count)
    for code, label in enumerate(labels):
        result["class"][label] = {
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[code]),
            "num_samples": int(support[code]),
        }
    for name, mask in slices.items():
        result["slices"][name] = _scores(true_codes[mask], predicted_codes[mask], "micro", count)
    return result


def _by_class(true: np.ndarray, predicted: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """Return precision, recall, F1 and support of each class."""
    if not len(true):
        return tuple(np.zeros(count) for _ in range(4))
    from sklearn.metrics import precision_recall_fscore_support

    result: tuple[np.ndarray, ...] = precision_recall_fscore_support(
        true, predicted, labels=range(count), average=None, zero_division=0
    )
    return result
