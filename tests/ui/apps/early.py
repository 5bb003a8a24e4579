"""A page that changes while a browser is drawing it; only for the test that nothing of it is lost."""

from __future__ import annotations

import time

import panel as pn

from dashboard.components.clickable import Clickable
from dashboard.components.work import Worker

pn.extension()
view = Clickable("", on_pick=print)
view.html = '<p id="early">before</p>'
session_context = pn.state.curdoc.session_context


def compute() -> str:
    """Wait until the browser has asked for the document; it draws for longer than this waits after that."""
    give_up = time.monotonic() + 30
    while not session_context.session.connection_count and time.monotonic() < give_up:
        time.sleep(0.002)
    time.sleep(0.05)
    return '<p id="early">after</p>'


def show(html: str) -> None:
    """Change the page."""
    view.html = html


Worker().run(compute, show)
view.servable()
