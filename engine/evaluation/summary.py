"""Summary: three plain sentences on how good a run is, for people who do not read tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.performance_file import Performance

_FEW = 10


def summarise(
    performance: Performance,
    previous: Performance | None = None,
    *,
    interval: tuple[float, float] | None = None,
    not_comparable: str | None = None,
) -> list[str]:
    r"""Say in three sentences how good a run is, where it is worst, and whether it is better than the one before.

    Parameters
    ----------
    performance : Performance
        The run.
    previous : Performance, optional
        The run before, if there is one.
    interval : tuple of float, optional
        The 95 % interval of the run's weighted F1.
    not_comparable : str, optional
        Why the two runs cannot be compared, as a part of a sentence, where the caller knows a reason. That their
        tags or their numbers of samples differ is seen here.

    Returns
    -------
    list of str
        Three sentences, each with the number of samples it rests on.

    Examples
    --------
    >>> from engine.evaluation.performance_file import read_performance
    >>> score = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "num_samples": 4}
    >>> print(*summarise(read_performance({"overall": score, "class": {"a": score}})), sep="\n")
    The weighted F1 is 0.500, with a precision of 0.500 and a recall of 0.500 (n = 4).
    It is worst on the tag a: F1 0.500 (n = 4, too few to be sure).
    There is no earlier run to compare this one with (n = 4).
    """
    return [
        _how_good(performance, interval),
        _where_worst(performance),
        _since_before(performance, previous, interval, not_comparable),
    ]


def _how_good(performance: Performance, interval: tuple[float, float] | None) -> str:
    overall = performance.overall
    if not overall.num_samples:
        return "How good this run is cannot be said: it was judged on no samples (n = 0)."
    within = f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return (
        f"The weighted F1 is {overall.f1:.3f}{within}, with a precision of {overall.precision:.3f} and a recall of "
        f"{overall.recall:.3f} (n = {overall.num_samples:,})."
    )


def _where_worst(performance: Performance) -> str:
    worst = performance.worst
    if worst is None:
        return "Where it is worst cannot be said: no tag has samples (n = 0)."
    tag, score = worst
    sentence = f"It is worst on the tag {tag}: F1 {score.f1:.3f} (n = {_number(score.num_samples)})"
    below = [(name, part) for name, part in performance.slices.items() if part.num_samples and part.f1 < score.f1]
    if below:
        name, part = min(below, key=lambda item: (item[1].f1, -item[1].num_samples))
        sentence += f", and worse still on the slice {name}: F1 {part.f1:.3f} (n = {_number(part.num_samples)})"
    return sentence + "."


def _number(count: int) -> str:
    """Return a number of samples, with a warning if it is small."""
    return f"{count:,}" + (", too few to be sure" if count < _FEW else "")


def _since_before(
    performance: Performance,
    previous: Performance | None,
    interval: tuple[float, float] | None,
    not_comparable: str | None,
) -> str:
    now = performance.overall
    if previous is None:
        return f"There is no earlier run to compare this one with (n = {now.num_samples:,})."
    before = previous.overall
    reason = not_comparable or _difference(performance, previous)
    if reason:
        return (
            f"It is not comparable with the run before: {reason.strip().rstrip('.')} "
            f"(n = {now.num_samples:,} now, {before.num_samples:,} before)."
        )
    change = now.f1 - before.f1
    figures = f"F1 {now.f1:.3f} now, {before.f1:.3f} before (n = {now.num_samples:,})"
    if abs(change) < 0.0005:
        return f"It is as good as the run before: {figures}."
    word = "better" if change > 0 else "worse"
    if interval and interval[0] <= before.f1 <= interval[1]:
        return f"It is {word} than the run before by {abs(change):.3f}, which may be chance: {figures}."
    return f"It is {word} than the run before by {abs(change):.3f}: {figures}."


def _difference(performance: Performance, previous: Performance) -> str | None:
    """Return why two runs cannot be compared, as far as their figures tell."""
    if not performance.overall.num_samples or not previous.overall.num_samples:
        return "one of them was judged on no samples"
    if set(performance.classes) != set(previous.classes):
        return "they do not have the same tags"
    if performance.overall.num_samples != previous.overall.num_samples:
        return "they were judged on different numbers of samples"
    return None
