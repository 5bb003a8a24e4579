"""What every finding gives: rows with a score, a sentence that explains, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pandas as pd

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.findings.context import Context

Group = Literal["labelling", "data", "preprocessing"]
GROUPS: tuple[Group, ...] = ("labelling", "data", "preprocessing")
_COUNTS = ("rows", "empty_rows")
_NOT_SHARES = ("z", "residual")
ROW_COLUMNS = ("position", "score", "affected", "proposed_tag", "other_id", "note")


class FindingError(TagscopeError):
    """A finding cannot be computed on this data, or findings cannot be kept or asked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What the function of a finding returns.

    Parameters
    ----------
    sentence : str
        Explains with the numbers.
    rows : pandas.DataFrame
        As `rows_frame` makes it.
    table : list of dict, optional
        Figures that belong to no single row, such as one entry per pair of tags; values are text or numbers, the most
        important first.
    noteworthy : bool, optional
        Whether something was found although no row is affected, such as words that vanished.
    """

    sentence: str
    rows: pd.DataFrame
    table: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    noteworthy: bool = False


@dataclasses.dataclass(frozen=True)
class Spec:
    """A registered finding.

    Parameters
    ----------
    kind : str
        Its name, for commands and files: lower-case words with hyphens.
    group : str
        One of `GROUPS`.
    title : str
        Its name, for people.
    advice : str
        What to do about it.
    harm : float
        In [0, 1]: how much one affected row harms a model or the trust in its figures; it ranks findings.
    needs : tuple of str
        The expensive inputs of `Context` that it reads, so that progress can be told.
    compute : callable
        From a `Context` to a `Result`; raises `FindingError` where the data does not allow it.
    """

    kind: str
    group: Group
    title: str
    advice: str
    harm: float
    needs: tuple[str, ...]
    compute: Callable[[Context], Result]


class Finding(msgspec.Struct, frozen=True):
    """One finding on one data set, without its rows.

    Parameters
    ----------
    kind, group, title, advice : str
        As in `Spec`.
    sentence : str
        What was found, with the numbers; or why it could not be looked for.
    affected : int
        How many rows are affected.
    total : int
        How many rows were looked at.
    severity : float
        In [0, 1]: harm times the square root of the share of affected rows, so that little of what is harmful comes
        before much of what is not.
    computed : bool
        False where the data does not allow it.
    table : list of dict
        As in `Result`.
    noteworthy : bool
        Whether there is anything to tell: rows are affected, or the finding says so itself. Else nothing was found.
    """

    kind: str
    group: Group
    title: str
    sentence: str
    advice: str
    affected: int
    total: int
    severity: float
    computed: bool
    table: list[dict[str, Any]] = []
    noteworthy: bool = False

    @property
    def figures(self) -> list[dict[str, str]]:
        """The table for people: names without underscores, numbers as they are read, no line that counts nothing."""
        return [
            {name.replace("_", " "): _figure(name, value) for name, value in entry.items()}
            for entry in self.table
            if all(entry.get(name) != 0 for name in _COUNTS)
        ]


def rows_frame(
    positions: np.ndarray,
    scores: np.ndarray,
    *,
    affected: np.ndarray | None = None,
    proposed_tag: Sequence[str | None] | np.ndarray | None = None,
    other_id: Sequence[str | None] | np.ndarray | None = None,
    note: Sequence[str | None] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Put the rows of a finding into their form, the worst first.

    Parameters
    ----------
    positions : numpy.ndarray
        Int, shape (m,): positions in the data set's frame, all different.
    scores : numpy.ndarray
        Float, shape (m,), in [0, 1]; higher is more worth looking at.
    affected : numpy.ndarray, optional
        Bool, shape (m,): rows that count as affected; the others only have a score. All by default.
    proposed_tag, other_id, note : sequence of str or None, optional
        Length m: the tag that seems right, the id of the row that it is about, and words for people.

    Returns
    -------
    pandas.DataFrame
        Columns `ROW_COLUMNS`: int32, float32, bool, and three of str.

    Raises
    ------
    ValueError
        A score is no number or lies outside [0, 1].
    """
    scores = np.asarray(scores, np.float64)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score lies outside [0, 1]")
    count = len(scores)
    marks = np.ones(count, bool) if affected is None else np.asarray(affected, bool)
    frame = pd.DataFrame(
        {
            "position": np.asarray(positions, np.int32),
            "score": scores.astype(np.float32),
            "affected": marks,
            **{
                name: pd.Series([None] * count if values is None else list(values), dtype="str")
                for name, values in (("proposed_tag", proposed_tag), ("other_id", other_id), ("note", note))
            },
        }
    )
    order = np.lexsort((frame["position"], -frame["score"], ~marks))
    return frame.iloc[order].reset_index(drop=True)


def _figure(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if name in _NOT_SHARES else f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
