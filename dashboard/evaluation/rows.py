"""What is found by the rows of a run, their texts, tags and dates: the slices that are defined, and weak ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboard.evaluation.one_copy import one_copy
from dashboard.evaluation.selection import NO_TAG
from dashboard.shelf import Shelf
from dashboard.text import sentence_of
from engine.dataset.splits import SPLITS
from engine.errors import DataError, TagscopeError
from engine.evaluation.declared_slices import SPACED, DeclaredSlice, spaced_words
from engine.evaluation.slices import slice_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dashboard.evaluation.evaluation import Evaluation
    from engine.evaluation.weak_slices import WeakSlices

TEST = SPLITS[-1]


class PackedMasks(Mapping[str, np.ndarray]):
    """Masks by name, each bool, shape (n,); one bit per row, since 200 slices of 200,000 rows would take 40 MB.

    Parameters
    ----------
    masks
        Taken one by one, so that they need not be there together.
    """

    def __init__(self, masks: Iterable[tuple[str, np.ndarray]] = ()) -> None:
        self._packed = {name: (one_copy(np.packbits(mask)), len(mask)) for name, mask in masks}

    def __getitem__(self, name: str) -> np.ndarray:
        bits, count = self._packed[name]
        return np.unpackbits(bits, count=count).view(bool)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclasses.dataclass(frozen=True, eq=False)
class Slices:
    """The slices of a run's rows: name to mask (bool, shape (n,)), and a sentence by name of what cannot be used."""

    definitions: dict[str, Any]
    masks: Mapping[str, np.ndarray]
    problems: dict[str, str]


def slices_of(run: Evaluation, definitions: dict[str, Any], before: Slices | None = None) -> Slices:
    """Find the rows of slices, each apart: one that fails spoils no other.

    Parameters
    ----------
    run
        Whose rows.
    definitions
        By name.
    before
        What was found for other definitions: only slices that are new or defined otherwise are looked for.
    """
    frame: pd.DataFrame | None = None
    problems: dict[str, str] = {}

    def found() -> Iterator[tuple[str, np.ndarray]]:
        nonlocal frame
        for name, definition in definitions.items():
            if before is not None and name in before.masks and before.definitions[name] == definition:
                yield name, before.masks[name]
                continue
            frame = frame_of(run) if frame is None else frame
            if SPACED not in frame and isinstance(definition, DeclaredSlice) and definition.needs_words:
                frame[SPACED] = spaced_words(frame["text"])
            try:
                yield name, slice_masks(frame, {name: definition})[name]
            except TagscopeError as error:
                problems[name] = sentence_of(error)

    return Slices(definitions, PackedMasks(found()), problems)


class Slicing:
    """The slices of some rows, found once for all runs that were judged on them; safe to share between threads.

    Those of the last two definitions are kept: for 200,000 rows and 200 slices 5 MB each.
    """

    def __init__(self) -> None:
        self._kept = Shelf(2)
        self._last: Slices | None = None

    def slices(self, run: Evaluation, definitions: dict[str, Any]) -> Slices:
        """Return the slices of these definitions; only the rows of those that are new are looked for."""

        def make() -> Slices:
            self._last = slices_of(run, definitions, self._last)
            return self._last

        return self._kept.keep(tuple(definitions.items()), make)


def find_weak(run: Evaluation, report: Callable[[str, float], None]) -> WeakSlices:
    """Find the weak slices of a run, with its progress.

    Raises
    ------
    engine.errors.DataError
        The data set is not here.
    """
    from engine.evaluation.candidates import candidates_of
    from engine.evaluation.weak_slices import weak_slices

    if run.dataset is None:
        raise DataError(
            f"Weak slices are found by the texts, and the data set {run.manifest.dataset.digest} of run "
            f"{run.run_id} is not here; copy it into data/datasets."
        )
    frame = frame_of(run)
    names = np.asarray((*run.tags, NO_TAG), dtype=object)
    report("Reading the texts", 0.0)
    candidates = candidates_of(frame["text"].to_numpy(object), names[run.true], frame.get("created"))
    report("Looking for weak slices", 0.6)
    return weak_slices(candidates, names[run.true], names[run.predicted])


def frame_of(run: Evaluation) -> pd.DataFrame:
    """Return the rows as slices see them: text, tag, split and, where there are dates, created; index from 0."""
    assert run.dataset is not None
    assert run.places is not None
    frame = run.dataset.frame
    names = [name for name in ("text", "created") if name in frame]
    tags = np.asarray(run.tags, dtype=object)[run.true]
    rows = frame[names].iloc[run.places].reset_index(drop=True)
    return rows.assign(tag=pd.Series(tags, dtype="str"), split=TEST)
