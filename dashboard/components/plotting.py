"""The plots themselves. This module imports hvPlot, so it is itself imported when the first plot is due."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

import hvplot.pandas  # noqa: F401  registers `.hvplot` on frames
import pandas as pd
from bokeh.core.properties import value

from dashboard.text import label_text, unique_labels
from dashboard.theme import FONT, palette

if TYPE_CHECKING:
    from collections.abc import Callable

    import holoviews as hv

    from dashboard.components.charts import Bar

_ROOM_FOR_FIGURES = 1.25


def draw_bars(
    bars: list[Bar],
    *,
    selected: str,
    dark: bool,
    axis: str,
    maximum: float | None,
    height: int,
    on_click: Callable[[int], None] | None,
) -> hv.Overlay:
    """Draw horizontal bars with their figures at the end.

    Parameters
    ----------
    bars
        From top to bottom.
    selected
        Key of the bar that stands out; empty: all look alike.
    dark
        Whether the theme is dark.
    axis
        Name of the axis along the bars.
    maximum
        End of that axis; None for the longest bar.
    height
        Of the whole plot, in pixels.
    on_click
        Called with the position of a bar that was clicked, its label included; None: bars are not for clicking.

    Returns
    -------
    holoviews.Overlay
        Bars and labels.
    """
    colours = palette(dark)
    frame = pd.DataFrame(
        {
            "label": unique_labels([bar.key for bar in bars]),
            "value": [float(bar.value) for bar in bars],
            "figure": [label_text(bar.figure) for bar in bars],
            "detail": [label_text(bar.detail or bar.figure, 80) for bar in bars],
            "colour": [
                bar.colour or (colours.accent if not selected or bar.key == selected else colours.bar) for bar in bars
            ],
        }
    ).iloc[::-1]
    longest = max((bar.value for bar in bars), default=0.0)
    end = _ROOM_FOR_FIGURES * ((longest or 1.0) if maximum is None else maximum)

    def finish(plot: Any, _element: object) -> None:
        figure = plot.state
        figure.min_border_right = 12
        figure.outline_line_color = None
        figure.xaxis.ticker.desired_num_ticks = 5
        figure.xgrid.level = figure.ygrid.level = "underlay"
        if maximum is not None:
            # No tick beyond what the figure can be: the room to the right is for the labels only.
            figure.xaxis.bounds = (0, maximum)
        if on_click is not None and not figure.tags:
            # HoloViews' own tap stream does not reach an overlay in a DynamicMap. Factors count from the bottom.
            figure.tags = ["clickable"]
            figure.styles = {"cursor": "pointer"}
            figure.on_event("tap", lambda event: on_click(len(figure.y_range.factors) - 1 - floor(event.y)))

    def shift(plot: Any, _element: object) -> None:
        plot.handles["glyph"].update(x_offset=6, text_font=value(FONT))

    bars_plot = frame.hvplot.barh(
        x="label",
        y="value",
        color="colour",
        hover_cols=["detail"],
        legend=False,
        xlabel="",
        ylabel=axis,
        ylim=(0, end),
        responsive=True,
        height=height,
        hover_tooltips=[("", "@label"), (axis or "value", "@detail")],
    ).opts(
        line_color=None,
        bar_width=0.66,
        default_tools=[],
        toolbar=None,
        show_grid=False,
        gridstyle={"ygrid_line_color": None},
        hooks=[finish],
        active_tools=[],
        framewise=True,
    )
    figures = frame.hvplot.labels(x="label", y="value", text="figure", responsive=True, height=height).opts(
        text_align="left",
        text_color=colours.text,
        text_font_size="13px",
        hooks=[shift],
        default_tools=[],
        tools=[],
        framewise=True,
    )
    return (bars_plot * figures).opts(
        toolbar=None,
        default_tools=[],
        xlabel="",
        framewise=True,
        fontsize={"ticks": "13px", "labels": "13px"},
    )
