from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.exploration import words as module
from engine.exploration.progress import StoppedError
from engine.exploration.query import Phrase
from engine.exploration.words import read_words
from engine.runs.tokenizer import words_of

WORD = st.sampled_from(["a", "ab", "abc", "b", "zebra", "deep", "深", "度", "état", "ﬁne", "İx", "3d"])
TEXT = st.one_of(
    st.lists(WORD, max_size=8).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text("aA zZ09_-.,\n\t\x00", max_size=30),
)


def column(texts):
    return pa.array(texts, pa.large_string())


def read_back(words):
    codes = [words.codes[start:end] for start, end in zip(words.starts, words.starts[1:], strict=False)]
    assert all(row[-1] == module.END for row in codes)
    return [[words.word(code) for code in row[:-1]] for row in codes]


def contains(text, phrase):
    own = words_of(text)
    size = len(phrase.words)
    return any(
        own[at : at + size - 1] == list(phrase.words[:-1])
        and (
            own[at + size - 1].startswith(phrase.words[-1]) if phrase.prefix else own[at + size - 1] == phrase.words[-1]
        )
        for at in range(len(own) - size + 1)
    )


@given(st.lists(TEXT, max_size=12), st.integers(1, 5))
@example([], 3)
@example(["", " ", ""], 2)
@example([" a", "b ", "ß A", "", "c"], 2)
@settings(deadline=None, max_examples=150)
def test_the_words_are_those_of_the_tokenizer(texts: list[str], at_once: int) -> None:
    before = module._ROWS_AT_ONCE
    module._ROWS_AT_ONCE = at_once
    try:
        words = read_words(column(texts))
    finally:
        module._ROWS_AT_ONCE = before
    assert read_back(words) == [words_of(text) for text in texts]
    assert words.lengths.tolist() == [len(words_of(text)) for text in texts]
    every = [word for text in texts for word in words_of(text)]
    assert words.vocabulary.to_pylist() == sorted(set(every))
    assert words.counts[1:].tolist() == [every.count(word) for word in sorted(set(every))]


@given(
    st.lists(TEXT, max_size=10),
    st.lists(WORD.flatmap(lambda w: st.just(words_of(w))), min_size=1, max_size=3),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_phrases_are_found_where_they_stand(texts, parts, prefix) -> None:
    phrase = Phrase(tuple(word for part in parts for word in part), prefix)
    words = read_words(column(texts))
    assert words.rows_with(phrase).tolist() == [contains(text, phrase) for text in texts]


def test_no_phrase_goes_from_row_to_row() -> None:
    words = read_words(column(["deep", "learning deep", "", "deep learning"]))
    assert words.rows_with(Phrase(("deep", "learning"))).tolist() == [False, False, False, True]


def test_a_phrase_may_begin_before_the_first_word_and_end_after_the_last() -> None:
    words = read_words(column(["b c", "a b c", "x a"]))
    assert words.rows_with(Phrase(("a", "b", "c"))).tolist() == [False, True, False]
    assert not words.rows_with(Phrase(("x", "a", "b", "c"))).any()
    assert not words.rows_with(Phrase(("b", "c", "x"))).any()
    assert words.rows_with(Phrase(("x", "a"))).tolist() == [False, False, True]


def test_slices_and_missing_texts() -> None:
    texts = column(["x", "one two", None, "three", "y"])[1:4]
    assert read_back(read_words(texts)) == [["one", "two"], [], ["three"]]


def test_a_lone_surrogate_is_in_no_text() -> None:
    assert not read_words(column(["a ?", "?"])).rows_with(Phrase(("\ud800",))).any()


def test_what_progress_raises_ends_the_work() -> None:
    def stop(share: float) -> None:
        raise StoppedError("enough")

    with pytest.raises(StoppedError, match="enough"):
        read_words(column(["a"]), stop)


def test_progress_goes_from_0_to_1() -> None:
    shares: list[float] = []
    read_words(column(["a"] * 10), shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
