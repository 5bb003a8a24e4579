"""Problems: what is wrong with a file, where, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LISTED = 20
"""How many problems of one kind loading lists; the rest is counted."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a file.

    Parameters
    ----------
    row : int or None
        The line of the file on which the row starts, as an editor shows it (the header is line 1); None for the
        whole file.
    column : str or None
        The column, by its name in the header.
    kind : str
        A stable short name, such as ``"ragged-row"``.
    message : str
        What is wrong, as a part of a sentence.
    remedy : str
        What to do about it, as a part of a sentence.
    fatal : bool
        Whether the file cannot be loaded because of it.
    spreadsheet_row : int or None
        The number that a spreadsheet shows for the row, where line breaks inside cells make it differ from `row`.
    more : int
        For an entry that sums up problems that are not listed: how many.
    """

    row: int | None
    column: str | None
    kind: str
    message: str
    remedy: str
    fatal: bool
    spreadsheet_row: int | None = None
    more: int = 0

    @property
    def place(self) -> str:
        """Where it is, in words; empty for the whole file."""
        parts = []
        if self.row is not None:
            parts.append(f"line {self.row}")
            if self.spreadsheet_row is not None and self.spreadsheet_row != self.row:
                parts[-1] += f" (row {self.spreadsheet_row} in a spreadsheet)"
        if self.column is not None:
            parts.append(f"column {quoted(self.column)}")
        return ", ".join(parts)

    def sentence(self, path: object) -> str:
        """Return one sentence for people: file, place, what is wrong, what to do."""
        where = f"{path}, {self.place}" if self.place else f"{path}"
        return f"{where}: {self.message}; {self.remedy}."


class ProblemList:
    """Collects problems, at most `limit` of each kind, and counts the others.

    Parameters
    ----------
    limit : int or None, optional
        How many of one kind are kept; None keeps all.

    Attributes
    ----------
    mended : set of (int, str)
        Line and column of the cells in which reading put U+FFFD for what cannot be a character. They have been
        reported, all of them, so that nobody takes the U+FFFD for one that stands in the file.
    """

    def __init__(self, limit: int | None = LISTED) -> None:
        self.mended: set[tuple[int, str]] = set()
        self._limit = limit
        self._listed: dict[str, list[Problem]] = {}
        self._more: dict[str, int] = {}

    def add(
        self,
        kind: str,
        message: str,
        remedy: str,
        *,
        row: int | None = None,
        column: str | None = None,
        fatal: bool = True,
        spreadsheet_row: int | None = None,
    ) -> None:
        """Add one problem; past the limit of its kind it is only counted."""
        listed = self._listed.setdefault(kind, [])
        if self._limit is not None and len(listed) >= self._limit:
            self._more[kind] = self._more.get(kind, 0) + 1
            return
        listed.append(Problem(row, column, kind, message, remedy, fatal, spreadsheet_row))

    def add_each(self, items: Sequence[int], add: Callable[[int], None], kind: str) -> None:
        """Call `add` for the first items and only count the rest as problems of `kind`."""
        for item in items[: self._limit]:
            add(int(item))
        if self._limit is not None and len(items) > self._limit:
            self._more[kind] = self._more.get(kind, 0) + len(items) - self._limit

    @property
    def fatal(self) -> bool:
        """Whether a problem so far is fatal."""
        return any(problem.fatal for problems in self._listed.values() for problem in problems)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the problems so far."""
        return frozenset(self._listed)

    def sorted(self) -> list[Problem]:
        """Return the problems: those of the whole file, those of rows by row, then the counts of what is not listed."""
        problems = [problem for listed in self._listed.values() for problem in listed]
        problems.sort(key=lambda problem: (problem.row or 0, not problem.fatal))
        for kind, count in self._more.items():
            last = self._listed[kind][-1]
            noun = "problem" if count == 1 else "problems"
            message = f"{count:,} more {noun} of the kind {kind} not listed here"
            problems.append(Problem(None, last.column, kind, message, last.remedy, last.fatal, None, count))
        return problems


def quoted(text: str, limit: int = 60) -> str:
    """Return a user's text in quotes on one line, shortened, with what cannot be printed escaped."""
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short) + '"'


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Return names in quotes, separated by commas, with a count of those past `limit`."""
    text = ", ".join(quoted(name) for name in names[:limit])
    return f"{text} and {len(names) - limit} more" if len(names) > limit else text
