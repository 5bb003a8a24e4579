"""What the parts of the Data section share: the samples on show, the filter, and the rows that it leaves.

One for each visitor. It holds a filter and a selection, which those share who look at the same rows.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import param

from dashboard.components.work import Worker
from dashboard.criteria import CONDITIONS, filter_of, name_in_filter, state_of
from dashboard.sections.base import follow, has_loop, run
from dashboard.text import sentence_of
from engine.errors import TagscopeError
from engine.exploration.filter import Filter, FilterError
from engine.exploration.progress import StoppedError
from engine.exploration.text_map import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dashboard.catalogue import Catalogue
    from dashboard.job import Job
    from dashboard.samples import Samples
    from dashboard.state import DashboardState
    from engine.exploration.explorer import Explorer
    from engine.exploration.selection import Selection

Value = TypeVar("Value")
TYPING_SECONDS = 0.15
AWAITED = frozenset({"finding", "missing", "polygon", "tokens"})
"""Conditions on what is computed only when somebody needs it."""


class Exploration(param.Parameterized):
    """The filter of one visitor on the samples on show.

    Parameters
    ----------
    state
        Of the page; its `samples` are the filter.
    catalogue
        What there is to show.
    """

    opened = param.Integer(default=0, doc="Grows whenever other samples are on show, before their rows are found.")
    turn = param.Integer(default=0, doc="Grows whenever other rows are to be shown.")
    known = param.Integer(default=0, doc="Grows whenever more is known of the same rows: findings, tokens, a map.")
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
        self._awaited: set[Job[Any]] = set()
        self._asked = 0
        self._texts: dict[str, str] = {}
        self.chosen.param.watch(self._changed, list(CONDITIONS))

    @property
    def explorer(self) -> Explorer:
        """The explorer of the samples on show, of which there must be some."""
        assert self.samples is not None
        return self.samples.explorer

    @property
    def is_behind(self) -> bool:
        """Whether the rows of another filter than the chosen one are shown, so that others will be soon."""
        return self._texts != self._conditions()

    def open(self, samples: Samples | None) -> None:
        """Show other samples, or none."""
        self.samples, self.selection = samples, None
        self._asked += 1
        self._awaited = set()
        self.opened += 1
        if samples is not None:
            # What reads texts, or imports what it needs, may take long, and then everybody would wait for it.
            chosen = self.chosen
            slow = (chosen.text, chosen.words, chosen.tokens, chosen.missing, chosen.finding, chosen.polygon)
            self.refresh(wait=not any(slow))

    def refresh(self, *, wait: bool = False, pause: float = 0.0) -> None:
        """Find the rows anew, in a thread; with `wait` at once, which only the first rows of a page are worth."""
        samples = self.samples
        if samples is None:
            return
        self._asked += 1
        asked, texts = self._asked, self._conditions()
        filter, problems = filter_of(self.chosen)

        def compute() -> _Answer | None:
            return _select(samples.explorer, filter, problems, lambda: asked != self._asked)

        def show(answer: _Answer | None) -> None:
            # Something else may have been asked for meanwhile, also of other samples.
            if answer is not None and asked == self._asked:
                self._texts = texts
                self._show(samples, answer)

        if wait:
            show(compute())
        else:
            run(self._worker, compute, show, pause=pause, working=self._work)

    def more_known(self) -> None:
        """Say that findings, tokens or a map have arrived; the rows change only where a condition waited for it."""
        self.known += 1
        if not AWAITED.isdisjoint(self.problems):
            self.refresh()

    def go(self, filter: Filter, since: Filter | None = None) -> None:
        """Make this the filter, as a bar or a bin gives it.

        Parameters
        ----------
        filter
            Where to go.
        since
            The filter that it was made from, by default that of the rows on show. What the two share stays as it is
            now: it may have changed meanwhile, or be a condition that cannot be used yet.
        """
        if since is None:
            since = self.selection.filter if self.selection is not None else Filter()
        before = state_of(since)
        self.chosen.param.update(**{name: text for name, text in state_of(filter).items() if text != before[name]})

    def clear(self, *attributes: str) -> None:
        """Take conditions out; all of them if none is named."""
        self.chosen.param.update(**dict.fromkeys(attributes or CONDITIONS, ""))

    def follow(self, job: Job[Any], worker: Worker, show: Callable[[], None]) -> None:
        """Call `show` now and then, as long as a job goes on, and once more when it is over."""
        follow(job, worker, show)

    def _changed(self, *events: Any) -> None:
        typed = all(event.name == "text" for event in events)
        self.refresh(pause=TYPING_SECONDS if typed else 0.0)

    def _work(self, busy: bool) -> None:
        self.working = busy

    def _conditions(self) -> dict[str, str]:
        return {name: getattr(self.chosen, name) for name in CONDITIONS}

    def _wait_for(self, samples: Samples, lacking: Collection[str]) -> tuple[dict[str, str], list[Job[Any]]]:
        """Return a sentence by condition that lacks what nobody has computed yet, and the work that makes it."""
        waiting, jobs = {}, []
        needed: list[tuple[str, Job[Any], str]] = [
            ("polygon", samples.map, "map of the texts is"),
            ("missing", samples.map, "map of the texts is"),
            ("finding", samples.findings, "findings are"),
        ]
        if samples.bundle is not None:
            needed.append(("tokens", samples.tokens, "lengths in tokens are"))
        for attribute, job, what in needed:
            if attribute not in lacking or job.status.state == "done" or not has_loop():
                continue
            if job.status.state == "failed":
                waiting[attribute] = job.status.sentence
                continue
            waiting[attribute] = f"The {what} being computed; the rows you asked for appear then."
            jobs.append(job)
        return waiting, jobs

    def _await(self, job: Job[Any]) -> None:
        if job in self._awaited:
            return
        self._awaited.add(job)

        def look() -> None:
            # The samples on show may be others by now.
            if job.status.is_over and job in self._awaited:
                self._awaited.discard(job)
                self.more_known()

        job.start()
        self.follow(job, Worker(), look)

    def _show(self, samples: Samples, answer: _Answer) -> None:
        waiting, jobs = self._wait_for(samples, answer.lacking)
        self.selection = answer.selection
        self.problems = {**answer.problems, **waiting}
        self.turn += 1
        for job in jobs:
            self._await(job)
        if answer.lacking and samples is self.samples and samples.explorer is not answer.explorer:
            # What the filter lacked has arrived since.
            self.refresh()


class _Answer(NamedTuple):
    """The rows of what can be used of a filter, why the rest cannot, and which conditions lack what is to come."""

    explorer: Explorer
    selection: Selection
    problems: dict[str, str]
    lacking: frozenset[str]


def _select(explorer: Explorer, filter: Filter, problems: dict[str, str], stop: Callable[[], bool]) -> _Answer | None:
    """Return the rows of a filter without what cannot be used; None if something newer was asked for."""
    try:
        return _select_usable(explorer, filter, problems, stop)
    except StoppedError:
        return None


def _select_usable(explorer: Explorer, filter: Filter, problems: dict[str, str], stop: Callable[[], bool]) -> _Answer:
    with contextlib.suppress(FilterError):
        return _Answer(explorer, explorer.select(filter, stop=stop), problems, frozenset())
    problems, lacking, usable = dict(problems), set(), Filter()
    for attribute in CONDITIONS:
        name = name_in_filter(attribute)
        value = getattr(filter, name)
        if not value:
            continue
        try:
            explorer.select(Filter(**{name: value}), stop=stop)
            usable = usable.change(**{name: value})
        except StoppedError:
            raise
        except TagscopeError as error:
            unknown = _why_unknown(value) if attribute == "finding" else None
            problems[attribute] = unknown or sentence_of(error)
            if attribute in AWAITED and unknown is None and (attribute != "missing" or PLACE in value):
                lacking.add(attribute)
    return _Answer(explorer, explorer.select(usable, stop=stop), problems, frozenset(lacking))


def _why_unknown(kind: str) -> str | None:
    """Return a sentence where there is no such finding on any data: nothing has to be computed to say so."""
    from engine.findings.registry import specs

    try:
        specs([kind])
    except TagscopeError as error:
        return sentence_of(error)
    return None
