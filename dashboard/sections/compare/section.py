"""Compare: whether the run on show is better than another one, and on what that can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.fields import select
from dashboard.components.heading import section_heading
from dashboard.components.layout import columns, section, stack
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.sections.base import run
from dashboard.sections.compare.both import BothRuns
from dashboard.sections.compare.changes import Changes
from dashboard.sections.compare.choice import RunsChoice
from dashboard.sections.compare.courses import Courses
from dashboard.sections.compare.family import family_of
from dashboard.sections.compare.followed import Followed, Matrices, compare_runs, follow_runs
from dashboard.sections.compare.matrix_view import MatrixView
from dashboard.sections.compare.timeline import Timeline
from dashboard.sections.compare.verdict import Verdict
from dashboard.sections.evaluated import EvaluatedSection
from dashboard.text import plain_text, sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.comparison import RunPair

EXPLANATION = "What changed from another run to this one, and whether that is more than chance."
NO_OTHER = (
    "There is no other run to compare with; train one with `tagscope train --data FILE --parent RUN`, or import a "
    "model or predictions on the same rows with `tagscope import`."
)
REFUSED = " Choose another run above to compare with; what follows over several runs leaves out those that do not fit."


class CompareSection(EvaluatedSection):
    """Two runs on the rows that they share, or why they cannot be compared; and several runs over time.

    Parameters
    ----------
    **params
        As `EvaluatedSection`.

    Examples
    --------
    >>> CompareSection(run_id="0f3c...")  # doctest: +SKIP
    """

    place = "compare"

    def __init__(self, run_id: str = "", **params: Any) -> None:
        super().__init__(run_id, **params)
        self._comparing, self._following, self._against = Worker(), Worker(), Worker()
        self._before = self._refusal = ""
        self._run = select("Compared with")
        self._problem, self._remarks = Message(), Message(kind="hint")
        self._verdict, self._changes = Verdict(self.state), Changes(self.state)
        self._choice, self._timeline, self._courses = RunsChoice(self.state), Timeline(self.state), Courses(self.state)
        self._tags, self._slices = (MatrixView(self.state, kind) for kind in ("tags", "slices"))
        self._refused, self._both = Message(kind="hint"), BothRuns(self.state, self.catalogue)
        self._both_place = stack(self._both, visible=False)
        self._matrices = stack(self._tags, self._slices, gap=20)
        self._pair_place = stack(self._verdict, self._changes, gap=20, visible=False)
        self._runs_place = stack(
            self._choice, self._timeline, self._refused, self._matrices, self._courses, gap=20, visible=False
        )
        self._body = stack(
            self._problem, self._remarks, self._pair_place, self._runs_place, self._both_place, gap=20, visible=False
        )
        head = columns(section_heading("Compare", EXPLANATION), self._run, template="1fr minmax(0, 400px)", align="end")
        self._view = section(self.place, head, self.message, self._body)
        self.state.runs.param.watch(lambda _event: self._refill(), "against")
        self.state.selection.param.watch(lambda _event: self._refill(), "saved")
        self.state.runs.param.watch(lambda _event: self._follow(), ["over", "order", "metric"])
        self._run.param.watch(self._chosen, "value")
        self.begin()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self) -> None:
        """Show the evaluation that was read, against the other run."""
        self._body.visible = self._run.visible = self.evaluation is not None
        if self.evaluation is None:
            return
        after, before = self.evaluation.run_id, self._offer(self.evaluation.run_id)
        self._both_place.visible = bool(before)
        if not before:
            self._pair_place.visible = self._runs_place.visible = False
            self._problem.param.update(text=NO_OTHER, kind="hint")
            self._remarks.text = ""
            return
        self._both.show(tuple((run_id, self._named(run_id)) for run_id in (before, after)))

        def compute() -> tuple[RunPair | None, str]:
            try:
                return self.catalogue.evaluations.pair(before, after), ""
            except TagscopeError as error:
                return None, sentence_of(error)

        def show(found: tuple[RunPair | None, str]) -> None:
            self._show(*found)
            # Only now: what is seen first is not to wait for ten other runs.
            self._follow()

        run(self._comparing, compute, show, working=self._wait_for_pair)

    def _refill(self) -> None:
        if self.is_current:
            self.fill()

    # Which runs

    def _offer(self, after: str) -> str:
        """Offer the runs of the same data, and return the one to compare with: the chosen one, else the one before."""
        try:
            entries = [entry for entry in self.catalogue.relatives(after) if entry.run_id != after]
            earlier = self.catalogue.earlier_run(after)
        except TagscopeError:
            entries, earlier = [], ""
        options = {entry.label: entry.run_id for entry in entries}
        chosen = str(self.state.runs.against)
        if not chosen or chosen == after:
            # A run says nothing of itself.
            chosen = earlier or next(iter(options.values()), "")
        if chosen and chosen not in options.values():
            options = {f"{plain_text(chosen, 12)} (of other data, or not here)": chosen, **options}
        self._before = chosen
        self._run.param.update(options=options, value=chosen or None, visible=bool(options))
        return chosen

    def _named(self, run_id: str) -> str:
        try:
            manifest = self.catalogue.manifest(run_id)
        except TagscopeError:
            return f"Run {plain_text(run_id, 12)}"
        which = "This run" if self.evaluation is not None and run_id == self.evaluation.run_id else "Compared with"
        return f"{which}: {manifest.model} · {manifest.created[:10]} · {manifest.short_id}"

    def _chosen(self, event: Any) -> None:
        # The selector also moves when the state does; only what differs from what is shown is a choice.
        offered = event.new and event.new in self._run.options.values()
        if offered and event.new not in (self._before, self.state.runs.against):
            self.state.runs.against = event.new

    # Two runs

    def _wait_for_pair(self, busy: bool) -> None:
        self._pair_place.loading = busy

    def _show(self, pair: RunPair | None, problem: str) -> None:
        self._refusal = problem if pair is None else pair.refusal
        self._problem.param.update(text=self._refusal + REFUSED if self._refusal else "", kind="problem")
        self._remarks.text = "" if pair is None else " ".join(pair.remarks)
        self._pair_place.visible = pair is not None and pair.comparison is not None
        if pair is not None and pair.comparison is not None and self.evaluation is not None:
            self._verdict.show(pair)
            self._changes.show(pair, self.evaluation)

    # Several runs

    def _follow(self) -> None:
        """Follow the examples through the runs in a thread, then compare all of them with the base."""
        if self.evaluation is None or not self._before:
            return
        after, before, runs = self.evaluation.run_id, self._before, self.state.runs
        over, order, metric = str(runs.over), str(runs.order), str(runs.metric)

        def compute() -> Followed | str:
            family = family_of(self.catalogue, after, before, over)
            return follow_runs(self.catalogue, family, after, before, order, metric)

        def show(found: Followed | str) -> None:
            self._runs_place.visible = True
            if isinstance(found, str):
                self._refused.text = found
                return
            # Why the base cannot be used stands at the top; said once is enough.
            left_out = [one for one in found.history.left_out.values() if one != self._refusal]
            self._choice.show(found.family, (after, before), " ".join(left_out))
            judged = (
                f"Judged on {len(found.history.ids):,} examples by the labels of run {found.history.reference[:8]}."
            )
            self._timeline.show(found.points, metric, after, before, f"{judged} A click shows the run.")
            self._courses.show(found.history, found.by_tag, found.patterns)
            run(
                self._against,
                lambda: compare_runs(self.catalogue, found, before, order),
                lambda matrices: self._show_matrices(matrices, after, (self._refusal, *left_out)),
                working=self._wait_for_matrices,
            )

        run(self._following, compute, show, working=self._wait_for_runs)

    def _show_matrices(self, matrices: Matrices, shown: str, said: tuple[str, ...]) -> None:
        self._refused.text = " ".join(remark for remark in matrices.remarks if remark not in said)
        self._tags.show(matrices.tags, matrices.heads, shown)
        self._slices.show(matrices.slices, matrices.heads, shown)

    def _wait_for_runs(self, busy: bool) -> None:
        self._runs_place.loading = busy

    def _wait_for_matrices(self, busy: bool) -> None:
        self._matrices.loading = busy
