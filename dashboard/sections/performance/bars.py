"""The bars of tags and slices: how good each is, how sure that is, and the examples that it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dashboard.components.rectangles import CLEAR, Chart, Rectangle
from dashboard.sections.performance.linked import Drawing, key_of
from dashboard.sections.performance.scored import METRICS, interval, order
from dashboard.text import unique_labels
from dashboard.theme import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dashboard.evaluation.selection import ExampleSelection
    from dashboard.sections.performance.scored import Scored

MOST_BARS = 50
"""Most bars below each other, and the chosen one; a chart of more could not be read."""

_ROW_PIXELS, _DENSE_ROW_PIXELS, _DENSE_FROM = 30, 18, 14
_AXIS_PIXELS = 56
_ROOM = 1.34
_LABEL = 30


def draw_bars(
    parts: Mapping[str, Scored],
    metric: str,
    selected: str,
    dark: bool,
    examples: Callable[[str, str], ExampleSelection] | None,
) -> Drawing:
    """Draw a bar per part, with its interval as a whisker.

    Parameters
    ----------
    parts
        By name.
    metric
        A key of `METRICS`: by which they are sorted, and what the length of a bar is (F1 where sorted by name).
    selected
        Name of the part that stands out.
    dark
        Whether the theme is dark.
    examples
        From the name of a part and the metric to the examples that the figure rests on; None where there are none.

    Returns
    -------
    Drawing
        A bar and the place beside it lead to examples; `choice_of` tells which part a label chooses.
    """
    colours = palette(dark)
    shown = METRICS["f1"] if metric == "name" else METRICS[metric]
    names = order(parts, metric)
    # The chosen one is there wherever it stands: whoever has just saved a slice looks for it.
    names = [*names[:MOST_BARS], *(name for name in names[MOST_BARS:] if name == selected)]
    end = max((parts[name].estimate(metric).value for name in names), default=0) if metric == "support" else 1.0
    width = (end or 1.0) * _ROOM
    rectangles: list[Rectangle] = []
    figures: list[tuple[float, float, str]] = []
    links: dict[str, ExampleSelection] = {}
    for place, name in enumerate(names):
        part = parts[name]
        one = part.estimate(metric)
        noun = "row" if one.n == 1 else "rows"
        if not part.scores.support and not one.n:
            figures.append((0.0, place + 0.5, "no samples"))
            continue
        figure = f"{one.value:,.0f}" if metric == "support" else f"{one.value:.2f}"
        far = max(one.value, one.high) if part.sure else one.value
        # In performance.json the support is all that is known of the rows.
        figures.append((far, place + 0.5, figure if metric == "support" else f"{figure} · n {one.n:,}"))
        sure = f" (95 % interval {interval(one)})" if part.sure and metric != "support" else ""
        value = f"{one.value:.3f}{sure}, " if metric != "support" else ""
        tip = f"{name}: {shown if metric != 'support' else 'Support'} {value}{one.n:,} {noun}"
        key = key_of("examples", name, metric)
        if examples is not None and one.n and part.sure:
            links[key] = examples(name, metric)
        else:
            key = choice_key(name)
        shade = colours.accent if name == selected else colours.bar
        rectangles.append(Rectangle(0, width, place, place + 1, CLEAR, key, tip))
        rectangles.append(Rectangle(0, one.value, place + 0.18, place + 0.82, shade, key, tip))
        if sure:
            rectangles += _whisker(one.low, one.high, place + 0.5, width, colours.text, key, tip)
    each = _ROW_PIXELS if len(names) < _DENSE_FROM else _DENSE_ROW_PIXELS
    chart = Chart(
        tuple(rectangles),
        width,
        max(len(names), 1),
        columns=_ticks(end),
        rows={place + 0.5: label for place, label in enumerate(unique_labels(names, _LABEL))},
        figures=tuple(figures),
        pixels=_AXIS_PIXELS + each * max(len(names), 1),
        title="samples" if metric == "support" else shown,
        downwards=True,
        is_bars=True,
        row_keys=tuple(choice_key(name) for name in names),
    )
    return Drawing(chart, links)


def choice_key(name: str) -> str:
    """Return the key of the label of a part."""
    return key_of("choose", name)


def _ticks(end: float) -> dict[float, str]:
    """Return labels from 0 to the end of the longest bar, and none in the room for figures beside it."""
    if end <= 1:
        return {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"}
    step = 10 ** math.floor(math.log10(end))
    step = next(step * part for part in (0.2, 0.5, 1.0, 2.0, 5.0) if step * part >= end / 5)
    return {float(value): f"{value:,.0f}" for value in np.arange(0, end + step / 2, max(step, 1.0)) if value <= end}


def _whisker(
    low: float, high: float, middle: float, width: float, colour: str, key: str, tip: str
) -> tuple[Rectangle, ...]:
    cap = width * 0.0022
    return (
        Rectangle(low, high, middle - 0.035, middle + 0.035, colour, key, tip),
        Rectangle(low - cap, low + cap, middle - 0.16, middle + 0.16, colour, key, tip),
        Rectangle(high - cap, high + cap, middle - 0.16, middle + 0.16, colour, key, tip),
    )
