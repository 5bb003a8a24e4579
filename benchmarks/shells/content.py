"""What every shell shows in the comparison: the number of projects, a chart-free card and a small table."""

from __future__ import annotations

import pandas as pd
import panel as pn

TITLE = "Tagscope"


def content() -> pn.Column:
    """Return the first content of the dashboard's Data section, reduced to what any shell can hold."""
    frame = pd.DataFrame({"id": range(905), "title": [f"Project {number}" for number in range(905)]})
    table = pn.widgets.Tabulator(frame, pagination="remote", page_size=12, show_index=False)
    return pn.Column(pn.pane.HTML('<b class="count" style="font-size: 40px">905</b> labelled projects'), table)
