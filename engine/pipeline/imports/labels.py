"""The labels of a model from elsewhere, in the order of its output columns: JSON as most tools write it, or lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_FORMS = 'give a JSON list ["a", "b"], a JSON object {"0": "a", "1": "b"}, a config.json, or one label per line'


def read_labels(path: Path) -> tuple[str, ...]:
    """Read labels.

    Parameters
    ----------
    path
        A JSON list of labels, a JSON object from column to label, an object that has such a one under `id2label`
        (the `config.json` of a Hugging Face model), or a text file with one label per line.

    Raises
    ------
    engine.errors.DataError
        The file cannot be read, or holds no two different labels.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _fail(path, f"it is not text in UTF-8; {_FORMS}")
    except OSError as error:
        _fail(path, f"it cannot be read ({error.strerror}); check the name and the folder you are in")
    if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
        try:
            found = _from_json(path, json.loads(text))
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or "it cannot be parsed"
            _fail(path, f"it is not valid JSON ({reason}); {_FORMS}")
    else:
        found = [line.strip() for line in text.splitlines() if line.strip()]
    labels = [label.strip() for label in found]
    if len(labels) < 2 or not all(labels):
        _fail(path, f"it has {len(labels)} labels, and a classifier needs two or more that are not empty; {_FORMS}")
    twice = next((label for position, label in enumerate(labels) if label in labels[:position]), None)
    if twice is not None:
        _fail(path, f"the label {twice!r} stands there twice; give one label per column of the model's output")
    return tuple(labels)


def _from_json(path: Path, content: Any) -> list[str]:
    if isinstance(content, dict):
        columns = content.get("id2label", content)
        if not isinstance(columns, dict) or sorted(columns) != sorted(map(str, range(len(columns)))):
            _fail(path, f"its keys are not the columns 0, 1, 2 and so on; {_FORMS}")
        content = [columns[str(column)] for column in range(len(columns))]
    if not isinstance(content, list) or not all(isinstance(label, str) for label in content):
        _fail(path, f"the labels are not texts; {_FORMS}")
    return content


def _fail(path: Path, reason: str) -> NoReturn:
    raise DataError(f"{path}: the labels cannot be used: {reason}.")
