"""Examples as a CSV file for spreadsheets, whose cells are never formulas; written piece by piece, also a million."""

from __future__ import annotations

import csv
import tempfile
from typing import TYPE_CHECKING, TextIO, cast

from dashboard.sections.errors.remarks import proposals
from engine.errors import DataError, TagscopeError, reason_of
from engine.findings.export import safe_cell

if TYPE_CHECKING:
    import numpy as np

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.samples import Samples

COLUMNS = ("id", "text", "tag", "predicted tag", "probability", "proposed tag", "note")
MARK = "\ufeff"
_ROWS_AT_ONCE = 5_000


def write_examples(evaluation: Evaluation, rows: np.ndarray, samples: Samples | None = None) -> TextIO:
    """Write examples to a temporary file; runs in a thread, some ten seconds for a million.

    Parameters
    ----------
    evaluation
        Of the run.
    rows
        int64, shape (m,): their positions, in the order of the file.
    samples
        Its data set; where its findings are known, proposed tags and notes are theirs, else empty.

    Returns
    -------
    file
        CSV in UTF-8 with the columns `COLUMNS`, open at its beginning; it is gone from the disk once it is closed.
        Texts and probabilities that nobody knows are empty. It begins with a byte order mark, without which Excel on
        Windows takes UTF-8 for another encoding; pandas, and what reads our data files, pass over it.

    Raises
    ------
    engine.errors.DataError
        There is no room for it.
    """
    try:
        confidence = evaluation.outcomes.confidence
    except TagscopeError:
        confidence = None
    places = evaluation.places
    tags, notes = ({}, {}) if samples is None or places is None else proposals(samples, places[rows])
    # Tags are few: each is looked at once.
    known = [safe_cell(tag) for tag in evaluation.tags]
    said = [safe_cell(tag) for tag in evaluation.answers.tags]
    # Texts may hold half of a pair of surrogates, which no file can.
    options = {"encoding": "utf-8", "errors": "replace", "newline": "", "prefix": "tagscope-"}
    file = cast("TextIO", tempfile.TemporaryFile("w+", **options))  # type: ignore[call-overload]  # noqa: SIM115
    try:
        file.write(MARK)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            at = [-1] * len(some) if places is None else places[some].tolist()
            columns = zip(
                evaluation.ids[some].tolist(),
                evaluation.texts(some),
                evaluation.true[some].tolist(),
                evaluation.answers.predicted[some].tolist(),
                [""] * len(some) if confidence is None else [f"{one:.6g}" for one in confidence[some].tolist()],
                at,
                strict=True,
            )
            writer.writerows(
                (
                    safe_cell(str(id)),
                    safe_cell(text or ""),
                    known[true],
                    said[answer],
                    chance,
                    safe_cell(tags.get(place, "")),
                    safe_cell(notes.get(place, "")),
                )
                for id, text, true, answer, chance, place in columns
            )
        file.seek(0)
    except OSError as error:
        file.close()
        raise DataError(
            f"The file of examples cannot be written ({reason_of(error)}); make room where temporary files are kept."
        ) from None
    return file
