"""Occlusion: each word is left out everywhere and nothing else is, and a word's importance is what it adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.occlusion import MOST_WORDS, occlude
from engine.inference.prediction import Refusal
from engine.runs.store import open_store
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text(max_size=200))
def test_each_text_lacks_one_word_and_has_all_others(text: str) -> None:
    found = occlude(text)
    whole, *rest = found.texts
    assert whole == text
    assert not found.remark
    for word, without in zip(found.words, rest, strict=True):
        kept, at = text, 0
        for start, end in reversed(word.spans):
            assert text[start:end].lower() == word.word.lower()
            kept = f"{kept[:start]} {kept[end:]}"
        assert without == kept
        at = word.spans[0][0]
        assert text[at : at + len(word.word)] == word.word


@given(st.lists(st.sampled_from(["graph", "Graph", "neural", "网", "x2", "=1"]), max_size=30))
def test_words_are_those_of_the_tokenizer(parts: list[str]) -> None:
    text = " ".join(parts)
    assert [one.word.lower() for one in occlude(text).words] == list(dict.fromkeys(words_of(text)))


def test_importance_is_what_the_word_adds() -> None:
    found = occlude("good bad good")
    assert found.texts == ["good bad good", "  bad  ", "good   good"]
    answers = [{"yes": 0.75, "no": 0.25}, {"yes": 0.25, "no": 0.75}, {"yes": 1.0, "no": 0.0}]
    assert found.importance("yes", answers) == [0.5, -0.25]
    assert found.importance("no", answers) == [-0.5, 0.25]
    assert found.importance("unknown", answers) == [None, None]
    assert found.importance("yes", [answers[0], None, answers[2]]) == [None, -0.25]
    with pytest.raises(ValueError, match="2 answers for 3 texts"):
        found.importance("yes", answers[:2])


def test_a_long_text_is_bounded_and_says_so() -> None:
    text = " ".join(f"word{number}" for number in range(5_000))
    found = occlude(text)
    assert len(found.words) == MOST_WORDS
    assert len(found.text) == 20_000
    assert found.cut_characters == len(text) - 20_000
    assert "first 20,000 characters and the first 255 different words" in found.remark
    assert occlude("").texts == [""]


def test_each_word_of_a_text_is_explained_by_a_cheap_model(demo_home: Path) -> None:
    from engine.inference.predictor import get_predictor

    predictor, run_id = get_predictor(), open_store().promoted()
    found = occlude("Transfer learning with transformers for text classification " * 30 + "by graph neural networks")
    answers = predictor.predict(found.texts, run_id, errors="return")
    chances = [None if isinstance(answer, Refusal) else answer.probabilities for answer in answers]
    values = found.importance(answers[0].predicted_tag, chances)
    assert any(value for value in values)
    assert all(value is not None for value in values)
