"""What Performance shows of a run: its report, and what its answers say; read and computed in threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.report import report_of_evaluation
from dashboard.sections.performance.confusion import confused
from dashboard.sections.performance.overall import ranked
from dashboard.sections.performance.scored import of_slices, of_tags
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from dashboard.catalogue import Catalogue
    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.report import Report
    from dashboard.sections.performance.confusion import Confused
    from dashboard.sections.performance.overall import Ranked
    from dashboard.sections.performance.scored import Scored
    from engine.evaluation.calibration import Calibration
    from engine.evaluation.coverage import Coverage


@dataclass(frozen=True, eq=False)
class Parts:
    """Scores by tag and by slice, and a sentence for each slice that cannot be used."""

    tags: dict[str, Scored]
    slices: dict[str, Scored]
    problems: list[str]


@dataclass(frozen=True, eq=False)
class Sureness:
    """What needs probabilities, or the sentence that says why there is none of it."""

    ranked: Ranked | None = None
    coverage: Coverage | None = None
    calibration: Calibration | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Change:
    """A run beside another one; `is_before` says whether that is the run before, which the third sentence tells of."""

    pair: RunPair | None = None
    problem: str = ""
    is_before: bool = False


@dataclass(frozen=True, eq=False)
class Judged:
    """All that the answers of a run say."""

    evaluation: Evaluation
    parts: Parts
    confusion: Confused
    sureness: Sureness
    change: Change


@dataclass(frozen=True, eq=False)
class RunRead:
    """What was read of a run: a report or the sentence why there is none, and all else where that took no time.

    `kind` is that of the message: without any run there is a way on rather than a mistake.
    """

    run_id: str
    report: Report | None = None
    problem: str = ""
    kind: str = "problem"
    judged: Judged | None = None


def read_run(catalogue: Catalogue, run_id: str, against: str) -> RunRead:
    """Read what there is to show of a run, all of it at once where its answers have been read before.

    Parameters
    ----------
    catalogue
        What there is.
    run_id
        The run; empty where there is none.
    against
        The run that it is compared with; empty for the one before.
    """
    try:
        report, problem = catalogue.report(run_id), ""
    except TagscopeError as error:
        if not run_id:
            return RunRead(run_id, problem=sentence_of(error), kind="hint")
        problem = sentence_of(error)
        try:
            report = report_of_evaluation(catalogue.evaluations.get(run_id))
        except TagscopeError:
            return RunRead(run_id, problem=problem)
    if report.source:
        return RunRead(run_id, report)
    try:
        kept = catalogue.evaluations.kept(run_id)
    except TagscopeError:
        kept = None
    judged = None if kept is None else judged_of(catalogue, kept, against)
    return RunRead(run_id, report, problem, judged=judged)


def judged_of(catalogue: Catalogue, evaluation: Evaluation, against: str) -> Judged:
    """Compute all that the answers of a run say."""
    return Judged(
        evaluation,
        parts_of(evaluation),
        confused(evaluation),
        sureness_of(evaluation),
        change_of(catalogue, evaluation, against),
    )


def parts_of(evaluation: Evaluation) -> Parts:
    """Score tags and slices."""
    return Parts(of_tags(evaluation), *of_slices(evaluation))


def sureness_of(evaluation: Evaluation) -> Sureness:
    """Compute what needs probabilities."""
    try:
        return Sureness(ranked(evaluation), evaluation.coverage, evaluation.calibration)
    except TagscopeError as error:
        return Sureness(problem=sentence_of(error))


def change_of(catalogue: Catalogue, evaluation: Evaluation, against: str) -> Change:
    """Compare a run with the chosen one, else with the one before."""
    try:
        earlier = catalogue.earlier_run(evaluation.run_id)
        other = earlier if not against or against == evaluation.run_id else against
        if not other:
            return Change()
        return Change(catalogue.evaluations.pair(other, evaluation.run_id), is_before=other == earlier)
    except TagscopeError as error:
        return Change(problem=f"There is no change to show: {sentence_of(error)}")
