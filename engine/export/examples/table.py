"""Every example with its inputs, its dynamic axes and the shapes that it is compared at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from engine.export.axes import Axis
from engine.export.examples import classifiers, operators, super_resolution
from engine.export.exporter import ExportReport, export_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LABELS = 4
VOCABULARY = 101
# (batch, length): one of one, long and short, squares that would hide two axes tied into one, primes.
SHAPES = (
    *((1, 1), (1, 2), (2, 1), (2, 2), (1, 67), (31, 1), (3, 7)),
    *((7, 3), (5, 5), (13, 11), (11, 23), (4, 64), (17, 37)),
)
_LONGEST = 512
_SEED = 7


@dataclass(frozen=True)
class Example:
    """A module and all that its export needs.

    Attributes
    ----------
    name
        In tables.
    module
        In evaluation mode.
    dynamic
        Axis by dimension, by input.
    cases
        Inputs to compare at.
    example
        Input that is shown to the exporter.
    outputs
        Names of the outputs.
    translations
        Of operators that torch's exporter does not know.
    """

    name: str
    module: nn.Module
    dynamic: Mapping[str, Mapping[int, Axis]]
    cases: Sequence[Mapping[str, NDArray[Any]]]
    example: Mapping[str, NDArray[Any]]
    outputs: tuple[str, ...] = ("logits",)
    translations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def export(self, path: Path, tolerance: float = 1e-4) -> ExportReport:
        """Write the module to a file and compare it at all cases.

        Raises
        ------
        engine.errors.ExportError
            It cannot be exported, or the file answers otherwise.
        """
        return export_model(
            self.module,
            {name: torch.from_numpy(value) for name, value in self.example.items()},
            path,
            dynamic=self.dynamic,
            outputs=self.outputs,
            translations=self.translations,
            cases=self.cases,
            tolerance=tolerance,
        )


def text_example(
    name: str,
    module: nn.Module,
    *,
    vocabulary_size: int,
    pad_id: int = classifiers.PAD_ID,
    translations: Mapping[str, Callable[..., Any]] | None = None,
) -> Example:
    """Return an example of a module that takes `input_ids` alone, padded at the end.

    Parameters
    ----------
    name
        In tables.
    module
        int64 [batch, sequence] -> float32 [batch, labels].
    vocabulary_size
        Every id is below it.
    pad_id
        The id that fills up a batch.
    translations
        Of operators that torch's exporter does not know.
    """
    chance = np.random.default_rng(_SEED)

    def ids(batch: int, length: int) -> dict[str, NDArray[Any]]:
        return {"input_ids": padded_ids(chance, batch, length, vocabulary_size, pad_id)}

    return Example(
        name,
        module.eval(),
        {"input_ids": {0: Axis("batch"), 1: Axis("sequence", maximum=_LONGEST)}},
        [ids(*shape) for shape in SHAPES],
        ids(3, 6),
        translations=translations or {},
    )


def padded_ids(
    chance: np.random.Generator, batch: int, length: int, vocabulary_size: int, pad_id: int
) -> NDArray[np.int64]:
    """Random token ids, int64 [batch, length]; every other row ends early, none is padding alone."""
    ids = chance.integers(0, vocabulary_size - 1, size=(batch, length))
    ids[ids >= pad_id] += 1
    ends = chance.integers(1, length + 1, size=batch)
    ends[::2] = length
    ids[np.arange(length) >= ends[:, None]] = pad_id
    return ids


def make_example(name: str) -> Example:
    """Make one of `NAMES`, with the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        return _MAKERS[name](name)


def _text(make: Callable[[], nn.Module], *operator_names: str) -> Callable[[str], Example]:
    translations = {name: operators.TRANSLATIONS[name] for name in operator_names}
    return lambda name: text_example(name, make(), vocabulary_size=VOCABULARY, translations=translations)


