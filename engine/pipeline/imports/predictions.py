"""`tagscope import predictions`: a table of what some model answered becomes a run without a model."""

from __future__ import annotations

import csv
import dataclasses
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.dataset.loading import Table, load_table
from engine.dataset.parquet import is_parquet, parquet_columns
from engine.dataset.problems import ProblemList, listed, quoted
from engine.dataset.reading import RawTable, read_raw
from engine.dataset.snapshot import Dataset
from engine.dataset.splits import SPLITS
from engine.errors import DataError
from engine.evaluation.probabilities import ROUNDING
from engine.pipeline.imports.request import TRAINED_ELSEWHERE
from engine.pipeline.progress import silent
from engine.pipeline.rows import TEST, Rows, rows_to_judge
from engine.pipeline.run import TrainResult, write_run
from engine.runs.bundle import file_digest
from engine.runs.predictions import PROBABILITY_PREFIX
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.dataset.fields import Fields
    from engine.pipeline.progress import Progress


STAGES = ("Load", "Evaluate", "Write")
_SUM_TOLERANCE = 0.01
_TAGS_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class PredictionColumns:
    """Where a table holds what was answered; columns of the default names may be missing, others must be there.

    Parameters
    ----------
    predicted
        Column of the predicted tag. Where it is missing, the highest probability decides.
    split
        Column that says `train`, `validation` or `test`. Where it is missing, all rows are judged on.
    probability
        What the name of a probability's column begins with; its tag follows.
    """

    predicted: str = "predicted_tag"
    split: str = "split"
    probability: str = PROBABILITY_PREFIX


