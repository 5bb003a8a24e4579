"""A torch module as the program that the exporter translates, so that the two can be compared node by node."""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind
from torch.fx import Interpreter

from engine.errors import ExportError, reason_of
from engine.export.axes import check_axes
from engine.export.example import takes_by_name
from engine.export.parity.comparison import describe
from engine.export.worker.conversion import run_exporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn
    from torch.export import ExportedProgram
    from torch.fx import Node

    from engine.export.axes import Axis

_PLACE = re.compile(r'File "(.+?)", line (\d+).*\n(.*)')
_REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)


def trace(
    module: nn.Module,
    inputs: Mapping[str, NDArray[Any]],
    dynamic: Mapping[str, Mapping[int, Axis]],
    outputs: int,
    translations: Mapping[str, Callable[..., Any]],
) -> ExportedProgram:
    """Trace a module as an export does, in this process.

    A second export in one process can freeze an axis to the size of its example: so the program is to be run at these
    sizes only.

    Parameters
    ----------
    module
        In evaluation mode.
    inputs
        An example, by parameter of `forward`, or by any name in the order of its parameters.
    dynamic
        Axis by dimension, by input.
    outputs
        How many tensors the module returns.
    translations
        `namespace::operator` -> onnxscript function.

    Raises
    ------
    engine.errors.ExportError
        The example does not fit the axes, or the module cannot be traced.
    """
    check_axes({name: value.shape for name, value in inputs.items()}, dynamic)
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    try:
        with _quiet():
            program = run_exporter(
                module, tensors, dynamic, translations, by_name=takes_by_name(module, tensors), outputs=outputs
            )
    except _REFUSALS as error:
        reason = reason_of(error)
        raise ExportError(
            f"{type(module).__name__} cannot be traced once more to be compared ({reason}); give the axes and "
            "translations that it was exported with."
        ) from None
    traced = program.exported_program
    if traced is None:
        raise ExportError(f"{type(module).__name__} cannot be traced once more: the exporter gave no program.")
    return traced


class TorchValues:
    """Values of a traced torch program, run node by node.

    Parameters
    ----------
    program
        As `trace` gives it.
    feeds
        The input that it was traced with.
    renamed
        What the program calls values that are to have another name.
    """

    def __init__(self, program: ExportedProgram, feeds: Mapping[str, NDArray[Any]], renamed: Mapping[str, str]) -> None:
        self._program = program
        self._feeds = feeds
        self._renamed = renamed

    def compute(self, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """Run the program once and keep the tensors of these names.

        Raises
        ------
        engine.errors.ExportError
            The program does not accept the input.
        """
        wanted = {self._renamed.get(name, name): name for name in names}
        recorder = _Recorder(self._program, frozenset(wanted))
        try:
            with torch.no_grad():
                recorder.run(*self._arguments())
        except _REFUSALS as error:
            shapes = describe({name: value.shape for name, value in self._feeds.items()})
            raise ExportError(
                f"The traced module cannot run on {shapes} ({reason_of(error)}); give an input that the module accepts."
            ) from None
        return {wanted[name]: value for name, value in recorder.kept.items()}

    def _arguments(self) -> Iterator[Any]:
        for spec in self._program.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                yield torch.tensor(self._feeds[spec.arg.name])
            elif spec.target in self._program.state_dict:
                yield self._program.state_dict[spec.target]
            else:
                yield self._program.constants[str(spec.target)]


class _Recorder(Interpreter):
    """Runs a program and keeps the tensors that some nodes give."""

    def __init__(self, program: ExportedProgram, names: frozenset[str]) -> None:
        super().__init__(program.graph_module)
        self._names = names
        self.kept: dict[str, NDArray[Any]] = {}

    def run_node(self, n: Node) -> Any:
        """Run a node; see `torch.fx.Interpreter`."""
        answer = super().run_node(n)
        if n.name in self._names and isinstance(answer, torch.Tensor):
            value = answer.detach().cpu()
            self.kept[n.name] = np.array((value.float() if value.dtype == torch.bfloat16 else value).numpy())
        return answer


def source_line(node: Node) -> str:
    """Say which line of the module led to a node: the innermost outside of torch."""
    inside = str(Path(torch.__file__).parent)
    trace = str(node.meta.get("stack_trace") or "")
    places = [place for place in _PLACE.findall(trace) if not place[0].startswith(inside)]
    if not places:
        return ""
    file, line, code = places[-1]
    return f"{Path(file).name}, line {line}: `{code.strip()}`"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what the export said already."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
