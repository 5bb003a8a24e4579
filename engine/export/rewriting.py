"""Changes to an ONNX graph that hold in its subgraphs too: other names, and nothing that no output needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import AttributeProto, GraphProto, TensorProto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from onnx import NodeProto

_COARSE_TYPES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_COARSE_OPERATORS = ("Quantize", "Dequantize", "DynamicQuantize", "QLinear", "MatMulInteger", "ConvInteger")


def names_of(graph: GraphProto) -> set[str]:
    """Names of all values of a graph, those of its subgraphs included."""
    found = {value.name for part in _named(graph) for value in part}
    found |= {weight.values.name for weight in graph.sparse_initializer}
    for node in graph.node:
        found |= {*node.input, *node.output}
        for inner in _inside(node):
            found |= names_of(inner)
    return found - {""}


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give values other names, wherever they stand; a name means one value in a graph and its subgraphs."""
    if not names:
        return
    for part in _named(graph):
        for value in part:
            value.name = names.get(value.name, value.name)
    for weight in graph.sparse_initializer:
        weight.values.name = names.get(weight.values.name, weight.values.name)
    for node in graph.node:
        for place in (node.input, node.output):
            place[:] = [names.get(name, name) for name in place]
        for inner in _inside(node):
            rename(inner, names)


def drop_unused(graph: GraphProto) -> None:
    """Take out the nodes and weights that no output of a graph needs; its inputs stay."""
    needed = {value.name for value in graph.output}
    for position in reversed(range(len(graph.node))):
        node = graph.node[position]
        if needed.isdisjoint(node.output):
            del graph.node[position]
            continue
        needed |= set(node.input)
        for inner in _inside(node):
            needed |= names_of(inner)
    for position in reversed(range(len(graph.initializer))):
        if graph.initializer[position].name not in needed:
            del graph.initializer[position]
    for position in reversed(range(len(graph.sparse_initializer))):
        if graph.sparse_initializer[position].values.name not in needed:
            del graph.sparse_initializer[position]


def is_coarse(graphs: Iterable[Any]) -> bool:
    """Whether a model computes in 16-bit floats or quantised integers somewhere: engines round those differently.

    Parameters
    ----------
    graphs
        The model's graph, its functions, and those inside of their nodes.
    """
    for graph in graphs:
        weights = graph.initializer if isinstance(graph, GraphProto) else ()
        if any(weight.data_type in _COARSE_TYPES for weight in weights):
            return True
        for node in graph.node:
            if node.op_type.startswith(_COARSE_OPERATORS):
                return True
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i in _COARSE_TYPES:
                    return True
                if attribute.type == AttributeProto.TENSOR and attribute.t.data_type in _COARSE_TYPES:
                    return True
    return False


def _named(graph: GraphProto) -> tuple[Any, ...]:
    return (graph.input, graph.output, graph.value_info, graph.initializer)


def _inside(node: NodeProto) -> Iterator[GraphProto]:
    """Give the graphs inside a node, such as the branches of an `If`."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs
