from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.perturbations import (
    drawing,
    synonym_table,
    with_case,
    with_punctuation,
    with_sentence,
    with_synonyms,
    with_typos,
)

TEXTS = st.text("abcÜß像 .,!-+#3\n", max_size=40)


@given(TEXTS, st.integers(0, 99))
@settings(deadline=None)
def test_a_change_is_the_same_every_time_and_keeps_what_it_promises(text: str, seed: int) -> None:
    for change in (
        lambda draw: with_case(text, draw),
        lambda draw: with_typos(text, 2, draw),
        lambda draw: with_sentence(text, ["One.", "Two."], draw),
    ):
        assert change(drawing(seed, "name", text)) == change(drawing(seed, "name", text))
    typed = with_typos(text, 2, drawing(seed, "name", text))
    assert sorted(typed) == sorted(text)
    assert sum(a != b for a, b in zip(text, typed, strict=True)) in (0, 2, 4)
    assert with_case(text, drawing(seed, "name", text)).casefold() == text.casefold()
    added = with_sentence(text, ["One."], drawing(seed, "name", text))
    assert added.startswith(text.rstrip())
    assert added.endswith(" One.")
    signs = set(".,;:!? \n")
    assert [s for s in with_punctuation(text) if s not in signs] == [s for s in text if s not in signs]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("A U-Net, for C++ (v1.2): fast!", "A U-Net for C++ (v1.2) fast"),
        ("No signs", "No signs."),
        ("", ""),
        ("  ", "  "),
    ],
)
def test_signs_inside_words_belong_to_them(text: str, changed: str) -> None:
    assert with_punctuation(text) == changed


def test_typos_leave_first_and_last_letters_and_short_words_alone() -> None:
    text = "An RNN for text, aaaa"
    assert {with_typos(text, 9, drawing(seed, "typo", text)) for seed in range(9)} == {"An RNN for txet, aaaa"}
    assert with_typos("cat dog", 1, drawing(0, "typo", "")) == "cat dog"


def test_synonyms_keep_the_case_and_know_whole_words_only() -> None:
    table = synonym_table([["image", "picture"], ["Fast", "quick"]])
    draw = drawing(0, "s", "")
    assert with_synonyms("Image IMAGE imagery fast images", table, draw) == "Picture PICTURE imagery quick images"
    assert synonym_table([["a", "b"], ["a", "c"]])["a"] == ["b", "c"]


def test_a_text_without_end_gets_one_before_the_sentence() -> None:
    draw = drawing(0, "s", "")
    assert with_sentence("Title", ["Thanks."], draw) == "Title. Thanks."
    assert with_sentence("Done! ", ["Thanks."], draw) == "Done! Thanks."
