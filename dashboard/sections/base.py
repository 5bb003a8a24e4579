"""What every section has: a state, the catalogue, and a worker off the event loop."""

from __future__ import annotations

from typing import Any

import panel as pn
from panel.viewable import Viewer

from dashboard.catalogue import Catalogue, get_catalogue
from dashboard.components.work import Worker
from dashboard.state import DashboardState
from engine.errors import TagscopeError


class Section(Viewer):
    """A section of the page.

    Parameters
    ----------
    state
        Shared by the sections of a page; a section alone has a state of its own.
    catalogue
        What there is to show; the process's own by default.
    """

    def __init__(
        self, *, state: DashboardState | None = None, catalogue: Catalogue | None = None, **params: Any
    ) -> None:
        super().__init__(**params)
        if state is None:
            prepare_notebook()
        self.state = state or DashboardState()
        self.catalogue = catalogue or get_catalogue()
        self._worker = Worker()

    def _run_id(self) -> str:
        """Run on show: the chosen one, else the default; empty where there is none."""
        return self.state.selection.run_id or self._default_run()

    def _default_run(self) -> str:
        try:
            return self.catalogue.default_run()
        except TagscopeError:
            return ""


def is_served() -> bool:
    """Whether this runs in a session of a server, rather than in a notebook or a script."""
    return bool(pn.state.curdoc and pn.state.curdoc.session_context)


def prepare_notebook() -> None:
    """Load Panel into a notebook where the reader has not: with resources inline, so that it works offline."""
    if is_served() or pn.extension._loaded:
        return
    pn.extension(inline=True)
