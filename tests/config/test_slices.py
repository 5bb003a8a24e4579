from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from config.slices import SLICES
from engine.evaluation.slices import slice_masks

if TYPE_CHECKING:
    from pathlib import Path

NLP = "natural-language-processing"


def mask(name: str, text: str | None, tag: str | None) -> bool:
    frame = pd.DataFrame({"text": pd.Series([text], dtype="str"), "tag": pd.Series([tag], dtype="str")})
    return bool(slice_masks(frame, SLICES)[name][0])


@pytest.mark.parametrize(
    ("text", "tag", "expected"),
    [
        ("Sentence classification with a CNN", NLP, True),
        ("TextCNN and cnns", NLP, True),
        ("Convolutional networks for text", NLP, True),
        ("Reading the news of the network", NLP, False),
        ("Sentence classification with a CNN", "computer-vision", False),
        ("Sentence classification with a CNN", None, False),
        (None, NLP, False),
    ],
)
def test_nlp_cnn(text: str | None, tag: str | None, expected: bool) -> None:
    assert mask("nlp_cnn", text, tag) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four five six seven", True),
        ("1 2 3 4 5 6 7 8", False),
        ("a\n b\t\tc", True),
        ("", True),
        (None, True),
    ],
)
def test_short_text(text: str | None, expected: bool) -> None:
    assert mask("short_text", text, "a") == expected


def test_slices_of_the_lesson(lesson_data: Path) -> None:
    from engine.dataset.loading import load_table

    frame = load_table(lesson_data / "dataset.csv").frame
    masks = slice_masks(frame, SLICES)
    assert {name: 0 < values.sum() < len(frame) for name, values in masks.items()} == dict.fromkeys(SLICES, True)
    words = [len(text.split()) for text in frame["text"]]
    assert masks["short_text"].tolist() == [count < 8 for count in words]


def test_every_slice_takes_no_rows_and_says_what_it_is() -> None:
    frame = pd.DataFrame({"text": pd.Series([], dtype="str"), "tag": pd.Series([], dtype="str")})
    assert {name: values.shape for name, values in slice_masks(frame, SLICES).items()} == dict.fromkeys(SLICES, (0,))
    assert all(function.__doc__ for function in SLICES.values())
