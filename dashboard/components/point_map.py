"""A map of points as a picture: a shape drawn around some of them, a click on one, and a part seen closer are events.

Made with Bokeh itself. The browser gets a picture and no points, so a million of them cost what a thousand do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import param
from bokeh.events import RangesUpdate, SelectionGeometry, Tap
from bokeh.models import (
    ColumnDataSource,
    LassoSelectTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from panel.viewable import Viewer

from dashboard.components.figures import in_order, ring_for_keys_only
from dashboard.theme import palette
from engine.exploration.raster import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dashboard.state import Appearance

HEIGHT = 520
_CLEAR = "rgba(0, 0, 0, 0)"


class PointMap(Viewer):
    """Shows a picture of points, in the colours of the theme.

    Parameters
    ----------
    appearance
        Theme of the page.
    """

    drawn_around = param.Dict(default={}, doc="The last shape: corners, a list of (x, y), and a count.")
    tapped = param.Dict(default={}, doc="The last click: x, y, reach (across and up, of a few pixels) and a count.")
    window = param.ClassSelector(class_=Window, default=None, doc="The part that is seen; None: nothing yet.")

    def __init__(self, appearance: Appearance, **params: Any) -> None:
        super().__init__(**params)
        self._appearance = appearance
        self._moving = False
        self._mapper = LinearColorMapper(palette=[_CLEAR] * 256, low=0, high=256)
        self._source = ColumnDataSource(self._columns(np.zeros((1, 1), np.uint8), Window(0, 1, 0, 1)))
        self._outline = ColumnDataSource({"x": [], "y": []})
        self._plot = self._make()
        self._pane = pn.pane.Bokeh(self._plot, sizing_mode="stretch_width", height=HEIGHT, margin=0, theme=None)
        self._style()
        appearance.param.watch(self._style, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._pane

    @in_order()
    def show(
        self, picture: NDArray[np.uint8], colours: Sequence[str], outline: Sequence[tuple[float, float]], window: Window
    ) -> None:
        """Show another picture.

        Parameters
        ----------
        picture
            uint8 [height, width], the lowest row first: an index into the colours, 0 for nothing.
        colours
            At most 255, from index 1.
        outline
            Corners of a shape that is drawn over it; empty for none.
        window
            What the picture shows.
        """
        self._mapper.palette = [_CLEAR, *colours, *[_CLEAR] * (255 - len(colours))]
        self._source.data = self._columns(picture, window)
        closed = [*outline, *outline[:1]]
        self._outline.data = {"x": [x for x, _ in closed], "y": [y for _, y in closed]}

    @in_order()
    def look_at(self, window: Window) -> None:
        """Show a part of the plane; the button for going back leads here."""
        self._moving = True
        for ends, start, end in (
            (self._plot.x_range, window.left, window.right),
            (self._plot.y_range, window.bottom, window.top),
        ):
            ends.update(start=start, end=end, reset_start=start, reset_end=end)
        self._moving = False
        self.window = window

    def _make(self) -> Any:
        lasso = LassoSelectTool(continuous=False)
        lasso.overlay.update(line_width=2, line_dash="solid", fill_alpha=0.08)
        self._lasso = lasso
        plot = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[lasso, PanTool(), WheelZoomTool(), ResetTool()],
            active_drag=lasso,
            # The wheel scrolls the page until somebody asks for more.
            active_scroll=None,
            toolbar_location="right",
            sizing_mode="stretch_width",
            height=HEIGHT,
            min_border=0,
            outline_line_color=None,
        )
        plot.toolbar.logo = None
        plot.axis.visible = False
        plot.grid.visible = False
        plot.image("image", "x", "y", "dw", "dh", source=self._source, color_mapper=self._mapper)
        self._line = plot.line("x", "y", source=self._outline, line_width=2)
        for renderer in plot.renderers:
            # A shape selects rows, not glyphs.
            renderer.nonselection_glyph = renderer.selection_glyph = None
        plot.on_event(SelectionGeometry, self._drawn)
        plot.on_event(Tap, self._clicked)
        plot.on_event(RangesUpdate, self._moved)
        ring_for_keys_only(plot)
        plot.styles = {"cursor": "crosshair"}
        return plot

    def _columns(self, picture: NDArray[np.uint8], window: Window) -> dict[str, Any]:
        width, height = window.right - window.left, window.top - window.bottom
        return {"image": [picture], "x": [window.left], "y": [window.bottom], "dw": [width], "dh": [height]}

    def _drawn(self, event: Any) -> None:
        shape = event.geometry
        if event.final and shape.get("type") == "poly":
            corners = list(zip(map(float, shape["x"]), map(float, shape["y"]), strict=True))
            self.drawn_around = {"corners": corners, "count": self.drawn_around.get("count", 0) + 1}

    def _clicked(self, event: Any) -> None:
        across, up = self._plot.x_range, self._plot.y_range
        # Some eight pixels, on a plot of usual width.
        reach = (abs(across.end - across.start) / 90, abs(up.end - up.start) / 60)
        self.tapped = {"x": event.x, "y": event.y, "reach": reach, "count": self.tapped.get("count", 0) + 1}

    def _moved(self, event: Any) -> None:
        if not self._moving and None not in (event.x0, event.x1, event.y0, event.y1):
            left, right, bottom, top = float(event.x0), float(event.x1), float(event.y0), float(event.y1)
            if left < right and bottom < top:
                self.window = Window(left, right, bottom, top)

    @in_order()
    def _style(self, *_events: object) -> None:
        colours = palette(self._appearance.dark)
        self._plot.update(background_fill_color=colours.surface, border_fill_color=colours.surface)
        self._line.glyph.line_color = colours.text
        self._lasso.overlay.update(line_color=colours.text, fill_color=colours.accent)
