"""What every section has: a state, the catalogue, and a worker off the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import panel as pn
from panel.viewable import Viewer

from dashboard.catalogue import Catalogue, get_catalogue
from dashboard.components.delivery import deliver_everything
from dashboard.components.work import Worker, current_group
from dashboard.state import DashboardState
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.job import Job

Value = TypeVar("Value")
POLL_SECONDS = 0.4
OUT_OF_SIGHT_SECONDS, LONGEST_SECONDS = 0.4, 4.0
"""So long at least and at most a section that is not in sight waits with what another run changes: in between it begins
as soon as those in sight are done. All at once keep the visitor waiting several times as long."""


class Section(Viewer):
    """A section of the page.

    Parameters
    ----------
    state
        Shared by the sections of a page; a section alone has a state of its own.
    catalogue
        What there is to show; the process's own by default.
    """

    place: ClassVar[str] = ""
    """The name by which the page links to the section."""

    def __init__(
        self, *, state: DashboardState | None = None, catalogue: Catalogue | None = None, **params: Any
    ) -> None:
        super().__init__(**params)
        deliver_everything()
        if state is None:
            prepare_notebook()
        self.state = state or DashboardState()
        self.catalogue = catalogue or get_catalogue()
        self._worker, self._queued = Worker(), Worker()
        if self.place:
            self.state.sight.work[self.place] = current_group()

    def _in_turn(self, begin: Callable[[], None]) -> None:
        """Begin what another run changes: at once in sight, else when the sections in sight are done with theirs."""
        sight, asked = self.state.sight, time.monotonic()

        def look(_nothing: object = None) -> None:
            in_sight = not (is_served() and sight.sections) or self.place in sight.sections
            if in_sight or (sight.is_settled and waited()) or waited(LONGEST_SECONDS):
                begin()
            else:
                self._queued.run(lambda: None, look, pause=OUT_OF_SIGHT_SECONDS)

        def waited(seconds: float = OUT_OF_SIGHT_SECONDS) -> bool:
            return time.monotonic() - asked >= seconds

        look()

    def _is_on_show(self, run_id: str) -> bool:
        """Whether what was read of a run is still wanted; if not, all is read anew, and work for it would be lost."""
        # Without a choice it is the default run, whichever that was when it was read.
        return self.state.selection.run_id in ("", run_id)

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


def has_loop() -> bool:
    """Whether an event loop runs here, as in a server and in a notebook, so that a view can change later on."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return is_served()
    return True


def run(
    worker: Worker,
    compute: Callable[[], Value],
    show: Callable[[Value], None],
    *,
    pause: float = 0.0,
    working: Callable[[bool], None] | None = None,
) -> None:
    """Compute in a thread and show; at once where no server is, as in a notebook."""
    if is_served():
        worker.run(compute, show, pause=pause, working=working)
    else:
        show(compute())


def follow(job: Job[Any], worker: Worker, show: Callable[[], None]) -> None:
    """Call `show` now and then, as long as a job goes on, and once more when it is over."""

    def look(_nothing: object) -> None:
        # Asked before: a job that ends in between is shown once more.
        is_over = job.status.is_over
        show()
        if not is_over:
            worker.run(lambda: None, look, pause=POLL_SECONDS)

    if has_loop():
        look(None)
    else:
        job.wait()
        show()
