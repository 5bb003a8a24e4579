"""What is worked out of several runs in a thread: their history, its points, and the matrices against a base."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dashboard.sections.compare.courses import by_tag_of, patterns_of
from dashboard.sections.compare.matrix import Matrix, matrix_of
from dashboard.sections.compare.matrix_view import Head
from dashboard.sections.compare.timeline import Point, points_of
from dashboard.sections.compare.words import point_name
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    import numpy as np

    from dashboard.catalogue import Catalogue
    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.history import RunHistory
    from dashboard.sections.compare.family import Family

MOST_COLUMNS = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Followed:
    """Several runs, ready to be shown; made by `follow_runs`.

    Parameters
    ----------
    family : Family
        The runs that there are.
    history : RunHistory
        Of those that are looked at.
    points : list of Point
        The figure of each.
    by_tag : numpy.ndarray
        Courses by true tag, int64[tags, courses].
    patterns : dict of str to int
        The most frequent patterns.
    """

    family: Family
    history: RunHistory
    points: list[Point]
    by_tag: np.ndarray
    patterns: dict[str, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Matrices:
    """The matrices of several runs against a base, what stands above their columns, and what is to be said of them."""

    tags: Matrix
    slices: Matrix
    heads: dict[str, Head]
    remarks: tuple[str, ...]


def follow_runs(
    catalogue: Catalogue, family: Family, after: str, before: str, order: str, metric: str
) -> Followed | str:
    """Follow the runs of a family, of which `after` is on show and `before` its base; a sentence where that fails."""
    if family.problem:
        return family.problem
    evaluations = catalogue.evaluations
    try:
        reference = evaluations.reference(family.chosen, after, before)
        history = evaluations.history(family.chosen, order, reference)
        points = points_of(history, metric, evaluations, lambda point: point_name(point, order))
    except TagscopeError as error:
        return sentence_of(error)
    return Followed(family, history, points, by_tag_of(history), patterns_of(history))


def compare_runs(catalogue: Catalogue, followed: Followed, base: str, order: str) -> Matrices:
    """Compare the runs that are followed with one of them, at most `MOST_COLUMNS`: the last ones in their order."""
    points = {point.run_id: point for point in followed.history.points}
    others = [run_id for run_id in (*points, *followed.history.left_out) if run_id != base]
    pairs: list[RunPair] = []
    said: list[str] = []
    for run_id in reversed(others):
        # One that cannot be read takes no other's column.
        if len(pairs) == MOST_COLUMNS:
            said.append(f"Shown are the last {MOST_COLUMNS} of {len(others)} runs.")
            break
        try:
            pairs.append(catalogue.evaluations.pair(base, run_id))
        except TagscopeError as error:
            said.append(sentence_of(error))
    pairs.reverse()
    models = {entry.run_id: entry.manifest.model for entry in followed.family.entries}
    heads = {}
    for run_id in (base, *(pair.after for pair in pairs)):
        point, model = points.get(run_id), models.get(run_id, "")
        title = point_name(point, order) if point is not None else run_id[:8]
        heads[run_id] = Head(title, f"{model} {run_id[:8]}".strip(), f"Show run {run_id}")
    said += [pair.refusal for pair in pairs if pair.refusal]
    tags, slices = (matrix_of(base, pairs, kind) for kind in ("tags", "slices"))
    return Matrices(tags, slices, heads, tuple(dict.fromkeys(said)))
