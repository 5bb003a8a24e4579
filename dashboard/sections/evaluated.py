"""What Errors and Compare have in common: the evaluation of the run on show, read in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.message import Message
from dashboard.sections.base import Section, run
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from dashboard.evaluation.evaluation import Evaluation


class EvaluatedSection(Section):
    """A section on the evaluation of a run, read anew whenever another run is chosen.

    Whoever derives from it makes the view, then calls `begin`, and shows in `fill` what was read.

    Parameters
    ----------
    run_id
        Which run; by default the promoted one.
    deferred
        Whether charts wait until they are about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Attributes
    ----------
    evaluation : Evaluation or None
        Of the run on show; None before it is read, and where it cannot be.
    message : Message
        Says why there is none.
    """

    def __init__(self, run_id: str = "", *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        if run_id:
            self.state.selection.run_id = run_id
        self.deferred = deferred
        self.evaluation: Evaluation | None = None
        self.message = Message()

    def begin(self) -> None:
        """Read the run on show, now and whenever it changes."""
        self.state.selection.param.watch(lambda _event: self._in_turn(self._read_later), "run_id")
        self._read_later()

    @property
    def is_current(self) -> bool:
        """Whether what was read is of the run on show; if not, `fill` follows."""
        return self.evaluation is not None and self._is_on_show(self.evaluation.run_id)

    def fill(self) -> None:
        """Show the evaluation, or hide everything where there is none; on the event loop."""
        raise NotImplementedError

    def _read_later(self) -> None:
        run_id = self._run_id()
        run(self._worker, lambda: self._read(run_id), lambda read: self._opened(*read, run_id), working=self._wait)

    def _read(self, run_id: str) -> tuple[Evaluation | None, str]:
        try:
            return self.catalogue.evaluations.get(run_id), ""
        except TagscopeError as error:
            return None, sentence_of(error)

    def _wait(self, busy: bool) -> None:
        if busy:
            self.message.param.update(text="The run's answers are being read …", kind="hint")

    def _opened(self, evaluation: Evaluation | None, problem: str, run_id: str) -> None:
        # Without any run there is a way on rather than a mistake.
        self.message.param.update(text=problem, kind="problem" if run_id else "hint")
        self.evaluation = evaluation
        self.fill()
