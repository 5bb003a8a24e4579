"""Which examples of a run are meant: what a click on a figure says, and the text that a link carries for it.

Every cell, bar, point and flip of Performance and Compare leads to Errors by one `ExampleSelection`.
"""

from __future__ import annotations

import math
import re

import msgspec

from dashboard.text import plain_text
from engine.dataset.fields import OTHER
from engine.errors import TagscopeError

ALL = "all"
"""The text of the selection without any condition."""
NO_TAG = "(none of the tags)"
"""As `predicted`: the answers that are none of the tags, the last column of the confusion counts."""
OF_EXAMPLES = ("correct", "wrong", "confidently wrong", "nearly right")
OF_TAGS = ("tp", "fp", "fn")
FLIPS = ("fixed", "broken", "both right", "both wrong")
COURSES = ("always right", "fixed", "broken", "flaky", "never right", "not judged")
ORDERS = ("time", "git tag", "version")
LONGEST = 20_000

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"([\[(])([0-9.e+-]{1,30}),([0-9.e+-]{1,30})([\])])")
_NUMBER = re.compile(r"[0-9.e+-]{1,30}")
_PATTERN = re.compile(r"[10-]{1,60}")
_KEYS = {"slice_name": "slice", "other_below": "other-below"}
# What a text must not hold: a link cannot carry it.
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


class SelectionError(TagscopeError):
    """A selection of examples cannot be read, or not used on this run."""


class Span(msgspec.Struct, frozen=True):
    """A range of confidence.

    Parameters
    ----------
    low, high : float
        Its ends.
    above, below : bool
        Whether `low` itself and `high` itself are left out: the bins of a reliability curve leave out their start
        (but for the first), what a threshold rejects leaves out the threshold.

    Examples
    --------
    >>> Span(0.8, 0.9, above=True).text
    '(0.8,0.9]'
    """

    low: float = 0.0
    high: float = 1.0
    above: bool = False
    below: bool = False

    @property
    def text(self) -> str:
        """As mathematics writes it, exactly."""
        return f"{'(' if self.above else '['}{self.low!r},{self.high!r}{')' if self.below else ']'}"


def _member(name: str, value: str, members: tuple[str, ...]) -> None:
    if value and value not in members:
        raise SelectionError(_unknown(name, value, members))


def _unknown(name: str, value: str, members: tuple[str, ...]) -> str:
    return f"The examples' {name} “{plain_text(value, 60)}” is none; choose one of {', '.join(members)}."


