"""What the exporter's errors mean: one sentence with the operator or the line of code, and what to do about it.

The texts that are looked for are those of torch 2.13. A text that is not known here is passed on: its first line, and
the user's line of code that it came through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.fx import Node
from torch.nn.utils.rnn import PackedSequence

from engine.export.worker.witness import Place, first_line, locals_of, place_of_error, place_of_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.export.axes import Axis
    from engine.export.worker.witness import Witness

_MASKED = "engine.export.examples.classifiers.MaskedBiLstm"
_LEVELS = (
    "out of ONNX operators (level 1 in docs/operators.md), as a new function inside the model (level 2), or run it "
    "in Python on ONNX Runtime (level 3)"
)


class Refusal(ValueError):
    """A reason why a module cannot be exported, in words for people.

    Parameters
    ----------
    sentence
        What is wrong and what to do, without an end mark.
    place
        File and line of the code that is the reason.
    """

    def __init__(self, sentence: str, place: Place | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.place = place


@dataclass(frozen=True)
class Failure:
    """What there is to explain.

    Attributes
    ----------
    error
        What was raised in the end.
    inner
        Where it came from.
    witness
        What was heard on the way.
    request
        What was asked for.
    """

    error: BaseException
    inner: BaseException
    witness: Witness
    request: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The whole message of the inner error."""
        return str(self.inner)

    @property
    def node(self) -> Node | None:
        """What was being translated, the innermost first."""
        return next((value for value in locals_of(self.error) if isinstance(value, Node)), None)


def explain(error: BaseException, witness: Witness, request: Mapping[str, Any]) -> Refusal:
    """Say what an error means for the person whose module was to be exported.

    Parameters
    ----------
    error
        What the exporter, or the module, raised.
    witness
        What was heard on the way.
    request
        What was asked for.
    """
    if isinstance(error, Refusal):
        return error
    inner = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    failure = Failure(error, inner, witness, request)
    for rule in _RULES:
        found = rule(failure)
        if found is not None:
            return found
    reason = first_line(failure.text) or "no message"
    return Refusal(f"{type(inner).__name__}: {reason}", place_of_error(inner))


def frozen(place: str, size: int | str, line: Place | None) -> Refusal:
    """Say that an axis is not dynamic for this module."""
    return Refusal(
        f"{place} was declared dynamic, but this code works for size {size} only: a number, or a Python loop over the "
        "axis, is written into the graph as it is; take the size from the input (`x.shape[1]`, `x.new_ones(...)`) and "
        "work on whole tensors, or leave the axis out of `dynamic`",
        line,
    )


def derived(place: str, rule: str, line: Place | None) -> Refusal:
    """Say that the size of an axis follows from others."""
    return Refusal(
        f"{place} was declared to have a size of its own, but in this module it is always {rule}; change the operation "
        "that ties them, or compute that input from the others inside of the module",
        line,
    )


def narrowed(place: str, axis: Axis, low: Any, high: Any, line: Place | None) -> Refusal:
    """Say that the graph is right for a part of the sizes only."""
    bounds = [f"minimum={low}"] if low > axis.minimum else []
    bounds += [f"maximum={high}"] if high < axis.maximum else []
    return Refusal(
        f"{place} was declared to be {axis.range}, but the graph is right for {low} to {high} only, because the module "
        f"does something else at other sizes; declare {', '.join(bounds)}, or make no difference between sizes",
        line,
    )


def _packed(failure: Failure) -> Refusal | None:
    node = failure.node
    traced = node is not None and "packed_sequence" in str(node.target) + str(node.target).replace("_padded", "")
    if not traced and not any(isinstance(value, PackedSequence) for value in locals_of(failure.error)):
        return None
    line = place_of_error(failure.inner) or (place_of_text(node.meta.get("stack_trace") or "") if node else None)
    return Refusal(
        "pack_padded_sequence cannot be exported, because its batches depend on the values of the lengths; run the "
        f"recurrent layer over the padded batch and mask its result, as {_MASKED} does with the same answers",
        line,
    )


def _data_dependent(failure: Failure) -> Refusal | None:
    if not type(failure.inner).__name__.startswith("GuardOnDataDependent") and not re.search(
        r"data-dependent|DataDependentOutput|local_scalar_dense", failure.text
    ):
        return None
    return Refusal(
        "this line needs the value of a tensor, which is known only when the model runs; where the value decides "
        "(`if`, `while`) choose by torch.where or torch.cond, and where it is computed with (int(), float(), .item(), "
        "range()) keep it a tensor",
        place_of_error(failure.inner) or place_of_text(failure.text),
    )


