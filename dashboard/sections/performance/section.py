"""Performance: how good a run is, how sure that is, and where it fails; every figure leads to its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.fields import select
from dashboard.components.heading import section_heading
from dashboard.components.layout import columns, section, stack
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.report import f1_interval
from dashboard.sections.base import Section, run
from dashboard.sections.performance.calibration import CalibrationView
from dashboard.sections.performance.confusion import ConfusionView, confused
from dashboard.sections.performance.judged import Parts, change_of, parts_of, read_run, sureness_of
from dashboard.sections.performance.overall import Overall
from dashboard.sections.performance.parts import Part
from dashboard.sections.performance.scored import of_file
from dashboard.sections.performance.threshold import ThresholdView
from dashboard.sections.performance.weak_slices import WeakSlicesView
from dashboard.text import plain_text, sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.report import Report
    from dashboard.sections.performance.judged import Change, Judged, RunRead, Sureness

EXPLANATION = "How the run answers on the samples that it is judged on, and where it fails."
NO_ROWS = "This slice has no samples here, so there is nothing to measure; choose another one."
NO_SLICES = "No slice was measured; write one in `config/slices.py`, or save a filter of the Data section as one."
NO_TAGS = "No tag was measured."
OF_A_FILE = (
    "These figures are read from the file {}, as the setting performance_file says; they belong to no run, so there "
    "are no rows behind them."
)
COUNTED = " The figures below are counted anew from the run's answers."
MISSING = "So there are the figures of performance.json only, and no way from them to the rows."


class PerformanceSection(Section):
    """A run's metrics, or those of the performance file that the settings name.

    The figures of performance.json are shown at once; intervals, confusion and the way to the examples come when the
    run's answers are read, which is done in threads. What somebody has looked at before is there at once as well.

    Parameters
    ----------
    run_id
        Which run; by default the promoted one.
    deferred
        Whether charts wait until they are about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Examples
    --------
    >>> PerformanceSection(run_id="0f3c...")  # doctest: +SKIP
    """

    place = "performance"

    def __init__(self, run_id: str = "", *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        selection = self.state.selection
        if run_id:
            selection.run_id = run_id
        self._report: Report | None = None
        self.evaluation: Evaluation | None = None
        self._slice_problems: list[str] = []
        self._workers = {name: Worker() for name in ("open", "parts", "confusion", "sureness", "change")}
        self._message = Message()
        self._source, self._missing = Message(kind="hint"), Message(kind="hint")
        self._run = select("Run")
        self.overall = Overall(self.state)
        self._tags = Part("By tag", "Tag", "tag", self.state)
        self._slices = Part("By slice", "Slice", "slice_name", self.state)
        self.confusion = ConfusionView(self.state, deferred=deferred)
        self.threshold = ThresholdView(self.state, deferred=deferred)
        self.calibration = CalibrationView(self.state, deferred=deferred)
        self.weak_slices = WeakSlicesView(self.state)
        self._sureness = columns(self.threshold, self.calibration)
        self._body = stack(
            self._source,
            self.overall,
            self._missing,
            columns(self._tags, self._slices),
            self.confusion,
            self._sureness,
            self.weak_slices,
            gap=20,
        )
        head = columns(
            section_heading("Performance", EXPLANATION), self._run, template="1fr minmax(0, 400px)", align="end"
        )
        self._view = section(self.place, head, self._message, self._body)
        self._offer_runs()
        self._read_later()
        selection.param.watch(self._run_changed, "run_id")
        selection.param.watch(self._show_tag, "tag")
        selection.param.watch(self._show_slice, "slice_name")
        selection.param.watch(lambda _event: self._score_parts(), "saved")
        self.state.runs.param.watch(lambda _event: self._compare(), "against")
        self._run.param.watch(self._run_chosen, "value")
        for part, attribute in ((self._tags, "tag"), (self._slices, "slice_name")):
            part.select.param.watch(lambda event, name=attribute: self._choose(name, event.new), "value")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _choose(self, name: str, value: str | None) -> None:
        # The selector also moves when the state does; only what differs from what is shown is a choice.
        shown = self._tag() if name == "tag" else self._slice()
        if value and value != shown and not (self._tags.filling or self._slices.filling):
            setattr(self.state.selection, name, value)

    def _run_chosen(self, event: Any) -> None:
        if event.new and event.new != self._run_id():
            self.state.show_run(event.new, self.place)

    def _offer_runs(self) -> None:
        try:
            options = {entry.label: entry.run_id for entry in self.catalogue.runs()}
        except TagscopeError:
            options = {}
        run_id = self._run_id()
        if options and run_id not in options.values():
            # A selector takes a value that it does not offer for its first option, which would be another run.
            options = {f"{plain_text(run_id, 12)} (no such run here)": run_id, **options}
        self._run.param.update(options=options, value=run_id if options else None)
        self._run.visible = bool(options) and self.catalogue.settings.performance_file is None

    # What is read

    def _read(self, run_id: str) -> RunRead:
        return read_run(self.catalogue, run_id, str(self.state.runs.against))

    def _read_later(self) -> None:
        run_id = self._run_id()
        run(self._worker, lambda: self._read(run_id), self._fill)

    def _run_changed(self, _event: object) -> None:
        self._offer_runs()
        self._in_turn(self._read_later)

    def _fill(self, read: RunRead) -> None:
        """Show what was read of a run, or say why there is nothing; what was not read is read now."""
        report = self._report = read.report
        self._message.param.update(text=read.problem + (COUNTED if read.problem and report else ""), kind=read.kind)
        self._body.visible = report is not None
        if report is None:
            self._clear()
            return
        self._source.text = OF_A_FILE.format(report.source) if report.source else " ".join(report.remarks)
        within = f1_interval(report.performance)
        self.overall.fill(report.performance, report.sentences, within, answers_follow=read.judged is not None)
        if read.judged is not None:
            self._show_judged(read.judged)
            return
        self._clear()
        self._fill_parts(Parts(of_file(report.performance.classes), of_file(report.performance.slices), []))
        if not report.source:
            run(self._workers["open"], lambda: self._open(read.run_id), lambda found: self._opened(*found, read.run_id))

    def _clear(self) -> None:
        """Hide what is made of a run's answers."""
        self.evaluation = None
        self._missing.text = ""
        self.confusion.fill(None)
        self.threshold.fill(None)
        self.calibration.fill(None)
        self.weak_slices.fill(None)
        self._sureness.visible = False

    def _show_judged(self, judged: Judged) -> None:
        """Show all at once: each part that comes by itself costs a browser the layout of the whole page."""
        self._show_evaluation(judged.evaluation)
        self._show_parts(judged.parts)
        self.confusion.fill(judged.confusion)
        self._show_change(judged.change)
        self._show_sureness(judged.sureness)

    # What the run's answers say, one after the other

    def _open(self, run_id: str) -> tuple[Evaluation | None, str]:
        try:
            found = self.catalogue.evaluations.get(run_id)
            found.report  # noqa: B018  made here, off the event loop
        except TagscopeError as error:
            return None, sentence_of(error)
        return found, ""

    def _opened(self, evaluation: Evaluation | None, problem: str, run_id: str) -> None:
        if run_id != self._run_id() or self._report is None:
            return  # another one was chosen in the meantime
        if evaluation is None:
            self._missing.text = f"{problem} {MISSING}"
            return
        self._show_evaluation(evaluation)
        self._score_parts()
        self._start("confusion", lambda: confused(evaluation), self.confusion.fill)
        self._compare()
        # Reading all probabilities takes longest.
        self._start("sureness", lambda: sureness_of(evaluation), self._show_sureness)

    def _show_evaluation(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self._missing.text = " ".join(evaluation.remarks)
        self._sureness.visible = True
        self.overall.judged(evaluation.report, len(evaluation.labels))
        self.weak_slices.fill(evaluation)

    def _start(self, worker: str, compute: Callable[[], Any], show: Callable[[Any], None]) -> None:
        evaluation = self.evaluation
        run(self._workers[worker], compute, lambda found: show(found) if evaluation is self.evaluation else None)

    def _score_parts(self) -> None:
        """Score the tags, and the slices that are defined now."""
        evaluation = self.evaluation
        if evaluation is not None:
            self._start("parts", lambda: parts_of(evaluation), self._show_parts)

    def _show_parts(self, parts: Parts) -> None:
        # What performance.json names and nobody defines any more has its figures all the same.
        measured = of_file(self._report.performance.slices) if self._report is not None else {}
        self._fill_parts(Parts(parts.tags, {**measured, **parts.slices}, parts.problems))

    def _fill_parts(self, parts: Parts) -> None:
        self._slice_problems = parts.problems
        self._tags.fill(parts.tags, NO_TAGS)
        self._slices.fill(parts.slices, " ".join([NO_SLICES, *parts.problems]))
        self._show_tag()
        self._show_slice()

    def _show_sureness(self, found: Sureness) -> None:
        self.overall.ranked(found.ranked)
        self.threshold.fill(found.coverage, found.problem)
        self.calibration.fill(found.calibration, found.problem)

    def _compare(self) -> None:
        """Compare with the chosen run, else with the one before."""
        evaluation, chosen = self.evaluation, str(self.state.runs.against)
        if evaluation is not None and self._is_on_show(evaluation.run_id):
            self._start("change", lambda: change_of(self.catalogue, evaluation, chosen), self._show_change)

    def _show_change(self, change: Change) -> None:
        self.overall.compared(change.pair, change.problem, is_before=change.is_before)

    # What is chosen

    def _tag(self) -> str:
        """Tag on show: the chosen one, else the weakest."""
        performance = self._report.performance if self._report else None
        if performance is None or self.state.selection.tag in self._tags.names:
            return str(self.state.selection.tag)
        return performance.worst[0] if performance.worst else next(iter(performance.classes), "")

    def _slice(self) -> str:
        """Slice on show: the chosen one, else the first that has rows."""
        chosen, names = str(self.state.selection.slice_name), self._slices.names
        if chosen in names:
            return chosen
        return next((name for name in names if self._slices.has_rows(name)), next(iter(names), ""))

    def _show_tag(self, *_events: object) -> None:
        if self._report is not None:
            self._tags.show(self._tag())

    def _show_slice(self, *_events: object) -> None:
        if self._report is not None:
            name = self._slice()
            none = [NO_ROWS] if name and not self._slices.has_rows(name) else []
            self._slices.show(name, " ".join([*none, *self._slice_problems]))
