"""The door: from a data set to its findings, kept on disk by what they were computed from."""

from __future__ import annotations

import contextlib
import hashlib
import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from config.settings import get_settings
from engine.dataset.splits import SPLITS
from engine.errors import BundleError
from engine.findings.context import COST_OF_A_FINDING, COSTS, Context, Options
from engine.findings.contract import Finding, FindingError, rows_frame
from engine.findings.registry import specs
from engine.findings.store import Findings, discard, in_memory, open_findings, save_findings
from engine.runs.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from engine.dataset.content import Dataset
    from engine.findings.contract import Result, Spec
    from engine.runs.bundle import Bundle

FINDINGS_VERSION = "2"
"""Changes whenever a finding gives another result for any data set."""


def find(
    dataset: Dataset,
    *,
    splits: Sequence[str] | np.ndarray | Mapping[str, str] | None = None,
    bundle: Bundle | None = None,
    progress: Callable[[str, float], None] | None = None,
    kinds: Sequence[str] | None = None,
    options: Options | None = None,
) -> Findings:
    """Look for everything that is wrong with a data set.

    Findings are kept under ``data/findings/`` of the home; asking again for the same data set, splits, run and options
    opens them. With `kinds` they are taken from there if they are there, and not kept otherwise. They are the same
    every time.

    Parameters
    ----------
    dataset : Dataset
        The rows.
    splits : sequence or mapping of str, optional
        The split of each row, or by id. By default those of the run; else the holdout rows are the test split.
    bundle : Bundle, optional
        A run, for its splits, its cleaning and its tokenizer.
    progress : callable, optional
        Takes the name of what is computed and the share of all that is done, 0 to 1.
    kinds : sequence of str, optional
        Only these findings.
    options : Options, optional
        How rows are prepared; by default as the run did, else as the settings say.

    Returns
    -------
    Findings
        What was found, the worst first. What cannot be looked for says why.

    Raises
    ------
    engine.findings.contract.FindingError
        A kind or a split is unknown, there are no rows, or the findings cannot be written.
    """
    report = progress or (lambda name, share: None)
    wanted = specs(kinds)
    if dataset.frame.empty:
        raise FindingError("The data set has no rows; name a file with texts.")
    assigned = _splits(dataset, splits, bundle)
    chosen = options or default_options(bundle)
    folder = findings_dir() / _key(dataset, assigned, bundle, chosen)
    kept = open_findings(folder)
    if kept is not None:
        report("Open", 1.0)
        return kept if kinds is None else Findings(kept.total, [kept[spec.kind] for spec in wanted], kept.rows)
    context = Context(dataset, splits=assigned, bundle=bundle, options=chosen)
    items, frames = _compute(context, wanted, report)
    if kinds is None:
        discard(folder)  # of an older format, or damaged
        save_findings(folder, len(dataset.frame), items, frames)
    return in_memory(len(dataset.frame), items, frames)


def findings_dir() -> Path:
    """Folder in which findings are kept."""
    return get_settings().home / "data" / "findings"


def default_options(bundle: Bundle | None = None) -> Options:
    """Return how a run prepared its rows, or how the settings would."""
    training = get_settings().training
    if bundle is None:
        return Options(accepted=training.accepted, min_count=training.min_count)
    return Options(cleaning=bundle.manifest.cleaning, accepted=training.accepted, min_count=training.min_count)


