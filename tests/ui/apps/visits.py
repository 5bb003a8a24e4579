"""The dashboard as it is served, with its views noted in a weak set; only for the test of the memory leak."""

from __future__ import annotations

import weakref

import panel as pn

from dashboard.page import build_page

LIVE = pn.state.cache.setdefault("live views", weakref.WeakSet())

page = build_page()
LIVE.update(page.select())
page.servable()
