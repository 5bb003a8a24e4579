"""Text from people: never markup, never invisible, never TeX, and labels that stay apart."""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dashboard.text import label_text, plain_text, safe_text, sentence_of, unique_labels
from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text())
def test_safe_text_has_no_character_that_html_reads(text: str) -> None:
    shown = safe_text(text, None)
    assert not set(shown) & set("<>\"'")
    assert html.unescape(shown) == plain_text(text, None)


@given(st.text())
def test_nothing_that_reorders_or_hides_its_neighbours_is_left(text: str) -> None:
    left = {unicodedata.category(character) for character in plain_text(text, None) if character not in "\t\n"}
    assert not left & {"Cc", "Cs"}
    assert not set(plain_text(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(min_size=1, max_size=500), st.integers(1, 100))
def test_a_longer_text_says_how_long_it_is(text: str, limit: int) -> None:
    shown = plain_text(text, limit)
    assert len(shown) <= limit + len("… (500 characters)")
    assert (f"({len(text):,} characters)" in shown) or len(text) <= limit


@given(st.text())
def test_a_label_is_one_short_line_without_tex(text: str) -> None:
    label = label_text(text)
    assert "\n" not in label
    assert "$$" not in label
    assert "\\[" not in label
    assert "\\(" not in label


@given(st.lists(st.text(max_size=60), unique=True, max_size=30))
def test_labels_of_different_values_differ(values: list[str]) -> None:
    assert len(set(unique_labels(values))) == len(values)


def test_labels_that_begin_alike_keep_their_ends() -> None:
    values = [f"natural-language-processing for {what}" for what in ("tables", "chemistry")]
    assert unique_labels([*values, "a long name that begins like no other"], 24) == [
        "natural-…sing for tables",
        "natural-…g for chemistry",
        "a long name that begins…",
    ]


def test_a_value_that_looks_like_a_numbered_label_does_not_collide() -> None:
    values = ["same" + "x" * 50, "same" + "x" * 60, label_text("same" + "x" * 50) + " (2)"]
    assert len(set(unique_labels(values))) == 3


def test_a_sentence_names_files_from_the_home_and_leaves_commands_as_they_are(home: Path) -> None:
    command = f"`tagscope check {home}/config/a.toml`"
    error = DataError(f"{home}/config/a.toml is damaged; run {command}, or mend /config/b.toml.")
    assert sentence_of(error) == f"config/a.toml is damaged; run {command}, or mend /config/b.toml."
