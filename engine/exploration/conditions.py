"""Conditions: what a filter asks of a row, one by one. Each is answered for all rows once and kept."""

from __future__ import annotations

import datetime
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.problems import quoted
from engine.exploration.filter import Filter, FilterError, Lengths
from engine.exploration.masks import MaskCache
from engine.exploration.progress import check
from engine.exploration.query import Pattern, Phrase, parse_query
from engine.exploration.selection import Selection
from engine.exploration.table import NO_DAY
from engine.exploration.text_map import PLACE, TextMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from engine.exploration.table import Table
    from engine.exploration.words import Words

CATEGORY_OF = {"tags": "tag", "splits": "split", "outcomes": "outcome", "predicted": "predicted"}
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_ROWS_AT_ONCE = 32_768
# Below this share of the rows it is faster to read only those that the other conditions leave.
_FEW = 0.25


class Conditions:
    """Answers filters on a table.

    Parameters
    ----------
    table : Table
        n rows.
    words : callable
        Returns the table's `Words`; waits until they are there.
    text_map : callable
        Returns its `TextMap`, or raises a `FilterError` if there is none yet.
    cache_bytes : int
        Bound of the masks that are kept.
    threads : int
        How many read texts at the same time for a regular expression.
    """

    def __init__(
        self,
        table: Table,
        words: Callable[[], Words],
        text_map: Callable[[], TextMap],
        *,
        cache_bytes: int,
        threads: int,
    ) -> None:
        self._table = table
        self._words = words
        self._text_map = text_map
        self._threads = threads
        self.cache = MaskCache(cache_bytes)
        # What somebody looks at is there once, whole; what was looked at before lies packed in the cache.
        self._held: weakref.WeakValueDictionary[Filter, Selection] = weakref.WeakValueDictionary()
        self._holding = threading.Lock()

    def select(self, filter: Filter, stop: Callable[[], bool] | None = None) -> Selection:
        """Return the rows that meet a filter; see `engine.exploration.explorer.Explorer.select`."""
        held = self._held.get(filter)
        if held is not None:
            return held
        kept = self.cache.get(filter)
        if kept is not None:
            return self._hold(Selection(filter, kept))
        mask = np.ones(len(self._table), bool)
        patterns = []
        for condition in _conditions(filter):
            check(stop)
            if isinstance(condition[1], Pattern) and self.cache.get(condition) is None:
                patterns.append(condition)
            else:
                mask &= self._mask(condition, stop)
        for condition in patterns:  # last: they read texts, and may need to read only some
            if np.count_nonzero(mask) < _FEW * len(mask):
                mask &= self._matching(condition[1], mask, stop)
            else:
                mask &= self._mask(condition, stop)
        mask.flags.writeable = False
        self.cache.put(filter, mask)
        return self._hold(Selection(filter, mask))

    def _hold(self, selection: Selection) -> Selection:
        """Return the selection of this filter that others hold; this one if nobody does."""
        with self._holding:
            return self._held.setdefault(selection.filter, selection)

    def _mask(self, condition: tuple[str, Any], stop: Callable[[], bool] | None) -> NDArray[np.bool_]:
        """Return the rows that meet one condition, from the cache if they are there."""
        mask = self.cache.get(condition)
        if mask is None:
            mask = self._answer(*condition, stop)
            self.cache.put(condition, mask)
        return mask

    def _answer(self, name: str, value: Any, stop: Callable[[], bool] | None) -> NDArray[np.bool_]:
        """Find the rows that meet one condition."""
        table = self._table
        match name:
            case "tags" | "splits" | "outcomes" | "predicted":
                column = CATEGORY_OF[name]
                return table.category(column).among(value, column)
            case "text" if isinstance(value, Phrase):
                return self._words().rows_with(value)
            case "text":
                return self._matching(value, np.ones(len(table), bool), stop)
            case "created":
                days = table.days
                first = NO_DAY + 1 if value.first is None else value.first.toordinal() - _EPOCH
                return np.asarray((days >= first) & (days <= _last_day(value.last)))
            case "words":
                return _inside(self._words().lengths, value)
            case "tokens":
                if table.tokens is None:
                    raise FilterError("Nothing is known of tokens; choose a run of this data set.")
                return _inside(table.tokens, value)
            case "finding":
                return table.finding(value).rows
            case "missing" if value == PLACE:
                return self._text_map().nowhere()
            case "missing":
                return table.missing(value)
            case "polygon":
                return self._text_map().inside(value)
            case _:
                return self._with_ids(value)

    def _with_ids(self, ids: tuple[str, ...]) -> NDArray[np.bool_]:
        """Find rows by id."""
        try:
            wanted = pa.array(ids, pa.large_string())
        except UnicodeEncodeError:
            raise FilterError("An id has a character that is none; copy the link again.") from None
        column = self._table.strings["id"]
        found = pc.is_in(column, value_set=wanted).to_numpy(zero_copy_only=False)
        if np.count_nonzero(found) < len(set(ids)):
            known = set(column.filter(pa.array(found)).to_pylist())
            lost = next(name for name in ids if name not in known)
            raise FilterError(f"The data has no row with the id {quoted(lost)}; it may be of another version.")
        return np.asarray(found)

    def _matching(
        self, pattern: Pattern, within: NDArray[np.bool_], stop: Callable[[], bool] | None
    ) -> NDArray[np.bool_]:
        """Find the rows out of `within` whose text matches a regular expression; Arrow lets go of Python's lock."""
        texts = self._table.strings["text"]
        mask = np.zeros(len(within), bool)

        def read(start: int) -> None:
            check(stop)
            here = within[start : start + _ROWS_AT_ONCE]
            part = texts[start : start + len(here)]
            if not here.all():
                part = part.filter(pa.array(here))
            hits = pc.match_substring_regex(part, pattern.pattern, ignore_case=pattern.ignore_case)
            mask[start : start + len(here)][here] = hits.fill_null(False).to_numpy(zero_copy_only=False)

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(read, range(0, len(within), _ROWS_AT_ONCE)))
        return mask


def _conditions(filter: Filter) -> Iterator[tuple[str, Any]]:
    """Yield what a filter asks for, in parts that are worth keeping."""
    for name in filter.__struct_fields__:
        value = getattr(filter, name)
        if name == "text":
            yield from (("text", part) for part in parse_query(value))
        elif name == "missing":
            yield from (("missing", column) for column in value)
        elif value is not None and value != ():
            yield name, value


def _last_day(last: datetime.date | None) -> int:
    """Return a day as a number, the last possible one for None."""
    return int(np.iinfo(np.int32).max) if last is None else last.toordinal() - _EPOCH


def _inside(column: NDArray[np.int32], lengths: Lengths) -> NDArray[np.bool_]:
    """Return which numbers lie in a range. Bounds may be any whole numbers, also such as no int32 can hold."""
    limits = np.iinfo(np.int32)
    least = limits.min if lengths.least is None else lengths.least
    most = limits.max if lengths.most is None else lengths.most
    if least > limits.max or most < limits.min:
        return np.zeros(len(column), bool)
    return np.asarray((column >= max(least, limits.min)) & (column <= min(most, limits.max)))
