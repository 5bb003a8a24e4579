"""What can be set about each model, with the values that were tuned; unknown names are refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class NgramOptions:
    """Options of the `ngram` model.

    Attributes
    ----------
    max_words
        Size of the vocabulary; rarer words are unknown.
    max_bigrams
        At most so many word pairs have weights.
    min_bigram_texts
        A pair in fewer training texts has no weight.
    gram_lengths
        Shortest and longest character n-gram of a word (a boundary counts as a character); (0, 0) for none.
    max_grams
        At most so many distinct character n-grams have weights.
    max_gram_weights
        The same, counted as n-grams times tags: with many tags the solver's memory and time lie here.
    penalty
        Strength of the fit: the `C` of scikit-learn's `LogisticRegression`; larger is less regularised.
    balance
        Weight of a tag is (1 / its share of the rows) ** balance: 0 leaves tags as they are, 1 balances them.
    max_iterations, tolerance
        L-BFGS ends after so many steps, or when no entry of the mean loss's gradient exceeds the tolerance.
    """

    max_words: int = 50_000
    max_bigrams: int = 65_536
    min_bigram_texts: int = 2
    gram_lengths: tuple[int, int] = (2, 5)
    max_grams: int = 131_072
    max_gram_weights: int = 3_000_000
    penalty: float = 10.0
    balance: float = 1.0
    max_iterations: int = 150
    tolerance: float = 1e-6


@dataclass(frozen=True)
class CnnOptions:
    """Options of the `cnn` model.

    Attributes
    ----------
    vocabulary
        Number of sub-words.
    embedding
        Width of a sub-word's vector.
    kernels
        Widths of the convolutions, in sub-words.
    filters
        Number of filters of each width.
    dropout
        Share of the pooled features dropped while training.
    word_dropout
        Share of the sub-words hidden while training: few texts are learned by heart otherwise.
    learning_rate, weight_decay
        Of AdamW.
    batch_tokens
        Padded sub-words in a training batch, at most; a batch has at most `batch_rows` rows.
    batch_rows
        See above.
    max_epochs
        At most so many passes over the rows; fewer where `max_steps` ends the training first.
    max_steps
        At most so many batches, but never less than two passes.
    patience
        Training ends when the loss on the validation rows has not fallen for so many evaluations.
    """

    vocabulary: int = 1_500
    embedding: int = 64
    kernels: tuple[int, ...] = (2, 3, 4)
    filters: int = 64
    dropout: float = 0.5
    word_dropout: float = 0.3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    batch_tokens: int = 8_192
    batch_rows: int = 32
    max_epochs: int = 40
    max_steps: int = 4_000
    patience: int = 6


Options = TypeVar("Options", NgramOptions, CnnOptions)


def read_options(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """Make the options of a model from names and values.

    Parameters
    ----------
    kind
        `NgramOptions` or `CnnOptions`.
    given
        What is missing keeps its default. Lists are taken as tuples: JSON has no others.

    Raises
    ------
    engine.errors.TrainingError
        A name is unknown; the message lists those there are.
    """
    known = {field.name for field in fields(kind)}
    for name in given:
        if name not in known:
            raise TrainingError(f"The model has no option {name!r}; use one of {', '.join(sorted(known))}.")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**values)
