"""Behaviour: what a model must do however high its F1 is, and the share of the texts on which it does not.

The three kinds are those of CheckList: an invariance (a change of the text must leave the tag alone), a directional
expectation (a sentence that speaks for a tag must not lower its probability) and minimum functionality (plain texts
must get their tag).

References
----------
Ribeiro, M. T., Wu, T., Guestrin, C. and Singh, S. (2020), "Beyond accuracy: behavioral testing of NLP models with
CheckList", ACL, 4902-4912.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from engine.evaluation import perturbations
from engine.evaluation.estimates import Estimate, proportion
from engine.evaluation.perturbations import Change, drawing, synonym_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

Kind = Literal["invariance", "directional", "minimum"]


class Invariance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change that must leave the predicted tag alone.

    Parameters
    ----------
    change : str
        ``case``, ``punctuation``, ``typo``, ``synonyms`` or ``sentence``; see `engine.evaluation.perturbations`.
    limit : float
        The check is broken where a larger share of the texts fails.
    typos : int
        In how many words, for ``typo``.
    synonyms : tuple of tuple of str
        Words that may stand for each other, for ``synonyms``.
    sentences : tuple of str
        Neutral ones, for ``sentence``.
    texts : tuple of str
        What is changed; empty: texts that the run was judged on.
    """

    change: Change
    limit: float
    typos: int = 1
    synonyms: tuple[tuple[str, ...], ...] = ()
    sentences: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class Directional(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sentence, added to a text, that must not move the probability of a tag the wrong way.

    Parameters
    ----------
    sentences : tuple of str
        One of them is added at the end.
    tag : str
        Whose probability is looked at.
    expect : str
        ``up`` or ``down``.
    tolerance : float
        By how much it may move the other way.
    limit, texts
        As for `Invariance`.
    """

    sentences: tuple[str, ...]
    tag: str
    expect: Literal["up", "down"]
    limit: float
    tolerance: float = 0.0
    texts: tuple[str, ...] = ()


class Minimum(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Texts so plain that they must get their tag; `limit` as for `Invariance`."""

    tag: str
    texts: tuple[str, ...]
    limit: float


Check: TypeAlias = Invariance | Directional | Minimum
KINDS: dict[Kind, type[Invariance] | type[Directional] | type[Minimum]] = {
    "invariance": Invariance,
    "directional": Directional,
    "minimum": Minimum,
}


class Answer(msgspec.Struct, frozen=True):
    """What a model says of a text: the tag, and the probability of each; or why it says nothing, in `refusal`."""

    tag: str
    probabilities: dict[str, float]
    refusal: str = ""


class Case(msgspec.Struct, frozen=True):
    """A text as it was and as it is asked about; both are the same for minimum functionality."""

    text: str
    changed: str


class Failure(msgspec.Struct, frozen=True):
    """A case that failed: the tags of both texts, and what was expected, as a sentence.

    `before` and `after` are the probabilities of the tag that the check looks at: that of the first answer, or the
    check's own. Where the changed text was refused `got` is empty, and the sentence says why.
    """

    text: str
    changed: str
    expected: str
    got: str
    before: float
    after: float
    sentence: str


class CheckResult(msgspec.Struct, frozen=True):
    """What became of a check.

    Parameters
    ----------
    name, kind, limit
        Of the check.
    rate : Estimate
        Share of the cases that failed, by a Wilson interval; `n` is how many cases there were.
    broken : bool
        Whether the rate is above the limit.
    failures : tuple of Failure
        All of them, those first where the probability moved most.
    remark : str
        Why nothing could be looked at; empty where there were cases. Such a check is not broken.
    left_out : int
        Texts that could not be asked about, for they were refused as they are.
    """

    name: str
    kind: Kind
    limit: float
    rate: Estimate
    broken: bool
    failures: tuple[Failure, ...]
    remark: str = ""
    left_out: int = 0


def kind_of(check: Check) -> Kind:
    """Return which kind of check it is."""
    return next(kind for kind, record in KINDS.items() if isinstance(check, record))


def cases_of(name: str, check: Check, texts: Sequence[str], *, seed: int = 0) -> list[Case]:
    """Make the cases of a check; a text that the change leaves as it is makes none, and equal ones make one.

    Parameters
    ----------
    name : str
        Of the check; another name draws other changes.
    check : Check
        What is looked at.
    texts : sequence of str
        What is changed where the check has no texts of its own.
    seed : int, optional
        The same seed gives the same cases.
    """
    own = list(dict.fromkeys(check.texts or texts))
    if isinstance(check, Minimum):
        return [Case(text, text) for text in own]
    change = _changer(check)
    made = (Case(text, change(text, drawing(seed, name, text))) for text in own)
    return [case for case in made if case.changed != case.text]


def _changer(check: Invariance | Directional) -> Callable[[str, Random], str]:
    """Return what changes a text."""
    if isinstance(check, Directional):
        return lambda text, draw: perturbations.with_sentence(text, check.sentences, draw)
    if check.change == "synonyms":
        table = synonym_table(check.synonyms)
        return lambda text, draw: perturbations.with_synonyms(text, table, draw)
    return {
        "case": perturbations.with_case,
        "punctuation": lambda text, draw: perturbations.with_punctuation(text),
        "typo": lambda text, draw: perturbations.with_typos(text, check.typos, draw),
        "sentence": lambda text, draw: perturbations.with_sentence(text, check.sentences, draw),
    }[check.change]


def judge_check(
    name: str,
    check: Check,
    cases: Sequence[Case],
    answers: Callable[[str], Answer],
    labels: Sequence[str],
) -> CheckResult:
    """Say on how many of its cases a check fails.

    Parameters
    ----------
    name : str
        Of the check.
    check : Check
        What is looked at.
    cases : sequence of Case
        From `cases_of`.
    answers : callable
        From a text to its answer; it is asked for both texts of each case.
    labels : sequence of str
        The model's tags.
    """
    kind = kind_of(check)
    tag = "" if isinstance(check, Invariance) else check.tag
    nothing = proportion(0, 0)
    if tag and tag not in labels:
        return CheckResult(name, kind, check.limit, nothing, False, (), f"this run has no tag {tag!r}")
    kept = [case for case in cases if kind == "minimum" or not answers(case.text).refusal]
    left_out = len(cases) - len(kept)
    if not kept:
        why = "every text was refused as it is" if left_out else "the change leaves every text as it is"
        return CheckResult(name, kind, check.limit, nothing, False, (), why, left_out)
    found = [_failure(check, case, answers(case.text), answers(case.changed)) for case in kept]
    failures = [failure for failure in found if failure is not None]
    failures.sort(key=lambda failure: -abs(failure.after - failure.before))
    rate = proportion(len(failures), len(kept))
    return CheckResult(name, kind, check.limit, rate, rate.value > check.limit, tuple(failures), "", left_out)


def _failure(check: Check, case: Case, before: Answer, after: Answer) -> Failure | None:
    """Return what is wrong with the answers to a case, if anything."""
    expected = before.tag if isinstance(check, Invariance) else check.tag
    chances = before.probabilities.get(expected, 0.0), after.probabilities.get(expected, 0.0)
    if after.refusal:
        return Failure(case.text, case.changed, expected, "", *chances, f"It was not answered: {after.refusal}")
    sentence = ""
    if isinstance(check, Directional):
        moved = chances[1] - chances[0] if check.expect == "up" else chances[0] - chances[1]
        if moved < -check.tolerance:
            sentence = f"The probability of {expected!r} went from {chances[0]:.3f} to {chances[1]:.3f}."
    elif after.tag != expected:
        became = "is" if isinstance(check, Minimum) else "became"
        sentence = f"The tag {became} {after.tag!r} ({after.probabilities.get(after.tag, 0.0):.3f}), not {expected!r}."
    return Failure(case.text, case.changed, expected, after.tag, *chances, sentence) if sentence else None
