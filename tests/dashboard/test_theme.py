"""Colours: stable, apart, and readable in both themes."""

from __future__ import annotations

import pytest

from dashboard.theme import DARK, LIGHT, OUTCOME_COLOURS, TAG_PALETTE, Palette, palette, tag_colours


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_can_be_read(theme: Palette) -> None:
    for text in (theme.text, theme.muted, theme.accent, theme.error, theme.warning):
        for ground in (theme.page, theme.surface, theme.raised):
            assert contrast(text, ground) >= 4.5
    assert contrast(theme.on_accent, theme.accent) >= 4.5


def test_the_two_themes_are_told_by_a_flag() -> None:
    assert palette(True) is DARK
    assert palette(False) is LIGHT


def test_a_tag_keeps_its_colour_whatever_the_order() -> None:
    tags = ["mlops", "computer-vision", "time-series", "other"]
    assert tag_colours(tags) == tag_colours(tags[::-1])


@pytest.mark.parametrize("count", [2, 8])
def test_as_many_tags_as_colours_are_kept_apart(count: int) -> None:
    colours = tag_colours(f"tag {number}" for number in range(count))
    assert len(set(colours.values())) == count


def test_more_tags_than_colours_all_get_one() -> None:
    assert set(tag_colours(map(str, range(50))).values()) == set(TAG_PALETTE)


def test_outcomes_differ() -> None:
    assert len(set(OUTCOME_COLOURS.values())) == len(OUTCOME_COLOURS)
