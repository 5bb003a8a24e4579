"""Reading ``performance.json``: our own, the lesson's, or anyone's in the same schema."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_REMEDY = "mend the file, or write it anew with `tagscope promote`"


class Score(msgspec.Struct, frozen=True):
    """Precision, recall and F1, each between 0 and 1, on `num_samples` samples."""

    precision: float
    recall: float
    f1: float
    num_samples: int


class Performance(msgspec.Struct, frozen=True):
    """How good a run is.

    Parameters
    ----------
    overall : Score
        Weighted over all tags.
    classes : dict of str to Score
        By tag; ``class`` in the file.
    slices : dict of str to Score
        By slice; may be empty.
    extra : dict
        Whatever else the file holds beside these, as it is.
    """

    overall: Score
    classes: dict[str, Score]
    slices: dict[str, Score]
    extra: dict[str, Any]

    @property
    def worst(self) -> tuple[str, Score] | None:
        """The tag with the lowest F1 among those with samples (of equal ones the one with most samples), or None."""
        judged = [(tag, score) for tag, score in self.classes.items() if score.num_samples]
        return min(judged, key=lambda item: (item[1].f1, -item[1].num_samples), default=None)


def read_performance(source: str | os.PathLike[str] | Mapping[str, Any]) -> Performance:
    """Read and check a performance file.

    Parameters
    ----------
    source : path-like or mapping
        The file, in UTF-8, or its content already parsed.

    Returns
    -------
    Performance
        The figures. ``num_samples`` may be written 144 or 144.0; a file without ``slices`` has none.

    Raises
    ------
    DataError
        If the file is missing, is no JSON (line and column are named), or does not have the schema (the key is named).
    """
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        name = str(source)
        content = _read_json(Path(source))
    else:
        name, content = "The performance record", source
    return _Reader(name).performance(content)


def _read_json(path: Path) -> Any:
    """Parse a file; say where it is broken."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the setting performance_file.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02X} is not UTF-8; save the file as UTF-8."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: the file cannot be read ({reason}); check the setting performance_file.") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        what = "the file is empty" if not text.strip() else f"this is not valid JSON ({error.msg})"
        raise DataError(f"{path}, line {error.lineno}, column {error.colno}: {what}; {_REMEDY}.") from None
    except (RecursionError, ValueError):  # nested too deeply, or a number with thousands of digits
        raise DataError(f"{path}: this JSON is nested too deeply or has too long a number; {_REMEDY}.") from None


class _Reader:
    """Turns parsed JSON into records and knows the way to each value, to name it when it is wrong."""

    def __init__(self, name: str) -> None:
        self._name = name

    def performance(self, content: Any) -> Performance:
        content = self._object(content, ())
        for key in ("overall", "class"):
            if key not in content:
                self._fail((key,), "is missing")
        return Performance(
            overall=self._score(content["overall"], ("overall",)),
            classes=self._scores(content["class"], "class"),
            slices=self._scores(content.get("slices", {}), "slices"),
            extra={key: value for key, value in content.items() if key not in {"overall", "class", "slices"}},
        )

    def _scores(self, content: Any, key: str) -> dict[str, Score]:
        return {str(name): self._score(value, (key, name)) for name, value in self._object(content, (key,)).items()}

    def _score(self, content: Any, way: tuple[str, ...]) -> Score:
        content = self._object(content, way)
        values = {key: self._number(content, (*way, key)) for key in ("precision", "recall", "f1", "num_samples")}
        for key in ("precision", "recall", "f1"):
            if not 0 <= values[key] <= 1:
                self._fail((*way, key), f"is {values[key]:g} and must lie between 0 and 1")
        count = values["num_samples"]
        if count < 0 or count != int(count):
            self._fail((*way, "num_samples"), f"is {count:g} and must be a whole number, 0 or more")
        return Score(values["precision"], values["recall"], values["f1"], int(count))

    def _number(self, content: Mapping[str, Any], way: tuple[str, ...]) -> float:
        if way[-1] not in content:
            self._fail(way, "is missing")
        value = content[way[-1]]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail(way, f"must be a number, not {_kind(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._fail(way, "must be a finite number")
        return number

    def _object(self, content: Any, way: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(content, dict):
            self._fail(way, f"must be an object with names and values, not {_kind(content)}")
        result: Mapping[str, Any] = content
        return result

    def _fail(self, way: tuple[str, ...], what: str) -> None:
        key = "the key " + " > ".join(f'"{part}"' for part in way) if way else "the content"
        raise DataError(f"{self._name}: {key} {what}; {_REMEDY}.")


def _kind(value: Any) -> str:
    """Return what JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
