"""The content in a shell of its own, see `first_paint.py`."""

from __future__ import annotations

import panel as pn
from content import TITLE, content

pn.extension("tabulator")
pn.template.BootstrapTemplate(title=TITLE, main=[content()]).servable()
