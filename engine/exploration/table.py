"""The table: the columns of a data set as they are looked at, compact and never changed.

In: a `Dataset` and what is known of its rows (splits, predictions, outcomes, findings, lengths in tokens).
Out: `Table`, which holds texts in Arrow, without a copy, and everything else as one number per row.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.problems import listed, quoted
from engine.exploration.categories import NONE, Categories, strings
from engine.exploration.filter import FilterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from engine.dataset.content import Dataset

NO_DAY = np.iinfo(np.int32).min
"""The day of a row without date."""

FINDING_PREFIX = "finding:"
"""Before the name of a finding, where it is a column: its score."""

FIRST_DAY = int(np.datetime64("0001-01-01", "D").astype(np.int64))
LAST_DAY = int(np.datetime64("9999-12-31", "D").astype(np.int64))


@dataclasses.dataclass(frozen=True, eq=False)
class FoundRows:
    """What one finding says of n rows.

    Parameters
    ----------
    rows : numpy.ndarray
        bool [n]: which are affected.
    scores : numpy.ndarray
        float32 [n]: how much, in [0, 1].
    """

    rows: NDArray[np.bool_]
    scores: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The columns of n rows. Nobody changes an array of it: every visitor sees the same ones.

    Parameters
    ----------
    digest : str
        Of the data set.
    strings : mapping of str to pyarrow.LargeStringArray
        ``id``, the text fields under their column names, and ``text``, which is all of them together.
    line : numpy.ndarray
        int64 [n]: the line of the file.
    tag : Categories
        Of each row.
    created : numpy.ndarray
        int64 [n]: microseconds since 1970 in UTC; the smallest int64 where there is no date.
    categories : mapping of str to Categories
        Those of ``split``, ``outcome`` and ``predicted`` that are known.
    confidence : numpy.ndarray, optional
        float32 [n]: probability of the predicted tag.
    tokens : numpy.ndarray, optional
        int32 [n]: length in tokens of the model, before it is cut.
    token_limit : int, optional
        How many of them the model reads.
    findings : mapping of str to FoundRows
        By name.
    """

    digest: str
    strings: Mapping[str, pa.LargeStringArray]
    line: NDArray[np.int64]
    tag: Categories
    created: NDArray[np.int64]
    categories: Mapping[str, Categories] = dataclasses.field(default_factory=dict)
    confidence: NDArray[np.float32] | None = None
    tokens: NDArray[np.int32] | None = None
    token_limit: int | None = None
    findings: Mapping[str, FoundRows] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, **columns: Any) -> Table:
        """Make the table of a data set.

        Parameters
        ----------
        dataset : Dataset
            n rows.
        **columns
            As for `with_columns`.
        """
        frame = dataset.frame
        names = ["id", *dataset.fields.text_columns, "text"]
        table = cls(
            dataset.digest,
            {name: strings(frame[name]) for name in names},
            frame["row"].to_numpy(np.int64),
            Categories.of(frame["tag"]),
            frame["created"].to_numpy("datetime64[us]").astype(np.int64),
        )
        return table.with_columns(**columns)

    def __len__(self) -> int:
        return len(self.line)

    def with_columns(
        self,
        *,
        split: Any = None,
        outcome: Any = None,
        predicted: Any = None,
        confidence: Any = None,
        tokens: Any = None,
        token_limit: int | None = None,
        findings: Mapping[str, FoundRows] | None = None,
    ) -> Table:
        """Return a table with further columns, or others, which shares everything else with this one.

        Parameters
        ----------
        split, outcome, predicted : sequence of str, optional
            One value per row, or None.
        confidence : array of float, optional
            One per row.
        tokens : array of int, optional
            One per row.
        token_limit : int, optional
            With `tokens`.
        findings : mapping of str to FoundRows, optional
            They are added to those that are there.

        Raises
        ------
        FilterError
            If a column has another number of rows.
        """
        given = {"split": split, "outcome": outcome, "predicted": predicted}
        changed: dict[str, Any] = {
            "categories": {
                **self.categories,
                **{name: Categories.of(values) for name, values in given.items() if values is not None},
            },
            "findings": {**self.findings, **(findings or {})},
        }
        if confidence is not None:
            changed["confidence"] = np.asarray(confidence, np.float32)
        if tokens is not None:
            changed["tokens"] = np.asarray(tokens, np.int32)
        if token_limit is not None:
            changed["token_limit"] = token_limit
        columns = {
            **changed["categories"],
            **{name: changed[name] for name in ("confidence", "tokens") if name in changed},
        }
        for name, found in changed["findings"].items():
            columns |= {f"{FINDING_PREFIX}{name}": found.rows, f"scores of {name}": found.scores}
        for name, column in columns.items():
            if len(column) != len(self):
                raise FilterError(
                    f"The column {quoted(name)} has {len(column):,} rows, but the data set has {len(self):,}; it "
                    "belongs to other data, so compute it again."
                )
        return dataclasses.replace(self, **changed)

    @functools.cached_property
    def days(self) -> NDArray[np.int32]:
        """Days since 1970 in UTC, `NO_DAY` where there is no date between the years 1 and 9999; int32 [n]."""
        days = np.floor_divide(self.created, 86_400_000_000)
        known = (days >= FIRST_DAY) & (days <= LAST_DAY)
        return np.where(known, days, NO_DAY).astype(np.int32)

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that a page shows and sorts by; ``words`` is added once words are counted."""
        optional = {"confidence": self.confidence, "tokens": self.tokens}
        return (
            *(name for name in self.strings if name != "text"),
            "text",
            "row",
            "tag",
            "created",
            "words",
            *self.categories,
            *(name for name, values in optional.items() if values is not None),
            *(f"{FINDING_PREFIX}{name}" for name in self.findings),
        )

    def category(self, name: str) -> Categories:
        """Return the column ``tag``, ``split``, ``outcome`` or ``predicted``.

        Raises
        ------
        FilterError
            If it is not known for these rows.
        """
        if name == "tag":
            return self.tag
        if name not in self.categories:
            raise FilterError(
                f"Nothing is known of the {name} of these rows; choose a run of this data set, or take the condition "
                "out."
            )
        return self.categories[name]

    def finding(self, name: str) -> FoundRows:
        """Return a finding.

        Raises
        ------
        FilterError
            If there is none of this name.
        """
        if name not in self.findings:
            known = f"choose one of {listed(list(self.findings))}" if self.findings else "compute the findings first"
            raise FilterError(f"There is no finding {quoted(name)} of these rows; {known}.")
        return self.findings[name]

    @property
    def may_be_missing(self) -> tuple[str, ...]:
        """Names of the columns in which a row can have nothing."""
        return (*(name for name in self.strings if name != "text"), "tag", "created", *self.categories)

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Return which rows have nothing, or white space only, in a column; bool [n].

        Raises
        ------
        FilterError
            If the column cannot be asked so.
        """
        if name not in self.may_be_missing:
            raise FilterError(f"There is no column {quoted(name)}; choose one of {listed(self.may_be_missing)}.")
        if name == "created":
            return np.asarray(self.days == NO_DAY)
        if name in self.strings:
            column = self.strings[name]
            blank = pc.or_kleene(column.is_null(), pc.equal(pc.utf8_trim_whitespace(column), ""))
            return np.asarray(blank.to_numpy(zero_copy_only=False), bool)
        return np.asarray(self.category(name).codes == NONE)
