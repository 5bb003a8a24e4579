"""The evaluation of one run: its rows and answers, what became of each, and every figure that is made of them.

Made once per process and shared by all visitors; nothing in it belongs to one of them, and everything in it may be
called from any thread. What takes long (all but attributes) is called in a thread, never on the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.evaluation.chances import Chances, chances_of
from dashboard.evaluation.example import Example, examples_of
from dashboard.evaluation.masks import mask_of
from dashboard.evaluation.rows import Slices, Slicing, find_weak
from dashboard.evaluation.selection import SelectionError
from dashboard.job import Job
from dashboard.shelf import Shelf
from dashboard.text import plain_text
from engine.dataset.fields import OTHER
from engine.errors import DataError, TagscopeError
from engine.evaluation.calibration import Calibration, calibration
from engine.evaluation.counts import Counts, count, count_slices
from engine.evaluation.coverage import Coverage
from engine.evaluation.estimates import Estimate, Report, proportion, report
from engine.evaluation.outcomes import Outcomes, outcomes
from engine.evaluation.probabilities import bounded
from engine.evaluation.slices_file import all_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dashboard.evaluation.other_runs import OtherRuns
    from dashboard.evaluation.selection import ExampleSelection
    from engine.dataset.snapshot import Dataset
    from engine.evaluation.answers import Answers
    from engine.evaluation.weak_slices import WeakSlices
    from engine.runs.bundle import Bundle

_NO_PROBABILITIES = (
    "Run {} has no probabilities, so nothing is known of its confidence; import its predictions with a column of "
    "probabilities per tag."
)


class Evaluation:
    """A run, judged on the rows that its `performance.json` is judged on.

    Parameters
    ----------
    bundle
        The run.
    dataset
        Its data set; None where it is not here: then there are no texts, slices and weak slices, but all figures.
    answers
        As `engine.pipeline.answers.read_answers` gives them, without probabilities.
    others
        Where other runs are found, which flips need.
    read_probabilities
        Reads float32[n, labels] in the order of `answers`; None where the run has none.
    places
        int64, shape (n,): positions in the data set.
    remarks
        Sentences on what is unusual.
    slicing
        The slices of these rows, shared by the runs that were judged on them; by default this run's own.

    Attributes
    ----------
    rows : int
        How many were judged, n.
    ids : numpy.ndarray
        object of str, shape (n,).
    labels : tuple of str
        The model's tags, in the order of its outputs.
    tags : tuple of str
        `labels`, then true tags that the model does not know: they count as wrong.
    true, predicted : numpy.ndarray
        int64, shape (n,): positions in `tags`; `predicted` is ``len(tags)`` for an answer that is none of them.
    correct : numpy.ndarray
        bool, shape (n,).
    remarks : tuple of str
        Sentences on what is unusual: rows that were left out, tags that nobody knows, a data set that is not here.
    """

    def __init__(
        self,
        bundle: Bundle,
        dataset: Dataset | None,
        answers: Answers,
        others: OtherRuns,
        read_probabilities: Callable[[], np.ndarray | None],
        places: np.ndarray | None,
        remarks: Iterable[str] = (),
        slicing: Slicing | None = None,
    ) -> None:
        self.bundle, self.dataset, self.answers, self.places = bundle, dataset, answers, places
        self.run_id, self.manifest = bundle.run_id, bundle.manifest
        self.ids, self.labels, self.rows = answers.ids, answers.labels, len(answers.ids)
        self.tags, self.true, self.predicted = _coded(answers)
        self.correct: np.ndarray = self.true == self.predicted
        self.remarks = (*answers.remarks, *remarks)
        self.others, self._read = others, read_probabilities
        self._kept, self._slicing = Shelf(64), slicing or Slicing()
        self.weak: Job[WeakSlices] = Job(lambda report: find_weak(self, report), "weak slices")

    # Figures

    @property
    def counts(self) -> Counts:
        """Confusion counts: int64, shape (tags, tags + 1)."""
        return self._kept.keep("counts", lambda: count(self.true, self.predicted, self.tags))

    @property
    def report(self) -> Report:
        """Overall and per tag, with intervals."""
        return self._kept.keep("report", lambda: report(self.counts))

    @property
    def chances(self) -> Chances | None:
        """What is kept of the probabilities; None where the run has none.

        Raises
        ------
        engine.errors.TagscopeError
            They cannot be used.
        """
        return self._answered[1]

    @property
    def outcomes(self) -> Outcomes:
        """What became of each example.

        Raises
        ------
        engine.errors.TagscopeError
            The probabilities cannot be used; `correct` is known all the same.
        """
        return self._answered[0]

    @property
    def _answered(self) -> tuple[Outcomes, Chances | None]:
        """Both, because all probabilities are there at once only while these are made."""

        def make() -> tuple[Outcomes, Chances | None]:
            matrix = self._read()
            if matrix is None:
                return outcomes(self.true, self.predicted, self.tags), None
            # Here, where run, rows and tags have names; what is computed of it asks again and finds nothing.
            matrix = bounded(matrix, run=self.run_id, ids=self.ids, labels=self.labels)
            return outcomes(self.true, self.predicted, self.tags, matrix), chances_of(matrix, self.true)

        return self._kept.keep("answered", make)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the answer: float32, shape (n,).

        Raises
        ------
        engine.errors.DataError
            The run has no probabilities.
        """
        found = self.outcomes.confidence
        if found is None:
            raise DataError(_NO_PROBABILITIES.format(self.run_id))
        return found

    @property
    def coverage(self) -> Coverage:
        """Coverage and precision by threshold; raises as `confidence`."""

        def make() -> Coverage:
            other = self.true == self.labels.index(OTHER) if OTHER in self.labels else None
            return Coverage(self.confidence, self.correct, other)

        return self._kept.keep("coverage", make)

    @property
    def calibration(self) -> Calibration:
        """Reliability curve and ECE; raises as `confidence`."""
        return self._kept.keep("calibration", lambda: calibration(self.confidence, self.correct))

    def probabilities(self) -> np.ndarray:
        """Read all probabilities: float32, shape (n, labels); 40 MB for 200,000 rows of 50 tags, so nobody keeps them.

        Raises
        ------
        engine.errors.TagscopeError
            The run has none, or they cannot be read.
        """
        matrix = self._read()
        if matrix is None:
            raise DataError(_NO_PROBABILITIES.format(self.run_id))
        return bounded(matrix, run=self.run_id, ids=self.ids, labels=self.labels)

    # Slices

    @property
    def slices(self) -> Slices:
        """The slices that are defined now; one that cannot be used stands among their `problems`.

        The file of slices is read whenever this is asked for, so a slice that somebody has just saved is among them;
        only the rows of those that are new are looked for.

        Raises
        ------
        engine.errors.TagscopeError
            The data set is not here, or the file of slices cannot be used.
        """
        if self.dataset is None:
            raise DataError(
                f"There are no slices, because the data set {self.manifest.dataset.digest} of run {self.run_id} is not "
                "here; copy it into data/datasets."
            )
        return self._slicing.slices(self, all_slices())

    @property
    def slice_names(self) -> tuple[str, ...]:
        """Names of the slices that can be used; empty where there are none for whatever reason."""
        try:
            return tuple(self.slices.masks)
        except TagscopeError:
            return ()

    def slice_mask(self, name: str) -> np.ndarray:
        """Return the rows of a slice: bool, shape (n,).

        Raises
        ------
        engine.errors.TagscopeError
            There is no such slice, or it cannot be used.
        """
        slices = self.slices
        if name in slices.masks:
            return slices.masks[name]
        if name in slices.problems:
            raise SelectionError(slices.problems[name])
        known = ", ".join(plain_text(one, 40) for one in list(slices.masks)[:6]) or "none"
        raise SelectionError(f"There is no slice “{plain_text(name, 60)}” (there: {known}); choose another one.")

    def slice_shares(self) -> dict[str, Estimate]:
        """Return the share of right answers by slice (its micro F1 where every row is answered); quick for hundreds."""
        return {
            name: proportion(int(np.count_nonzero(self.correct & mask)), int(np.count_nonzero(mask)))
            for name, mask in self.slices.masks.items()
        }

    def slice_report(self, name: str) -> Report:
        """Return the report of one slice; raises as `slice_mask`. Some 60 ms the first time."""
        mask = self.slice_mask(name)
        key = ("slice", name, self.slices.definitions[name])
        return self._kept.keep(
            key, lambda: report(count_slices(self.true, self.predicted, self.tags, {name: mask})[name])
        )

    # Examples

    def needs(self, selection: ExampleSelection) -> Job[Any] | None:
        """Return the work without which a selection cannot be told, if it is not done; `mask` would wait for it."""
        return self.weak if selection.weak and self.weak.status.state != "done" else None

    def mask(self, selection: ExampleSelection) -> np.ndarray:
        """Return the examples that are meant: bool, shape (n,).

        Raises
        ------
        engine.errors.TagscopeError
            The selection names what this run does not have; one sentence says what.
        """
        return mask_of(self, selection)

    def positions(self, selection: ExampleSelection, order: str = "") -> np.ndarray:
        """Return the positions of the examples that are meant: int64, shape (m,).

        Parameters
        ----------
        selection : ExampleSelection
            As for `mask`.
        order : str
            Empty for that of the file; ``confident`` and ``unsure`` for the highest and the lowest probability of the
            answer first, ``surprised`` for the lowest probability of the true tag first; with a flip ``moved`` for
            the greatest change of the probability of the true tag.

        Raises
        ------
        engine.errors.TagscopeError
            As `mask`; or an order needs probabilities and there are none.
        """
        rows = np.flatnonzero(self.mask(selection))
        if not order:
            return rows
        values = self._order(selection, order)
        return np.asarray(rows[np.argsort(values[rows], kind="stable")])

    def _order(self, selection: ExampleSelection, order: str) -> np.ndarray:
        """Return a number per row by which the rows are sorted."""
        confidence, chances = self.confidence, self.chances
        if order in ("confident", "unsure"):
            return -confidence if order == "confident" else confidence
        if order == "surprised" and chances is not None:
            return chances.truth
        if order == "moved" and selection.flip:
            pair = self.others.pair(selection.against, self.run_id)
            values = np.zeros(self.rows, np.float32)
            values[pair.shared.rows_after] = -np.abs(pair.moved(self.others.get(selection.against), self))
            return values
        raise SelectionError(
            f"These examples have no order “{plain_text(order, 60)}”; choose confident, unsure, surprised or, where "
            "two runs are compared, moved."
        )

    def examples(self, rows: Iterable[int]) -> list[Example]:
        """Return examples by their positions, as for one page; without probabilities where they cannot be used."""
        return examples_of(self, rows)

    def texts(self, rows: np.ndarray) -> list[str | None]:
        """Return the texts of rows (int64, shape (m,)); None for each without a data set."""
        if self.dataset is None or self.places is None:
            return [None] * len(rows)
        return [str(text) for text in self.dataset.frame["text"].iloc[self.places[rows]].tolist()]

    def answer(self, row: int) -> str:
        """Return the predicted tag of a row by name, also one that is none of `tags`."""
        return self.answers.tags[int(self.answers.predicted[row])]

    def row_of(self, name: str) -> int:
        """Return the position of an id, -1 if it was not judged."""
        found = np.flatnonzero(self.ids == name)
        return int(found[0]) if len(found) else -1

    def code(self, tag: str) -> int:
        """Return the position of a tag in `tags`.

        Raises
        ------
        SelectionError
            The run has no such tag.
        """
        if tag not in self.tags:
            known = ", ".join(plain_text(one, 40) for one in self.tags[:6])
            raise SelectionError(
                f"Run {self.run_id} has no tag “{plain_text(tag, 60)}” (it has {known}"
                f"{', …' if len(self.tags) > 6 else ''}); choose one of these."
            )
        return self.tags.index(tag)


def _coded(answers: Answers) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return the tags that count, and the codes of true and predicted tags in them; see `engine.evaluation.counts`."""
    known = len(answers.labels)
    occurs = np.zeros(len(answers.tags), bool)
    occurs[:known] = True
    occurs[answers.true] = True
    if occurs.all():
        return answers.tags, answers.true, answers.predicted
    table = np.where(occurs, np.cumsum(occurs) - 1, int(occurs.sum())).astype(np.int64)
    tags = tuple(tag for tag, there in zip(answers.tags, occurs, strict=True) if there)
    return tags, table[answers.true], table[answers.predicted]
