"""New ONNX operators as functions inside the model, so that any engine runs them without a plugin.

An onnxscript function in a domain of its own (`@script(Opset("tagscope", 1))`) becomes a model-local function. torch's
exporter would copy its body into the graph, whatever it is told: converting the opset and optimising both do. So
the graph first gets a bare node of that name, and the function is added to the finished model.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import onnx
import onnx.inliner
from onnxscript.values import OnnxFunction, Op, Opset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# onnxscript's own domain of functions that were given none: those stand for standard operators.
_NO_DOMAIN = ("", "this")

_ALL_TENSORS = [f"tensor({name})" for name in ("float16", "float", "double", "int32", "int64", "bool", "string")]


def stays_function(translation: Callable[..., Any]) -> bool:
    """Tell whether a translation defines an operator that stays a function in the model."""
    return isinstance(translation, OnnxFunction) and translation.function_ir.domain not in _NO_DOMAIN


def as_node(translation: Callable[..., Any]) -> Callable[..., Any]:
    """Return what torch's exporter is to call: one that writes a single node for a model-local function.

    Parameters
    ----------
    translation
        An onnxscript function, or a Python function that calls onnxscript operators; anything but a function in
        a domain of its own comes back as it is.
    """
    if not stays_function(translation):
        return translation
    assert isinstance(translation, OnnxFunction)
    proto = translation.to_function_proto()
    attributes = {entry.name: (entry.type.name, entry.value is None) for entry in translation.function_ir.attrs}
    version = translation.opset.version
    write = node(
        proto.domain,
        proto.name,
        version=version,
        inputs=len(proto.input),
        outputs=len(proto.output),
        attributes=attributes,
    )
    parameters = inspect.signature(translation.function)

    def call(*args: Any, **kwargs: Any) -> Any:
        # torch hands over positions; an operator's attributes go by name.
        given = parameters.bind(*args, **kwargs).arguments
        return write(
            *(value for key, value in given.items() if key not in attributes),
            **{key: value for key, value in given.items() if key in attributes},
        )

    return call


def node(
    domain: str,
    name: str,
    *,
    inputs: int,
    outputs: int,
    version: int = 1,
    attributes: Mapping[str, tuple[str, bool]] | None = None,
) -> Callable[..., Any]:
    """Return an operator that onnxscript does not know: calling it in a translation writes one node.

    Parameters
    ----------
    domain, name, version
        Of the operator.
    inputs, outputs
        How many there are, all required.
    attributes
        Type (`INT`, `FLOAT`, `INTS`, ...) of each, and whether it is required.
    """
    schema = onnx.defs.OpSchema
    described = schema(
        name,
        domain,
        version,
        inputs=[schema.FormalParameter(f"input_{at}", f"T{at}") for at in range(inputs)],
        outputs=[schema.FormalParameter(f"output_{at}", f"T{inputs + at}") for at in range(outputs)],
        type_constraints=[(f"T{at}", _ALL_TENSORS, "") for at in range(inputs + outputs)],
        attributes=[
            schema.Attribute(key, getattr(schema.AttrType, kind), required=required)
            for key, (kind, required) in (attributes or {}).items()
        ],
    )
    operator: Callable[..., Any] = Op(Opset(domain, version), name, described)
    return operator


def add_functions(model: onnx.ModelProto, translations: Iterable[Callable[..., Any]]) -> None:
    """Write the functions that a model's nodes call, and those that these call, into the model.

    Parameters
    ----------
    model
        What the exporter made with `as_node`'s translations; changed in place.
    translations
        Those that were given.
    """
    known: dict[tuple[str, str], OnnxFunction[..., Any]] = {}
    waiting = [one for one in translations if isinstance(one, OnnxFunction)]
    while waiting:
        function = waiting.pop()
        key = (function.function_ir.domain, function.name)
        if key not in known:
            known[key] = function
            waiting.extend(function.function_ir.get_called_functions().values())
    imported = {entry.domain for entry in model.opset_import}
    written: set[tuple[str, str]] = set()
    called = _calls(model.graph)
    while called:
        key = called.pop()
        if key not in known or key in written:
            continue
        written.add(key)
        proto = known[key].to_function_proto()
        model.functions.append(proto)
        called |= _calls(proto)
        if key[0] not in imported:
            imported.add(key[0])
            model.opset_import.append(onnx.helper.make_opsetid(key[0], known[key].opset.version))
    # In the order of their names, not of a set: the same module gives the same file.
    model.functions.sort(key=lambda function: (function.domain, function.name))
    _write_defaults(model)


def inline_functions(model: bytes) -> bytes:
    """Return a model with its functions' bodies in the graph, for an engine that does not read functions.

    OpenVINO 2026.4 is one; ONNX Runtime and the reference evaluator read them.
    """
    loaded = onnx.load_model_from_string(model)
    if not loaded.functions:
        return model
    _write_defaults(loaded)
    return bytes(onnx.inliner.inline_local_functions(loaded).SerializeToString(deterministic=True))


def _write_defaults(model: onnx.ModelProto) -> None:
    """Write attributes that a call leaves to their default: inliner and reference evaluator forget defaults."""
    defaults = {(one.domain, one.name): one.attribute_proto for one in model.functions if one.attribute_proto}
    for graph in (model.graph, *model.functions):
        for one in _nodes(graph):
            given = {attribute.name for attribute in one.attribute}
            one.attribute.extend(
                default for default in defaults.get((one.domain, one.op_type), ()) if default.name not in given
            )


def _calls(graph: onnx.GraphProto | onnx.FunctionProto) -> set[tuple[str, str]]:
    """Domain and name of every operator in a graph and the graphs inside it."""
    return {(one.domain, one.op_type) for one in _nodes(graph)}


def _nodes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Give the nodes of a graph and of the graphs inside it."""
    waiting: list[Any] = [graph]
    while waiting:
        for one in waiting.pop().node:
            yield one
            for attribute in one.attribute:
                waiting.extend([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs)
