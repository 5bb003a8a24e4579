"""The served script: `panel serve dashboard/app.py`. It builds the page and does nothing else."""

from __future__ import annotations

from dashboard.memory import limit_arenas
from dashboard.page import build_page

limit_arenas()
build_page().servable()
