"""An ONNX file from elsewhere -> the graph that a run holds: `input_ids` int64 [batch, sequence] -> `logits` float32.

What such files differ in is taken into the graph: masks and token types are computed from the ids, other types are
cast, names and axes are ours, and a last Softmax goes, since serving makes the probabilities. Whether the graph then
works at every size is not believed but tried: `engine.export.foreign.trial`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.errors import reason_of
from engine.export.foreign.signature import AXES, LOGITS, read_foreign, refuse
from engine.export.graph import graphs, strip
from engine.export.rewriting import drop_unused, is_coarse, names_of, rename

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

IDS = "input_ids"
_OURS = "tagscope/"
_THEIRS = "model/"
# Before it, every weight had to be an input as well.
_OLDEST_IR = 4
_SMALLEST_PROBABILITY = 1e-30


@dataclass(frozen=True)
class Adopted:
    """A graph of our form, and how it came to be.

    Attributes
    ----------
    content
        The serialized model.
    opset
        Version of the ONNX operators.
    inputs, output
        What the file calls them.
    fixed
        Sizes that the file fixes and that are declared dynamic now, such as `batch 1`.
    changes
        What was done to the graph, for people.
    coarse
        Whether it computes in 16-bit floats or quantised integers somewhere.
    logarithm
        Whether its logits are the logarithm of what the file's answers are said to be, probabilities.
    """

    content: bytes
    opset: int
    inputs: tuple[str, ...]
    output: str
    fixed: tuple[str, ...]
    changes: tuple[str, ...]
    coarse: bool = False
    logarithm: bool = False


def adopt(
    content: bytes, *, where: str, labels: int, pad_id: int, output: str | None = None, probabilities: bool = False
) -> Adopted:
    """Rewrite a text classifier's ONNX graph to the form that a run holds.

    Parameters
    ----------
    content
        The file's bytes.
    where
        What to call the file in an error.
    labels
        How many labels the model answers for.
    pad_id
        The id that fills up a batch; the attention mask is made of it.
    output
        The output to take; by default the one called logits, else the only one of the right form.
    probabilities
        Whether that output is probabilities, also where no Softmax shows it: their logarithm is taken.

    Raises
    ------
    engine.errors.ExportError
        The file is no ONNX model, needs more than itself, or is not a text classifier; one sentence says which.
    """
    return _Adoption(content, where, labels, pad_id, output).run(probabilities)


class _Adoption:
    """One rewriting, step by step; every step says in `changes` what it did."""

    def __init__(self, content: bytes, where: str, labels: int, pad_id: int, output: str | None) -> None:
        self._found = read_foreign(content, where, labels, output)
        self._graph = self._found.model.graph
        self._where = where
        self._labels = labels
        self._pad_id = pad_id
        self._changes: list[str] = []
        self._before: list[NodeProto] = []
        self._after: list[NodeProto] = []

    def run(self, probabilities: bool) -> Adopted:
        found = self._found
        called = found.output.name
        takes = tuple(value.name for value in (found.ids, *found.masks, *found.types))
        # From here on the values of `found` carry the names that they have by then.
        self._free_our_names()
        self._take_ids(found.ids)
        for value in found.masks:
            self._make_mask(value)
        for value in found.types:
            self._make_types(value)
        logarithm = self._answer(found.output, probabilities)
        self._declare()
        drop_unused(self._graph)
        strip(found.model)
        for field in ("producer_name", "producer_version", "domain", "training_info"):
            found.model.ClearField(field)
        try:
            onnx.checker.check_model(found.model)
        except onnx.checker.ValidationError as error:
            refuse(
                self._where, f"it is no valid graph with {IDS} as its only input ({reason_of(error)}); export it again"
            )
        return Adopted(
            found.model.SerializeToString(deterministic=True),
            found.opset,
            takes,
            called,
            found.fixed,
            tuple(self._changes),
            coarse=is_coarse(graphs(found.model)),
            logarithm=logarithm,
        )

    def _free_our_names(self) -> None:
        """Give other names to values that are called what only ours are."""
        taken = names_of(self._graph)
        names = {}
        for name in sorted(taken):
            if name in (IDS, LOGITS) or name.startswith(_OURS):
                new = _THEIRS + name
                while new in taken:
                    new = _THEIRS + new
                names[name] = new
        rename(self._graph, names)

    def _take_ids(self, value: ValueInfoProto) -> None:
        if value.type.tensor_type.elem_type == TensorProto.INT64:
            rename(self._graph, {value.name: IDS})
        else:
            self._before.append(helper.make_node("Cast", [IDS], [value.name], to=TensorProto.INT32))
            self._changes.append("ids are cast to int32")

    def _make_mask(self, value: ValueInfoProto) -> None:
        pad, padded, real = f"{_OURS}pad_id", f"{_OURS}{value.name}/padded", f"{_OURS}{value.name}/real"
        if not any(weight.name == pad for weight in self._graph.initializer):
            self._weight(pad, np.array(self._pad_id, dtype=np.int64))
        self._before += [
            helper.make_node("Equal", [IDS, pad], [padded]),
            helper.make_node("Not", [padded], [real]),
            helper.make_node("Cast", [real], [value.name], to=value.type.tensor_type.elem_type),
        ]
        self._changes.append(f"{value.name} is 0 where the id is {self._pad_id}, else 1")

    def _make_types(self, value: ValueInfoProto) -> None:
        shape, zeros = f"{_OURS}{value.name}/shape", f"{_OURS}{value.name}/zeros"
        zero = helper.make_tensor("value", TensorProto.INT64, [1], [0])
        self._before += [
            helper.make_node("Shape", [IDS], [shape]),
            helper.make_node("ConstantOfShape", [shape], [zeros], value=zero),
            helper.make_node("Cast", [zeros], [value.name], to=value.type.tensor_type.elem_type),
        ]
        self._changes.append(f"{value.name} is all zeros")

    def _answer(self, output: ValueInfoProto, probabilities: bool) -> bool:
        """Make `logits`: without a last Softmax, or the logarithm of probabilities; True for a logarithm."""
        makers = {made: node for node in self._graph.node for made in node.output}
        name, cast = output.name, output.type.tensor_type.elem_type != TensorProto.FLOAT
        last = makers.get(name)
        passed = False
        while last is not None and last.op_type in ("Identity", "Cast") and not last.domain:
            passed = passed or last.op_type == "Cast"
            last = makers.get(last.input[0])
        kind = last.op_type if last is not None and not last.domain else ""
        if kind == "Sigmoid" and not probabilities:
            refuse(
                self._where,
                "it ends in a Sigmoid, so it answers each label by itself, and a run gives one tag per text; with "
                "--probabilities the label with the highest answer is the tag",
            )
        if kind == "Softmax" and last is not None:
            # Its input has the type of its output, as far as no Cast lies between.
            name, cast = last.input[0], cast or passed
            self._changes.append("the Softmax at the end is left out")
        logarithm = probabilities and kind != "Softmax"
        if cast:
            wide = f"{_OURS}wide" if logarithm else LOGITS
            self._after.append(helper.make_node("Cast", [name], [wide], to=TensorProto.FLOAT))
            self._changes.append("answers are cast to float32")
            name = wide
        if logarithm:
            smallest, above = f"{_OURS}smallest", f"{_OURS}above_zero"
            self._weight(smallest, np.array(_SMALLEST_PROBABILITY, dtype=np.float32))
            self._after.append(helper.make_node("Max", [name, smallest], [above]))
            self._after.append(helper.make_node("Log", [above], [LOGITS]))
            self._changes.append("logits are the logarithm of the answers")
        elif not cast:
            rename(self._graph, {name: LOGITS})
        return logarithm

    def _weight(self, name: str, value: np.ndarray) -> None:
        self._graph.initializer.append(numpy_helper.from_array(value, name))

    def _declare(self) -> None:
        """Put our input, output and nodes in the place of those of the file."""
        nodes = [*self._before, *(copy.deepcopy(node) for node in self._graph.node), *self._after]
        # Weights that were inputs too, as in old files, are constants from now on.
        for field in ("input", "output", "node"):
            self._graph.ClearField(field)
        self._graph.node.extend(nodes)
        self._graph.input.append(helper.make_tensor_value_info(IDS, TensorProto.INT64, list(AXES)))
        self._graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, [AXES[0], self._labels]))
        self._found.model.ir_version = max(self._found.model.ir_version, _OLDEST_IR)
