"""Splits: which rows a model learns from, is tuned on, and is judged on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.dataset.problems import listed
from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SPLITS = ("train", "validation", "test")
"""The names of the splits."""


def split_rows(
    ids: Sequence[str] | np.ndarray,
    tags: Sequence[str] | np.ndarray,
    *,
    seed: int,
    validation_share: float,
    test_share: float,
    previous: Mapping[str, str] | None = None,
    holdout: Collection[str] = (),
) -> np.ndarray:
    """Assign each row to ``"train"``, ``"validation"`` or ``"test"``.

    The rows of each tag are put in the order of a seeded hash (SHA-256) of their ids and cut by the shares, rounded to
    whole rows. The result depends on ids, tags and seed only, not on the order of the rows, and is the same on every
    machine.

    With `previous` (the splits of an earlier version of the data), rows known there keep their split and each new row
    is assigned by its own hash alone, so that it stays where it is whatever is added later. With `holdout`, those rows
    are the test split and no other new row is.

    Parameters
    ----------
    ids : sequence of str, length n
        All different.
    tags : sequence of str, length n
        The tag of each row, after mapping.
    seed : int
        Another seed gives another split.
    validation_share, test_share : float
        Shares of the rows of each tag; at least 0 each, less than 1 together. `test_share` is taken as 0 if there is a
        `holdout`.
    previous : mapping of str to str, optional
        Id to split; ids that are not in `ids` are ignored.
    holdout : collection of str, optional
        The ids of the given test rows; it wins over `previous`.

    Returns
    -------
    numpy.ndarray
        Shape (n,), dtype object, of str. Each tag has a row in train, and unless `previous` or `holdout` decide
        otherwise its numbers of test and validation rows differ from the shares by less than one row.

    Raises
    ------
    DataError
        If an id is there twice, the shares leave nothing to train on, there is only one tag, or all rows of a tag are
        held out.
    """
    if not (validation_share >= 0 and test_share >= 0 and validation_share + test_share < 1):
        raise DataError(
            f"The shares for validation ({validation_share}) and test ({test_share}) must not be negative and must be "
            "less than 1 together; change training.validation_share or training.test_share."
        )
    names = [str(value) for value in ids]
    labels = np.asarray([str(tag) for tag in tags], dtype=object)
    if len(set(names)) != len(names):
        raise DataError("An id is there twice, so rows cannot be told apart; give each row an id of its own.")
    if len(names) != len(labels):
        raise ValueError(f"{len(names)} ids and {len(labels)} tags")
    codes, different = pd.factorize(labels, sort=True)
    if len(different) < 2:
        raise DataError(f"The rows have {len(different)} different tags; a classifier needs at least 2.")
    splits = np.full(len(names), None, dtype=object)
    known = dict(previous or {})
    for name in set(known.values()) - set(SPLITS):
        raise ValueError(f"unknown split {name!r}; splits are {SPLITS}")
    if known:
        splits[:] = [known.get(name) for name in names]
    if holdout:
        held = frozenset(holdout)
        splits[[name in held for name in names]] = "test"
        test_share = 0.0
    free = np.asarray(pd.isna(splits), bool)
    hashes = _hashes(names, seed)
    if known:
        fraction = hashes[free] / 2.0**64
        rest = np.where(fraction < test_share + validation_share, "validation", "train")
        splits[free] = np.where(fraction < test_share, "test", rest).astype(object)
    order = np.argsort(hashes, kind="stable")
    if (np.diff(hashes[order]) == 0).any():  # two ids with one hash: their order must not depend on that of the rows
        order = np.asarray(sorted(range(len(names)), key=lambda row: (hashes[row], names[row])))
    for code, tag in enumerate(different):
        rows = order[(codes == code)[order] & free[order]]
        if not known:
            test, validation = _counts(len(rows), test_share, validation_share)
            splits[rows] = "train"
            splits[rows[:test]] = "test"
            splits[rows[test : test + validation]] = "validation"
        if not (splits[codes == code] == "train").any():
            if not len(rows):
                raise DataError(
                    f"All rows with the tag {listed([tag])} are held out, so none is left to train on; label more "
                    "rows with it, or take it out of the accepted tags."
                )
            splits[rows[-1]] = "train"  # the last in hash order, so that test loses it only if it has all rows
    return splits


def _hashes(ids: list[str], seed: int) -> np.ndarray:
    """Return the first 64 bits of SHA-256 of seed and id; uint64, shape (n,)."""
    prefix = hashlib.sha256(f"{seed}\0".encode())
    digests = bytearray()
    for name in ids:
        digest = prefix.copy()
        digest.update(name.encode("utf-8", "surrogatepass"))
        digests += digest.digest()[:8]
    return np.frombuffer(bytes(digests), dtype=">u8").astype(np.uint64)


def _counts(rows: int, test_share: float, validation_share: float) -> tuple[int, int]:
    """Return how many of a tag's rows go to test and validation, leaving at least one to train.

    Both are rounded to the nearest number. As the shares are less than 1 together, they can exceed ``rows - 1`` by
    one row at most, or reach `rows` by rounding up; the one that was rounded up more gives it back, so each stays
    within one row.
    """
    test, validation = int(rows * test_share + 0.5), int(rows * validation_share + 0.5)
    if rows and test + validation >= rows:
        if test - rows * test_share > validation - rows * validation_share:
            test -= test + validation - rows + 1
        else:
            validation -= test + validation - rows + 1
    return test, validation
