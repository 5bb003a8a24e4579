"""The `ngram` model: a linear layer over TF-IDF weighted words, character n-grams and word pairs.

Everything a text's features need is folded into one row per known word and one row per known pair, so the module,
and the ONNX graph made of it, is two look-ups, two sums and a division; see `engine.training.fitting` for the fit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Below any squared norm that a known word gives (an idf is at least 1): only a text without known words meets it.
_SMALLEST_SQUARED_NORM = 1e-6


class NgramClassifier(nn.Module):
    """Bag of words, their character n-grams and word pairs, with TF-IDF weights and a linear layer.

    For token ids t the logits are ``s[:labels] / sqrt(s[labels]) + bias`` with
    ``s = sum_i words[t_i] + sum_i pairs[slot(t_i, t_i+1)]``. The last column of a row is what it adds to the
    squared norm of the text's TF-IDF vector (per occurrence: a word seen twice counts twice, not fourfold).

    A pair (a, b) stands in slot ``(a * multipliers[0] + b * multipliers[1]) mod buckets`` with `buckets` prime, as in
    Carter and Wegman, "Universal classes of hash functions" (1979). Each slot keeps the one pair it belongs
    to, and any other pair that falls there counts as unknown: unlike plain feature hashing, a pair never
    seen in training adds no noise.

    Parameters
    ----------
    labels
        Number of tags.
    vocabulary_size
        Number of token ids; 0 pads, 1 is unknown, both have rows of zeros.
    buckets
        Prime number of slots for pairs.
    multipliers
        Two integers in [1, buckets).
    """

    def __init__(self, labels: int, vocabulary_size: int, buckets: int, multipliers: tuple[int, int]) -> None:
        super().__init__()
        self.labels = labels
        self.vocabulary_size = vocabulary_size
        self.buckets = buckets
        self.multipliers = (int(multipliers[0]), int(multipliers[1]))
        self.words = nn.Parameter(torch.zeros(vocabulary_size, labels + 1))
        # One more row, of zeros: where unknown pairs are sent.
        self.pairs = nn.Parameter(torch.zeros(buckets + 1, labels + 1))
        self.bias = nn.Parameter(torch.zeros(labels))
        self.pair_keys: Tensor
        self.register_buffer("pair_keys", torch.full((buckets, 1), -1, dtype=torch.int64))

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that build this module again, as JSON can hold them."""
        return {
            "labels": self.labels,
            "vocabulary_size": self.vocabulary_size,
            "buckets": self.buckets,
            "multipliers": list(self.multipliers),
        }

    def pair_slots(self, input_ids: Tensor) -> Tensor:
        """Rows of `pairs` for each token and its successor.

        Parameters
        ----------
        input_ids
            int64 [batch, sequence].

        Returns
        -------
        Tensor
            int64 [batch, sequence]; `buckets` where the pair is unknown or touches the padding. No integer
            exceeds vocabulary_size * (buckets + vocabulary_size), far inside int64.
        """
        following = functional.pad(input_ids, (0, 1))[:, 1:]
        slots = (input_ids * self.multipliers[0] + following * self.multipliers[1]) % self.buckets
        # Keys of known pairs have both ids >= 2, so padding and unknown words match none.
        known = functional.embedding(slots, self.pair_keys).squeeze(2) == input_ids * self.vocabulary_size + following
        return torch.where(known, slots, self.buckets)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts.

        Parameters
        ----------
        input_ids
            int64 [batch, sequence], 0 after the end of a text.

        Returns
        -------
        Tensor
            float32 [batch, labels].
        """
        rows = functional.embedding(input_ids, self.words).sum(1)
        rows = rows + functional.embedding(self.pair_slots(input_ids), self.pairs).sum(1)
        norm = rows[:, self.labels :].clamp_min(_SMALLEST_SQUARED_NORM).sqrt()
        return rows[:, : self.labels] / norm + self.bias

    @torch.no_grad()
    def sharpen(self, factor: float) -> None:
        """Multiply all logits by a factor, by way of the weights."""
        for weights in (self.words, self.pairs):
            weights[:, : self.labels].mul_(factor)
        self.bias.mul_(factor)
