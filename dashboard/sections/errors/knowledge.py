"""What is known of the data set besides the run's answers: findings and similar rows, long work done once for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dashboard.components.work import Worker
from dashboard.sections.base import follow, has_loop, run
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.catalogue import Catalogue
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.job import Job
    from dashboard.samples import Samples

OTHER_DATA = "The data file on show is another one than that of this run, so nothing further is known of its rows."
NO_DATA = "The data set is not here, so nothing further is known of this row; copy it into data/datasets."


class Part(NamedTuple):
    """One kind of long work: the work, whether it was done before, and the words of its button."""

    job: Callable[[Samples], Job[Any]]
    kept: Callable[[Samples], bool]
    button: str


PARTS = {
    "near": Part(lambda one: one.map, lambda one: one.kept_map(), "Compare {rows} rows"),
    "remarks": Part(lambda one: one.findings, lambda one: one.kept_findings(), "Look for findings in {rows} rows"),
}


class Known(NamedTuple):
    """The rows of a run's data set, or the sentence that says why there are none, and the parts done before."""

    samples: Samples | None
    sentence: str = ""
    kept: frozenset[str] = frozenset()

    def is_automatic(self, name: str) -> bool:
        """Whether a part is begun without asking: the rows are few, or it was done before."""
        return self.samples is not None and (self.samples.is_small or name in self.kept)


def read_known(catalogue: Catalogue, evaluation: Evaluation) -> Known:
    """Read the rows of a run's data set; in a thread."""
    if evaluation.dataset is None:
        return Known(None, NO_DATA)
    try:
        samples = catalogue.samples(evaluation.run_id)
    except TagscopeError as error:
        return Known(None, sentence_of(error))
    if samples.digest != evaluation.dataset.digest:
        return Known(None, OTHER_DATA)
    return Known(samples, "", frozenset(name for name, part in PARTS.items() if part.kept(samples)))


class Knowledge:
    """Findings and similar rows of the run on show; what was computed before is opened, the rest waits to be wanted.

    Parameters
    ----------
    catalogue
        Where the data set is found.
    news
        Called on the event loop whenever more is known, or more can be said of what is not.

    Attributes
    ----------
    known : Known
        What was read; empty until then.
    """

    def __init__(self, catalogue: Catalogue, news: Callable[[], None]) -> None:
        self._catalogue, self._news = catalogue, news
        self._reading = Worker()
        self._followed: set[Job[Any]] = set()
        self.known = Known(None)
        self._of: Evaluation | None = None
        self._wanted: Evaluation | None = None

    @property
    def samples(self) -> Samples | None:
        """The rows of the data set; None until they are read, and where they cannot be."""
        return self.known.samples

    def open(self, evaluation: Evaluation | None) -> None:
        """Read what is known of the rows of another run; of the same one it is known, or on its way."""
        if evaluation is not None and evaluation is self._wanted:
            return
        self.known, self._of, self._wanted = Known(None), None, evaluation
        if evaluation is None:
            return

        def show(read: Known) -> None:
            if evaluation is not self._wanted:
                return
            self.known, self._of = read, evaluation
            for name in PARTS:
                if self.samples is not None and (name in read.kept or self._state(name) == "running"):
                    self.start(name)
            self._news()

        run(self._reading, lambda: read_known(self._catalogue, evaluation), show)

    def known_of(self, evaluation: Evaluation) -> Known | None:
        """Return what was read of a run, None if that was another one or it is still being read."""
        return self.known if self._of is evaluation else None

    def want(self) -> None:
        """Begin what is quick, as somebody looks at a row; what takes minutes is begun by its button."""
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if self.samples is None or not self.samples.is_small or not has_loop():
            return
        for name in PARTS:
            if self._state(name) == "waiting":
                self.start(name)

    def start(self, name: str) -> None:
        """Begin a part, or try it again, and say so when it is over."""
        samples = self.samples
        if samples is None:
            return
        job = PARTS[name].job(samples).start()
        if job in self._followed:
            return
        self._followed.add(job)

        def look() -> None:
            if job.status.is_over:
                self._followed.discard(job)
                if samples is self.samples:
                    self._news()

        follow(job, Worker(), look)

    def is_known(self, name: str) -> bool:
        """Whether a part is there."""
        return self.samples is not None and PARTS[name].job(self.samples).value is not None

    def lack(self, name: str) -> tuple[str, str]:
        """Return what to say in the place of a part that is not there, and the words of a button that begins it."""
        samples = self.samples
        if samples is None:
            return self.known.sentence or "Known in a moment: the rows are being read.", ""
        status = PARTS[name].job(samples).status
        if status.state == "failed":
            return status.sentence, "Try again"
        if status.state == "waiting":
            return "Nobody has computed this yet.", PARTS[name].button.format(rows=f"{samples.facts.num_rows:,}")
        return "Known in a moment: it is being computed.", ""

    def titles(self, places: dict[int, int]) -> dict[int, tuple[str, ...]]:
        """Return the titles of what was found wrong with some rows.

        Parameters
        ----------
        places
            Position in the data set by any name of the row.

        Returns
        -------
        dict of int to tuple of str
            By that name, without rows of which nothing was found; the worst first. Empty until findings are there.
        """
        samples = self.samples
        found = None if samples is None else samples.findings.value
        if samples is None or found is None:
            return {}
        masks = samples.explorer.table.findings
        kinds = [item for item in found.items if item.kind in masks]
        titles = {
            name: tuple(item.title for item in kinds if masks[item.kind].rows[place])
            for name, place in places.items()
            if place >= 0
        }
        return {name: said for name, said in titles.items() if said}

    def _state(self, name: str) -> str:
        return "" if self.samples is None else PARTS[name].job(self.samples).status.state
