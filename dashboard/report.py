"""What the Performance section shows of a run: its figures, and what is said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dashboard.evaluation.evaluation import Evaluation
    from engine.evaluation.estimates import Estimate
    from engine.evaluation.performance_file import Performance
    from engine.runs.bundle import Bundle
    from engine.runs.manifest import Manifest

TEST_SPLIT = "test"
SEEN_UNKNOWN = (
    "This model was trained elsewhere, and nobody knows here on which samples: those that it has seen make it look "
    "better than it is."
)


class Report(msgspec.Struct, frozen=True):
    """What the Performance section shows, the sentences above it, and what is unusual about the run."""

    performance: Any
    sentences: tuple[str, ...]
    source: str = ""
    remarks: tuple[str, ...] = ()


def report_of_file(path: Path, source: str) -> Report:
    """Return what is shown of a performance file; `source` is what it is called.

    Raises
    ------
    engine.errors.DataError
        The file is missing or damaged.
    """
    from engine.evaluation.performance_file import read_performance

    performance = read_performance(path)
    return Report(performance, _sentences(performance), source)


def report_of_run(bundle: Bundle, open_earlier: Callable[[], Bundle] | None) -> Report:
    """Return what is shown of a run.

    Parameters
    ----------
    bundle
        The run.
    open_earlier
        Opens the run that it is compared with; None where it is the first.

    Raises
    ------
    engine.errors.TagscopeError
        The run is damaged.
    """
    from engine.evaluation.performance_file import read_performance

    performance, remarks = read_performance(bundle.performance()), _remarks(bundle.manifest)
    if open_earlier is None:
        return Report(performance, _sentences(performance), remarks=remarks)
    try:
        before = open_earlier()
        previous = read_performance(before.performance())
        reason = _not_comparable(bundle, before)
    except TagscopeError:
        # A damaged earlier run is no reason to show nothing of this one.
        return Report(performance, _sentences(performance), remarks=remarks)
    return Report(performance, _sentences(performance, previous, reason), remarks=remarks)


def report_of_evaluation(evaluation: Evaluation) -> Report:
    """Return what the answers of a run say, where its performance.json cannot be read.

    Of the run before nothing is said: that takes both runs' answers.
    """
    from engine.evaluation.performance_file import Performance, Score

    def score(precision: Estimate, recall: Estimate, f1: Estimate, rows: int) -> Score:
        return Score(precision.value, recall.value, f1.value, rows)

    found = evaluation.report
    weighted = found.weighted
    performance = Performance(
        overall=score(weighted.precision, weighted.recall, weighted.f1, found.rows),
        classes={tag: score(one.precision, one.recall, one.f1, one.support) for tag, one in found.tags.items()},
        slices={},
        extra={"intervals": {"overall": {"f1": [weighted.f1.low, weighted.f1.high]}}} if found.rows else {},
    )
    return Report(performance, _sentences(performance)[:2], remarks=_remarks(evaluation.manifest))


def _sentences(
    performance: Performance, previous: Performance | None = None, not_comparable: str | None = None
) -> tuple[str, ...]:
    from engine.evaluation.summary import summarise

    return tuple(summarise(performance, previous, interval=f1_interval(performance), not_comparable=not_comparable))


def f1_interval(performance: Performance) -> tuple[float, float] | None:
    """Return the interval of the overall F1 that our own performance files hold beside the lesson's figures."""
    intervals = performance.extra.get("intervals")
    try:
        low, high = intervals["overall"]["f1"]  # type: ignore[index]
        return (float(low), float(high))
    except (TypeError, KeyError, ValueError):
        return None


def _remarks(manifest: Manifest) -> tuple[str, ...]:
    """Return what a person should know of a run that came from elsewhere, in sentences."""
    # The manifest may have come from anywhere too: what is not as we write it is not shown.
    training, source = (manifest.parameters.get(key) for key in ("training", "source"))
    elsewhere = isinstance(training, dict) and training.get("trained_elsewhere") is True
    remarks = source.get("remarks") if isinstance(source, dict) else None
    written = [remark for remark in remarks if isinstance(remark, str)] if isinstance(remarks, list) else []
    return (*([SEEN_UNKNOWN] if elsewhere else []), *written)


def _not_comparable(bundle: Bundle, before: Bundle) -> str | None:
    """Return why two runs were not judged on the same samples with the same tags; None where they were."""
    from engine.runs.predictions import read_predictions

    frames = []
    for one in (bundle, before):
        frame = read_predictions(one, probabilities=False)
        frames.append(frame.loc[frame["split"] == TEST_SPLIT, ["id", "tag"]].reset_index(drop=True))
    now, then = frames
    # Most of the time the rows are the same in the same order, which is seen at once.
    if not now["id"].equals(then["id"]):
        if set(now["id"]) != set(then["id"]):
            return "they were judged on different samples"
        then = then.drop_duplicates("id").set_index("id").reindex(now["id"]).reset_index()
    changed = int((now["tag"] != then["tag"]).sum())
    if changed:
        verb = "was" if changed == 1 else "were"
        return f"{changed:,} of the tags they were judged by {verb} changed in between"
    return None
