"""What an ONNX file from elsewhere takes and answers: ids, what can be made of them, and the output that is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from onnx import TensorProto

from engine.errors import ExportError
from engine.export.graph import check_model_bytes

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

AXES = ("batch", "sequence")
LOGITS = "logits"
# `ConstantOfShape` came with 9; without it the inputs that are missing cannot be made.
_OLDEST_OPSET = 9
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_NUMBERS = (*_INTEGERS, *_FLOATS, TensorProto.BOOL)
_ID_NAMES = ("input_ids", "ids", "token_ids", "tokens")


@dataclass(frozen=True)
class Foreign:
    """A text classifier's model as its file has it.

    Attributes
    ----------
    model
        The whole.
    opset
        Version of the ONNX operators.
    ids
        Takes the token ids, int32 or int64.
    masks, types
        Take attention masks and token types.
    output
        Holds a row of floats per text.
    fixed
        Sizes that the file fixes, such as `batch 1`.
    """

    model: ModelProto
    opset: int
    ids: ValueInfoProto
    masks: tuple[ValueInfoProto, ...]
    types: tuple[ValueInfoProto, ...]
    output: ValueInfoProto
    fixed: tuple[str, ...]


def read_foreign(content: bytes, where: str, labels: int, output: str | None) -> Foreign:
    """Read an ONNX file and find its way about in it.

    Parameters
    ----------
    content
        The file's bytes.
    where
        What to call the file in an error.
    labels
        How many labels the model answers for.
    output
        The output that is meant; by default the one called logits, else the only one of the right form.

    Raises
    ------
    engine.errors.ExportError
        The file is no ONNX model, needs more than itself, or is not a text classifier; one sentence says which.
    """
    model = check_model_bytes(content, where)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < _OLDEST_OPSET:
        refuse(
            where,
            f"its operators are of opset {opset}, and at least {_OLDEST_OPSET} is needed; convert it with "
            "onnx.version_converter, or export it again",
        )
    weights = {weight.name for weight in model.graph.initializer}
    roles: dict[str, list[ValueInfoProto]] = {"ids": [], "mask": [], "types": []}
    for value in model.graph.input:
        if value.name not in weights:
            roles[_role(value.name)].append(value)
    ids = _ids(where, roles["ids"], [value.name for part in roles.values() for value in part])
    fixed = [_check_input(where, ids, _INTEGERS, "token ids as int64 or int32")]
    fixed += [_check_input(where, value, _NUMBERS, "numbers") for value in (*roles["mask"], *roles["types"])]
    chosen = _output(where, list(model.graph.output), labels, output)
    sizes = dict.fromkeys(size for part in fixed for size in part)
    return Foreign(model, int(opset), ids, tuple(roles["mask"]), tuple(roles["types"]), chosen, tuple(sizes))


def refuse(where: str, reason: str) -> NoReturn:
    """Say why a file is not taken."""
    raise ExportError(f"{where}: the ONNX model cannot be taken as it is: {reason}.")


def _role(name: str) -> str:
    # TensorFlow's exports end in `:0`, and some have a scope before.
    plain = name.rsplit("/", 1)[-1].split(":", 1)[0].lower()
    if "mask" in plain:
        return "mask"
    return "types" if "type" in plain or "segment" in plain else "ids"


def _ids(where: str, found: list[ValueInfoProto], names: list[str]) -> ValueInfoProto:
    known = [value for value in found if value.name.split(":", 1)[0].lower() in _ID_NAMES]
    chosen = known or found
    others = [value.name for value in found if value is not chosen[0]] if chosen else names
    if others or not chosen:
        refuse(
            where,
            f"it takes {', '.join(others)}, which cannot be made of token ids; export it with the inputs input_ids, "
            "attention_mask and token_type_ids, or some of them",
        )
    return chosen[0]


def _check_input(where: str, value: ValueInfoProto, types: tuple[int, ...], meaning: str) -> list[str]:
    """Return the sizes that are fixed."""
    kind = value.type.tensor_type
    dimensions = list(kind.shape.dim)
    if kind.elem_type not in types or (kind.HasField("shape") and len(dimensions) != len(AXES)):
        shape = ", ".join(str(dimension.dim_param or dimension.dim_value or "?") for dimension in dimensions)
        refuse(
            where,
            f"its input {value.name} is {_type_name(kind.elem_type)} [{shape}] and not {meaning} of the shape "
            "[batch, sequence]; export it so",
        )
    return [
        f"{axis} {dimension.dim_value}"
        for axis, dimension in zip(AXES, dimensions, strict=False)
        if dimension.dim_value
    ]


def _output(where: str, outputs: list[ValueInfoProto], labels: int, wanted: str | None) -> ValueInfoProto:
    names = [value.name for value in outputs]
    listed = ", ".join(names)
    if wanted is not None and wanted not in names:
        refuse(where, f"it has no output {wanted}; there are: {listed}")
    found = [value for value in outputs if value.name == (wanted or LOGITS)] or outputs
    if len(found) > 1:
        found = [value for value in found if _fits(value, labels)]
    if len(found) != 1:
        refuse(where, f"which of its outputs holds the answers is not clear ({listed}); name it with --output")
    chosen = found[0]
    kind = chosen.type.tensor_type
    shape = list(kind.shape.dim)
    if kind.elem_type not in _FLOATS or (kind.HasField("shape") and len(shape) != len(AXES)):
        axes = f" of {len(shape)} axes" if kind.HasField("shape") else ""
        refuse(
            where,
            f"its output {chosen.name} is {_type_name(kind.elem_type)}{axes} and not one float per text and label; "
            f"name another with --output (there are: {listed})",
        )
    if shape and shape[1].dim_value not in (0, labels):
        refuse(
            where,
            f"its output {chosen.name} has {shape[1].dim_value} columns, and {labels} labels are named; give --labels "
            "with one label per column, in their order",
        )
    return chosen


def _fits(value: ValueInfoProto, labels: int) -> bool:
    kind = value.type.tensor_type
    shape = kind.shape.dim
    return kind.elem_type in _FLOATS and len(shape) == len(AXES) and shape[1].dim_value in (0, labels)


def _type_name(kind: int) -> str:
    return TensorProto.DataType.Name(kind).lower() if kind else "no tensor"
