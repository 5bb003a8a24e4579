"""What the charts show, as rectangles: from bars, bins and terms of the engine to a `Chart` with the way to the rows.

Each function returns the chart and, by key of a rectangle, the filter that selects exactly the rows it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.components.rectangles import Chart, Rectangle
from dashboard.text import unique_labels
from dashboard.theme import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.exploration.bars import Bar, SplitBar
    from engine.exploration.filter import Filter
    from engine.exploration.histogram import Histogram
    from engine.exploration.terms import Term
    from engine.exploration.timeline import Timeline

MOST_ROWS = 50
"""Most bars below each other; a chart of more could not be read."""

_ROW_PIXELS = 26
_DENSE_ROW_PIXELS = 17
_DENSE_FROM = 14
_AXIS_PIXELS = 56
_ROOM = 1.22
# One lightness per split, from what a model learns from to what it is judged on.
_SPLIT_SHARES = {"train": 0.55, "validation": 0.78, "test": 1.0}
_MOST_LABELS = 9
_MOST_DATES = 5

Drawn = tuple[Chart, list["Filter"]]


def draw_tags(bars: Sequence[SplitBar], total: int, selected: str, dark: bool) -> Drawn:
    """Draw rows by tag, in shades by split; `total` is the number of rows of all tags."""
    colours = palette(dark)
    shown = bars[:MOST_ROWS]
    rectangles, figures = [], []
    for place, bar in enumerate(shown):
        parts = ", ".join(f"{part.label} {part.count:,}" for part in bar.parts)
        tip = f"{bar.label}: {bar.count:,} rows" + (f" ({parts})" if parts else "")
        strong = colours.accent if not selected or bar.label == selected else colours.bar
        start = 0
        for part in bar.parts:
            shade = mix(colours.surface, strong, _SPLIT_SHARES.get(part.label, 0.4))
            rectangles.append(_row(place, start, start + part.count, shade, tip))
            start += part.count
        if start < bar.count:
            shade = strong if not bar.parts else mix(colours.surface, strong, 0.3)
            rectangles.append(_row(place, start, bar.count, shade, tip))
        share = f" · {bar.count / total:.0%}" if total else ""
        figures.append((float(bar.count), place + 0.5, f"{bar.count:,}{share}"))
    chart = _rows_chart([bar.label for bar in shown], rectangles, figures, "projects")
    return chart, [bar.filter for bar in shown]


def draw_missing(bars: Sequence[Bar], titles: dict[str, str], total: int, dark: bool) -> Drawn:
    """Draw rows with nothing in a column, by column."""
    colours = palette(dark)
    rectangles, figures = [], []
    for place, bar in enumerate(bars):
        name = titles.get(bar.label, bar.label)
        rectangles.append(_row(place, 0, bar.count, colours.accent, f"{bar.count:,} rows without {name}"))
        share = f" · {bar.count / total:.1%}" if bar.count and total else ""
        figures.append((float(bar.count), place + 0.5, f"{bar.count:,}{share}"))
    chart = _rows_chart([titles.get(bar.label, bar.label) for bar in bars], rectangles, figures, "rows without a value")
    return chart, [bar.filter for bar in bars]


def draw_terms(terms: Sequence[Term], dark: bool) -> Drawn:
    """Draw the words that characterise a tag, the most telling first."""
    colours = palette(dark)
    rectangles, figures = [], []
    for place, term in enumerate(terms):
        tip = f"{term.word}: {term.share:.2%} of the words here, {term.other_share:.2%} there; {term.rows:,} rows"
        rectangles.append(_row(place, 0, term.score, colours.accent, tip))
        figures.append((term.score, place + 0.5, f"{term.rows:,} rows"))
    chart = _rows_chart(
        [term.word for term in terms], rectangles, figures, "how much the word tells (class-based TF-IDF)"
    )
    return chart, [term.filter for term in terms]


def draw_lengths(histogram: Histogram, dark: bool) -> Drawn:
    """Draw rows by length; a dashed line marks where the model cuts."""
    colours = palette(dark)
    leasts = histogram.leasts
    width = leasts[1] - leasts[0] if len(leasts) > 1 else 1
    rectangles, filters = [], []
    for place, (least, count) in enumerate(zip(leasts, histogram.counts.tolist(), strict=True)):
        last = place + 1 == len(leasts)
        name = f"{least:,}" if width == 1 else f"{least:,} to {least + width - 1:,}"
        end = f"{least:,} and more" if last and histogram.longest >= least + width else name
        tip = f"{end} {histogram.column}: {count:,} rows"
        cut = histogram.limit is not None and least > histogram.limit
        colour = colours.warning if cut else colours.accent
        rectangles.append(Rectangle(place + 0.06, place + 0.94, 0, count, colour, place, tip))
        filters.append(histogram.filter_of(place))
    step = max(1, -(-len(leasts) // _MOST_LABELS))
    labels = {float(place): f"{leasts[place]:,}" for place in range(0, len(leasts), step)}
    limit = histogram.limit
    # Beyond the last bin there is no scale, and no line.
    mark = (limit + 1) / width if limit is not None and (limit + 1) / width <= len(leasts) else None
    top = max(histogram.counts.tolist(), default=0) * 1.05
    chart = Chart(tuple(rectangles), len(leasts), top, columns=labels, pixels=260, mark=mark, title=histogram.column)
    return chart, filters


def draw_timeline(timeline: Timeline, most: int, dark: bool) -> Drawn:
    """Draw rows over time as a heat map, a row per tag with those of all tags on top; `most` tags are shown."""
    colours = palette(dark)
    order = [
        tag for tag in (-timeline.counts.sum(axis=1)).argsort(kind="stable").tolist() if timeline.counts[tag].any()
    ]
    rows: list[tuple[str | None, str, NDArray[np.int64]]] = [(None, "all tags", timeline.totals)]
    rows += [(timeline.tags[tag], timeline.tags[tag], timeline.counts[tag]) for tag in order[:most]]
    highest = max((int(counts.max()) for tag, _, counts in rows if tag is not None and len(counts)), default=0)
    rectangles: list[Rectangle] = []
    filters: list[Filter] = []
    for row, (tag, name, counts) in enumerate(rows):
        most_here = highest if tag is not None else int(counts.max()) if len(counts) else 0
        for place, count in enumerate(counts.tolist()):
            if not count:
                continue
            shade = mix(
                colours.surface, colours.muted if tag is None else colours.accent, 0.14 + 0.86 * count / most_here
            )
            days = f"{timeline.firsts[place]} to {timeline.lasts[place]}"
            tip = f"{name}, {days if timeline.unit != 'day' else timeline.firsts[place]}: {count:,} rows"
            rectangles.append(Rectangle(place, place + 0.96, row + 0.04, row + 0.96, shade, len(filters), tip))
            filters.append(timeline.filter_of(tag, place))
    bins = len(timeline.firsts)
    step = max(1, -(-bins // _MOST_DATES))
    labels = {place + 0.5: _day(timeline, place) for place in range(0, bins, step)}
    names = unique_labels([name for _, name, _ in rows], 26)
    chart = Chart(
        tuple(rectangles),
        bins,
        len(rows),
        columns=labels,
        rows={row + 0.5: name for row, name in enumerate(names)},
        pixels=_AXIS_PIXELS + len(rows) * (_ROW_PIXELS if len(rows) < _DENSE_FROM else _DENSE_ROW_PIXELS),
        title=f"by {timeline.unit}",
        downwards=True,
    )
    return chart, filters


def mix(first: str, second: str, share: float) -> str:
    """Return the colour `share` of the way from one to another, as #rrggbb."""
    ends = [[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in (first, second)]
    return "#" + "".join(f"{round(a + (b - a) * min(max(share, 0), 1)):02x}" for a, b in zip(*ends, strict=True))


def _row(place: int, left: float, right: float, colour: str, tip: str) -> Rectangle:
    return Rectangle(left, right, place + 0.16, place + 0.84, colour, place, tip)


def _rows_chart(
    names: list[str], rectangles: list[Rectangle], figures: list[tuple[float, float, str]], title: str
) -> Chart:
    count = len(names)
    longest = max((one.right for one in rectangles), default=0.0)
    each = _ROW_PIXELS if count < _DENSE_FROM else _DENSE_ROW_PIXELS
    return Chart(
        tuple(rectangles),
        (longest or 1.0) * _ROOM,
        max(count, 1),
        rows={place + 0.5: name for place, name in enumerate(unique_labels(names, 30))},
        figures=tuple(figures),
        pixels=_AXIS_PIXELS + each * max(count, 1),
        title=title,
        downwards=True,
        whole_rows=True,
    )


def _day(timeline: Timeline, place: int) -> str:
    day = timeline.firsts[place]
    if timeline.unit == "year":
        return f"{day.year}"
    if timeline.unit == "quarter":
        return f"{day.year} Q{(day.month + 2) // 3}"
    return f"{day:%Y-%m}" if timeline.unit == "month" else f"{day}"
