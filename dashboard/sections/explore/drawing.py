"""What the charts show, as rectangles: from bars, bins and terms of the engine to a `Chart` with the way to the rows.

Each function returns the chart and, by key of a rectangle, the filter that selects exactly the rows it counts. A key
names what is counted, so that a click on a drawing that has just been replaced means the same in the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.components.rectangles import CLEAR, Chart, Rectangle
from dashboard.text import unique_labels
from dashboard.theme import mix, palette

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
# One strength per split, from what a model learns from to what it is judged on; then what has another one, or none.
_SPLIT_SHARES = {"train": 0.55, "validation": 0.78, "test": 1.0}
_OTHER_SPLIT, _NO_SPLIT = 0.4, 0.25
_LABEL = 30
_MOST_LABELS = 9
_MOST_DATES = 5

Drawn = tuple[Chart, dict[str, "Filter"]]


def name_of(*parts: str) -> str:
    """Return the key of what is named so; as JSON it keeps its parts apart and has no character that HTML changes."""
    return msgspec.json.encode(parts).decode()


def height_of(rows: int) -> int:
    """Return how many pixels a chart takes that has so many rows below each other."""
    return _AXIS_PIXELS + max(rows, 1) * (_ROW_PIXELS if rows < _DENSE_FROM else _DENSE_ROW_PIXELS)


def draw_tags(bars: Sequence[SplitBar], total: int, selected: str, dark: bool) -> Drawn:
    """Draw rows by tag, a part for each split; `total` is the number of rows of all tags.

    A click on a part is one on the tag and the split, and one beside it, or on the label, is one on the tag.
    """
    colours = palette(dark)
    rows: list[_Row] = []
    filters: dict[str, Filter] = {}
    for place, bar in enumerate(bars[:MOST_ROWS]):
        key = name_of(bar.label)
        filters[key] = bar.filter
        shares = ", ".join(f"{part.label} {part.count:,} ({part.count / bar.count:.0%})" for part in bar.parts)
        tip = f"{bar.label}: {bar.count:,} rows" + (f"; {shares}" if shares else "")
        strong = colours.accent if not selected or bar.label == selected else colours.bar
        parts, start = [], 0
        for part in bar.parts:
            shade = mix(colours.surface, strong, _SPLIT_SHARES.get(part.label, _OTHER_SPLIT))
            part_key = name_of(bar.label, part.label)
            filters[part_key] = part.filter
            part_tip = f"{bar.label}, {part.label}: {part.count:,} rows, {part.count / bar.count:.0%} of the tag"
            parts.append(_bar(place, start, start + part.count, shade, part_key, part_tip))
            start += part.count
        if start < bar.count:
            shade = strong if not bar.parts else mix(colours.surface, strong, _NO_SPLIT)
            parts.append(_bar(place, start, bar.count, shade, key, tip))
        share = f" · {bar.count / total:.0%}" if total else ""
        rows.append(_Row(bar.label, bar.count, f"{bar.count:,}{share}", key, tip, tuple(parts)))
    return _rows_chart(rows, "projects"), filters


def splits_of(bars: Sequence[SplitBar]) -> list[str]:
    """Return the splits that `draw_tags` draws, the faintest first."""
    labels = dict.fromkeys(part.label for bar in bars[:MOST_ROWS] for part in bar.parts)
    return sorted(labels, key=lambda label: _SPLIT_SHARES.get(label, _OTHER_SPLIT))


def draw_missing(bars: Sequence[Bar], titles: dict[str, str], total: int, dark: bool) -> Drawn:
    """Draw rows with nothing in a column, by column."""
    colours = palette(dark)
    rows = []
    for place, bar in enumerate(bars):
        name, key = titles.get(bar.label, bar.label), name_of(bar.label)
        tip = f"{bar.count:,} rows without {name}"
        share = f" · {bar.count / total:.1%}" if bar.count and total else ""
        parts = (_bar(place, 0, bar.count, colours.accent, key, tip),)
        rows.append(_Row(name, bar.count, f"{bar.count:,}{share}", key, tip, parts))
    return _rows_chart(rows, "rows without a value"), {name_of(bar.label): bar.filter for bar in bars}


def draw_terms(terms: Sequence[Term], dark: bool) -> Drawn:
    """Draw the words that characterise a tag, the most telling first."""
    colours = palette(dark)
    rows: list[_Row] = []
    filters: dict[str, Filter] = {}
    for place, term in enumerate(terms):
        key = name_of(*term.filter.tags, term.word)
        filters[key] = term.filter
        tip = f"{term.word}: {term.share:.2%} of the words here, {term.other_share:.2%} there; {term.rows:,} rows"
        parts = (_bar(place, 0, term.score, colours.accent, key, tip),)
        rows.append(_Row(term.word, term.score, f"{term.rows:,} rows", key, tip, parts))
    return _rows_chart(rows, "how much the word tells (class-based TF-IDF)"), filters


def draw_lengths(histogram: Histogram, dark: bool) -> Drawn:
    """Draw rows by length; a dashed line marks where the model cuts."""
    colours = palette(dark)
    leasts = histogram.leasts
    width = leasts[1] - leasts[0] if len(leasts) > 1 else 1
    top = max(histogram.counts.tolist(), default=0) * 1.05
    rectangles: list[Rectangle] = []
    filters: dict[str, Filter] = {}
    for place, (least, count) in enumerate(zip(leasts, histogram.counts.tolist(), strict=True)):
        if not count:
            continue
        last = place + 1 == len(leasts)
        name = f"{least:,}" if width == 1 else f"{least:,} to {least + width - 1:,}"
        end = f"{least:,} and more" if last and histogram.longest >= least + width else name
        tip = f"{end} {histogram.column}: {count:,} rows"
        cut = histogram.limit is not None and least > histogram.limit
        colour = colours.warning if cut else colours.accent
        key = name_of(histogram.column, str(least))
        filters[key] = histogram.filter_of(place)
        rectangles.append(Rectangle(place + 0.06, place + 0.94, 0, count, colour, key, tip))
        # A bar of few rows is a thin line; a click above it is easier.
        rectangles.append(Rectangle(place + 0.06, place + 0.94, count, top, CLEAR, key, tip))
    step = max(1, -(-len(leasts) // _MOST_LABELS))
    labels = {float(place): f"{leasts[place]:,}" for place in range(0, len(leasts), step)}
    limit = histogram.limit
    # Beyond the last bin there is no scale, and no line.
    mark = (limit + 1) / width if limit is not None and (limit + 1) / width <= len(leasts) else None
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
    filters: dict[str, Filter] = {}
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
            key = name_of(f"{timeline.firsts[place]}", timeline.unit, *(() if tag is None else (tag,)))
            rectangles.append(Rectangle(place, place + 0.96, row + 0.04, row + 0.96, shade, key, tip))
            filters[key] = timeline.filter_of(tag, place)
    bins = len(timeline.firsts)
    step = max(1, -(-bins // _MOST_DATES))
    labels = {place + 0.5: _day(timeline, place) for place in range(0, bins, step)}
    names = unique_labels([name for _, name, _ in rows], _LABEL)
    chart = Chart(
        tuple(rectangles),
        bins,
        len(rows),
        columns=labels,
        rows={row + 0.5: name for row, name in enumerate(names)},
        pixels=height_of(len(rows)),
        title=f"by {timeline.unit}",
        downwards=True,
    )
    return chart, filters


class _Row(msgspec.Struct, frozen=True):
    """A bar with its parts; `end` is where it ends, and `figure` what stands there."""

    label: str
    end: float
    figure: str
    key: str
    tip: str
    parts: tuple[Rectangle, ...]


def _bar(place: int, left: float, right: float, colour: str, key: str, tip: str) -> Rectangle:
    return Rectangle(left, right, place + 0.16, place + 0.84, colour, key, tip)


def _rows_chart(rows: Sequence[_Row], title: str) -> Chart:
    count = len(rows)
    width = (max((row.end for row in rows), default=0.0) or 1.0) * _ROOM
    rectangles: list[Rectangle] = []
    for place, row in enumerate(rows):
        if row.end:
            # The place beside a bar belongs to it as well.
            rectangles += [Rectangle(row.end, width, place, place + 1, CLEAR, row.key, row.tip), *row.parts]
    return Chart(
        tuple(rectangles),
        width,
        max(count, 1),
        rows={place + 0.5: name for place, name in enumerate(unique_labels([row.label for row in rows], _LABEL))},
        figures=tuple((float(row.end), place + 0.5, row.figure) for place, row in enumerate(rows)),
        pixels=height_of(count),
        title=title,
        downwards=True,
        is_bars=True,
        row_keys=tuple(row.key if row.end else "" for row in rows),
    )


def _day(timeline: Timeline, place: int) -> str:
    day = timeline.firsts[place]
    if timeline.unit == "year":
        return f"{day.year}"
    if timeline.unit == "quarter":
        return f"{day.year} Q{(day.month + 2) // 3}"
    return f"{day:%Y-%m}" if timeline.unit == "month" else f"{day}"
