"""A data set as the Data section shows it: facts about it, its explorer, and the long work that is done once for all.

Made once per process, data set and run, and shared by all visitors; nothing in it belongs to one of them.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from dashboard.facts import facts_of
from dashboard.job import Job
from dashboard.map_job import MapJob
from engine.errors import TagscopeError
from engine.exploration.explorer import Explorer
from engine.exploration.table import FINDING_PREFIX, FoundRows, Table
from engine.exploration.text_map import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.dataset.snapshot import Dataset
    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection
    from engine.exploration.text_map import TextMap
    from engine.findings.store import Findings
    from engine.runs.bundle import Bundle

AUTOMATIC_ROWS = 20_000
"""Findings and map of more rows are computed when somebody asks for them, as they take minutes."""
OUTCOMES = ("correct", "wrong")
SCORE, PROPOSED, NOTE = FOUND_COLUMNS = ("finding:score", "finding:proposed", "finding:note")
"""The columns that the table has while a finding is chosen; the last two where the finding says such a thing."""
_KINDS_KEPT = 4
_ROWS_AT_ONCE = 2_000


class Found(msgspec.Struct, frozen=True):
    """Findings as the page lists them: `items` (`engine.findings.contract.Finding`) worst first, and their `source`."""

    items: tuple[Any, ...]
    source: Any

    @property
    def titles(self) -> dict[str, str]:
        """Title by kind."""
        return {item.kind: item.title for item in self.items}


class Samples:
    """One data set, ready to be explored.

    Parameters
    ----------
    dataset
        The data set.
    explorer
        Of its rows, shared by the runs of the data set; by default one of its own.
    text_map
        The work on the map of its texts, shared likewise.
    predictions
        What a run answered, as `engine.runs.predictions.read_predictions` gives it.
    bundle
        That run.

    Raises
    ------
    KeyError
        The data set's frame lacks one of its own columns.
    """

    def __init__(
        self,
        dataset: Dataset,
        explorer: Explorer | None = None,
        text_map: MapJob | None = None,
        predictions: pd.DataFrame | None = None,
        bundle: Bundle | None = None,
    ) -> None:
        self.dataset = dataset
        self.bundle = bundle
        self.digest = dataset.digest
        self.left_out = dataset.left_out
        self.facts = facts_of(dataset)
        self.has_dates = bool(self.facts.first)
        self.titles = _titles(dataset)
        self._lock = threading.Lock()
        base = explorer or Explorer(Table.of(dataset))
        known = {} if predictions is None else _answers(dataset, predictions)
        self._explorer = base.with_columns(**known) if known else base
        self.findings: Job[Found] = Job(self._find, "findings")
        self.tokens: Job[int] = Job(self._count_tokens, "tokens")
        drawing = text_map or MapJob(dataset.digest, base)
        self.map: Job[TextMap] = drawing
        self._map_is_kept = drawing.kept
        self._mapped = False
        self._source: Findings | None = None
        self._said: OrderedDict[str, pd.DataFrame] = OrderedDict()

    @property
    def explorer(self) -> Explorer:
        """The explorer with all that is known by now; another one as soon as findings, tokens or the map arrive."""
        text_map = self.map.value
        if text_map is not None and not self._mapped:
            with self._lock:
                if not self._mapped:
                    explorer = self._explorer.with_columns()
                    explorer.attach_map(text_map)
                    self._explorer, self._mapped = explorer, True
        return self._explorer

    @property
    def has_splits(self) -> bool:
        """Whether the run names the split of rows."""
        return "split" in self._explorer.table.categories

    @property
    def is_small(self) -> bool:
        """Whether findings and map are computed without asking."""
        return self.facts.num_rows <= AUTOMATIC_ROWS

    def shown_columns(self, filter: Filter) -> tuple[str, ...]:
        """Columns of the table; with a finding chosen, what it says of a row instead of what it is not about."""
        texts = self.dataset.fields.text_columns
        if filter.finding:
            said = self._what_is_said(filter.finding)
            return (SCORE, "id", *texts[: 1 if NOTE in said else None], "tag", *said.columns)
        columns = ["id", *(["created"] if self.has_dates else []), *texts, "tag"]
        return (*columns, *(["split"] if self.has_splits else []))

    def page(self, selection: Selection, sort: str, number: int, size: int) -> pd.DataFrame:
        """Return one page of the table.

        Parameters
        ----------
        selection
            The rows that a filter leaves.
        sort
            One of `shown_columns` without `PROPOSED` and `NOTE`, descending with a minus before it; else, and if empty,
            as the file has them, or the worst first where a finding is chosen.
        number, size
            Which page, from 0, and how many rows it has.

        Returns
        -------
        pandas.DataFrame
            Columns `shown_columns`; the index is the position in the data set.
        """
        explorer, finding = self.explorer, selection.filter.finding
        columns = self.shown_columns(selection.filter)
        inner = {SCORE: f"{FINDING_PREFIX}{finding}"}
        column = sort.removeprefix("-")
        if column not in columns or column in (PROPOSED, NOTE):
            column, sort = (SCORE, f"-{SCORE}") if finding else ("", "")
        frame = explorer.page(
            selection,
            sort_by=inner.get(column, column) or None,
            ascending=not sort.startswith("-"),
            offset=number * size,
            size=size,
            columns=[inner.get(name, name) for name in columns if name not in (PROPOSED, NOTE)],
        )
        if finding:
            frame = frame.join(self._what_is_said(finding))
        return frame.set_axis(list(columns), axis=1)

    def kept_findings(self) -> bool:
        """Whether findings were computed before, so that opening them costs nothing."""
        from engine.findings.finder import find

        if self.findings.value is not None:
            return True

        def stop(step: str, _share: float) -> None:
            if step != "Open":
                raise _NotKeptError(step)

        try:
            find(self.dataset, bundle=self.bundle, progress=stop)
        except _NotKeptError:
            return False
        except TagscopeError:
            return True  # the work itself will say what is wrong
        return True

    def kept_map(self) -> bool:
        """Whether the map was drawn before, so that opening it costs little."""
        return self._map_is_kept()

    def _find(self, report: Callable[[str, float], None]) -> Found:
        from engine.findings.finder import find

        findings = find(self.dataset, bundle=self.bundle, progress=report)
        self._source = findings
        self._extend(findings=_found_rows(findings))
        return Found(findings.items, findings)

    def _what_is_said(self, kind: str) -> pd.DataFrame:
        """Return what a finding says of its rows, by position; without the columns in which it says nothing."""
        with self._lock:
            if kind in self._said:
                self._said.move_to_end(kind)
                return self._said[kind]
        said = pd.DataFrame()
        if self._source is not None:
            # A damaged file is said where the findings are listed.
            with contextlib.suppress(TagscopeError):
                rows = self._source.rows(kind)
                rows = rows[rows["affected"]].set_index("position")
                said = rows[["proposed_tag", "note"]].set_axis([PROPOSED, NOTE], axis=1).dropna(axis=1, how="all")
        with self._lock:
            self._said[kind] = said
            while len(self._said) > _KINDS_KEPT:
                self._said.popitem(last=False)
        return said

    def _count_tokens(self, report: Callable[[str, float], None]) -> int:
        from engine.dataset.cleaning import clean, is_plain
        from engine.errors import DataError
        from engine.findings.tokens import count_tokens

        if self.bundle is None:
            raise DataError("Tokens are counted by the tokenizer of a run; choose a run of this data set.")
        tokenizer, steps = self.bundle.tokenizer(), self.bundle.manifest.cleaning
        texts = self.explorer.table.strings["text"]
        totals = np.zeros(len(texts), np.int32)
        for start in range(0, len(texts), _ROWS_AT_ONCE):
            some = [text or "" for text in texts[start : start + _ROWS_AT_ONCE].to_pylist()]
            cleaned = [text if is_plain(text) else clean(text, steps) for text in some]
            totals[start : start + len(some)] = count_tokens(tokenizer, cleaned, lambda _share: None).total
            report("Counting tokens", start / len(texts))
        self._extend(tokens=totals, token_limit=tokenizer.max_tokens)
        return int(tokenizer.max_tokens)

    def _extend(self, **columns: Any) -> None:
        with self._lock:
            self._explorer = self._explorer.with_columns(**columns)


class _NotKeptError(Exception):
    pass


def _titles(dataset: Dataset) -> dict[str, str]:
    """Title by column of the table."""
    titles = {name: name[:1].upper() + name[1:] for name in ("created", "tag", "split", "outcome", "predicted")}
    titles |= {SCORE: "Score", PROPOSED: "Proposed tag", NOTE: "Note"}
    fields = dataset.fields
    named = zip(fields.text_columns, fields.text, strict=True)
    titles[PLACE] = "place on the map"
    return {"id": "ID", **titles, **{column: name[:1].upper() + name[1:] for column, name in named}}


def _answers(dataset: Dataset, predictions: pd.DataFrame) -> dict[str, Any]:
    """Columns of a run's answers, in the order of the data set; None for rows that the run does not know."""
    from engine.runs.predictions import PROBABILITY_PREFIX

    ids = dataset.frame["id"]
    names = [name for name in predictions.columns if name.startswith(PROBABILITY_PREFIX)]
    # No tag in the file means that nobody knows whether the answer is right.
    right = np.where(predictions["tag"] == predictions["predicted_tag"], *OUTCOMES)
    outcome = np.where(predictions["tag"].isna().to_numpy(), np.array(None, object), right)
    answers = predictions[["id", "split"]].assign(outcome=outcome, predicted=predictions["predicted_tag"])
    answers["confidence"] = predictions[names].max(axis=1).astype("float32") if names else np.float32("nan")
    if not predictions["id"].equals(ids):
        answers = answers.drop_duplicates("id").set_index("id").reindex(ids)
    if not answers["split"].notna().any():
        return {}
    return {name: answers[name].to_numpy() for name in ("split", "outcome", "predicted", "confidence")}


def _found_rows(findings: Findings) -> dict[str, FoundRows]:
    """Rows of each finding that has any."""
    found = {}
    for item in findings.items:
        if item.affected:
            mask = np.zeros(findings.total, bool)
            mask[findings.affected(item.kind)] = True
            found[item.kind] = FoundRows(mask, findings.scores(item.kind))
    return found
