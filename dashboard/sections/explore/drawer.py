"""The drawer: everything that is known of one row, beside the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from panel.viewable import Viewer

from dashboard.components.work import Worker
from dashboard.detail import Detail, read_detail
from dashboard.sections.base import has_loop, run
from dashboard.sections.explore.drawer_html import CLOSE, CSS, detail_html, framed
from dashboard.sections.explore.drawer_pane import DrawerPane, row_of
from dashboard.text import safe_text, sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.job import Job
    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration

_START = "start:"


class _Part(NamedTuple):
    """A part of a row that long work gives: the work, whether it was done before, and the words of its button."""

    job: Callable[[Samples], Job[Any]]
    kept: Callable[[Samples], bool]
    button: str


_PARTS = {
    "near": _Part(lambda one: one.map, lambda one: one.kept_map(), "Draw the map of {rows} rows"),
    "remarks": _Part(lambda one: one.findings, lambda one: one.kept_findings(), "Look for findings in {rows} rows"),
}
"""By attribute of `Detail`."""


class Drawer(Viewer):
    """Opens when the state names a row, and closes by its button or the Escape key.

    A row is read when it is opened, and again when more is known; in between only the state of the work is looked at.
    """

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._reading = Worker()
        self._probing = {name: Worker() for name in _PARTS}
        self._followed: set[Job[Any]] = set()
        self._offered: set[Job[Any]] = set()
        self._detail: Detail | None = None
        self._view = DrawerPane(CSS, on_pick=self._picked, height=0, width=0, sizing_mode="fixed")
        exploration.chosen.param.watch(lambda _event: self.open(), "row")
        exploration.param.watch(self._learn, "known")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def open(self) -> None:
        """Show the row that the state names, or nothing."""
        exploration, samples = self._exploration, self._exploration.samples
        self._detail = None
        if not exploration.chosen.row or samples is None:
            self._view.html = ""
            return
        for name in _PARTS:
            self._begin(name, samples)
        self._read(samples)

    def _read(self, samples: Samples) -> None:
        exploration = self._exploration
        row, run_id = exploration.chosen.row, exploration.state.selection.run_id

        def compute() -> Detail | str:
            try:
                return read_detail(exploration.catalogue, samples, run_id, row)
            except TagscopeError as error:
                return sentence_of(error)

        def show(answer: Detail | str) -> None:
            if exploration.chosen.row != row or samples is not exploration.samples:
                return
            if isinstance(answer, str):
                self._view.html = framed(row, f"<p>{safe_text(answer)}</p>")
                return
            self._detail = answer
            self._draw(samples)
            self._learn()

        run(self._reading, compute, show)

    def _draw(self, samples: Samples) -> None:
        """Write the row that has been read, with what is to come of it as it stands now."""
        if self._detail is not None and samples is self._exploration.samples:
            self._view.html = detail_html(self._detail, {name: self._to_come(name, samples) for name in _PARTS})

    def _learn(self, *_events: object) -> None:
        """Read the row again if there is more to be said of it."""
        detail, samples = self._detail, self._exploration.samples
        if detail is None or samples is None or not self._exploration.chosen.row:
            return
        if any(getattr(detail, name) is None and part.job(samples).value is not None for name, part in _PARTS.items()):
            self._read(samples)

    def _begin(self, name: str, samples: Samples) -> None:
        """Begin work that is quick or kept, and follow what others have begun."""
        part, exploration = _PARTS[name], self._exploration
        job = part.job(samples)
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if job.status.is_over or not has_loop():
            return
        if samples.is_small or job.status.state == "running":
            self._start(name, samples)
            return

        def offer(kept: bool) -> None:
            if samples is not exploration.samples:
                return
            if kept:
                self._start(name, samples)
            self._offered.add(job)
            self._draw(samples)

        if job not in self._offered:
            run(self._probing[name], lambda: part.kept(samples), offer)

    def _start(self, name: str, samples: Samples) -> None:
        job = _PARTS[name].job(samples).start()
        if job in self._followed:
            return
        self._followed.add(job)

        def look() -> None:
            if not job.status.is_over:
                return
            self._followed.discard(job)
            if samples is not self._exploration.samples:
                return
            if job.status.state == "done":
                self._exploration.more_known()
            else:
                self._draw(samples)

        self._exploration.follow(job, Worker(), look)

    def _to_come(self, name: str, samples: Samples) -> str:
        """Write what stands in the place of a part that is not there yet."""
        part = _PARTS[name]
        job = part.job(samples)
        start = '<p><button class="start" data-pick="{}{}">{}</button></p>'
        if job.status.state == "failed":
            return f"<p>{safe_text(job.status.sentence)}</p>{start.format(_START, name, 'Try again')}"
        if job.status.state == "waiting" and job in self._offered:
            return start.format(_START, name, part.button.format(rows=f"{samples.facts.num_rows:,}"))
        when = "as soon as it is computed" if job.status.state == "waiting" else "in a moment: it is being computed"
        return f'<p class="ts-muted">Known {when}.</p>'

    def _picked(self, key: str) -> None:
        samples, row = self._exploration.samples, row_of(key)
        if row is not None:
            self._exploration.chosen.row = row
        elif key == CLOSE:
            self._exploration.chosen.row = ""
        elif key.startswith(_START) and samples is not None:
            self._start(key.removeprefix(_START), samples)
            self._draw(samples)
