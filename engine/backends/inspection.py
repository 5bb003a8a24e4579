"""What a serialized ONNX model would make its reader do, told before any engine reads it.

Engines differ: one reads a file that the model names from the current folder, another from any path. So the bytes
are walked here, by the wire format of protobuf and without the `onnx` package, and whatever lies outside of them,
a data file or a shared library with operators, is a reason to refuse. Only headers are looked at, never weights:
a few milliseconds for a graph of a thousand nodes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Domains whose operators are part of the engines; `com.microsoft` is ONNX Runtime's own, for its optimised graphs.
BUILT_IN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
# Operators of a built-in domain that name a file or code outside of the model.
_REACHING_OUT = frozenset({("com.microsoft", "EPContext"), ("com.microsoft", "PyOp")})

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
# Where a message lies in another: (kind of message, number of field) -> kind of message. From onnx.proto.
_PARTS = {
    ("model", 7): "graph",
    ("model", 8): "opset",
    ("model", 20): "training",
    ("model", 25): "function",
    ("training", 1): "graph",
    ("training", 2): "graph",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("graph", 11): "value",
    ("graph", 12): "value",
    ("graph", 13): "value",
    ("graph", 15): "sparse",
    ("function", 7): "node",
    ("function", 11): "attribute",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",
    ("sparse", 2): "tensor",
    ("value", 2): "type",
    ("type", 1): "tensor type",
    ("tensor type", 2): "shape",
    ("shape", 1): "axis",
}
# Which fields are names. Protobuf gives bytes where one is no text, and a message would carry its control characters.
_NAMES = {
    "opset": {1},
    "node": {1, 2, 3, 4, 7},
    "attribute": {1},
    "function": {1, 4, 5, 10},
    "value": {1},
    "axis": {2},
    "tensor": {8},
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_SHOWN = 100
_IR_VERSION, _GRAPH = 1, 7
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_NODE_OPERATOR, _NODE_DOMAIN = 4, 7
_FUNCTION_NAME, _FUNCTION_DOMAIN = 1, 10


class _NotProtobuf(Exception):
    """The bytes do not follow the wire format."""


def check_self_contained(model: bytes, name: str) -> frozenset[tuple[str, str]]:
    """Let only a model through that needs nothing but its own bytes.

    Parameters
    ----------
    model
        A serialized ONNX model, from anywhere.
    name
        What to call it in an error.

    Returns
    -------
    frozenset of (str, str)
        Domain and operator of its nodes, those of subgraphs and functions included.

    Raises
    ------
    engine.errors.BundleError
        It is not a whole ONNX model, keeps data in another file, has operators of a shared library, or a name in it
        is no text.
    """
    try:
        operators, functions = _walk(model, name)
    except _NotProtobuf:
        raise BundleError(
            f"{name}: this is not a whole ONNX model (its {len(model):,} bytes cannot be read as one); "
            "export the model again, or restore the file."
        ) from None
    for domain, operator in sorted(operators - functions):
        if domain in BUILT_IN_DOMAINS and (domain, operator) not in _REACHING_OUT:
            continue
        shown = f"{domain}::{operator}"[:_LONGEST_SHOWN]
        raise BundleError(
            f"{name}: the operator {shown} is not part of ONNX and would need code from outside of the "
            "model, which is never loaded; express it by standard operators or as a function of the model."
        )
    return frozenset(operators)


def _walk(model: bytes, name: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    found: set[tuple[str, str]] = set()
    functions: set[tuple[str, str]] = set()
    seen: set[int] = set()
    waiting = [("model", memoryview(model))]
    while waiting:
        kind, content = waiting.pop()
        texts: dict[int, str] = {}
        for number, value in _fields(content):
            if kind == "model":
                seen.add(number)
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
                raise BundleError(
                    f"{name}: the ONNX model keeps weights in another file (external data), which is never read; "
                    "export it as one file (torch.onnx.export does with external_data=False)."
                )
            if isinstance(value, int):
                continue
            part = _PARTS.get((kind, number))
            if part:
                waiting.append((part, value))
            elif number in _NAMES.get(kind, ()):
                texts[number] = _text(value, name)
        if kind == "node":
            found.add((texts.get(_NODE_DOMAIN, ""), texts.get(_NODE_OPERATOR, "")))
        elif kind == "function":
            functions.add((texts.get(_FUNCTION_DOMAIN, ""), texts.get(_FUNCTION_NAME, "")))
    if not seen >= {_IR_VERSION, _GRAPH}:
        raise _NotProtobuf
    return found, functions


def _text(value: memoryview, name: str) -> str:
    try:
        text = str(value, encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if _CONTROL.search(text):
        raise BundleError(
            f"{name}: a name in the ONNX model is no text (it has control characters or stray bytes); export the "
            "model again, or restore the file."
        )
    return text


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Give number and value of each field of one message; a number's value for the fixed sizes is 0, not its own."""
    position, end = 0, len(content)
    while position < end:
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        if not 0 < number < 2**29:
            raise _NotProtobuf
        value: memoryview | int = 0
        if wire == _VARINT:
            value, position = _varint(content, position)
        elif wire == _FIXED64:
            position += 8
        elif wire == _FIXED32:
            position += 4
        elif wire == _BYTES:
            size, position = _varint(content, position)
            value = content[position : position + size]
            position += size
        else:
            raise _NotProtobuf
        if position > end:
            raise _NotProtobuf
        yield number, value


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(content[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise _NotProtobuf
