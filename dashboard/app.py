"""The served script: `panel serve dashboard/app.py`. It builds the page and does nothing else."""

from __future__ import annotations

from dashboard.page import build_page

build_page().servable()