def _embedding_bag(name: str) -> Example:
    chance = np.random.default_rng(_SEED)

    def texts(lengths: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return {"ids": chance.integers(0, VOCABULARY, size=int(lengths.sum())), "offsets": offsets}

    # Empty texts too: at the beginning, in the middle, two at the end.
    lengths = [np.array([0, 2, 0, 5, 3, 0, 0])]
    lengths += [chance.integers(1, length + 1, size=batch) for batch, length in SHAPES]
    key = "aten::embedding_bag.padding_idx"
    return Example(
        name,
        classifiers.EmbeddingBagClassifier(LABELS, VOCABULARY).eval(),
        {"ids": {0: Axis("tokens")}, "offsets": {0: Axis("batch")}},
        [texts(row) for row in lengths],
        texts(np.array([2, 4, 1])),
        translations={key: operators.TRANSLATIONS[key]},
    )


def _matcher(name: str) -> Example:
    chance = np.random.default_rng(_SEED)

    def pair(batch: int, query: int, document: int) -> dict[str, NDArray[Any]]:
        lengths = {"query_ids": query, "document_ids": document}
        return {
            name: padded_ids(chance, batch, length, VOCABULARY, classifiers.PAD_ID) for name, length in lengths.items()
        }

    # One much longer than the other, both ways round.
    shapes = [(batch, length, max(1, 40 - length)) for batch, length in SHAPES] + [(2, 1, 97), (2, 97, 1)]
    batch = Axis("batch")
    return Example(
        name,
        classifiers.Matcher(VOCABULARY).eval(),
        {
            "query_ids": {0: batch, 1: Axis("query", maximum=_LONGEST)},
            "document_ids": {0: batch, 1: Axis("document", maximum=_LONGEST)},
        },
        [pair(*shape) for shape in shapes],
        pair(3, 5, 7),
    )


def _nearest_pattern() -> nn.Module:
    patterns = padded_ids(np.random.default_rng(_SEED), LABELS, 9, VOCABULARY, classifiers.PAD_ID)
    return operators.NearestPattern(torch.from_numpy(patterns))


def _rare_words() -> nn.Module:
    # One id in ten is rare: small cases take one way, large ones the other.
    return classifiers.RareWords(LABELS, VOCABULARY, common=VOCABULARY * 9 // 10)


def _srcnn(name: str) -> Example:
    return Example(
        name,
        super_resolution.SRCNN(factor=3.0).eval(),
        {"picture": _PICTURE},
        [{"picture": picture} for picture in _pictures()],
        {"picture": _pictures()[0]},
        outputs=("larger",),
    )


def _srcnn_any(name: str) -> Example:
    def case(picture: NDArray[Any], factor: float) -> dict[str, NDArray[Any]]:
        return {"picture": picture, "factor": np.array([factor], dtype=np.float32)}

    return Example(
        name,
        super_resolution.AnyFactorSRCNN().eval(),
        {"picture": _PICTURE, "factor": {}},
        [case(picture, _FACTORS[number % len(_FACTORS)]) for number, picture in enumerate(_pictures())],
        case(_pictures()[0], _FACTORS[0]),
        outputs=("larger",),
        translations=super_resolution.TRANSLATIONS,
    )


def _pictures() -> list[NDArray[Any]]:
    chance = np.random.default_rng(_SEED)
    return [chance.random((batch, 3, *size), dtype=np.float32) for batch, *size in _PICTURE_SHAPES]


_PICTURE = {0: Axis("batch"), 2: Axis("height", minimum=3), 3: Axis("width", minimum=3)}
# (batch, height, width)
_PICTURE_SHAPES = (
    *((2, 6, 7), (1, 3, 3), (1, 3, 29), (1, 29, 3), (5, 3, 4), (1, 16, 16), (3, 11, 13)),
    *((2, 13, 11), (1, 7, 19), (4, 5, 5), (1, 31, 17), (1, 17, 31), (1, 24, 40)),
)
_FACTORS = (2.0, 2.5, 3.0, 4.0)

_MAKERS: dict[str, Callable[[str], Example]] = {
    "EmbeddingBag with offsets": _embedding_bag,
    "masked BiLSTM": _text(lambda: classifiers.MaskedBiLstm(LABELS, VOCABULARY)),
    "GRU": _text(lambda: classifiers.MaskedGru(LABELS, VOCABULARY)),
    "Transformer encoder": _text(lambda: classifiers.TransformerClassifier(LABELS, VOCABULARY)),
    "two inputs of unlike length": _matcher,
    "torch.cond": _text(_rare_words),
    "operator of level 1": _text(lambda: operators.DistinctWords(LABELS, VOCABULARY), "tagscope::distinct"),
    "operator of level 2": _text(lambda: operators.SparseAttention(LABELS, VOCABULARY), "tagscope::sparsemax"),
    "operator of level 3": _text(_nearest_pattern, "tagscope::edit_distance"),
    "SRCNN, fixed factor": _srcnn,
    "SRCNN, any factor": _srcnn_any,
}
NAMES = tuple(_MAKERS)
