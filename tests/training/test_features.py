from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.features import choose_pairs, grams_of, look_up, make_features, next_prime
from engine.training.options import NgramOptions


def test_grams_have_boundaries():
    assert grams_of("ab", 2, 3) == [" a", "ab", "b ", " ab", "ab "]
    assert grams_of("ab", 2, 9) == [" a", "ab", "b ", " ab", "ab ", " ab "]
    assert grams_of("ab", 0, 0) == []


@pytest.mark.parametrize(("number", "prime"), [(0, 2), (2, 2), (4, 5), (1021, 1021), (1022, 1031), (90, 97)])
def test_next_prime(number, prime):
    assert next_prime(number) == prime


def test_rows_have_unit_length_where_no_word_repeats():
    ids = [[2, 3], [3, 4, 2], [5]]
    features = make_features(ids, ["ab", "abc", "bcd", "xyz"], NgramOptions(min_bigram_texts=1))
    words = features.words.toarray()
    norms = (words * features.word_norms).sum(1) * words.max(1)
    pairs = features.pairs.toarray()
    norms += (pairs * features.pair_idf**2).sum(1) * words.max(1)
    np.testing.assert_allclose(norms, 1.0)


def test_pairs_are_counted_once_a_text_and_never_across_texts_or_unknown_words():
    ids = [[2, 3, 2, 3], [2, 3], [3, 2], [2], [3], [2, 1, 3], [4, 5]]
    features = make_features(ids, ["a", "b", "c", "d"], NgramOptions(min_bigram_texts=2))
    known = set(features.pair_table.keys[features.pair_table.keys >= 0].tolist())
    assert known == {2 * 6 + 3, 3 * 6 + 2}
    assert (features.pairs.toarray() > 0).sum(1).tolist() == [2, 1, 1, 0, 0, 0, 0]


@given(st.lists(st.tuples(st.integers(2, 40), st.integers(2, 40)), max_size=300), st.integers(1, 50))
def test_a_slot_holds_one_pair_and_unknown_pairs_match_none(pairs, most):
    keys = np.array([a * 41 + b for a, b in pairs], dtype=np.int64)
    table = choose_pairs(keys, np.arange(len(keys)), 41, NgramOptions(min_bigram_texts=1, max_bigrams=most))
    kept = table.keys[table.keys >= 0]
    assert len(set(kept.tolist())) == len(kept) <= most
    assert set(kept.tolist()) <= set(keys.tolist())
    everything = np.array([a * 41 + b for a in range(41) for b in range(41)], dtype=np.int64)
    _, known = look_up(table, everything, 41)
    assert set(everything[known].tolist()) == set(kept.tolist())


def test_the_frequent_pair_wins_a_slot():
    # Far more pairs than could all have a slot of their own: what is lost must be rare.
    keys = np.arange(2 * 1000 + 2, 2 * 1000 + 902, dtype=np.int64)
    frequent = keys[::90]
    all_keys = np.concatenate([keys, *[frequent] * 50])
    rows = np.arange(len(all_keys))
    table = choose_pairs(all_keys, rows, 1000, NgramOptions(min_bigram_texts=1))
    assert set(frequent.tolist()) <= set(table.keys.tolist())
