"""The picture of the map: which rows have which colour, and what the legend says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dashboard.sections.explore.drawing import mix
from dashboard.theme import OUTCOME_COLOURS, TAG_PALETTE, palette, tag_colours
from engine.exploration.categories import NONE
from engine.exploration.raster import LEVELS, MOST_CLASSES, Window, rasterise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.exploration.selection import Selection
    from engine.exploration.table import Table
    from engine.exploration.text_map import TextMap

# Of the picture, in pixels; the browser stretches it.
WIDTH, HEIGHT = 880, 520
# One more is left for all others.
_SHOWN_CLASSES = min(len(TAG_PALETTE), MOST_CLASSES - 1)
_LEAST_STRENGTH = 0.45


class Class(msgspec.Struct, frozen=True):
    """Rows of one colour: what they have in common, the colour, how many are on show, and the condition they meet."""

    label: str
    colour: str
    count: int
    condition: tuple[str, str] | None = None


class Drawing(msgspec.Struct, frozen=True):
    """A picture with what stands beside it."""

    picture: Any
    colours: tuple[str, ...]
    classes: tuple[Class, ...]
    window: Window


def draw_map(
    text_map: TextMap,
    table: Table,
    selection: Selection,
    by: str,
    window: Window,
    titles: dict[str, str],
    *,
    dark: bool,
) -> Drawing:
    """Draw the rows that a filter leaves in colours, and all others in grey behind them.

    Parameters
    ----------
    text_map
        Where the rows lie.
    table
        What is known of them.
    selection
        The rows on show.
    by
        What the colours tell: ``tag``, ``outcome`` or ``finding``.
    window
        The part of the map that is seen.
    titles
        Title by kind of finding, worst first.
    dark
        Whether the theme is dark.
    """
    codes, classes = _classes(table, selection.mask, by, titles, dark)
    picture = rasterise(text_map.points, codes, window, WIDTH, HEIGHT)
    colours = palette(dark)
    shades = [colours.line, *(one.colour for one in classes)]
    levels = [_LEAST_STRENGTH + (1 - _LEAST_STRENGTH) * level / (LEVELS - 1) for level in range(LEVELS)]
    mixed = tuple(mix(colours.surface, shade, strength) for shade in shades for strength in levels)
    return Drawing(picture, mixed, tuple(classes), window)


def _classes(
    table: Table, mask: NDArray[np.bool_], by: str, titles: dict[str, str], dark: bool
) -> tuple[NDArray[np.int8], list[Class]]:
    """Return the class of each row, int8 with -1 where the filter leaves it out, and the classes."""
    rest = palette(dark).muted
    codes = np.full(len(mask), -1, np.int8)
    classes: list[Class] = []

    def add(rows: NDArray[np.bool_], label: str, shade: str, condition: tuple[str, str] | None = None) -> None:
        count = int(np.count_nonzero(rows))
        if count:
            codes[rows] = len(classes)
            classes.append(Class(label, shade, count, condition))

    if by == "finding":
        # A row of several findings has the colour of the worst.
        left = mask.copy()
        kinds = [kind for kind in titles if kind in table.findings][: len(TAG_PALETTE) - 1]
        for place, kind in enumerate(kinds):
            rows = left & table.findings[kind].rows
            add(rows, titles[kind], TAG_PALETTE[place], ("finding", kind))
            left &= ~rows
        several = np.zeros(len(mask), bool)
        for kind, found in table.findings.items():
            if kind not in kinds:
                several |= found.rows
        add(left & several, "other findings", TAG_PALETTE[-1])
        add(left & ~several, "nothing found", palette(dark).bar)
        return codes, classes
    category = table.category(by)
    counts = np.bincount(category.codes[category.codes != NONE], minlength=len(category.names))
    most = (-counts).argsort(kind="stable")[:_SHOWN_CLASSES].tolist()
    names = [category.names[code] for code in most]
    shades = OUTCOME_COLOURS if by == "outcome" else tag_colours(names)
    left = mask.copy()
    for code, name in zip(most, names, strict=True):
        rows = left & (category.codes == code)
        add(rows, name, shades.get(name, rest), (by, name))
        left &= ~rows
    add(left, "unknown" if by == "outcome" else "other tags" if len(category.names) > len(most) else "no tag", rest)
    return codes, classes
