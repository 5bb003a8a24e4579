from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.training.padding import batches, logits_of, pad


@given(st.lists(st.integers(1, 40), min_size=1, max_size=80), st.integers(1, 200), st.integers(1, 12))
def test_batches_hold_every_text_once_within_the_limits(lengths, tokens, rows):
    lengths = np.array(lengths)
    order = np.argsort(lengths)
    found = list(batches(lengths, order, tokens=tokens, rows=rows))
    assert np.concatenate(found).tolist() == order.tolist()
    for batch in found:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


def test_pad():
    assert pad([[5], [1, 2, 3]]).tolist() == [[5, 0, 0], [1, 2, 3]]


def test_logits_come_back_in_the_order_given():
    class Sum(torch.nn.Module):
        def forward(self, ids):
            return ids.sum(1, keepdim=True).float()

    rows = [[length] * length for length in np.random.default_rng(0).integers(1, 60, 700).tolist()]
    assert logits_of(Sum(), rows)[:, 0].tolist() == [row[0] ** 2 for row in rows]
