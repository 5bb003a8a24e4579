"""The explorer: everything that a page asks about the rows of a data set.

In: a `Table` and filters. Out: selections, pages of rows, and, through `bars`, `timeline`, `histogram`, `terms`, what
the charts show. One explorer serves all visitors of a process; every method may be called from many threads.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.dataset.problems import listed, quoted
from engine.exploration.conditions import Conditions
from engine.exploration.filter import Filter, FilterError
from engine.exploration.order import Order, order_of_days
from engine.exploration.progress import StoppedError
from engine.exploration.table import FINDING_PREFIX, Table
from engine.exploration.words import read_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.exploration.selection import Selection
    from engine.exploration.text_map import TextMap
    from engine.exploration.words import Words

CACHE_BYTES = 64 * 2**20


class Explorer:
    """Filters, sorts and pages the rows of a table.

    Parameters
    ----------
    table : Table
        n rows.
    text_map : TextMap, optional
        Where the rows lie; `attach_map` gives it later.
    cache_bytes : int, optional
        Most bytes of masks that are kept, one bit per row and condition.
    threads : int, optional
        How many search texts at the same time for a regular expression; by default one per core, at most 4.

    Examples
    --------
    >>> explorer = Explorer(Table.of(dataset))  # doctest: +SKIP
    >>> explorer.page(explorer.select(Filter(text="transformer")), sort_by="words")  # doctest: +SKIP
    """

    def __init__(
        self,
        table: Table,
        *,
        text_map: TextMap | None = None,
        cache_bytes: int = CACHE_BYTES,
        threads: int | None = None,
    ) -> None:
        self.table = table
        self._cache_bytes = cache_bytes
        self._threads = threads or min(4, _cores())
        self._words = _LazyWords(table.strings["text"])
        self._orders = {name: _LazyOrder() for name in table.columns}
        self._map: TextMap | None = None
        self._conditions = self._new_conditions()
        if text_map is not None:
            self.attach_map(text_map)

    def _new_conditions(self) -> Conditions:
        return Conditions(self.table, self.words, self.text_map, cache_bytes=self._cache_bytes, threads=self._threads)

    def with_columns(self, **columns: Any) -> Explorer:
        """Return an explorer of the same rows with further columns, or others, such as those of another run.

        Words, map and the orders of all other columns are shared.

        Parameters
        ----------
        **columns
            As for `Table.with_columns`.
        """
        other = Explorer(self.table.with_columns(**columns), cache_bytes=self._cache_bytes, threads=self._threads)
        changed = {*columns, *(f"{FINDING_PREFIX}{name}" for name in columns.get("findings") or ())}
        other._words = self._words
        # Shared also before they are computed: what `prepare` sorts later on serves both.
        other._orders |= {name: order for name, order in self._orders.items() if name not in changed}
        if self._map is not None:
            other.attach_map(self._map)
        return other

    def prepare(self) -> threading.Thread:
        """Count words and sort columns beforehand, on a thread of its own that ends with the process.

        Nothing needs it: what is asked before is computed at once, and once.
        """

        def work() -> None:
            try:
                self.words()
                for name in self.table.columns:
                    if self._words.stopped:
                        break
                    self.order(name)
            except StoppedError:
                pass

        thread = threading.Thread(target=work, name="exploration", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Stop what `prepare` began; who waits for it gets a `StoppedError`."""
        self._words.stopped = True

    def words(self) -> Words:
        """Return the words of the texts; computed by the first who asks, while others wait."""
        return self._words.get()

    @property
    def words_share(self) -> float:
        """How much of the counting of words is done, 0 to 1."""
        return self._words.share

    def text_map(self) -> TextMap:
        """Return the map.

        Raises
        ------
        FilterError
            If none was attached yet.
        """
        if self._map is None:
            raise FilterError("The map of the texts is not there yet; wait until it is drawn.")
        return self._map

    def attach_map(self, text_map: TextMap) -> None:
        """Set the map, or another one; polygons then mean rows of this one.

        Raises
        ------
        FilterError
            If it is the map of another number of rows.
        """
        if len(text_map.points) != len(self.table):
            raise FilterError(
                f"The map has {len(text_map.points):,} points, but the data set {len(self.table):,} rows; compute it "
                "again."
            )
        self._map = text_map
        self._conditions = self._new_conditions()

    @property
    def cache_bytes(self) -> int:
        """Bytes of masks that are kept now."""
        return self._conditions.cache.bytes

    def select(self, filter: Filter | None = None, *, stop: Callable[[], bool] | None = None) -> Selection:
        """Return the rows that meet a filter.

        Each condition is answered once and kept, so a further one on a known filter costs only itself.

        Parameters
        ----------
        filter : Filter, optional
            By default all rows.
        stop : callable, optional
            Asked while texts are searched; if it returns True the search ends with a `StoppedError`.

        Raises
        ------
        FilterError
            If the filter has a bad query, or names something that the table does not have.
        """
        return self._conditions.select(filter or Filter(), stop)

    def order(self, column: str) -> Order:
        """Return the order of the rows by a column; computed once.

        Raises
        ------
        FilterError
            If there is no such column.
        """
        if column not in self._orders:
            self._values(column)  # raises, as there is no such column
        return self._orders[column].get(lambda: self._sort(column))

    def _sort(self, column: str) -> Order:
        values = self._values(column)
        return order_of_days(values, self.table.days) if column == "created" else Order(values)

    def _values(self, column: str) -> Any:
        """Return what a column is sorted by."""
        table = self.table
        if column in table.strings:
            return table.strings[column]
        if column == "tag" or column in table.categories:
            codes = table.category(column).codes
            return pa.array(codes, mask=codes < 0)
        if column.startswith(FINDING_PREFIX):
            return table.finding(column.removeprefix(FINDING_PREFIX)).scores
        numbers = {"row": table.line, "created": table.created, "confidence": table.confidence, "tokens": table.tokens}
        values = self.words().lengths if column == "words" else numbers.get(column)
        if values is None:
            raise FilterError(f"There is no column {quoted(column)}; choose one of {listed(table.columns, 40)}.")
        return values

    def page(
        self,
        selection: Selection,
        *,
        sort_by: str | None = None,
        ascending: bool = True,
        offset: int = 0,
        size: int = 20,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return some rows of a selection.

        Parameters
        ----------
        selection : Selection
            Of this table.
        sort_by : str, optional
            One of `Table.columns`; by default the rows stand as in the table.
        ascending : bool, optional
            The direction; rows without value are last in both.
        offset, size : int, optional
            How many rows are passed over, and how many follow.
        columns : sequence of str, optional
            Those to return; by default all of `Table.columns`.

        Returns
        -------
        pandas.DataFrame
            At most `size` rows; the index is their position in the table.

        Raises
        ------
        FilterError
            If there is no such column.
        """
        if sort_by is not None:
            rows = self.order(sort_by).sorted(selection.mask, ascending=ascending)
        else:
            rows = selection.positions[:: 1 if ascending else -1]
        offset = max(offset, 0)
        return self.rows(rows[offset : offset + max(size, 0)], columns)

    def rows(self, positions: Any, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows at these positions, in this order; parameters and result as for `page`."""
        places = np.asarray(positions, np.int64)
        data = {name: self._shown(name, places) for name in columns or self.table.columns}
        return pd.DataFrame(data, index=pd.Index(places, name="position"))

    def _shown(self, column: str, places: np.ndarray) -> Any:
        """Return the values of a column at some positions, as a page shows them."""
        table = self.table
        if column == "created":
            dates = table.created[places].astype("datetime64[us]")
            return np.where(np.isnat(dates), np.datetime64("NaT", "us"), dates)
        if column == "tag" or column in table.categories:
            category = table.category(column)
            names = np.asarray([*category.names, None], object)  # -1 is the last one
            return pd.array(names[category.codes[places]], dtype="str")
        values = self._values(column)
        if isinstance(values, pa.Array):
            return pd.array(values.take(pa.array(places)).to_pylist(), dtype="str")
        return values[places]


class _LazyOrder:
    """The order of the rows by one column, computed by the first who asks while others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order: Order | None = None

    def get(self, make: Callable[[], Order]) -> Order:
        if self._order is None:
            with self._lock:
                if self._order is None:
                    self._order = make()
        return self._order


class _LazyWords:
    """The words of texts, read by the first who asks."""

    def __init__(self, texts: pa.LargeStringArray) -> None:
        self._texts = texts
        self._lock = threading.Lock()
        self._words: Words | None = None
        self.share = 0.0
        self.stopped = False

    def get(self) -> Words:
        if self._words is None:
            with self._lock:
                if self._words is None:
                    self._words = read_words(self._texts, self._heard)
        return self._words

    def _heard(self, share: float) -> None:
        if self.stopped:
            raise StoppedError("The page is being closed; open it again.")
        self.share = share


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