class ExampleSelection(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Conditions on the examples that a run was judged on; all of them hold.

    Parameters
    ----------
    outcome : str
        ``correct``, ``wrong``, ``confidently wrong``, ``nearly right``; or of the `tag` ``tp``, ``fp``, ``fn``.
    tag : str
        With ``tp``, ``fp``, ``fn``: of which tag. With `flip`: whether a row has this tag is what was known or not, as
        in the changes per tag. Else: the true or the predicted tag is this one.
    true, predicted : str
        The true tag and the answer; both are a cell of the confusion matrix. `NO_TAG` as `predicted` is its last
        column.
    slice_name : str
        The slice that they are in.
    weak : str
        The name of a weak slice, as `weak_name` gives it.
    confidence : Span, optional
        Probability of the answer.
    other_below : float, optional
        A threshold as the predictor has it: where the probability of the answer is below it, the answer counts as
        `other`, in `outcome`, `tag` and `predicted`. Such an answer is neither confidently wrong nor nearly right.
    flip, against : str
        From the run `against` to the one on show: ``fixed``, ``broken``, ``both right``, ``both wrong``; only the rows
        on which the two can be compared.
    course, pattern : str
        Over several runs: one of `COURSES`, or a character per run, ``1`` right, ``0`` wrong, ``-`` not judged.
    over : tuple of str
        These runs, in their order; empty for all on the same data.
    order : str
        The order of all, one of `ORDERS`; without meaning where `over` has one.
    by : str
        The run whose examples are followed and by whose labels they are judged; empty for the one with the newest
        labels that can be compared with the run on show.

    Raises
    ------
    SelectionError
        If a value cannot be one.

    Examples
    --------
    >>> format_selection(ExampleSelection(true="mlops", predicted="other"))
    'true:mlops;predicted:other'
    """

    outcome: str = ""
    tag: str = ""
    true: str = ""
    predicted: str = ""
    slice_name: str = ""
    weak: str = ""
    confidence: Span | None = None
    other_below: float | None = None
    flip: str = ""
    against: str = ""
    course: str = ""
    pattern: str = ""
    over: tuple[str, ...] = ()
    order: str = "time"
    by: str = ""

    def __post_init__(self) -> None:
        _member("outcome", self.outcome, (*OF_EXAMPLES, *OF_TAGS))
        _member("flip", self.flip, FLIPS)
        _member("course", self.course, COURSES)
        if self.order not in ORDERS:
            raise SelectionError(_unknown("order", self.order, ORDERS))
        if self.outcome in OF_TAGS and not self.tag:
            raise SelectionError(f"The examples' outcome “{self.outcome}” is of a tag; name one: tag:mlops.")
        if self.outcome in OF_TAGS and self.flip:
            raise SelectionError(
                f"The examples' outcome “{self.outcome}” says nothing of a flip; leave out one of them."
            )
        if bool(self.flip) != bool(self.against):
            raise SelectionError("A flip is from one run to another; name both, as in flip:fixed;against:RUN.")
        for run_id in (self.against, self.by, *self.over):
            if run_id and not _RUN_ID.fullmatch(run_id):
                raise SelectionError(
                    f"The examples name “{plain_text(run_id, 60)}”, which is no run id; choose them again."
                )
        if "" in self.over:
            raise SelectionError("The examples name a run without an id; choose them again.")
        if self.pattern and not _PATTERN.fullmatch(self.pattern):
            raise SelectionError(
                f"The examples' pattern “{plain_text(self.pattern, 60)}” is none; it has 1, 0 or - for each run."
            )
        if (self.over or self.by or self.order != "time") and not (self.course or self.pattern):
            raise SelectionError("The examples name several runs, but not what became of them; choose again.")
        span = self.confidence
        if span is not None and not (math.isfinite(span.low) and math.isfinite(span.high) and span.low <= span.high):
            raise SelectionError(f"The examples' range of confidence “{span.text}” is none; write it as [0.8,0.9].")
        if self.other_below is not None and not 0 <= self.other_below <= 1:
            raise SelectionError(f"The examples' threshold “{self.other_below!r}” is none; give a number from 0 to 1.")
        if self.other_below is not None and (self.flip or self.course or self.pattern):
            raise SelectionError(
                "What became of examples between runs has no threshold; leave out the flip or the threshold."
            )
        for name in ("tag", "true", "predicted", "slice_name", "weak"):
            if _UNUSABLE.search(getattr(self, name)):
                raise SelectionError(
                    f"The examples' {_KEYS.get(name, name)} has characters that are none; choose again."
                )

    @property
    def words(self) -> str:
        """What is meant, for people, as plain text."""
        kinds = {"tp": "true positives", "fp": "false positives", "fn": "false negatives"}
        parts = [
            f"{kinds[self.outcome]} of {self.tag}" if self.outcome in kinds else self.outcome,
            f"tag {self.tag}" if self.tag and self.outcome not in kinds else "",
            f"true tag {self.true}" if self.true else "",
            f"predicted {self.predicted}" if self.predicted else "",
            f"slice {self.slice_name}" if self.slice_name else "",
            f"rows {self.weak}" if self.weak else "",
            f"confidence {_spoken(self.confidence)}" if self.confidence is not None else "",
            f"answers below {self.other_below:.4g} counted as {OTHER}" if self.other_below is not None else "",
            f"{self.flip} since run {self.against[:8]}" if self.flip in ("fixed", "broken") else "",
            f"{self.flip}, here and in run {self.against[:8]}" if self.flip.startswith("both") else "",
            f"{self.course} over the runs" if self.course else "",
            f"answered {self.pattern} over the runs" if self.pattern else "",
        ]
        return plain_text(", ".join(part for part in parts if part) or "all examples", 300)


WRONG = ExampleSelection(outcome="wrong")
"""What an empty text means: whoever chose nothing looks at the errors."""


def format_selection(selection: ExampleSelection) -> str:
    r"""Write a selection as the text of a link: ``true:mlops;predicted:other``; ``;`` and ``\`` stand after a ``\``."""
    parts = []
    for name, value in ((name, getattr(selection, name)) for name in selection.__struct_fields__):
        if isinstance(value, Span):
            parts.append(f"{name}:{value.text}")
        elif isinstance(value, float):
            parts.append(f"{_KEYS.get(name, name)}:{float(value)!r}")
        elif isinstance(value, tuple):
            parts += [f"{name}:{','.join(value)}"] if value else []
        elif value and (name, value) != ("order", "time"):
            escaped = value.replace("\\", "\\\\").replace(";", "\\;")
            parts.append(f"{_KEYS.get(name, name)}:{escaped}")
    return ";".join(parts) or ALL


def parse_selection(text: str) -> ExampleSelection:
    """Read what `format_selection` wrote, or what somebody made of it.

    Parameters
    ----------
    text : str
        Empty for `WRONG`.

    Raises
    ------
    SelectionError
        It cannot be read; one sentence says why.
    """
    if not text:
        return WRONG
    if text == ALL:
        return ExampleSelection()
    if len(text) > LONGEST:
        raise SelectionError(f"The text for the examples is longer than {LONGEST:,} characters; choose them again.")
    names = {_KEYS.get(name, name): name for name in ExampleSelection.__struct_fields__}
    values: dict[str, object] = {}
    for part in _split(text):
        key, colon, value = part.partition(":")
        if not colon or key not in names or not value:
            raise SelectionError(
                f"“{plain_text(part, 60)}” describes no examples; write it as true:mlops;predicted:other, of "
                f"{', '.join(names)}."
            )
        if names[key] in values:
            raise SelectionError(f"The examples have two values for “{key}”; leave one of them out.")
        values[names[key]] = _value(key, value)
    return ExampleSelection(**values)  # type: ignore[arg-type]


def weak_name(phrases: list[str] | tuple[str, ...]) -> str:
    """Return the name of a weak slice: the phrases of its conditions, which stay when others are found."""
    return " and ".join(phrases)


def _split(text: str) -> list[str]:
    parts, part, signs = [], "", iter(text)
    for sign in signs:
        if sign == ";":
            parts.append(part)
            part = ""
        else:
            part += next(signs, "") if sign == "\\" else sign
    return [*parts, part]


def _value(key: str, value: str) -> object:
    if key == "over":
        return tuple(value.split(","))
    if key == _KEYS["other_below"]:
        try:
            return float(value) if _NUMBER.fullmatch(value) else math.nan
        except ValueError:
            return math.nan
    if key != "confidence":
        return value
    match = _SPAN.fullmatch(value)
    try:
        low, high = (float(match[2]), float(match[3])) if match else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if match is None or not low <= high:
        raise SelectionError(f"The range of confidence “{plain_text(value, 60)}” is none; write it as [0.8,0.9].")
    return Span(low, high, match[1] == "(", match[4] == ")")


def _spoken(span: Span) -> str:
    low, high = f"{span.low:.4g}", f"{span.high:.4g}"
    if span.high >= 1 and not span.below:
        return f"{'above' if span.above else 'at least'} {low}"
    if span.low <= 0 and not span.above:
        return f"{'below' if span.below else 'at most'} {high}"
    return f"{low} to {high}"
