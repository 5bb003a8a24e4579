"""Errors: the examples behind a figure, by default all that the run answers wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.heading import section_heading
from dashboard.components.layout import columns, section, stack, surface
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.sections.base import follow, has_loop, run
from dashboard.sections.errors.chooser import Chooser
from dashboard.sections.errors.detail_html import CSS as DETAIL_CSS
from dashboard.sections.errors.detail_html import START
from dashboard.sections.errors.details import Details
from dashboard.sections.errors.knowledge import Knowledge
from dashboard.sections.errors.list_html import CSS as LIST_CSS
from dashboard.sections.errors.list_html import list_html
from dashboard.sections.errors.listing import PAGE_SIZE, Listing, Wanted, find
from dashboard.sections.errors.saving import Saving
from dashboard.sections.errors.step_list import StepList
from dashboard.sections.evaluated import EvaluatedSection

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.evaluation import Evaluation

EXPLANATION = "The examples behind a figure; every cell, bar, point and flip leads here."
WAITING = "What is needed to tell these examples is being computed; they appear then."


class ErrorsSection(EvaluatedSection):
    """The examples that a selection means: a page of them, the open one with why, and all as a file.

    Parameters
    ----------
    **params
        As `EvaluatedSection`.

    Examples
    --------
    >>> ErrorsSection(run_id="0f3c...")  # doctest: +SKIP
    """

    place = "errors"

    def __init__(self, run_id: str = "", **params: Any) -> None:
        super().__init__(run_id, **params)
        self._finding, self._waiting = Worker(), Worker()
        self._listing: Listing | None = None
        self._listed: Evaluation | None = None
        self._checked: set[int] = set()
        self._knowledge = Knowledge(self.catalogue, self._learn)
        self._details = Details(self._knowledge, self._draw)
        self._problem, self._remarks = Message(), Message(kind="hint")
        self._chooser = Chooser(self.state)
        self._list = StepList(LIST_CSS + DETAIL_CSS, on_pick=self._picked, min_height=120)
        self._saving = Saving(self.catalogue, self._knowledge, self._draw)
        head = columns(self._chooser, self._saving, template="minmax(0, 1fr) auto", gap=20, align="end")
        self._body = stack(self._remarks, surface(head, self._problem, self._list), gap=20, visible=False)
        self._view = section(self.place, section_heading("Errors", EXPLANATION), self.message, self._body)
        chosen = self.state.examples
        chosen.param.watch(lambda *_events: self._find(), ["examples", "sort", "page", "example"])
        chosen.param.watch(lambda _event: self._turn(), "view")
        self.state.selection.param.watch(lambda _event: self._slices_changed(), "saved")
        self.begin()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self) -> None:
        """Show the evaluation that was read."""
        evaluation = self.evaluation
        self._body.visible = evaluation is not None
        self._listing = self._listed = None
        self._checked.clear()
        self._saving.show(None, None, ())
        self._knowledge.open(None)
        if evaluation is None:
            self._details.open(None, None)
            return
        self._remarks.text = " ".join(evaluation.remarks)
        self._find()

    # Examples

    def _find(self) -> None:
        """Find the examples in a thread."""
        evaluation, chosen = self.evaluation, self.state.examples
        if evaluation is None or not self.is_current:
            return
        wanted = Wanted(chosen.examples, chosen.sort, chosen.page, chosen.example)
        before = self._listing if self._listed is evaluation else None

        def show(found: Listing) -> None:
            if evaluation is not self.evaluation:
                return
            if before is not None and before.wanted.examples != wanted.examples:
                self._checked.clear()
            self._listed, self._listing = evaluation, found
            self._show(evaluation, found)
            # Only now: the examples are not to wait for what else is known of their rows.
            self._knowledge.open(evaluation)

        run(self._finding, lambda: find(evaluation, wanted, before), show, working=self._work)

    def _slices_changed(self) -> None:
        # The slice on show may mean other examples now.
        if self._listing is not None and self._listing.selection.slice_name:
            self._listed = None
            self._checked.clear()
            self._find()

    def _show(self, evaluation: Evaluation, found: Listing) -> None:
        self._problem.param.update(text=found.problem, kind="problem")
        if found.job is not None:
            self._await(found)
        self._chooser.show(evaluation, found)
        opened = found.opened
        self._details.open(evaluation, None if opened is None else opened.example)
        self._draw()

    def _await(self, found: Listing) -> None:
        """Begin the work that the selection needs, and find its examples when it is done."""
        assert found.job is not None
        job = found.job.start()
        self._problem.param.update(text=WAITING, kind="hint")

        def look() -> None:
            if not job.status.is_over or self._listing is not found:
                return
            if job.status.state == "done":
                self._find()
            else:
                self._problem.param.update(text=job.status.sentence, kind="problem")

        if has_loop():
            follow(job, self._waiting, look)
        else:
            job.wait()
            look()

    def _turn(self) -> None:
        if self._listing is not None and self.evaluation is not None:
            self._chooser.show(self.evaluation, self._listing)
            self._draw()

    def _learn(self) -> None:
        """Show what has become known of the data set."""
        self._details.learn()
        self._draw()

    def _work(self, busy: bool) -> None:
        self._draw(busy=busy)

    def _draw(self, *, busy: bool = False) -> None:
        found = self._listing
        if found is None:
            self._list.html = ""
            return
        shown = (*((found.apart,) if found.apart else ()), *found.entries)
        self._list.html = list_html(
            found,
            table=self.state.examples.view == "table",
            checked=self._checked,
            findings=self._knowledge.titles({entry.example.row: entry.example.place for entry in shown}),
            detail=self._details.html,
            busy=busy,
        )
        self._saving.show(self._listed, found.rows, self._checked)

    def _picked(self, key: str) -> None:
        kind, _, value = key.partition(":")
        if self._listing is None or self.evaluation is None:
            return
        if key.startswith(START):
            self._knowledge.start(key.removeprefix(START))
            self._draw()
        elif kind in ("open", "check"):
            row = self._listing.row_of(value)
            if row is None:
                return
            if kind == "check":
                self._checked ^= {row}
                self._draw()
                return
            name = str(self.evaluation.ids[row])
            self.state.examples.example = "" if self.state.examples.example == name else name
        elif kind == "page":
            number, last = self._listing.number, self._listing.pages - 1
            places = {"first": 0, "previous": number - 1, "next": number + 1, "last": last}
            if value in places:
                self._go_to(min(max(places[value], 0), last), "")
        elif kind == "step":
            self._step(1 if value == "next" else -1)

    def _step(self, by: int) -> None:
        """Go over the end of a page; where an example is open, to the next one."""
        found = self._listing
        assert found is not None
        assert self.evaluation is not None
        number = found.number + by
        if not 0 <= number < found.pages:
            return
        beyond = number * PAGE_SIZE if by > 0 else found.number * PAGE_SIZE - 1
        self._go_to(number, str(self.evaluation.ids[found.rows[beyond]]) if found.opened is not None else "")

    def _go_to(self, number: int, example: str) -> None:
        self.state.examples.param.update(page=str(number + 1) if number else "", example=example)
