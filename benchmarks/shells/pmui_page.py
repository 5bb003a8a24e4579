"""The content in a shell of its own, see `first_paint.py`."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from content import TITLE, content

pn.extension("tabulator")
pmui.Page(title=TITLE, main=[content()]).servable()
