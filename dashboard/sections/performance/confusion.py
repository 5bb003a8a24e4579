"""Confusion: which tags are taken for which, as a matrix whose cells lead to their rows, and the worst as a list."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from bokeh.models import AllLabels, FixedTicker
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.figures import in_order
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, stack, surface
from dashboard.components.pills import Pills
from dashboard.components.rectangles import Chart, Rectangle, RectangleChart
from dashboard.evaluation.selection import NO_TAG, ExampleSelection, format_selection
from dashboard.sections.performance.linked import Drawing, LinkedChart, key_of
from dashboard.text import safe_text, unique_labels
from dashboard.theme import OUTCOME_COLOURS, colour, mix, palette
from engine.evaluation.confusion import Confusion, confused_order, top_confusions

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.state import DashboardState
    from engine.evaluation.counts import Counts

MOST_LISTED = 12
MOST_TAGS = 60
"""Most tags in the matrix: those that are confused most; more could not be read."""

_ROW_PIXELS, _DENSE_ROW_PIXELS, _DENSE_FROM = 34, 18, 16
_LABEL = 24
_LABEL_PIXELS, _UPRIGHT_LABEL_PIXELS = 150, 190
# Upright where tags stand close: slanted labels would lie upon each other.
_SLANT, _UPRIGHT = 0.8, math.pi / 2
_WIDE = "ts-wide"
# Figures in the cells stay readable on them.
_FAINTEST, _STRONGEST = 0.1, 0.62
_LIST_CSS = f"""
ol {{ margin: 0; padding: 0; list-style: none; font-size: 14px; columns: 300px auto; column-gap: 28px; }}
li {{ break-inside: avoid; }}
li + li {{ border-top: 1px solid {colour("line")}; }}
button {{ width: 100%; display: flex; gap: 10px; justify-content: space-between; padding: 6px 4px; }}
button:hover {{ background: {colour("raised")}; }}
button span {{ overflow-wrap: anywhere; min-width: 0; }}
button b {{ white-space: nowrap; font-variant-numeric: tabular-nums; font-weight: 600; }}
p {{ font-size: 14px; }}
h4 {{ margin: 0 0 6px; font-size: 14px; color: {colour("muted")}; font-weight: 600; }}
"""


class Confused(msgspec.Struct, frozen=True):
    """What is shown: the counts, the tags in order (all, or those confused most), and the most frequent confusions."""

    counts: Any
    order: list[int]
    top: list[Confusion]


def confused(evaluation: Evaluation) -> Confused:
    """Find the order and the most frequent confusions of a run."""
    counts = evaluation.counts
    order = confused_order(counts.cells)
    if len(order) > MOST_TAGS:
        wrong = counts.support + counts.predicted - 2 * counts.right
        most = set(np.argsort(-wrong, kind="stable")[:MOST_TAGS].tolist())
        order = np.array([at for at in order.tolist() if at in most])
    return Confused(counts, order.tolist(), top_confusions(counts, MOST_LISTED))


class MatrixChart(RectangleChart):
    """A chart of cells, with lines between them and slanted labels below."""

    def _make(self) -> Any:
        plot = super()._make()
        plot.xaxis[0].update(major_label_orientation=_SLANT, major_label_policy=AllLabels())
        self._lines = (FixedTicker(ticks=[]), FixedTicker(ticks=[]))
        for grid, ticker in zip((plot.xgrid[0], plot.ygrid[0]), self._lines, strict=True):
            grid.ticker = ticker
        return plot

    @in_order()
    def _draw(self, *events: object) -> None:
        super()._draw(*events)
        if self.chart is not None:
            for ticker, end in zip(self._lines, (self.chart.width, self.chart.height), strict=True):
                ticker.ticks = list(range(int(end) + 1))
            self._plot.xgrid[0].visible = self._plot.ygrid[0].visible = True
            dense = self.chart.height >= _DENSE_FROM
            self._plot.xaxis[0].major_label_orientation = _UPRIGHT if dense else _SLANT


class ConfusionView(Viewer):
    """The confusion matrix in counts or rates, and the most frequent confusions.

    Parameters
    ----------
    state
        Of the visitor.
    deferred
        Whether the chart waits until it is about to be seen.
    """

    def __init__(self, state: DashboardState, *, deferred: bool = False) -> None:
        super().__init__()
        self._state = state
        self._found: Confused | None = None
        options = {"counts": "Counts", "rates": "Rates"}
        self._kind = Pills("Cells", options, lambda key: state.figures.param.update(confusion=key))
        self._list = Clickable(_LIST_CSS, on_pick=self._picked)
        matrix = MatrixChart(state.appearance, rows_have_labels=True, columns_have_labels=True)
        self.chart = LinkedChart("Confusion matrix", state, matrix, deferred=deferred)
        self._grid = columns(
            stack(self._kind, self.chart, gap=10),
            self._list,
            template="minmax(0, 1fr) minmax(0, 320px)",
            align="start",
            wide_class=_WIDE,
        )
        self._view = surface(sub_heading("Confusion"), self._grid)
        state.figures.param.watch(self._draw, "confusion")
        state.appearance.param.watch(self._draw, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, found: Confused | None) -> None:
        """Show the confusion of another run."""
        self._found = found
        self._view.visible = found is not None
        if found is not None:
            # Many tags need the whole width.
            self._grid.css_classes = [_WIDE] if len(found.order) >= _DENSE_FROM else []
        self._draw()

    def _draw(self, *_events: object) -> None:
        found, kind = self._found, str(self._state.figures.confusion)
        self._kind.chosen = kind
        if found is None:
            self.chart.show(None)
            return
        self._list.html = _list_html(found)
        left_out = len(found.counts.tags) - len(found.order)
        remark = "Rows: true tags, columns: answers; tags that are confused stand together. A cell leads to its rows."
        if left_out:
            remark += f" The {len(found.order)} tags that are confused most; {left_out:,} others are not shown."
        self.chart.show(draw_matrix(found, kind, bool(self._state.appearance.dark)), remark)

    def _picked(self, key: str) -> None:
        found = self._found
        if found is None or not key.isdigit() or int(key) >= len(found.top):
            return
        one = found.top[int(key)]
        chosen = _cell(found.counts, one.true, one.predicted)
        self._state.examples.show(format_selection(chosen))


def draw_matrix(found: Confused, kind: str, dark: bool) -> Drawing:
    """Draw the cells with rows: right answers in blue, wrong ones in vermilion, the stronger the more.

    Parameters
    ----------
    found
        Counts and order.
    kind
        ``counts`` or ``rates``: what a cell is shaded by and shows, a rate being the share of the rows of the true tag.
    dark
        Whether the theme is dark.
    """
    colours = palette(dark)
    counts, order = found.counts, found.order
    size = len(counts.tags)
    # Answers that are none of the tags have a column only where there are some.
    across = [*order, size] if counts.cells[order, size].any() else list(order)
    support = counts.support
    shares = counts.cells / np.maximum(support, 1)[:, None]
    strength = shares if kind == "rates" else counts.cells.astype(np.float64)
    part = strength[np.ix_(order, across)]
    right = np.array([[one == other for other in across] for one in order], bool).reshape(len(order), len(across))
    tops = {True: float(part[right].max(initial=0)), False: float(part[~right].max(initial=0))}
    rectangles: list[Rectangle] = []
    figures: list[tuple[float, float, str]] = []
    examples: dict[str, ExampleSelection] = {}
    each = _ROW_PIXELS if len(order) < _DENSE_FROM else _DENSE_ROW_PIXELS
    for row, true in enumerate(order):
        label_key = key_of("row", counts.tags[true])
        if support[true]:
            examples[label_key] = ExampleSelection(true=counts.tags[true])
        for column, predicted in enumerate(across):
            count = int(counts.cells[true, predicted])
            if not count:
                continue
            is_right = true == predicted
            share = _FAINTEST + (_STRONGEST - _FAINTEST) * part[row, column] / (tops[is_right] or 1.0)
            shade = mix(colours.surface, OUTCOME_COLOURS["correct" if is_right else "wrong"], share)
            answer = _name(counts, predicted)
            key = key_of("cell", counts.tags[true], answer)
            noun = "row" if count == 1 else "rows"
            what = "answered right" if is_right else f"answered {answer}"
            tip = f"{counts.tags[true]}, {what}: {count:,} {noun}, {shares[true, predicted]:.1%} of the tag"
            examples[key] = _cell(counts, true, predicted)
            rectangles.append(Rectangle(column + 0.02, column + 0.98, row + 0.02, row + 0.98, shade, key, tip))
            if len(order) < _DENSE_FROM:
                text = f"{count:,}" if kind == "counts" else f"{shares[true, predicted]:.0%}"
                figures.append((column + 0.04, row + 0.5, text))
    names = unique_labels([counts.tags[one] for one in order], _LABEL)
    tops_of = [*names, *(["none of the tags"] if len(across) > len(order) else [])]
    chart = Chart(
        tuple(rectangles),
        max(len(across), 1),
        max(len(order), 1),
        columns={place + 0.5: name for place, name in enumerate(tops_of)},
        rows={place + 0.5: name for place, name in enumerate(names)},
        figures=tuple(figures),
        pixels=(_LABEL_PIXELS if each == _ROW_PIXELS else _UPRIGHT_LABEL_PIXELS) + each * max(len(order), 1),
        downwards=True,
        row_keys=tuple(key_of("row", counts.tags[one]) for one in order),
    )
    return Drawing(chart, examples)


def _name(counts: Counts, predicted: int) -> str:
    return NO_TAG if predicted == len(counts.tags) else counts.tags[predicted]


def _cell(counts: Counts, true: int, predicted: int) -> ExampleSelection:
    return ExampleSelection(true=counts.tags[true], predicted=_name(counts, predicted))


def _list_html(found: Confused) -> str:
    if not found.top:
        return "<h4>Most frequent confusions</h4><p>None: every answer is right.</p>"
    items = "".join(
        f'<li><button data-pick="{place}"><span>{safe_text(found.counts.tags[one.true], 60)} → '
        f"{safe_text(_name(found.counts, one.predicted), 60)}</span>"
        f"<b>{one.rows:,} · {one.share:.0%}</b></button></li>"
        for place, one in enumerate(found.top)
    )
    return f"<h4>Most frequent confusions: true → answer, rows, share of the true tag</h4><ol>{items}</ol>"
