"""The content in a shell of its own, see `first_paint.py`."""

from __future__ import annotations

import panel as pn
from content import content

pn.extension("tabulator")
pn.Column(content()).servable()
