"""The file of the declared slices: `config/slices.toml` under the home, read and added to."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from config.settings import get_settings
from config.slices import SLICES
from engine.dataset.problems import quoted
from engine.disk import write_atomically
from engine.evaluation.declared_slices import LONGEST_NAME, DeclaredSlice, SliceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.evaluation.declared_slices import SliceDefinition

_LISTS = ("tag", "split", "text")
_KINDS = {
    "array": "a text or a list of texts",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table such as { from = 1 }",
    "date": "a date such as 2020-01-31",
    "datetime": "a date with a time",
}
"""What msgspec's names mean to whoever writes the file."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class NameTakenError(SliceError):
    """A declared slice has this name already; `save_slice` can replace it."""


def slices_path() -> Path:
    """Where the declared slices stand, or would."""
    return get_settings().config_dir / "slices.toml"


def all_slices() -> dict[str, SliceDefinition]:
    """Return the slices of `config/slices.py`, then those of `config/slices.toml`.

    Raises
    ------
    SliceError
        If the file cannot be used; the message names the slice and the field.
    """
    return {**SLICES, **read_slices()}


def read_slices(path: Path | None = None) -> dict[str, DeclaredSlice]:
    """Read declared slices.

    Parameters
    ----------
    path : Path, optional
        By default `slices_path()`; a file that is not there has no slices.

    Returns
    -------
    dict of str to DeclaredSlice
        In the order of the file.

    Raises
    ------
    SliceError
        If the file cannot be used; one sentence with the name of the slice and the field.
    """
    path = path or slices_path()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SliceError(f"{path} cannot be read ({error.strerror}); mend its permissions, or delete it.") from None
    return dict(_parse(content, path))


def save_slice(
    name: str, record: DeclaredSlice, *, path: Path | None = None, replace: bool = False, most: int | None = None
) -> None:
    """Add a slice to the file; what else stands there, comments too, is kept.

    Parameters
    ----------
    name : str
        At most 60 characters.
    record : DeclaredSlice
        What it selects.
    path : Path, optional
        By default `slices_path()`.
    replace : bool, optional
        Whether a declared slice of this name may be replaced.
    most : int, optional
        How many declared slices there may be in the end; by default any number.

    Raises
    ------
    NameTakenError
        There is a declared slice of this name, and it may not be replaced.
    SliceError
        If the name or the record cannot be used, the name is taken, or the file cannot be read or written; nothing is
        changed then.
    """
    path = path or slices_path()
    _check(name, record, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            before = read_slices(path)
            if name in before and not replace:
                raise NameTakenError(
                    f"There is a slice {quoted(name)} already, in {path}; choose another name, or replace it."
                )
            if most is not None and name not in before and len(before) >= most:
                raise SliceError(
                    f"{path.name} has as many slices as it may have ({most:,}); delete some there, or replace one."
                )
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if name in before:
                text = _without(text, name)
            text = text.rstrip() + ("\n\n" if text.strip() else "") + _section(name, record)
            wanted = {**{other: kept for other, kept in before.items() if other != name}, name: record}
            try:
                written = _parse(text.encode(), path)
            except SliceError:
                written = {}
            # A person may write TOML in more ways than are understood here; then the file is left alone.
            if written != wanted:
                raise SliceError(
                    f"{path} is written in a way that cannot be added to; write each slice under a line such as "
                    f"[slice.{_key(name)}]."
                )
            write_atomically(path, text.encode())
    except OSError as error:
        raise SliceError(
            f"The slice {quoted(name)} cannot be written to {path} ({error.strerror}); mend the folder's permissions."
        ) from None


@functools.lru_cache(maxsize=4)
def _parse(content: bytes, path: Path) -> dict[str, DeclaredSlice]:
    """Make records of the file's content, which is what they are kept by: whoever asks sees each change at once.

    Nobody changes what is returned.
    """
    try:
        tables = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SliceError(f"{path} cannot be read as TOML in UTF-8 ({error}); mend it.") from None
    other = [key for key in tables if key != "slice"]
    found = tables.get("slice", {})
    if other or not isinstance(found, dict):
        what = quoted(other[0]) if other else '"slice"'
        raise SliceError(f"{path}: {what} is no slice; begin each slice with a line such as [slice.my_name].")
    return {name: _record(name, fields, path) for name, fields in found.items()}


def _record(name: str, fields: Any, path: Path) -> DeclaredSlice:
    """Make the record of a slice out of what stands in the file."""
    where = f"{path}: the slice {quoted(name)}"
    if not isinstance(fields, dict):
        raise SliceError(f"{where} has no fields; begin it with a line [slice.{_key(name)}].")
    unknown = [field for field in fields if field not in DeclaredSlice.__struct_fields__]
    if unknown:
        names = ", ".join(DeclaredSlice.__struct_fields__)
        raise SliceError(f"{where} has the unknown field {quoted(unknown[0])}; the fields are {names}.")
    values = {key: [value] if key in _LISTS and isinstance(value, str) else value for key, value in fields.items()}
    for field in _LISTS:
        if values.get(field) == []:
            raise SliceError(f"{where}, field {quoted(field)}: the list is empty; fill it, or leave the field out.")
    try:
        record = msgspec.convert(values, DeclaredSlice)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`") or "slice"
        reason = reason[:1].lower() + reason[1:].replace(" | null", "")
        reason = re.sub("`(.*?)`", lambda name: _KINDS.get(name[1], quoted(name[1])), reason)
        raise SliceError(
            f"{where}, field {quoted(field)}: {reason}; mend the value, as in the example at the top "
            "of engine/evaluation/declared_slices.py."
        ) from None
    _check(name, record, path)
    return record


def _check(name: str, record: DeclaredSlice, path: Path) -> None:
    """Refuse a name or a record that cannot be used."""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise SliceError(
            f"{quoted(name)} cannot be the name of a slice; take 1 to {LONGEST_NAME} characters that can be seen, "
            "without a space at either end."
        )
    if name in SLICES:
        raise SliceError(
            f"{path}: the slice {quoted(name)} has the name of a function in config/slices.py; give it another name."
        )
    problem = record.problem()
    if problem:
        field, what, remedy = problem
        place = f", field {quoted(field)}:" if field else ""
        raise SliceError(f"{path}: the slice {quoted(name)}{place} {what}; {remedy}.")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile."""
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    """Return a text as TOML; its strings are those of JSON, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _section(name: str, record: DeclaredSlice) -> str:
    """Return a slice as it stands in the file."""
    lines = [f"[slice.{_key(name)}]"]
    for field, value in msgspec.to_builtins(record, builtin_types=(type(None),)).items():
        if isinstance(value, dict):
            ends = ", ".join(f"{key} = {end}" for key, end in value.items())
            lines.append(f"{field} = {{ {ends} }}")
        else:
            lines.append(f"{field} = [{', '.join(map(_string, value))}]")
    return "\n".join(lines) + "\n"


def _without(text: str, name: str) -> str:
    """Return the file without the section of a slice: from its line to before the next table."""
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"\s*\[\s*slice\s*\.\s*(?:{re.escape(name)}|{re.escape(_string(name))})\s*\]\s*(#.*)?\s*")
    start = next((place for place, line in enumerate(lines) if header.fullmatch(line)), None)
    if start is None:
        return text
    end = next((place for place in range(start + 1, len(lines)) if lines[place].lstrip().startswith("[")), len(lines))
    return "".join(lines[:start] + lines[end:])