def _splits(
    dataset: Dataset, splits: Sequence[str] | np.ndarray | Mapping[str, str] | None, bundle: Bundle | None
) -> np.ndarray | None:
    """Return the split of each row, or None; rows that a run does not know are in none: the empty text."""
    frame = dataset.frame
    if splits is None and bundle is not None:
        try:
            known = read_predictions(bundle, probabilities=False)
        except BundleError:  # a run without predictions has no splits to tell
            known = pd.DataFrame({"id": [], "split": []}, dtype="str")
        # A run that was written elsewhere may answer an id twice: the last answer counts.
        known = known.drop_duplicates("id", keep="last")
        places = pd.Index(known["id"]).get_indexer(pd.Index(frame["id"]))
        if (places >= 0).any():
            splits = np.where(places >= 0, known["split"].to_numpy(object)[places], "")
    if splits is None:
        return np.where(frame["holdout"], "test", "train").astype(object) if frame["holdout"].any() else None
    assigned = (
        np.asarray([splits.get(name, "") for name in frame["id"]], object)
        if hasattr(splits, "get")
        else np.asarray(splits, object)
    )
    if len(assigned) != len(frame):
        raise FindingError(f"There are {len(assigned):,} splits for {len(frame):,} rows; give one per row.")
    if unknown := sorted(set(assigned) - {*SPLITS, ""}):
        raise FindingError(f"There is no split {unknown[0]!r}; splits are {', '.join(SPLITS)}.")
    return assigned


def _key(dataset: Dataset, splits: np.ndarray | None, bundle: Bundle | None, options: Options) -> str:
    """Return the name of the folder: 32 hexadecimal digits of all that the findings depend on."""
    total = hashlib.sha256(f"tagscope-findings {FINDINGS_VERSION} {dataset.digest}\0".encode())
    total.update(b"-" if splits is None else "\0".join(splits).encode())
    total.update(f"\0{bundle.run_id if bundle else ''}\0".encode())
    total.update(msgspec.json.encode(options))
    total.update(msgspec.json.encode(dataset.left_out[["id", "row", "reason"]].to_numpy(object).tolist()))
    total.update(",".join(spec.kind for spec in specs()).encode())
    return total.hexdigest()[:32]


def _compute(
    context: Context, wanted: Sequence[Spec], report: Callable[[str, float], None]
) -> tuple[list[Finding], dict[str, pd.DataFrame]]:
    inputs = _inputs(wanted)
    total = sum(COSTS[name] for name in inputs) + COST_OF_A_FINDING * len(wanted)
    done = 0.0
    for name in inputs:
        title = name.capitalize()
        report(title, done / total)

        def advance(share: float, title: str = title, cost: int = COSTS[name], base: float = done) -> None:
            report(title, (base + cost * share) / total)

        context.progress = advance
        with contextlib.suppress(FindingError, BundleError):  # each finding that needs it says so
            getattr(context, name)
        done += COSTS[name]
    context.progress = lambda share: None
    items, frames = [], {}
    for spec in wanted:
        report(spec.title, done / total)
        try:
            result = spec.compute(context)
        except (FindingError, BundleError) as error:
            item, frame = _impossible(spec, len(context), str(error)), rows_frame(np.empty(0, np.int32), np.empty(0))
        else:
            item, frame = _summed_up(spec, len(context), result), result.rows
        items.append(item)
        frames[spec.kind] = frame
        done += COST_OF_A_FINDING
    report("Done", 1.0)
    return items, frames


_BUILT_ON = {
    "languages": ("cleaned",),
    "tokens": ("cleaned",),
    "words": ("cleaned",),
    "features": ("words",),
    "vectors": ("words",),
    "probabilities": ("features",),
    "neighbours": ("vectors",),
    "cosines": ("features", "neighbours"),
}


def _inputs(wanted: Sequence[Spec]) -> list[str]:
    """Return the expensive inputs that findings need, and those that these are built on, in their order."""
    needed: set[str] = set()
    waiting = [name for spec in wanted for name in spec.needs]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _BUILT_ON.get(name, ())
    return [name for name in COSTS if name in needed]


def _summed_up(spec: Spec, total: int, result: Result) -> Finding:
    affected = int(result.rows["affected"].sum())
    severity = spec.harm * math.sqrt(affected / total)
    table = [{name: _plain(value) for name, value in entry.items()} for entry in result.table]
    return Finding(
        spec.kind,
        spec.group,
        spec.title,
        result.sentence,
        spec.advice,
        affected,
        total,
        severity,
        computed=True,
        table=table,
        noteworthy=bool(affected) or result.noteworthy,
    )


def _impossible(spec: Spec, total: int, reason: str) -> Finding:
    return Finding(spec.kind, spec.group, spec.title, reason, spec.advice, 0, total, 0.0, False)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
