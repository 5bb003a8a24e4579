"""Token ids of unequal length as rectangular batches, texts of like length together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engine.runs.tokenizer import PAD_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

_TOKENS = 16_384
_ROWS = 256


def pad(ids: Sequence[Sequence[int]], pad_id: int = PAD_ID) -> Tensor:
    """Token ids as int64 [texts, longest], `pad_id` after the end of a text."""
    batch = torch.full((len(ids), max(len(row) for row in ids)), pad_id, dtype=torch.int64)
    for number, row in enumerate(ids):
        batch[number, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return batch


def batches(
    lengths: NDArray[np.int64], order: NDArray[np.int64], *, tokens: int, rows: int
) -> Iterator[NDArray[np.int64]]:
    """Cut an order of texts into batches of at most so many padded tokens and rows; each has at least one text.

    Parameters
    ----------
    lengths
        int64 [texts], tokens of each text.
    order
        Texts, by number, those of like length beside each other.
    tokens, rows
        Limits of a batch.
    """
    start = 0
    longest = 0
    for at, text in enumerate(order):
        longest = max(longest, int(lengths[text]))
        count = at - start + 1
        if count > 1 and (count > rows or count * longest > tokens):
            yield order[start:at]
            start, longest = at, int(lengths[text])
    if start < len(order):
        yield order[start:]


@torch.no_grad()
def logits_of(module: nn.Module, ids: Sequence[Sequence[int]], pad_id: int = PAD_ID) -> NDArray[np.float32]:
    """Logits of tokenized texts, float32 [texts, labels], in the order given."""
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    found: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    for batch in batches(lengths, order, tokens=_TOKENS, rows=_ROWS):
        found.append((batch, module(pad([ids[number] for number in batch], pad_id)).numpy()))
    result = np.concatenate([logits for _, logits in found])
    result[order] = result.copy()
    return result
