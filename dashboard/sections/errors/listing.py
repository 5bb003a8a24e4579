"""The examples on show: found in a thread, one page of them with all that a card says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dashboard.evaluation.example import Example
from dashboard.evaluation.selection import WRONG, ExampleSelection, parse_selection
from dashboard.job import Job
from dashboard.sections.errors.conditions import count_kinds
from dashboard.text import plain_text, sentence_of
from engine.dataset.fields import OTHER
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from dashboard.evaluation.evaluation import Evaluation

PAGE_SIZE = 10


class Wanted(msgspec.Struct, frozen=True):
    """What the state says: the text of a selection, an order, a page from 1, and the id of the open example."""

    examples: str = ""
    sort: str = ""
    page: str = ""
    example: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One example on the page.

    `truth` is the probability of the true tag and `rank` its place from 1; both None where nobody knows them.
    `instead` is the answer that takes the place of the model's, where the selection has a threshold, this example is
    below it and the model answers another one; else empty.
    """

    example: Example
    truth: float | None = None
    rank: int | None = None
    instead: str = ""

    @property
    def answer(self) -> str:
        """The tag that is answered."""
        return self.instead or self.example.predicted

    @property
    def correct(self) -> bool:
        """Whether it is the true one."""
        return self.example.correct if not self.instead else self.instead == self.example.true


class Listing(msgspec.Struct, frozen=True, eq=False):
    """What was found.

    Parameters
    ----------
    wanted : Wanted
        What was asked for.
    selection : ExampleSelection
        As it was read; that of wrong answers where it cannot be.
    rows : numpy.ndarray
        int64, shape (m,): positions of all examples that are meant, in their order.
    number : int
        Which page, from 0: that of the open example, if it is among them.
    entries : tuple of Entry
        Of this page.
    apart : Entry or None
        The open example, if it is none of those that are meant.
    counts : dict of str to int or None
        By kind, as `count_kinds` gives them.
    problem : str
        What of the state cannot be used, in a sentence.
    job : Job or None
        Work that has to be done before the examples can be told.
    """

    wanted: Wanted
    selection: ExampleSelection
    rows: np.ndarray
    number: int = 0
    entries: tuple[Entry, ...] = ()
    apart: Entry | None = None
    counts: dict[str, int | None] = {}
    problem: str = ""
    job: Job[object] | None = None

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-len(self.rows) // PAGE_SIZE))

    @property
    def opened(self) -> Entry | None:
        """The open example, if it is on show."""
        entries = (*((self.apart,) if self.apart else ()), *self.entries)
        return next((entry for entry in entries if entry.example.id == self.wanted.example), None)

    def row_of(self, text: str) -> int | None:
        """Return the position that a click names, if it is one of these examples.

        A click can come late, when those of another selection or of another run are listed.
        """
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            return None
        row = int(text)
        is_apart = self.apart is not None and self.apart.example.row == row
        return row if is_apart or bool((self.rows == row).any()) else None


def find(evaluation: Evaluation, wanted: Wanted, before: Listing | None = None) -> Listing:
    """Find the examples that the state means; what of it cannot be used is a sentence, and the rest works.

    Parameters
    ----------
    evaluation
        Of the run on show.
    wanted
        What the state says.
    before
        What was found for the same run before: its rows stand, where only the page or the open example changed.
    """
    nothing = np.empty(0, np.int64)
    try:
        selection = parse_selection(wanted.examples)
    except TagscopeError as error:
        return Listing(wanted, WRONG, nothing, problem=sentence_of(error))
    job = evaluation.needs(selection)
    if job is not None:
        return Listing(wanted, selection, nothing, job=job)
    same = before is not None and before.job is None and _rows_of(before.wanted) == _rows_of(wanted)
    if before is not None and same:
        rows, counts, problem = before.rows, before.counts, before.problem
    else:
        rows, counts, problem = _positions(evaluation, selection, wanted.sort)
    number = min(int(wanted.page) - 1, max(0, -(-len(rows) // PAGE_SIZE) - 1)) if _is_page(wanted.page) else 0
    apart = None
    if wanted.example:
        row = evaluation.row_of(wanted.example)
        among = np.flatnonzero(rows == row)
        if row < 0:
            problem = f"{problem} {_stranger(evaluation, wanted.example)}".strip()
        elif len(among):
            number = int(among[0]) // PAGE_SIZE
        else:
            apart = _entries(evaluation, np.array([row]), selection)[0]
    shown = rows[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]
    return Listing(wanted, selection, rows, number, _entries(evaluation, shown, selection), apart, counts, problem)


def _positions(
    evaluation: Evaluation, selection: ExampleSelection, sort: str
) -> tuple[np.ndarray, dict[str, int | None], str]:
    """Return the rows, the counts by kind, and what cannot be used."""
    try:
        counts = count_kinds(evaluation, selection)
    except TagscopeError:
        counts = {}
    try:
        rows = evaluation.positions(selection)
    except TagscopeError as error:
        return np.empty(0, np.int64), counts, sentence_of(error)
    try:
        return (evaluation.positions(selection, sort) if sort else rows), counts, ""
    except TagscopeError as error:
        # Without their order the examples are there all the same.
        return rows, counts, sentence_of(error)


def _rows_of(wanted: Wanted) -> tuple[str, str]:
    return wanted.examples, wanted.sort


def _is_page(page: str) -> bool:
    return page.isascii() and page.isdecimal() and len(page) < 10 and int(page) > 0


def _stranger(evaluation: Evaluation, name: str) -> str:
    return (
        f"Run {evaluation.run_id} was not judged on an example “{plain_text(name, 60)}”; choose one of those below, or "
        "another run."
    )


def _entries(evaluation: Evaluation, rows: np.ndarray, selection: ExampleSelection) -> tuple[Entry, ...]:
    examples = evaluation.examples(rows)
    try:
        chances = evaluation.chances
    except TagscopeError:
        chances = None
    known = evaluation.true[rows] < len(evaluation.labels)
    entries = []
    for one, there in zip(examples, known.tolist(), strict=True):
        below = one.confidence is not None and one.confidence < (selection.other_below or 0.0)
        instead = OTHER if below and one.predicted != OTHER and OTHER in evaluation.tags else ""
        if chances is None or not there:
            entries.append(Entry(one, instead=instead))
        else:
            entries.append(Entry(one, float(chances.truth[one.row]), int(chances.ranks[one.row]) + 1, instead))
    return tuple(entries)
