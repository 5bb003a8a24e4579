"""The open example: what is known of it is gathered in threads, each part as soon as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.components.work import Worker
from dashboard.sections.base import run
from dashboard.sections.errors.detail_html import Opened, detail_html
from dashboard.sections.errors.remarks import remarks_of
from dashboard.sections.errors.training import near_training
from dashboard.sections.errors.why import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.evaluation.example import Example
    from dashboard.sections.errors.knowledge import Knowledge
    from dashboard.sections.errors.remarks import Remark
    from dashboard.sections.errors.training import NearTraining
    from dashboard.sections.errors.why import Why

# Who steps through examples quickly does not wait for those in between; a large model takes seconds for each.
PAUSE_SECONDS = 0.1


class Details:
    """Gathers why, similar training examples and findings of one example.

    Parameters
    ----------
    knowledge
        Of the run on show.
    news
        Called on the event loop whenever there is more to show.
    """

    def __init__(self, knowledge: Knowledge, news: Callable[[], None]) -> None:
        self._knowledge, self._news = knowledge, news
        self._explaining, self._looking = Worker(), Worker()
        self._shown: tuple[Evaluation, Example] | None = None
        self._opened = Opened()

    @property
    def html(self) -> str:
        """What unfolds below the open example."""
        if self._shown is None:
            return ""
        lack = {name: self._knowledge.lack(name) for name in ("near", "remarks")}
        return detail_html(self._shown[1], self._opened, lack)

    def open(self, evaluation: Evaluation | None, example: Example | None) -> None:
        """Show another example, or none; the same one stays as it is."""
        wanted = None if evaluation is None or example is None else (evaluation, example)
        if wanted is not None and self._shown is not None:
            same = wanted[0] is self._shown[0] and wanted[1].row == self._shown[1].row
            if same:
                return
        self._shown, self._opened = wanted, Opened()
        if wanted is None:
            return
        self._knowledge.want()

        def show(why: Why) -> None:
            if self._shown is wanted:
                self._opened = msgspec.structs.replace(self._opened, why=why)
                self._news()

        run(self._explaining, lambda: explain(*wanted), show, pause=PAUSE_SECONDS)
        self.learn()

    def learn(self) -> None:
        """Gather what has become known of the data set since."""
        shown, samples = self._shown, self._knowledge.samples
        if shown is None or samples is None:
            return
        evaluation, example = shown
        missing = {
            name: self._knowledge.is_known(name) and getattr(self._opened, name) is None for name in ("near", "remarks")
        }
        if not any(missing.values()) or example.place < 0:
            return

        def compute() -> tuple[NearTraining | None, tuple[Remark, ...] | None]:
            return (
                near_training(evaluation, samples, example.place) if missing["near"] else None,
                remarks_of(samples, example.place) if missing["remarks"] else None,
            )

        def show(found: tuple[NearTraining | None, tuple[Remark, ...] | None]) -> None:
            if self._shown is not shown:
                return
            near, remarks = found
            self._opened = msgspec.structs.replace(
                self._opened,
                near=self._opened.near if near is None else near,
                remarks=self._opened.remarks if remarks is None else remarks,
            )
            self._news()
            # More may have become known while this was read.
            self.learn()

        run(self._looking, compute, show)
