"""A chart whose rectangles lead to the examples that they count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from panel.viewable import Viewer

from dashboard.components.browser import OnSight
from dashboard.components.caption import Caption
from dashboard.components.layout import stack
from dashboard.components.rectangles import Chart, RectangleChart
from dashboard.components.skeleton import skeleton
from dashboard.evaluation.selection import ExampleSelection, format_selection

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.state import DashboardState

_USUAL_PIXELS = 240


class Drawing(msgspec.Struct, frozen=True):
    """A chart, and by key of what is in it the examples that it counts."""

    chart: Chart
    examples: dict[str, ExampleSelection]


def key_of(*parts: str) -> str:
    """Return the key of what is named so; as JSON it keeps its parts apart and has no character that HTML changes."""
    return msgspec.json.encode(parts).decode()


class LinkedChart(Viewer):
    """Shows a `Drawing`; a click leads to the examples.

    Parameters
    ----------
    title
        Of the chart, for who does not see it.
    state
        Of the visitor.
    chart
        Made for the labels that are drawn.
    on_other
        Called with a key that leads to no examples, the label of a row for example.
    deferred
        Whether it is drawn when it is about to be seen: a chart costs a browser some hundred milliseconds.
    """

    def __init__(
        self,
        title: str,
        state: DashboardState,
        chart: RectangleChart,
        on_other: Callable[[str], None] | None = None,
        *,
        deferred: bool = False,
    ) -> None:
        super().__init__()
        self._state, self.chart, self._on_other = state, chart, on_other
        self.drawing: Drawing | None = None
        self.caption = Caption(title, self.pick)
        # The page gets the chart with its first rectangles in it: Panel and Bokeh send by ways of their own, and what
        # Bokeh says of a chart can arrive before the chart does.
        self._sight = OnSight(tall=_USUAL_PIXELS, margin=0, sizing_mode="stretch_width") if deferred else None
        self._place = stack(self._sight or skeleton(_USUAL_PIXELS))
        self._view = stack(self._place, self.caption, gap=6)
        chart.param.watch(lambda event: self.pick(event.new["key"]), "picked")
        if self._sight is not None:
            self._sight.param.watch(lambda _event: self._put(), "seen")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, drawing: Drawing | None, remark: str = "") -> None:
        """Draw, or hide all where there is nothing; `remark` is HTML written by us."""
        self.drawing = drawing
        self._view.visible = drawing is not None
        if drawing is None:
            return
        self.caption.show(remark, _listed(drawing))
        self.chart.chart = drawing.chart
        if self._sight is None or self._sight.seen:
            self._put()
        else:
            self._sight.tall = drawing.chart.pixels

    def _put(self) -> None:
        """Put the chart in its place."""
        shown: Any = self.chart.__panel__()
        if self._place[0] is not shown:
            self._place[:] = [shown]

    def pick(self, key: str) -> None:
        """Go to the examples of what was clicked."""
        examples = {} if self.drawing is None else self.drawing.examples
        if key in examples:
            self._state.examples.show(format_selection(examples[key]))
        elif self._on_other is not None:
            self._on_other(key)


def _listed(drawing: Drawing) -> Chart:
    """Return what the list below the chart names: what leads to examples."""
    rectangles = tuple(one for one in drawing.chart.rectangles if one.key in drawing.examples)
    return msgspec.structs.replace(drawing.chart, rectangles=rectangles)
