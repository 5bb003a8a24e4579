"""Word tokenizer: splitting in any script, ids, and the file it is kept in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BundleError
from engine.runs.tokenizer import PAD_ID, UNKNOWN_ID, WordTokenizer, load_tokenizer, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't split e-mail_lists, v3.5!", ["don", "t", "split", "e", "mail", "lists", "v3", "5"]),
        ("GPUで学習", ["gpu", "で", "学", "習"]),
        ("हिन्दी में पाठ।", ["हिन्दी", "में", "पाठ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("مرحبا، بالعالم", ["مرحبا", "بالعالم"]),
        ("Größe naïve café", ["größe", "naïve", "café"]),
        ("nice 😀😀", ["nice", "😀", "😀"]),
        ("...!? — “”", []),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_words_are_runs_of_letters_and_digits(text: str) -> None:
    assert words_of(text) == re.findall(r"[a-z0-9]+", text.lower())


def test_every_letter_and_digit_of_unicode_is_part_of_a_word() -> None:
    letters = [c for c in map(chr, range(0x110000)) if c.isalpha() or c.isdecimal()]
    lost = [f"U+{ord(c):04X}" for c in letters if c.isalnum() and not words_of(c)]
    assert lost == []


@given(st.text())
def test_words_hold_every_letter_and_number_once_and_in_order(text: str) -> None:
    def kept(value: str) -> str:
        return "".join(character for character in value.lower() if character.isalpha() or character.isdecimal())

    assert kept("".join(words_of(text))) == kept(text)


@given(st.text(), st.integers(1, 5))
def test_encode_gives_at_least_one_id_never_padding_and_at_most_the_limit(text: str, limit: int) -> None:
    tokenizer = WordTokenizer(["model", "a"], max_tokens=limit)
    ids = tokenizer.encode(text)
    assert 1 <= len(ids) <= limit
    assert PAD_ID not in ids
    assert max(ids) < tokenizer.vocabulary_size


def test_known_and_unknown_words_survive_saving(tmp_path) -> None:
    path = tmp_path / "tokenizer.json"
    WordTokenizer(["graph", "größe"], max_tokens=8).save(path)
    tokenizer = load_tokenizer(path, "tagscope-words", 8)
    assert tokenizer.encode("Größe of a GRAPH") == [3, UNKNOWN_ID, UNKNOWN_ID, 2]


@pytest.mark.parametrize("content", ["", "[]", '{"format": "tagscope-words", "version": 1, "words": [1]}', "{"])
@pytest.mark.parametrize("tokenizer_format", ["tagscope-words", "huggingface"])
def test_a_broken_file_is_named(tmp_path, content: str, tokenizer_format: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        load_tokenizer(path, tokenizer_format, 8)


def test_a_later_version_and_an_unknown_format_are_refused(tmp_path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"format": "tagscope-words", "version": 2, "words": []}')
    with pytest.raises(BundleError, match="version 2"):
        load_tokenizer(path, "tagscope-words", 8)
    with pytest.raises(BundleError, match="unknown tokenizer format 'other'"):
        load_tokenizer(path, "other", 8)
