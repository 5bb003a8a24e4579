"""A chart of rectangles: bars, bins and cells of a heat map, each of which can be clicked.

Made with Bokeh itself and changed in place: a filter changes five charts at once, and each costs a few milliseconds and
one small message here, where a plot that is drawn anew costs some hundred.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource, CustomJS, FixedTicker, HoverTool, NoOverlap, Range1d, Span
from bokeh.plotting import figure
from panel.viewable import Viewer

from dashboard.components.figures import in_order, ring_for_keys_only
from dashboard.text import label_text
from dashboard.theme import FONT, palette

if TYPE_CHECKING:
    from dashboard.state import Appearance

CLEAR = "#00000000"
"""The colour of a rectangle that is only there to be clicked."""
_MARGIN = 10
_FIGURE_SIZE = "13px"
# Of drawings that a click may have meant: it can be on its way while the next one is.
_REMEMBERED = 8
# Which drawing the browser shows goes along with a click.
_TELL = """
const {n} = clicked.data
clicked.data = {x: [cb_obj.x], y: [cb_obj.y], turn: [source.data.turn[0] ?? -1], n: [n[0] + 1]}
"""
# On a telephone the texts beside bars need more room than the axis leaves them.
_MAKE_ROOM = """
const [width, is_bars] = figures.tags
if (!is_bars) { return }
const {x, text} = figures.data
const pen = new OffscreenCanvas(1, 1).getContext("2d")
pen.font = font
let end = width
for (let at = 0; at < text.length; at++) {
  const left = plot.inner_width - pen.measureText(text[at]).width - 10
  if (left > plot.inner_width / 4) { end = Math.max(end, x[at] * plot.inner_width / left) }
}
if (plot.x_range.end !== end) { plot.x_range.end = end }
"""


class Rectangle(msgspec.Struct, frozen=True):
    """One rectangle in the units of the axes.

    `key` names the choice that a click on it is, in this drawing and in the next one, and `tip` is what hovering says,
    as text from anywhere.
    """

    left: float
    right: float
    bottom: float
    top: float
    colour: str
    key: str
    tip: str


class Chart(msgspec.Struct, frozen=True):
    """What is drawn.

    Parameters
    ----------
    rectangles
        Those drawn later lie on top.
    width, height
        Ends of the axes, which begin at 0; the vertical one begins at the top where `downwards` is set.
    columns, rows
        Labels by place on the horizontal and the vertical axis; None for an axis of numbers, as the view was made for.
    figures
        Texts to the right of a point: horizontal place, vertical place, text.
    pixels
        Height of the whole chart.
    mark
        Place on the horizontal axis with a dashed line.
    title
        Of the horizontal axis.
    is_bars
        Whether the horizontal axis goes on where it has too little room for the figures beside its bars.
    row_keys
        The choice that a click in a row is where it hits no rectangle, on its label for example; empty for none.
    """

    rectangles: tuple[Rectangle, ...]
    width: float
    height: float
    columns: dict[float, str] | None = None
    rows: dict[float, str] | None = None
    figures: tuple[tuple[float, float, str], ...] = ()
    pixels: int = 260
    mark: float | None = None
    title: str = ""
    downwards: bool = False
    is_bars: bool = False
    row_keys: tuple[str, ...] = ()


class RectangleChart(Viewer):
    """Shows a `Chart`, in the colours of the theme.

    Parameters
    ----------
    appearance
        Theme of the page.
    """

    columns_have_labels = param.Boolean(default=False, constant=True, doc="Whether charts label the horizontal axis.")
    rows_have_labels = param.Boolean(default=False, constant=True, doc="Whether charts label the vertical axis.")
    chart = param.ClassSelector(class_=Chart, default=None, doc="What is drawn; None: nothing yet.")
    picked = param.Dict(default={}, doc="The last click: the key of what was clicked, and a count.")

    def __init__(self, appearance: Appearance, **params: Any) -> None:
        super().__init__(**params)
        self._appearance = appearance
        names = ("left", "right", "bottom", "top", "colour", "tip", "turn")
        self._source = ColumnDataSource({name: [] for name in names})
        self._clicked = ColumnDataSource({"x": [0.0], "y": [0.0], "turn": [-1], "n": [0]})
        self._drawn: deque[tuple[int, Chart]] = deque(maxlen=_REMEMBERED)
        self._figures = ColumnDataSource({"x": [], "y": [], "text": []}, tags=[1, False])
        # Panel gives a figure the theme of its own; ours is set below.
        self._plot = self._make()
        self._pane = pn.pane.Bokeh(self._plot, sizing_mode="stretch_width", height=260, margin=0, theme=None)
        self._style()
        self._draw()
        self.param.watch(self._draw, "chart")
        appearance.param.watch(self._style, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._pane

    def hit(self, x: float, y: float, chart: Chart | None = None) -> str:
        """Return the key of what is at a point, empty if nothing is; coordinates are those of the axes."""
        chart = chart or self.chart
        if chart is None:
            return ""
        for one in reversed(chart.rectangles):
            if one.left <= x < one.right and min(one.bottom, one.top) <= y < max(one.bottom, one.top):
                return one.key
        return chart.row_keys[int(y)] if 0 <= y < len(chart.row_keys) else ""

    def _make(self) -> Any:
        plot = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            toolbar_location=None,
            tools="",
            sizing_mode="stretch_width",
            height=260,
            min_border=_MARGIN,
            outline_line_color=None,
        )
        quads = plot.quad("left", "right", "bottom", "top", source=self._source, color="colour", line_color=None)
        # Selecting is what a click does by itself, and would fade all other rectangles.
        quads.nonselection_glyph = quads.selection_glyph = None
        self._texts = plot.text(
            "x", "y", "text", source=self._figures, x_offset=6, text_baseline="middle", text_font_size=_FIGURE_SIZE
        )
        self._mark = Span(location=0, dimension="height", line_dash="dashed", line_width=2, visible=False)
        plot.add_layout(self._mark)
        # The value stands escaped in the tooltip, as Bokeh does unless told otherwise.
        plot.add_tools(HoverTool(renderers=[quads], tooltips=[("", "@tip")], point_policy="follow_mouse"))
        plot.js_on_event("tap", CustomJS(args={"source": self._source, "clicked": self._clicked}, code=_TELL))
        self._clicked.on_change("data", self._tapped)
        room = CustomJS(
            args={"plot": plot, "figures": self._figures, "font": f"{_FIGURE_SIZE} {FONT}"}, code=_MAKE_ROOM
        )
        plot.js_on_change("inner_width", room)
        self._figures.js_on_change("data", room)
        ring_for_keys_only(plot)
        plot.styles = {"cursor": "pointer"}
        for axis in (plot.xaxis[0], plot.yaxis[0]):
            axis.update(
                axis_line_color=None,
                major_tick_line_color=None,
                minor_tick_line_color=None,
                major_label_text_font=FONT,
                major_label_text_font_size="12.5px",
                axis_label_text_font=FONT,
                axis_label_text_font_size="13px",
                axis_label_text_font_style="normal",
            )
        plot.xaxis[0].major_label_policy = NoOverlap(min_distance=6)
        # All models are there from the start, and later only values change: a browser knows each one that it hears of.
        for axis, labelled in ((plot.xaxis[0], self.columns_have_labels), (plot.yaxis[0], self.rows_have_labels)):
            if labelled:
                axis.ticker = FixedTicker(ticks=[])
        return plot

    def _tapped(self, _name: str, _old: Any, new: Any) -> None:
        """Take a click for what the browser showed, which may not be what is on its way there."""
        try:
            x, y, turn = (float(new[name][0]) for name in ("x", "y", "turn"))
        except (KeyError, IndexError, TypeError, ValueError):
            return  # nothing that our page sends
        chart = dict(self._drawn).get(int(turn)) if math.isfinite(turn) else None
        key = self.hit(x, y, chart) if chart is not None else ""
        if key:
            self.picked = {"key": key, "count": self.picked.get("count", 0) + 1}

    @in_order()
    def _style(self, *_events: object) -> None:
        colours = palette(self._appearance.dark)
        plot = self._plot
        plot.update(background_fill_color=colours.surface, border_fill_color=colours.surface)
        for axis in (plot.xaxis[0], plot.yaxis[0]):
            axis.update(major_label_text_color=colours.text, axis_label_text_color=colours.muted)
        for grid in (plot.xgrid[0], plot.ygrid[0]):
            grid.grid_line_color = colours.line
        self._texts.glyph.text_color = colours.text
        self._texts.glyph.text_font = {"value": FONT}
        self._mark.line_color = colours.warning

    @in_order()
    def _draw(self, *_events: object) -> None:
        chart = self.chart
        if chart is None:
            return
        plot = self._plot
        rectangles = chart.rectangles
        columns: dict[str, Any] = {
            name: np.asarray([getattr(one, name) for one in rectangles], np.float64)
            for name in ("left", "right", "bottom", "top")
        }
        columns["colour"] = [one.colour for one in rectangles]
        columns["tip"] = [label_text(one.tip, 160) for one in rectangles]
        turn = self._drawn[-1][0] + 1 if self._drawn else 0
        self._drawn.append((turn, chart))
        columns["turn"] = np.full(len(rectangles), turn, np.int32)
        xs, ys, texts = (list(part) for part in zip(*chart.figures, strict=True)) if chart.figures else ([], [], [])
        if plot.height != chart.pixels:
            plot.height = chart.pixels
            self._pane.height = chart.pixels
        plot.x_range.update(start=0, end=chart.width or 1)
        ends = (chart.height or 1, 0) if chart.downwards else (0, chart.height or 1)
        plot.y_range.update(start=ends[0], end=ends[1])
        for axis, labels in ((plot.xaxis[0], chart.columns), (plot.yaxis[0], chart.rows)):
            if labels is not None:
                axis.ticker.ticks = list(labels)
                axis.major_label_overrides = {place: label_text(text) for place, text in labels.items()}
        plot.xaxis[0].axis_label = chart.title
        plot.xgrid[0].visible = chart.columns is None
        plot.ygrid[0].visible = chart.rows is None
        self._mark.update(location=chart.mark or 0, visible=chart.mark is not None)
        self._source.data = columns
        self._figures.tags = [chart.width or 1, chart.is_bars]
        self._figures.data = {"x": xs, "y": ys, "text": [label_text(text, 60) for text in texts]}
