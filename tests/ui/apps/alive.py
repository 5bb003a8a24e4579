"""How many views of `visits.py` are alive and how many sessions are open; only for the test of the memory leak."""

from __future__ import annotations

import gc

import panel as pn

gc.collect()
live = pn.state.cache.get("live views", ())
busy = len(pn.state.param.watchers.get("busy", {}).get("value", []))
pn.pane.HTML(f'<p id="alive">{len(live)} {busy}</p>').servable()