def import_predictions(
    file: Path,
    fields: Fields,
    columns: PredictionColumns | None = None,
    *,
    max_cell_characters: int = 100_000,
    version: str = "",
    store: RunStore | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Make a run of a table of predictions: it can be looked at and compared, and answers no text.

    Parameters
    ----------
    file
        A CSV or Parquet file with texts, true tags and predicted ones.
    fields
        Its columns of text, tag, id and date.
    columns
        Its columns of what was answered.
    max_cell_characters
        A longer cell is refused.
    version
        A name for this version of the data.
    store
        Where the run goes; the store of the settings where it is None.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Raises
    ------
    engine.errors.TagscopeError
        The file cannot be used; nothing was written.
    """
    report = progress or silent
    report("Load", 0.0)
    table = load_table(file, fields, max_cell_characters=max_cell_characters, minimum_tags=1)
    answers = _Answers(file, table, columns or PredictionColumns())
    rows = answers.rows(Dataset.from_table(table, name=file.stem, version=version or None))
    predictions = answers.frame(rows)
    report("Load", 1.0)
    report("Evaluate", 0.0)
    known = {"note": f"the rows' splits are those of the column {answers.columns.split}"}
    parameters = {
        "source": {
            "format": "predictions",
            "name": file.name,
            "digest": file_digest(file),
            "probabilities": answers.has_probabilities,
        },
        "training": known if answers.has_splits else TRAINED_ELSEWHERE,
        "model": {},
    }
    return write_run(
        store=store or open_store(),
        model="predictions",
        rows=rows,
        fields=fields,
        fill=None,
        parameters=parameters,
        predictions=predictions,
        progress=report,
    )


class _Answers:
    """The columns of answers, read for the rows that loading kept."""

    def __init__(self, file: Path, table: Table, columns: PredictionColumns) -> None:
        self._file = file
        self.columns = columns
        header = _header(file)
        prefix = columns.probability
        self._chances = {name: name[len(prefix) :] for name in header if name.startswith(prefix) and name != prefix}
        self._check_named(header, table.fields)
        if columns.predicted not in header and not self._chances:
            self._fail(
                f"there is no column {quoted(columns.predicted)} and none that begins with {quoted(prefix)}, only "
                f"{listed(header)}; name the predicted tags by --predicted"
            )
        wanted = [name for name in (columns.predicted, columns.split) if name in header]
        raw = self._read([*wanted, *self._chances])
        self._lines = table.frame["row"].to_numpy(np.int64)
        places = np.searchsorted(raw.lines, self._lines)
        self._cells = {
            name: pd.Series(column.to_pylist(), dtype="str").iloc[places].str.strip().reset_index(drop=True)
            for name, column in raw.columns.items()
        }
        self.has_splits = columns.split in self._cells
        self.has_probabilities = bool(self._chances)
        self._tags = table.frame["tag"]
        self._matrix = self._probabilities()
        self._predicted = self._predicted_tags()
        self._label = table.fields.label

    def rows(self, dataset: Dataset) -> Rows:
        """Return the rows to judge; their tags are those of the data, of the answers and of the probabilities."""
        given = sorted(set(self._predicted))
        if not set(given) & set(self._tags):
            self._fail(
                f"no predicted tag, {listed(given, _TAGS_SHOWN)}, is one of those in the column {quoted(self._label)}, "
                f"{listed(sorted(set(self._tags)), _TAGS_SHOWN)}; write both alike, as tags and not as numbers of tags"
            )
        tags = {*self._tags, *given, *self._chances.values()}
        if len(tags) < 2:
            self._fail(f"there is only one tag, {listed(sorted(tags))}; at least two are needed to judge predictions")
        rows = rows_to_judge(dataset, sorted(tags), where=str(self._file))
        return dataclasses.replace(rows, split=self._splits()) if self.has_splits else rows

    def frame(self, rows: Rows) -> pd.DataFrame:
        """Return the predictions as a run holds them."""
        frame = pd.DataFrame(
            {
                "id": rows.dataset.frame["id"],
                "split": pd.Series(rows.split, dtype="str"),
                "tag": pd.Series(rows.tags, dtype="str"),
                "predicted_tag": self._predicted,
            }
        )
        if self.has_probabilities:
            known = dict(zip(self._chances.values(), self._matrix.T, strict=True))
            # A tag without a column is one that the model never gives.
            nothing = np.zeros(len(frame))
            for label in rows.labels:
                frame[f"{PROBABILITY_PREFIX}{label}"] = known.get(label, nothing).astype(np.float32)
        return frame

    def _check_named(self, header: list[str], fields: Fields) -> None:
        """Refuse columns that a person named and that cannot be what they are said to be."""
        columns, usual = self.columns, PredictionColumns()
        for option in ("predicted", "split"):
            name = getattr(columns, option)
            if name != getattr(usual, option) and name not in header:
                self._fail(f"there is no column {quoted(name)}, only {listed(header)}; name one of these by --{option}")
        if columns.probability != usual.probability and not self._chances:
            self._fail(
                f"no column begins with {quoted(columns.probability)}, there are {listed(header)}; name by "
                "--probability what stands before the tag"
            )
        if columns.predicted in (fields.label, *fields.text):
            self._fail(
                f"the column {quoted(columns.predicted)} is named as predicted tag and also as true tag or as text; "
                "name another one by --predicted"
            )

    def _read(self, names: list[str]) -> RawTable:
        problems = ProblemList()
        raw = read_raw(self._file, names, [], problems)
        fatal = [problem for problem in problems.sorted() if problem.fatal]
        if fatal:
            raise DataError(fatal[0].sentence(self._file))
        if raw is None:
            self._fail("the file cannot be read any more; it was changed while it was read")
        return raw

    def _predicted_tags(self) -> pd.Series:
        names = list(self._chances.values())
        column = self.columns.predicted
        if column not in self._cells:
            return pd.Series(np.asarray(names, dtype=object)[self._matrix.argmax(axis=1)], dtype="str")
        predicted = self._cells[column]
        self._refuse(predicted.eq(""), lambda _row: f"{quoted(column)} has no predicted tag; fill the cell")
        if self.has_probabilities:
            for tag in predicted.unique():
                if tag not in names:
                    self._fail(
                        f"{quoted(tag)} is predicted, but there is no column "
                        f"{quoted(self.columns.probability + tag)}; give a column for each predicted tag, or none"
                    )
        return predicted

    def _probabilities(self) -> np.ndarray:
        matrix = np.empty((len(self._lines), len(self._chances)))
        for position, column in enumerate(self._chances):
            cells = self._cells[column]
            values = pd.to_numeric(cells, errors="coerce")
            # A comparison is also false for what is no number.
            self._refuse(
                ~((values >= -ROUNDING) & (values <= 1 + ROUNDING)),
                lambda row, column=column, cells=cells: (  # type: ignore[misc]
                    f"{quoted(column)} has {quoted(cells[row])}, which is no probability; write a number from 0 to 1"
                ),
            )
            matrix[:, position] = values.clip(0, 1)
        if self._chances:
            sums = matrix.sum(axis=1)
            self._refuse(
                pd.Series(np.abs(sums - 1) > _SUM_TOLERANCE),
                lambda row: f"the probabilities sum to {sums[row]:.3g}, not to 1; give one column for every tag",
            )
        return matrix

    def _splits(self) -> np.ndarray:
        column = self.columns.split
        splits = self._cells[column].str.lower()
        self._refuse(
            ~splits.isin(SPLITS),
            lambda row: (
                f"{quoted(column)} has {quoted(splits[row])}, which is no split; write {', '.join(SPLITS)}, or name "
                "another column by --split"
            ),
        )
        if not splits.eq(TEST).any():
            self._fail(f"no row is {TEST} in the column {quoted(column)}, so there is none to judge on")
        return splits.to_numpy(dtype=object)

    def _refuse(self, wrong: pd.Series, reason: Callable[[int], str]) -> None:
        """Name the first wrong row, and how many there are."""
        found = np.flatnonzero(wrong.to_numpy(bool))
        if len(found):
            more = f" ({len(found):,} rows are so)" if len(found) > 1 else ""
            row = int(found[0])
            raise DataError(f"{self._file}, line {self._lines[row]}: {reason(row)}{more}.")

    def _fail(self, reason: str) -> NoReturn:
        raise DataError(f"{self._file}: {reason}.")


def _header(file: Path) -> list[str]:
    """Names of the columns of a file that was loaded just now."""
    try:
        if is_parquet(file):
            return parquet_columns(file)
        separator = "\t" if file.suffix.lower() in (".tsv", ".tab") else ","
        with file.open(encoding="utf-8-sig", newline="") as stream:
            cells = next((cells for cells in csv.reader(stream, delimiter=separator) if cells), [])
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{file}: the file cannot be read any more ({error}); import it again.") from None
    return [name.strip() for name in cells]
