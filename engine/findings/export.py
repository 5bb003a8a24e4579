"""Findings as a file for spreadsheets and programs: CSV whose cells are never formulas, or JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from engine.disk import encode_json, write_atomically
from engine.findings.contract import FindingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.dataset.content import Dataset
    from engine.findings.store import Findings

_FORMULA = re.compile(r"[\t\r\n ]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def safe_cell(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe is set before what could be one.

    Numbers stay, signed ones, too, so that ids such as ``-5`` still name their row.

    Examples
    --------
    >>> safe_cell("=cmd()"), safe_cell("-5"), safe_cell("Text")
    ("'=cmd()", '-5', 'Text')
    """
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def export_findings(findings: Findings, dataset: Dataset, path: Path) -> int:
    """Write the affected rows of all findings, the worst finding and the worst row first.

    Parameters
    ----------
    findings : Findings
        Of `dataset`.
    dataset : Dataset
        Its ids, lines, tags and texts stand in the file.
    path : Path
        Ends in ``.csv`` or ``.json``; replaced if it is there.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    FindingError
        The ending is another one, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".json"):
        raise FindingError(f"{path}: findings are written as CSV or JSON; choose a name that ends in .csv or .json.")
    parts = list(_tables(findings, dataset))
    if suffix == ".csv":
        whole = pd.concat([part.assign(kind=kind, group=group) for kind, group, part in parts], ignore_index=True)
        whole = whole[["kind", "group", *parts[0][2].columns]]
        for name in whole.columns:
            if name not in ("row", "score"):
                whole[name] = whole[name].fillna("").map(safe_cell)
        written = whole.to_csv(index=False, float_format="%.6g", lineterminator="\r\n")
        # With the byte order mark a spreadsheet takes the file for UTF-8.
        content = written.encode("utf-8-sig", "replace")
    else:
        content = encode_json([_entry(findings, kind, part) for kind, _, part in parts])
    try:
        write_atomically(path, content)
    except OSError as error:
        raise FindingError(
            f"{path}: cannot be written ({error.strerror or error}); check the folder and its permissions."
        ) from error
    return sum(len(part) for _, _, part in parts)


def _tables(findings: Findings, dataset: Dataset) -> Iterator[tuple[str, str, pd.DataFrame]]:
    frame = dataset.frame
    for item in findings.items:
        rows = findings.rows(item.kind)
        rows = rows[rows["affected"]]
        at = rows["position"].to_numpy()
        part = frame[["id", "row", "tag"]].iloc[at].reset_index(drop=True)
        for name in ("score", "proposed_tag", "other_id", "note"):
            part[name] = rows[name].to_numpy()
        yield item.kind, item.group, part.assign(text=frame["text"].iloc[at].to_numpy())


def _entry(findings: Findings, kind: str, part: pd.DataFrame) -> dict[str, Any]:
    summary: dict[str, Any] = msgspec.to_builtins(findings[kind])
    cells = part.astype(object).where(part.notna(), None)
    cells["score"] = [round(float(score), 6) for score in part["score"]]
    return {**summary, "rows": cells.to_dict("records")}
