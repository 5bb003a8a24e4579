"""What the parts of the Data section share: the samples on show, the filter, and the rows that it leaves.

One for each visitor. It holds a filter and a selection, which is a mask of the process's cache; nothing big.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import param

from dashboard.components.work import Worker
from dashboard.criteria import CONDITIONS, filter_of, read_condition, state_of
from dashboard.sections.base import is_served
from engine.errors import TagscopeError
from engine.exploration.filter import Filter, FilterError
from engine.exploration.progress import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.catalogue import Catalogue
    from dashboard.job import Job
    from dashboard.samples import Samples
    from dashboard.state import DashboardState
    from engine.exploration.explorer import Explorer
    from engine.exploration.selection import Selection

Value = TypeVar("Value")
POLL_SECONDS = 0.4
TYPING_SECONDS = 0.15


class Exploration(param.Parameterized):
    """The filter of one visitor on the samples on show.

    Parameters
    ----------
    state
        Of the page; its `samples` are the filter.
    catalogue
        What there is to show.
    """

    turn = param.Integer(default=0, doc="Grows whenever other rows are to be shown.")
    problems = param.Dict(default={}, doc="Sentence by condition that cannot be used.")
    working = param.Boolean(default=False, doc="Whether it takes long to find the rows.")

    def __init__(self, state: DashboardState, catalogue: Catalogue) -> None:
        super().__init__()
        self.state = state
        self.catalogue = catalogue
        self.chosen = state.samples
        self.samples: Samples | None = None
        self.selection: Selection | None = None
        self._worker = Worker()
        self._awaited: dict[Job[Any], Worker] = {}
        self._asked = 0
        self.chosen.param.watch(self._changed, list(CONDITIONS))

    @property
    def explorer(self) -> Explorer:
        """The explorer of the samples on show, of which there must be some."""
        assert self.samples is not None
        return self.samples.explorer

    def open(self, samples: Samples | None) -> None:
        """Show other samples, or none."""
        self.samples, self.selection = samples, None
        if samples is not None:
            # What reads texts may take long, and then everybody would wait for it.
            chosen = self.chosen
            self.refresh(wait=not (chosen.text or chosen.words or chosen.polygon))

    def refresh(self, *, wait: bool = False, pause: float = 0.0) -> None:
        """Find the rows anew, in a thread; with `wait` at once, which only the first rows of a page are worth."""
        samples = self.samples
        if samples is None:
            return
        self._asked += 1
        asked = self._asked
        filter, problems = filter_of(self.chosen)

        def compute() -> tuple[Selection | None, dict[str, str]]:
            return _select(samples.explorer, filter, problems, lambda: asked != self._asked)

        if wait:
            self._show(*compute())
        else:
            run(self._worker, compute, lambda found: self._show(*found), pause=pause, working=self._work)

    def go(self, filter: Filter) -> None:
        """Make this the filter, as a bar or a bin gives it."""
        self.chosen.param.update(**state_of(filter))

    def clear(self, *attributes: str) -> None:
        """Take conditions out; all of them if none is named."""
        self.chosen.param.update(**dict.fromkeys(attributes or CONDITIONS, ""))

    def follow(self, job: Job[Any], worker: Worker, show: Callable[[], None]) -> None:
        """Call `show` now and then, as long as a job goes on, and once more when it is over."""

        def look(_nothing: object) -> None:
            show()
            if not job.status.is_over:
                worker.run(lambda: None, look, pause=POLL_SECONDS)

        if has_loop():
            look(None)
        else:
            job.wait()
            show()

    def _changed(self, *events: Any) -> None:
        typed = all(event.name == "text" for event in events)
        self.refresh(pause=TYPING_SECONDS if typed else 0.0)

    def _work(self, busy: bool) -> None:
        self.working = busy

    def _wait_for(self, problems: dict[str, str]) -> dict[str, str]:
        """Begin what a link needs and nobody has computed yet; return a sentence by condition that waits."""
        samples, waiting = self.samples, {}
        assert samples is not None
        needed = (("polygon", samples.map, "map of the texts is"), ("finding", samples.findings, "findings are"))
        for attribute, job, what in needed:
            if attribute not in problems or job.status.state == "done" or not has_loop():
                continue
            if job.status.state == "failed":
                waiting[attribute] = job.status.sentence
                continue
            waiting[attribute] = f"The {what} being computed; the rows you asked for appear then."
            if job not in self._awaited:
                self._awaited[job] = Worker()
                job.start()
                self.follow(job, self._awaited[job], lambda job=job: self.refresh() if job.status.is_over else None)
        return waiting

    def _show(self, selection: Selection | None, problems: dict[str, str]) -> None:
        # While a query is being typed it is often none: the rows before it stay.
        if selection is not None:
            self.selection = selection
        self.problems = {**problems, **self._wait_for(problems)}
        if self.selection is not None:
            self.turn += 1


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


def _select(
    explorer: Explorer, filter: Filter, problems: dict[str, str], stop: Callable[[], bool]
) -> tuple[Selection | None, dict[str, str]]:
    """Return the rows of a filter without what cannot be used, and why that cannot."""
    try:
        return explorer.select(filter, stop=stop), problems
    except StoppedError:
        return None, problems
    except FilterError:
        pass
    problems = dict(problems)
    texts = state_of(filter)
    usable = Filter()
    for attribute in CONDITIONS:
        if not texts[attribute]:
            continue
        name = {"tag": "tags", "split": "splits", "outcome": "outcomes"}.get(attribute, attribute)
        value = read_condition(attribute, texts[attribute])
        try:
            explorer.select(Filter(**{name: value}), stop=stop)
            usable = usable.change(**{name: value})
        except StoppedError:
            return None, problems
        except TagscopeError as error:
            problems[attribute] = str(error)
    return explorer.select(usable, stop=stop), problems
