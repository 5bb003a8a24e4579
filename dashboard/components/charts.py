"""Horizontal bar charts, made with hvPlot when they come into sight: importing this module imports no plotting."""

from __future__ import annotations

import importlib
import weakref
from typing import Any

import msgspec
import panel as pn
import param
from panel.viewable import Viewer

from dashboard.components.lazy import Lazy
from dashboard.state import Appearance

BAR_HEIGHT = 34
DENSE_BAR_HEIGHT = 22
DENSE_FROM = 14
_AXIS_HEIGHT = 62


class Bar(msgspec.Struct, frozen=True):
    """One bar: what it stands for, its length, the figure at its end, what hovering adds, and a colour of its own."""

    key: str
    value: float
    figure: str
    detail: str = ""
    colour: str = ""


class BarChart(Viewer):
    """Horizontal bars, the first on top; one of them may be selected, by a click or from outside.

    Parameters
    ----------
    appearance
        Theme of the page; by default Panel's own at this moment.
    deferred
        Whether the plot waits until it is about to be seen, as on the page.

    Examples
    --------
    >>> BarChart(bars=[Bar("mlops", 0.91, "0.91")], axis="F1", maximum=1.0)  # doctest: +SKIP
    """

    bars = param.List(default=[], item_type=Bar, doc="Bars from top to bottom.")
    selected = param.String(default="", doc="Key of the highlighted bar; empty: none.")
    picked = param.String(default="", doc="Key of the bar that was clicked last.")
    axis = param.String(default="", doc="What the length of a bar is.")
    maximum = param.Number(default=None, allow_None=True, doc="End of the axis; None: that of the longest bar.")
    clickable = param.Boolean(default=True, doc="Whether a click on a bar is a choice.")

    def __init__(self, appearance: Appearance | None = None, *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        self._appearance = appearance or Appearance(dark=pn.config.theme == "dark")
        self._pane: pn.pane.HoloViews | None = None
        if deferred:
            self._view: Any = Lazy(self._make, prepare=import_plotting, height=self._height())
        else:
            self._view = self._make()
        self.param.watch(self._changed, ["bars", "selected"])
        self._appearance.param.watch(self._changed, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _make(self) -> pn.pane.HoloViews:
        self._pane = pn.pane.HoloViews(
            self._plot(), sizing_mode="stretch_width", height=self._height(), margin=0, linked_axes=False
        )
        return self._pane

    def _height(self) -> int:
        each = BAR_HEIGHT if len(self.bars) < DENSE_FROM else DENSE_BAR_HEIGHT
        return _AXIS_HEIGHT + each * max(len(self.bars), 1)

    def _changed(self, *_events: object) -> None:
        height = self._height()
        if self._pane is None:
            self._view.height = height
        elif height != self._pane.height:
            # Another number of bars means another height, which a plot takes only when it is made.
            self._pane.param.update(object=self._plot(), height=height)
        else:
            self._pipe.send(self._shown())

    def _shown(self) -> tuple[list[Bar], str, bool]:
        return self.bars, self.selected, self._appearance.dark

    def _plot(self) -> Any:
        import holoviews as hv

        from dashboard.components.plotting import draw_bars

        # HoloViews keeps the options of an element, hooks included, in a place of the process: weakly, therefore.
        pick = weakref.WeakMethod(self._pick)

        def click(position: int) -> None:
            if (chosen := pick()) is not None:
                chosen(position)

        def draw(data: tuple[list[Bar], str, bool]) -> Any:
            bars, selected, dark = data
            return draw_bars(
                bars,
                selected=selected,
                dark=dark,
                axis=self.axis,
                maximum=self.maximum,
                height=self._height(),
                on_click=click if self.clickable else None,
            )

        # A pipe holds data only: nothing that HoloViews keeps of it leads back to the page.
        self._pipe = hv.streams.Pipe(data=self._shown())
        return hv.DynamicMap(draw, streams=[self._pipe])

    def _pick(self, position: int) -> None:
        if 0 <= position < len(self.bars):
            key = self.bars[position].key
            if key == self.picked:
                # A second click on the same bar is a choice as well.
                self.param.trigger("picked")
            self.picked = key


def import_plotting() -> None:
    """Import what plots need, a second's work, so that it can be done in a thread ahead of the first plot."""
    importlib.import_module("dashboard.components.plotting")
