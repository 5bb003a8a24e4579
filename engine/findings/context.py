"""What findings share: the rows as arrays, and expensive inputs that are computed once, when first asked for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from engine.dataset.cleaning import DEFAULT_STEPS, clean
from engine.dataset.splits import SPLITS
from engine.findings import similarity
from engine.findings.contract import FindingError
from engine.findings.languages import Languages, identify
from engine.findings.model import complement_bayes, out_of_fold
from engine.findings.tokens import TokenCounts, count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse

    from engine.dataset.content import Dataset
    from engine.runs.bundle import Bundle

COSTS = {
    "cleaned": 1,
    "languages": 26,
    "tokens": 2,
    "words": 6,
    "features": 23,
    "probabilities": 4,
    "vectors": 10,
    "neighbours": 54,
    "cosines": 10,
}
"""The expensive inputs in the order in which they need each other, and about how many seconds each takes for 100,000
rows (`benchmarks/results/findings.json`)."""

COST_OF_A_FINDING = 0.2
"""What a finding takes once its inputs are there."""

SEED = 0
MODEL_ROWS = 5
"""A tag with fewer rows is left out of the model that judges the others."""


class Options(msgspec.Struct, frozen=True):
    """How the rows are prepared for a model, where no run says so.

    Parameters
    ----------
    cleaning : tuple of str
        Steps of `engine.dataset.cleaning`.
    accepted : tuple of str
        Tags to keep; the others become ``other``. Empty keeps all.
    min_count : int
        Tags with fewer rows become ``other``.
    """

    cleaning: tuple[str, ...] = DEFAULT_STEPS
    accepted: tuple[str, ...] = ()
    min_count: int = 5


class Context:
    """The rows of a data set and what is computed from them.

    Parameters
    ----------
    dataset : Dataset
        The rows.
    splits : numpy.ndarray, optional
        Str, shape (n,): the split of each row.
    bundle : Bundle, optional
        A run; its tokenizer tells which words are unknown.
    options : Options, optional
        Preparation of the rows.
    progress : callable, optional
        Takes the share done of the input that is being computed.
    model : callable, optional
        Makes the model that judges tags, as for `engine.findings.model.out_of_fold`; for comparisons.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        splits: np.ndarray | None = None,
        bundle: Bundle | None = None,
        options: Options | None = None,
        progress: Callable[[float], None] = lambda share: None,
        model: Callable[[], Any] = complement_bayes,
    ) -> None:
        self.dataset = dataset
        self.bundle = bundle
        self.options = options or Options()
        self.progress = progress
        self._splits = splits
        self._model = model

    def __len__(self) -> int:
        return len(self.dataset.frame)

    @functools.cached_property
    def ids(self) -> np.ndarray:
        """The id of each row: object, shape (n,)."""
        return self.dataset.frame["id"].to_numpy(object)

    @functools.cached_property
    def raw(self) -> list[str]:
        """The joined text of each row as it stands in the file."""
        return self.dataset.frame["text"].tolist()

    @property
    def tags(self) -> np.ndarray:
        """The tag of each row as a position in `tag_names`: int64, shape (n,)."""
        return self._tags[0]

    @property
    def tag_names(self) -> np.ndarray:
        """The tags, sorted: object."""
        return self._tags[1]

    @functools.cached_property
    def _tags(self) -> tuple[np.ndarray, np.ndarray]:
        tags = self.dataset.frame["tag"]
        if tags.isna().any():
            raise FindingError(f"{int(tags.isna().sum()):,} rows have no tag; label them to look at tags.")
        codes, names = pd.factorize(tags.to_numpy(object), sort=True)
        return codes.astype(np.int64), np.asarray(names, object)

    @functools.cached_property
    def has_splits(self) -> bool:
        """Whether there are rows to learn from and rows held out."""
        there = set() if self._splits is None else set(self._splits) & set(SPLITS)
        return "train" in there and len(there) > 1

    @functools.cached_property
    def splits(self) -> np.ndarray:
        """The split of each row: object, shape (n,), of `engine.dataset.splits.SPLITS`; empty where it is in none.

        Raises
        ------
        engine.findings.contract.FindingError
            There are no splits, no row to learn from, or none held out.
        """
        if self._splits is None or not self.has_splits:
            raise FindingError("The rows are not split; name a run that was trained on them to look at its splits.")
        return self._splits

    @functools.cached_property
    def held_out(self) -> np.ndarray:
        """Rows that a model is tuned or judged on: bool, shape (n,)."""
        return np.isin(self.splits.astype(str), [name for name in SPLITS if name != "train"])

    @functools.cached_property
    def split_names(self) -> list[str]:
        """The splits that rows have, in their usual order."""
        there = set(self.splits)
        return [name for name in SPLITS if name in there]

    @functools.cached_property
    def dates(self) -> np.ndarray:
        """The date of each row: datetime64[us], shape (n,), NaT where there is none.

        Raises
        ------
        engine.findings.contract.FindingError
            Fewer than two rows have different dates.
        """
        dates = self.dataset.frame["created"].to_numpy("datetime64[us]")
        if len(np.unique(dates[~np.isnat(dates)])) < 2:
            raise FindingError("The rows have no dates; name their column with `--created` to look at drift over time.")
        return dates

    @functools.cached_property
    def cleaned(self) -> list[str]:
        """The cleaned text of each row."""
        steps = self.options.cleaning
        return [clean(text, steps) for text in self.raw]

    @functools.cached_property
    def languages(self) -> Languages:
        """In which language each row is."""
        return identify(self.cleaned, self.progress)

    @functools.cached_property
    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have the same text after cleaning, whatever its case.

        Returns
        -------
        group : numpy.ndarray
            Int64, shape (n,): the number of the row's text.
        first : numpy.ndarray
            Int64, shape (groups,): the first row with that text.
        """
        groups = pd.factorize(pd.Series([text.casefold() for text in self.cleaned], dtype=object))[0].astype(np.int64)
        return groups, np.unique(groups, return_index=True)[1]

    @functools.cached_property
    def words(self) -> similarity.Words:
        """Word pairs and words of the distinct texts, by TF-IDF."""
        return similarity.words([self.cleaned[row] for row in self.distinct[1]])

    @functools.cached_property
    def features(self) -> scipy.sparse.csr_matrix:
        """TF-IDF of words, word pairs and character n-grams of the distinct texts: float32 CSR, rows of length 1."""
        return similarity.features([self.cleaned[row] for row in self.distinct[1]], self.words.matrix)

    @functools.cached_property
    def vectors(self) -> np.ndarray:
        """Latent semantic vectors of the distinct texts: float32, shape (groups, d), of length 1."""
        return similarity.vectors(self.words.matrix, SEED)

    @functools.cached_property
    def neighbours(self) -> similarity.Neighbours:
        """The nearest distinct texts of each distinct text."""
        return similarity.neighbours(self.vectors, SEED, self.progress)

    @functools.cached_property
    def cosines(self) -> np.ndarray:
        """Cosine of each distinct text with each of its neighbours, by `features`: float32, shape (groups, k)."""
        return similarity.cosines(self.features, self.neighbours, self.progress)

    @functools.cached_property
    def pairs(self) -> similarity.Pairs:
        """Distinct texts that are nearly the same."""
        return similarity.near_duplicates(self.neighbours, self.cosines)

    @functools.cached_property
    def judged(self) -> np.ndarray:
        """Rows whose tag has at least `MODEL_ROWS` rows: bool, shape (n,).

        Raises
        ------
        engine.findings.contract.FindingError
            Fewer than two tags have as many.
        """
        sizes = np.bincount(self.tags, minlength=len(self.tag_names))
        if (sizes >= MODEL_ROWS).sum() < 2:
            raise FindingError(
                f"Fewer than two tags have {MODEL_ROWS} rows, so no model can judge tags; label more rows."
            )
        return np.asarray(sizes[self.tags] >= MODEL_ROWS)

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """Probability of each tag by a model that has not seen the row: float32, shape (n, tags); 0 if not judged."""
        group, first = self.distinct
        answers = np.zeros((len(self), len(self.tag_names)), np.float32)
        rows = np.flatnonzero(self.judged)
        present = np.unique(self.tags[rows])
        codes = np.searchsorted(present, self.tags[rows])
        features = self.features if len(rows) == len(first) == len(self) else self.features[group[rows]]
        answers[np.ix_(rows, present)] = out_of_fold(
            features, codes, len(present), group[rows], SEED, self.progress, self._model
        )
        return answers

    @functools.cached_property
    def guesses(self) -> np.ndarray:
        """The most probable tag of each row: int64, shape (n,); -1 if not judged."""
        return np.where(self.judged, self.probabilities.argmax(axis=1), -1)

    @functools.cached_property
    def tokens(self) -> TokenCounts:
        """How the run's tokenizer took each row.

        Raises
        ------
        engine.findings.contract.FindingError
            There is no run.
        engine.errors.BundleError
            The run has no tokenizer.
        """
        if self.bundle is None:
            raise FindingError("No run was named; name one to see what its tokenizer does to the rows.")
        return count_tokens(self.bundle.tokenizer(), self.cleaned, self.progress)

    def sample_remark(self) -> str:
        """Say so where neighbours were not searched among all rows; empty where they were."""
        found = self.neighbours
        return (
            ""
            if found.searched == len(self.vectors)
            else f" Searched among a sample of {found.searched:,} of {len(self.vectors):,} different texts."
        )
