"""In which language texts are, by py3langid (Lui and Baldwin, 2012): offline, the same everywhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REPORTED = 1_000


@dataclasses.dataclass(frozen=True, eq=False)
class Languages:
    """The most probable language of each text.

    Parameters
    ----------
    names : numpy.ndarray
        Str, shape (n,): ISO 639-1 codes.
    probabilities : numpy.ndarray
        Float64, shape (n,): that of this language.
    """

    names: np.ndarray
    probabilities: np.ndarray


def identify(texts: Sequence[str], progress: Callable[[float], None] = lambda share: None) -> Languages:
    """Identify the language of each text."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model takes half a second to load

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    names = np.empty(len(texts), object)
    probabilities = np.zeros(len(texts))
    for row, text in enumerate(texts):
        names[row], probabilities[row] = identifier.classify(text)
        if row % _REPORTED == 0:
            progress(row / len(texts))
    return Languages(names.astype(str), probabilities)
