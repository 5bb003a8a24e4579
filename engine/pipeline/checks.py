"""Behavioural checks of a run: its texts changed, asked through the predictor that serves, and judged."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from config.settings import get_settings
from engine.dataset.snapshot import open_dataset
from engine.dataset.splits import SPLITS
from engine.errors import TagscopeError
from engine.evaluation.behaviour import Answer, CheckResult, cases_of, judge_check
from engine.evaluation.checks_file import CheckError, read_checks
from engine.inference.prediction import Refusal
from engine.runs.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from engine.evaluation.behaviour import Check
    from engine.inference.predictor import Predictor
    from engine.runs.bundle import Bundle

TEST = SPLITS[-1]
MOST_TEXTS = 200
"""How many of the texts that a run was judged on are changed."""


@dataclasses.dataclass(frozen=True, eq=False)
class CheckReport:
    """What became of the checks of a run.

    Parameters
    ----------
    run : str
        Its id.
    results : tuple of CheckResult
        In the order of the file.
    texts : int
        How many texts of the run were changed; 0 where each check has its own.
    """

    run: str
    results: tuple[CheckResult, ...]
    texts: int

    @property
    def broken(self) -> list[CheckResult]:
        """The checks whose limit is broken."""
        return [result for result in self.results if result.broken]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {"run": self.run, "texts": self.texts, "checks": msgspec.to_builtins(self.results)}


def run_checks(
    predictor: Predictor,
    run_id: str | None = None,
    checks: Mapping[str, Check] | None = None,
    *,
    texts: Sequence[str] | None = None,
    seed: int = 0,
    datasets_dir: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> CheckReport:
    """Run behavioural checks through the predictor of this process.

    Parameters
    ----------
    predictor
        Of `engine.inference.predictor.get_predictor`.
    run_id
        The promoted run where it is None.
    checks
        By name; those of `engine.evaluation.checks_file.read_checks` by default.
    texts
        What is changed by the checks that have no texts of their own; by default at most 200 that the run was judged
        on, drawn with the seed.
    seed
        The same seed gives the same cases.
    datasets_dir
        Where the data sets are; that of the settings by default.
    progress
        Called with the share done, 0 to 1.

    Raises
    ------
    CheckError
        The file of the checks cannot be used, or the run has no texts to change.
    engine.errors.TagscopeError
        As `Predictor.load`.
    """
    chosen = read_checks() if checks is None else checks
    model = predictor.load(run_id)
    shared: Sequence[str] = texts or ()
    if not shared and any(not check.texts for check in chosen.values()):
        bundle = predictor.store.open(model.run_id)
        shared = judged_texts(bundle, seed=seed, datasets_dir=datasets_dir)
    cases = {name: cases_of(name, check, shared, seed=seed) for name, check in chosen.items()}
    asked = list(dict.fromkeys(text for made in cases.values() for case in made for text in (case.text, case.changed)))
    answers: dict[str, Answer] = {}
    for text, found in zip(asked, predictor.predict_stream(asked, model.run_id, errors="return"), strict=True):
        if isinstance(found, Refusal):
            answers[text] = Answer("", {}, found.error)
        else:
            answers[text] = Answer(found.predicted_tag, found.probabilities)
        if progress:
            progress(len(answers) / len(asked))
    results = [
        judge_check(name, check, cases[name], answers.__getitem__, model.labels) for name, check in chosen.items()
    ]
    return CheckReport(model.run_id, tuple(results), len(shared))


def judged_texts(
    bundle: Bundle, *, most: int = MOST_TEXTS, seed: int = 0, datasets_dir: Path | None = None
) -> list[str]:
    """Return texts that a run was judged on, all different, drawn with a seed where there are more.

    Raises
    ------
    CheckError
        The run has no predictions, its data set is not here, or it was judged on nothing.
    """
    remedy = "give every check `texts` of its own in config/checks.toml"
    try:
        frame = open_dataset(datasets_dir or get_settings().datasets_dir, bundle.manifest.dataset.digest).frame
        predictions = read_predictions(bundle)
    except TagscopeError as error:
        reason = str(error).rstrip(".")
        raise CheckError(f"Run {bundle.run_id} has no texts here to change ({reason}); or {remedy}.") from None
    judged = set(predictions.loc[predictions["split"].eq(TEST), "id"])
    texts = sorted(set(frame.loc[frame["id"].isin(judged), "text"].dropna()))
    if not texts:
        raise CheckError(
            f"Run {bundle.run_id} was judged on no row of its data set, so no text can be changed; {remedy}."
        )
    if len(texts) <= most:
        return texts
    rows = np.random.default_rng(seed).choice(len(texts), most, replace=False)
    return [texts[row] for row in sorted(rows.tolist())]
