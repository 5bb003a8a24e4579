"""The file of the behavioural checks: `config/checks.toml` under the home, else the one that ships with the package.

    [invariance.typo]
    change = "typo"
    limit = 0.1

Each table is a check: its kind, then its name. In: that file. Out: the checks by name.
"""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

import config
from config.settings import get_settings
from engine.dataset.problems import listed, quoted
from engine.errors import TagscopeError
from engine.evaluation.behaviour import KINDS, Check, Directional, Invariance, Minimum

PACKAGED_CHECKS = Path(config.__file__).with_name("checks.toml")
_MOST_TYPOS = 100
_MEANING = {
    "array": "a list",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a table",
}
"""What msgspec's names mean to whoever writes the file."""
_NEEDED = {"synonyms": "synonyms", "sentence": "sentences"}
"""What a change cannot do without."""


class CheckError(TagscopeError):
    """The behavioural checks cannot be read or run."""


def checks_path() -> Path:
    """Where the checks stand: in the home, if there is such a file, else in the package."""
    own = get_settings().config_dir / "checks.toml"
    return own if own.exists() else PACKAGED_CHECKS


def read_checks(path: Path | None = None) -> dict[str, Check]:
    """Read behavioural checks.

    Parameters
    ----------
    path : Path, optional
        By default `checks_path()`.

    Returns
    -------
    dict of str to Check
        By name, in the order of the file.

    Raises
    ------
    CheckError
        If the file cannot be used; one sentence with the name of the check and the field.
    """
    path = path or checks_path()
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise CheckError(f"{path}: there is no such file; check the name and the folder you are in.") from None
    except OSError as error:
        raise CheckError(f"{path} cannot be read ({error.strerror}); mend its permissions, or delete it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CheckError(f"{path} cannot be read as TOML in UTF-8 ({error}); mend it.") from None
    checks: dict[str, Check] = {}
    for kind, group in tables.items():
        if kind not in KINDS:
            raise CheckError(
                f"{path}: {quoted(kind)} is no kind of check; begin each with a line such as [invariance.my_name], "
                f"the kinds are {listed(list(KINDS))}."
            )
        if not isinstance(group, dict) or not all(isinstance(fields, dict) for fields in group.values()):
            raise CheckError(f"{path}: a check under {quoted(kind)} has no name; begin it with [{kind}.my_name].")
        for name, fields in group.items():
            if name in checks:
                raise CheckError(f"{path}: two checks have the name {quoted(name)}; give one of them another name.")
            checks[name] = _check(name, kind, fields, path)
    if not checks:
        raise CheckError(f"{path} has no checks; add one with a line such as [invariance.case], or delete the file.")
    return checks


def _check(name: str, kind: str, fields: dict[str, Any], path: Path) -> Check:
    """Make the record of a check out of what stands in the file."""
    record = next(record for known, record in KINDS.items() if known == kind)
    where = f"{path}: the check {quoted(name)}"
    unknown = [field for field in fields if field not in record.__struct_fields__]
    if unknown:
        raise CheckError(
            f"{where} has the unknown field {quoted(unknown[0])}; the fields of the kind {kind} are "
            f"{', '.join(record.__struct_fields__)}."
        )
    lacking = [field for field in _required(record) if field not in fields]
    if lacking:
        raise CheckError(f"{where} lacks the field {quoted(lacking[0])}; add it, as in docs/checks.md.")
    try:
        check: Check = msgspec.convert(fields, record)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        reason = reason[:1].lower() + reason[1:]
        reason = re.sub("`(.*?)`", lambda found: _MEANING.get(found[1], quoted(found[1])), reason)
        raise CheckError(
            f"{where}, field {quoted(place.rstrip('`'))}: {reason}; mend the value, as in docs/checks.md."
        ) from None
    problem = _problem(check)
    if problem:
        field, what, remedy = problem
        raise CheckError(f"{where}, field {quoted(field)}: {what}; {remedy}.")
    return check


def _required(record: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(record) if field.required]


def _problem(check: Check) -> tuple[str, str, str] | None:
    """Return the field, what is wrong with it and what to do; None if the check can be used."""
    # A comparison is also false for NaN.
    if not 0 <= check.limit <= 1:
        return "limit", f"it is {check.limit:g}", "give a share from 0 to 1"
    for field in ("texts", "sentences"):
        values = getattr(check, field, ())
        if any(not value.strip() for value in values):
            return field, "one of the texts is empty", "write it out, or leave it out"
    if isinstance(check, Minimum):
        return None if check.texts else ("texts", "the list is empty", "give at least one text")
    if isinstance(check, Directional):
        if not check.sentences:
            return "sentences", "the list is empty", "give at least one sentence"
        if not (math.isfinite(check.tolerance) and 0 <= check.tolerance <= 1):
            return "tolerance", f"it is {check.tolerance:g}", "give a probability from 0 to 1"
        return None
    return _invariance_problem(check)


def _invariance_problem(check: Invariance) -> tuple[str, str, str] | None:
    needed = _NEEDED.get(check.change)
    if needed and not getattr(check, needed):
        return needed, f"the change {quoted(check.change)} cannot do without it", "add it"
    for group in check.synonyms:
        if len({word.lower() for word in group}) < 2:
            return "synonyms", "a list has fewer than two different words", "give at least two"
        for word in group:
            if not word.isalpha():
                return "synonyms", f"{quoted(word)} is not one word of letters", "give single words"
    if not 1 <= check.typos <= _MOST_TYPOS:
        return "typos", f"it is {check.typos}", f"give a whole number from 1 to {_MOST_TYPOS}"
    return None
