"""The picture of the map: which rows have which colour, and what the legend says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dashboard.theme import OUTCOME_COLOURS, TAG_PALETTE, mix, palette, tag_colours
from engine.exploration.categories import NONE
from engine.exploration.raster import LEVELS, MOST_CLASSES, Window, rasterise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.exploration.categories import Categories
    from engine.exploration.selection import Selection
    from engine.exploration.table import Table
    from engine.exploration.text_map import TextMap

# Of the picture, in pixels; the browser stretches it.
WIDTH, HEIGHT = 880, 520
# Two more are left: for all others, and for what has no value.
_SHOWN_CLASSES = min(len(TAG_PALETTE), MOST_CLASSES - 2)
_LEAST_STRENGTH = 0.45


class Class(msgspec.Struct, frozen=True):
    """Rows of one colour: what they have in common, the colour, how many are on show, and the condition they meet.

    `gathered` marks the class of several values that share a colour (`Drawing.others`).
    """

    label: str
    colour: str
    count: int
    condition: tuple[str, str] | None = None
    gathered: bool = False


class Drawing(msgspec.Struct, frozen=True):
    """A picture with what stands beside it; `others` are those that share the last colour, each with its condition."""

    picture: Any
    colours: tuple[str, ...]
    classes: tuple[Class, ...]
    window: Window
    others: tuple[Class, ...] = ()


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
    others: list[Class] = []
    if by == "finding":
        codes, classes = _by_finding(table, selection.mask, titles, dark)
    else:
        codes, classes, others = _by_value(table, selection.mask, by, dark)
    picture = rasterise(text_map.points, codes, window, WIDTH, HEIGHT)
    colours = palette(dark)
    shades = [colours.line, *(one.colour for one in classes)]
    levels = [_LEAST_STRENGTH + (1 - _LEAST_STRENGTH) * level / (LEVELS - 1) for level in range(LEVELS)]
    mixed = tuple(mix(colours.surface, shade, strength) for shade in shades for strength in levels)
    return Drawing(picture, mixed, tuple(classes), window, tuple(others))


class _Classes:
    """Classes of rows, one after the other: `codes` are int8 with -1 for rows that the filter leaves out."""

    def __init__(self, rows: int) -> None:
        self.codes = np.full(rows, -1, np.int8)
        self.found: list[Class] = []

    def add(
        self,
        rows: NDArray[np.bool_],
        label: str,
        shade: str,
        condition: tuple[str, str] | None = None,
        *,
        gathered: bool = False,
    ) -> None:
        """Add a class, unless it has no rows."""
        count = int(np.count_nonzero(rows))
        if count:
            self.codes[rows] = len(self.found)
            self.found.append(Class(label, shade, count, condition, gathered))


def _by_finding(
    table: Table, mask: NDArray[np.bool_], titles: dict[str, str], dark: bool
) -> tuple[NDArray[np.int8], list[Class]]:
    """Return the class of each row, and the classes; a row of several findings has the colour of the worst."""
    classes, left = _Classes(len(mask)), mask.copy()
    kinds = [kind for kind in titles if kind in table.findings][: len(TAG_PALETTE) - 1]
    for place, kind in enumerate(kinds):
        rows = left & table.findings[kind].rows
        classes.add(rows, titles[kind], TAG_PALETTE[place], ("finding", kind))
        left &= ~rows
    several = np.zeros(len(mask), bool)
    for kind, found in table.findings.items():
        if kind not in kinds:
            several |= found.rows
    classes.add(left & several, "other findings", TAG_PALETTE[-1])
    classes.add(left & ~several, "nothing found", palette(dark).bar)
    return classes.codes, classes.found


def _by_value(
    table: Table, mask: NDArray[np.bool_], by: str, dark: bool
) -> tuple[NDArray[np.int8], list[Class], list[Class]]:
    """Return the class of each row, the classes, and what else the rows have: the most frequent have a colour each.

    Those that are most frequent among the rows on show: a filter leaves colours for what it leaves.
    """
    category, rest = table.category(by), palette(dark).muted
    codes, names = category.codes, category.names
    counts = np.bincount(codes[mask] + 1, minlength=len(names) + 1)[1:]
    order = [code for code in (-counts).argsort(kind="stable").tolist() if counts[code]]
    # What is alone with the last colour needs no other name.
    most = order[:_SHOWN_CLASSES] if len(order) != _SHOWN_CLASSES + 1 else order
    others = order[len(most) :]
    shades = OUTCOME_COLOURS if by == "outcome" else _tag_shades(category, [names[code] for code in most])
    classes, left = _Classes(len(mask)), mask & (codes != NONE)
    for code in most:
        rows = left & (codes == code)
        classes.add(rows, names[code], shades.get(names[code], rest), (by, names[code]))
        left &= ~rows
    classes.add(left, f"{len(others):,} other {by}s", rest, gathered=True)
    classes.add(mask & (codes == NONE), f"no {by}" if by != "outcome" else "unknown", rest)
    listed = [Class(names[code], rest, int(counts[code]), (by, names[code])) for code in others]
    return classes.codes, classes.found, listed


def _tag_shades(tags: Categories, shown: list[str]) -> dict[str, str]:
    """Return a colour for each of a few tags; those that are the most frequent of all keep theirs under any filter."""
    counts = np.bincount(tags.codes[tags.codes != NONE], minlength=len(tags.names))
    most = [tags.names[code] for code in (-counts).argsort(kind="stable")[:_SHOWN_CLASSES].tolist()]
    fixed = tag_colours(most)
    shades = {name: fixed[name] for name in shown if name in fixed}
    free = [shade for shade in TAG_PALETTE if shade not in shades.values()]
    return shades | dict(zip(sorted(set(shown) - set(shades)), free, strict=False))
