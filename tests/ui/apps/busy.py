"""A page that changes while its socket is busy; only for the test that changes arrive in the order of their making."""

from __future__ import annotations

import asyncio

import panel as pn
from bokeh.document.locking import without_document_lock

from dashboard.components.layout import stack
from dashboard.components.rectangles import Chart, RectangleChart
from dashboard.state import Appearance

pn.extension()
column = stack()
chart = RectangleChart(Appearance(), columns_have_labels=True)
document = pn.state.curdoc


@without_document_lock
async def occupy() -> None:
    """Keep the socket for a while, as an acknowledgement does that a slow network takes piece by piece."""
    [connection] = document.session_context.session._subscribed_connections
    with await connection._socket.write_lock.acquire():
        document.add_next_tick_callback(add)
        document.add_next_tick_callback(change)
        await asyncio.sleep(0.3)


def add() -> None:
    """Put the chart into the page."""
    column.append(chart)


def change() -> None:
    """Draw something in it."""
    chart.chart = Chart((), 2.0, 1.0, columns={0.5: "first", 1.5: "second"}, title="changed")


pn.state.onload(lambda: document.add_next_tick_callback(occupy))
column.servable()
