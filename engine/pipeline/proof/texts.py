"""Texts to compare answers on: a run's own rows and, where there are too few, texts that are made of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from config.settings import get_settings
from engine.dataset.cleaning import clean
from engine.dataset.snapshot import open_dataset
from engine.pipeline.proof.gate import MINIMUM_TEXTS
from engine.pipeline.rows import TEST, TRAIN
from engine.runs.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.runs.bundle import Bundle

MOST_HELD_OUT = 2000
_CALIBRATION = 256
_SEED = 20_240_229
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
HELD_OUT = "held-out rows"
OTHERS = "other rows"


@dataclass(frozen=True)
class Texts:
    """Texts of a run as token ids, none twice.

    Attributes
    ----------
    ids
        Token ids of each text, not padded; those of the held-out rows first.
    kinds
        How many there are of each kind: `held-out rows`, `other rows`, `single fields`, `sentences`, `halves`, `pairs`.
    held_out
        int64, for each held-out row its position in `ids`.
    tags
        The true tag of each held-out row, object.
    held_out_rows
        How many held-out rows the run has; those beyond the limit are not among `held_out`.
    calibration
        Token ids of rows that are in none of the above: what a static quantisation looks at.
    """

    ids: tuple[tuple[int, ...], ...]
    kinds: dict[str, int]
    held_out: np.ndarray
    tags: np.ndarray
    held_out_rows: int
    calibration: tuple[tuple[int, ...], ...]

    @property
    def real(self) -> int:
        """How many of the first `ids` are held-out rows."""
        return self.kinds.get(HELD_OUT, 0)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each real text, sorted, int64: the rows as they are, nothing made of them."""
        rows = self.real + self.kinds.get(OTHERS, 0)
        return np.sort(np.array([len(row) for row in self.ids[:rows]], dtype=np.int64))

    @property
    def digest(self) -> str:
        """Sha256 of what the texts are, in hexadecimal."""
        parts = (self.ids, self.held_out.tolist(), self.tags.tolist(), self.calibration)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def gather_texts(bundle: Bundle, *, minimum: int = MINIMUM_TEXTS, most_held_out: int = MOST_HELD_OUT) -> Texts:
    """Gather texts of a run.

    First come its held-out rows, then its other rows, then what can be made of all of these: their single fields, their
    sentences, the halves of their texts, and pairs of texts.

    Parameters
    ----------
    bundle
        A run with a tokenizer.
    minimum
        Texts are added until there are so many; fewer are returned where the rows do not give more.
    most_held_out
        Of more held-out rows, a fixed random choice of so many is taken.

    Raises
    ------
    engine.errors.DataError
        The run's data set is not here or was changed.
    engine.errors.BundleError
        The run has no tokenizer.
    """
    tokenizer = bundle.tokenizer()
    steps = bundle.manifest.cleaning
    dataset = open_dataset(get_settings().datasets_dir, bundle.manifest.dataset.digest)
    rows = dataset.frame.drop(columns="tag").merge(read_predictions(bundle)[["id", "split", "tag"]], on="id")
    rows = rows.iloc[np.random.default_rng(_SEED).permutation(len(rows))]
    calibration = _calibration(rows)
    rows = rows.drop(index=calibration.index)
    test = rows.loc[rows["split"] == TEST]
    judged = test.head(most_held_out)
    pool = pd.concat([judged, rows.drop(index=test.index)])

    gathered = _Gathered(tokenizer.encode, steps)
    held_out = [gathered.add(text, HELD_OUT) for text in judged["text"]]
    fields = dataset.fields.text_columns
    gathered.fill(pool["text"], OTHERS, minimum)
    gathered.fill((value for field in fields for value in pool[field]), "single fields", minimum)
    gathered.fill(_sentences(pool["text"]), "sentences", minimum)
    gathered.fill(_halves(pool["text"]), "halves", minimum)
    gathered.fill(_pairs(pool["text"]), "pairs", minimum)
    seen = dict.fromkeys(tuple(tokenizer.encode(clean(text, steps))) for text in calibration["text"])
    return Texts(
        ids=tuple(gathered.positions),
        kinds=gathered.kinds,
        held_out=np.array(held_out, dtype=np.int64),
        tags=judged["tag"].to_numpy(dtype=object),
        held_out_rows=len(test),
        # The same text may stand in two rows.
        calibration=tuple(ids for ids in seen if ids not in gathered.positions),
    )


def _calibration(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows for a static quantisation: of those trained on; where none was trained on here, a tenth of all."""
    trained = rows.loc[rows["split"] == TRAIN]
    return trained.head(_CALIBRATION) if len(trained) else rows.tail(min(_CALIBRATION, len(rows) // 10))


class _Gathered:
    """Distinct texts in the order in which they came."""

    def __init__(self, encode: Callable[[str], list[int]], steps: Sequence[str]) -> None:
        self._encode = encode
        self._steps = steps
        self.positions: dict[tuple[int, ...], int] = {}
        self.kinds: dict[str, int] = {}

    def add(self, text: str, kind: str) -> int:
        # What counts is what the model sees: two texts of the same ids are one.
        ids = tuple(self._encode(clean(text, self._steps)))
        if ids not in self.positions:
            self.positions[ids] = len(self.positions)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
        return self.positions[ids]

    def fill(self, texts: Iterable[str], kind: str, minimum: int) -> None:
        for text in texts:
            if len(self.positions) >= minimum:
                return
            if isinstance(text, str) and clean(text, self._steps):
                self.add(text, kind)


def _sentences(texts: pd.Series[str]) -> Iterator[str]:
    for text in texts:
        yield from _SENTENCE_END.split(text)


def _halves(texts: pd.Series[str]) -> Iterator[str]:
    for text in texts:
        words = text.split()
        middle = len(words) // 2
        if middle:
            yield " ".join(words[:middle])
            yield " ".join(words[middle:])


def _pairs(texts: pd.Series[str]) -> Iterator[str]:
    values = texts.to_list()
    # Neighbours first, then those two apart and so on: every text is used before one is used again and again.
    for distance in range(1, len(values)):
        for first, second in zip(values, values[distance:], strict=False):
            yield f"{first} {second}"
