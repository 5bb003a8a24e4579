from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runs.tokenizer import load_tokenizer
from engine.training.vocabulary import subword_tokenizer, word_tokenizer

TEXTS = ["The cat sat on the mat", "Die Katze saß auf der Matte", "猫がマットに座った", "the dog, the cat 🐈"] * 5


def test_words_stand_in_falling_frequency_then_alphabet():
    tokenizer = word_tokenizer(["b a", "b c", "B"], max_words=10, max_tokens=8)
    assert tokenizer.words == ["b", "a", "c"]


def test_the_vocabulary_is_bounded_and_the_rest_is_unknown():
    tokenizer = word_tokenizer(["b a", "b c", "b a"], max_words=2, max_tokens=8)
    assert tokenizer.words == ["b", "a"]
    assert tokenizer.encode("a c b") == [3, 1, 2]


def test_words_after_the_cut_are_not_learned():
    assert word_tokenizer(["one two three"], max_words=10, max_tokens=2).words == ["one", "two"]


@pytest.mark.parametrize(
    "make",
    [
        lambda texts: word_tokenizer(texts, max_words=50, max_tokens=16),
        lambda texts: subword_tokenizer(texts, size=400, max_tokens=16),
    ],
    ids=["words", "subwords"],
)
def test_the_file_is_the_same_for_texts_in_any_order(make, tmp_path):
    shuffled = TEXTS[:]
    random.Random(3).shuffle(shuffled)
    make(TEXTS).save(tmp_path / "one")
    make(shuffled).save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_subwords_are_saved_and_read_again(tmp_path):
    tokenizer = subword_tokenizer(TEXTS, size=400, max_tokens=16)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json", "huggingface", 16)
    assert again.vocabulary_size == tokenizer.vocabulary_size
    for text in [*TEXTS, "[PAD] [UNK]", ""]:
        assert again.encode(text) == tokenizer.encode(text)


SUBWORDS = subword_tokenizer(TEXTS, size=400, max_tokens=16)


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_has_subwords_and_none_is_padding(text):
    ids = SUBWORDS.encode(text)
    assert 1 <= len(ids) <= 16
    assert all(0 < number < SUBWORDS.vocabulary_size for number in ids)


def test_case_does_not_matter_to_subwords():
    assert SUBWORDS.encode("THE CAT") == SUBWORDS.encode("the cat")
