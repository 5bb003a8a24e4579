"""What every import of a finished model needs beside the model: its labels, its tokenizer, and rows to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.pipeline.imports.labels import read_labels
from engine.pipeline.imports.tokenizer import ForeignTokenizer, read_tokenizer
from engine.pipeline.rows import Rows, load_rows

if TYPE_CHECKING:
    from pathlib import Path

    from engine.dataset.fields import Fields

CLEANING = ("control", "whitespace")
"""Steps that texts go through on their way to a model from elsewhere: it learnt from texts that nobody cleaned here."""

TRAINED_ELSEWHERE = {"trained_elsewhere": True, "note": "which rows it was trained on is not known"}
"""What `run.json` says of the training of a model from elsewhere."""

_TEXTS_TRIED = 500


@dataclass(frozen=True)
class ImportRequest:
    """What comes with a model from elsewhere.

    Parameters
    ----------
    tokenizer
        A Hugging Face `tokenizer.json`, or a folder that holds it.
    labels
        The labels in the order of the output columns; see `read_labels`.
    data
        A labelled CSV to judge the model on.
    fields
        Its columns.
    pad_id, max_tokens
        What fills up a batch and where texts are cut; by default what the tokenizer's files say.
    default_tokens
        Where texts are cut if nothing says it.
    max_cell_characters
        A longer cell is refused.
    version
        A name for this version of the data.
    """

    tokenizer: Path
    labels: Path
    data: Path
    fields: Fields
    pad_id: int | None = None
    max_tokens: int | None = None
    default_tokens: int = 512
    max_cell_characters: int = 100_000
    version: str = ""


@dataclass(frozen=True)
class ImportParts:
    """What an `ImportRequest` names, read: `texts_ids` are token ids of up to 500 of the rows' texts."""

    tokenizer: ForeignTokenizer
    rows: Rows
    texts_ids: list[list[int]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Tags in the order of the model's output columns."""
        return self.rows.labels


def read_parts(request: ImportRequest) -> ImportParts:
    """Read what a request names, before anything slow is begun.

    Raises
    ------
    engine.errors.DataError
        One of the files cannot be used.
    """
    labels = read_labels(request.labels)
    tokenizer = read_tokenizer(
        request.tokenizer,
        pad_id=request.pad_id,
        max_tokens=request.max_tokens,
        default_tokens=request.default_tokens,
    )
    rows = load_rows(
        request.data,
        request.fields,
        labels,
        cleaning=CLEANING,
        max_cell_characters=request.max_cell_characters,
        version=request.version,
    )
    texts_ids = tokenizer.encode(list(rows.texts[:_TEXTS_TRIED]), str(request.tokenizer))
    return ImportParts(tokenizer, rows, texts_ids)