def _static(failure: Failure) -> Refusal | None:
    found = re.search(r"static shape of (\d+) for dimension inputs\[(?:'(\w+)'|(\d+))\]\.shape\[(\d+)\]", failure.text)
    if found is None:
        return None
    size, name, position, dimension = found.groups()
    names = list(failure.request["inputs"])
    name = name or names[int(position)]
    axis = failure.request["dynamic"].get(name, {}).get(dimension, ("?",))[0]
    # The tracer calls inputs as `forward` does.
    parameter = failure.request["parameters"][names.index(name)] if name in names else name
    symbol = failure.witness.symbols.get((parameter, int(dimension)))
    return frozen(f"axis {dimension} of {name} ({axis})", size, failure.witness.reason(symbol))


def _no_fake(failure: Failure) -> Refusal | None:
    found = re.search(r"no fake impl registered for <?(?:CustomOpDef\()?([\w:.]+)", failure.text)
    if found is None:
        return None
    return Refusal(
        f"the operator {found[1]} does not say what shape its result has; tell it by a function under "
        f"`@{found[1].rpartition(':')[2]}.register_fake`, see level 1 in docs/operators.md",
        place_of_error(failure.inner),
    )


def _untranslated(failure: Failure) -> Refusal | None:
    found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)', overload='(\w+)'\)>", failure.text)
    if found is None:
        return None
    name = found[1].replace(".", "::", 1) + ("" if found[2] == "default" else f".{found[2]}")
    return Refusal(
        f"there is no translation of the operator {name} to ONNX; give one as `translations={{'{name}': ...}}`: "
        f"{_LEVELS}; or use another operator",
        _line_of(failure.node),
    )


def _translation_fails(failure: Failure) -> Refusal | None:
    node = failure.node
    target = getattr(node, "target", None)
    if node is None or not hasattr(target, "_schema"):
        return None
    name = str(target).replace(".", "::", 1).removesuffix(".default")
    reason = f"{type(failure.inner).__name__}: {first_line(failure.text)}"
    if name in failure.request["translations"]:
        return Refusal(
            f"the translation of the operator {name} fails ({reason}); it gets the operator's arguments in their order "
            "and calls onnxscript operators on them, see docs/operators.md",
            place_of_error(failure.inner),
        )
    return Refusal(
        f"the operator {name} cannot be translated to ONNX as it is used here ({reason}); use it otherwise, or give a "
        f"translation of your own as `translations={{'{name}': ...}}`: {_LEVELS}",
        _line_of(node),
    )


def _outside_torch(failure: Failure) -> Refusal | None:
    if not re.search(r"numpy\(\)|ndarray|FakeTensor|data_ptr|data pointer|torch\.Tensor subclass", failure.text):
        return None
    return Refusal(
        f"this line leaves torch, where nothing can be traced ({first_line(failure.text)}); write it with torch's "
        "functions, or make it an operator of its own (level 3 in docs/operators.md)",
        place_of_error(failure.inner),
    )


def _missing(failure: Failure) -> Refusal | None:
    if not isinstance(failure.inner, ImportError):
        return None
    return Refusal(
        f"a fresh process cannot import what the module needs ({first_line(failure.text)}); put it on the Python path "
        "by its full name",
        place_of_error(failure.inner),
    )


def _too_large(failure: Failure) -> Refusal | None:
    if isinstance(failure.inner, MemoryError) or re.search(
        r"can't allocate memory|not enough memory", failure.text, re.IGNORECASE
    ):
        return Refusal("there is not enough memory; close other programs, or use a smaller model")
    if re.search(r"2\s?GB|2\s?GiB|maximum protobuf size|too large", failure.text):
        return Refusal(
            "its graph holds over 2 GiB, more than one ONNX file can; use a smaller model, or half precision"
        )
    return None


def _invalid(failure: Failure) -> Refusal | None:
    home = type(failure.error).__module__
    if home.startswith("onnx_ir"):
        return Refusal(
            f"the exporter's optimiser fails on the graph ({type(failure.inner).__name__}: "
            f"{first_line(str(failure.inner.__context__ or failure.inner))}); use other operators there"
        )
    if not home.startswith("onnx"):
        return None
    hint = "look at the translations" if failure.request["translations"] else "use other operators there"
    return Refusal(f"the graph that came out is no valid ONNX ({first_line(failure.text)}); {hint}")


def _line_of(node: Node | None) -> Place | None:
    return place_of_text(node.meta.get("stack_trace") or "") if node is not None else None


# The first that knows an error explains it; what is more special comes first.
_RULES: tuple[Callable[[Failure], Refusal | None], ...] = (
    _packed,
    _too_large,
    _no_fake,
    _data_dependent,
    _static,
    _untranslated,
    _translation_fails,
    _missing,
    _outside_torch,
    _invalid,
)
