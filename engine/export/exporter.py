"""Torch module -> ONNX file: any `nn.Module`, with the dynamic axes that were declared, and checked to answer alike.

The work is done in a fresh process (see `process`); what comes back is believed only after it has run at many shapes.
"""

from __future__ import annotations

import inspect
import json
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.backends.registry import open_backend
from engine.errors import BundleError, ExportError
from engine.export.axes import Axis, check_axes
from engine.export.example import check_kinds, check_names, check_size, takes_by_name, try_example
from engine.export.graph import PYTHON_OPERATORS, engine_notes
from engine.export.parity.comparison import Comparison, compare, make_cases
from engine.export.parity.torch_backend import TorchBackend
from engine.export.worker.conversion import OPSET
from engine.export.worker.process import MODEL, MODULE, REQUEST, run_worker
from engine.export.worker.sending import pack, reference_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from engine.backends.protocol import Backend, Session

TOLERANCE = 1e-4
# Both at least 2 and different: an example of size 1, or two equal ones, can tie or freeze an axis.
_EXAMPLE_BATCH = 3
_EXAMPLE_SEQUENCE = 7


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes
    ----------
    operators
        How often each operator stands in the graph, its subgraphs and functions; `domain::Name` where it is not of
        ONNX itself.
    opset
        Version of the ONNX operators.
    nodes
        Number of nodes of the graph itself.
    axes
        Of inputs and outputs as they are in the file: a size, or a name where it is dynamic.
    size
        Bytes of the file.
    warnings
        What the exporter warned of, a line each.
    parity
        How far the file's answers are from the module's; None where no comparison was asked for.
    engines
        Which engines alone can run it, such as `runs on ONNX Runtime only ...`; empty where any can.
    """

    operators: dict[str, int]
    opset: int
    nodes: int
    axes: dict[str, tuple[int | str, ...]]
    size: int
    warnings: tuple[str, ...]
    parity: Comparison | None
    engines: tuple[str, ...]


def export_model(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    path: str | Path,
    *,
    dynamic: Mapping[str, Mapping[int, Axis]],
    outputs: Sequence[str] = ("logits",),
    translations: Mapping[str, Callable[..., Any]] | None = None,
    cases: Sequence[Mapping[str, Tensor | NDArray[Any]]] | None = None,
    tolerance: float = TOLERANCE,
    sessions: Backend | None = None,
) -> ExportReport:
    """Write a module as ONNX, and make sure that the file answers as the module does.

    Parameters
    ----------
    module
        Any module that torch.export can trace; it is exported in evaluation mode, and left in the mode it has.
    inputs
        An example, by the names of `forward`'s parameters. On dynamic axes its sizes are at least 2 and all
        different. A number that is an input (a factor) is a tensor too, without axes or with one of size 1.
    path
        File to write; it is there whole and checked, or not at all.
    dynamic
        Axis by dimension, by input; all others are fixed to the example's size.
    outputs
        Names for what the module returns, in order.
    translations
        How to write operators that ONNX lacks: onnxscript function by `namespace::operator`. Functions must be
        attributes of modules that can be imported; see `docs/operators.md`.
    cases
        Inputs to compare at; made from the example and the ranges where it is None. Empty: no comparison.
    tolerance
        Largest difference allowed, as a share of the largest answer.
    sessions
        The backend to compare on; ONNX Runtime on the CPU where it is None.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be exported so, or the file gives other answers; one sentence says why and what to do.
    OSError
        A file cannot be written; `errno` says why.
    """
    check_kinds(module, inputs)
    check_names(module, inputs)
    order = list(inspect.signature(module.forward).parameters)
    # torch.export pairs names and shapes by their places in `forward`.
    ordered = sorted(inputs, key=lambda name: order.index(name) if name in order else len(order))
    return _export(
        module,
        {name: inputs[name] for name in ordered},
        Path(path),
        dynamic=dynamic,
        outputs=outputs,
        translations=translations or {},
        cases=cases,
        tolerance=tolerance,
        sessions=sessions,
    )


def export_classifier(
    module: nn.Module, path: Path, *, max_tokens: int, vocabulary_size: int, pad_id: int = 0
) -> ExportReport:
    """Write a text classifier: `input_ids` int64 [batch, sequence] -> `logits` float32 [batch, labels].

    Nothing is compared here: `engine.export.parity.classifiers` does that with real texts.

    Parameters
    ----------
    module
        Takes the ids as its first argument, whatever it calls them.
    path
        File to write; it is there whole or not at all.
    max_tokens
        Longest sequence.
    vocabulary_size
        Every token id is below it.
    pad_id
        The id that fills up a batch.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be exported; one sentence says why.
    OSError
        A file cannot be written; `errno` says why.
    """
    longest = max(max_tokens, 2)
    sequence = min(_EXAMPLE_SEQUENCE, longest)
    if sequence == _EXAMPLE_BATCH:
        sequence -= 1
    ids = torch.arange(_EXAMPLE_BATCH * sequence) % max(vocabulary_size, 1)
    ids[ids == pad_id] = (pad_id + 1) % max(vocabulary_size, 1)
    return _export(
        module,
        {"input_ids": ids.reshape(_EXAMPLE_BATCH, sequence)},
        path,
        dynamic={"input_ids": {0: Axis("batch"), 1: Axis("sequence", maximum=longest)}},
        outputs=("logits",),
        translations={},
        cases=(),
        tolerance=TOLERANCE,
        sessions=None,
    )


def _export(
    module: nn.Module,
    inputs: dict[str, Tensor],
    path: Path,
    *,
    dynamic: Mapping[str, Mapping[int, Axis]],
    outputs: Sequence[str],
    translations: Mapping[str, Callable[..., Any]],
    cases: Sequence[Mapping[str, Tensor | NDArray[Any]]] | None,
    tolerance: float,
    sessions: Backend | None,
) -> ExportReport:
    name = type(module).__name__
    check_axes({key: tuple(value.shape) for key, value in inputs.items()}, dynamic)
    check_size(module)
    _place_for(path)
    by_name = takes_by_name(module, inputs)
    request = {
        "dynamic": {
            key: {dimension: (axis.name, axis.minimum, axis.maximum) for dimension, axis in dimensions.items()}
            for key in inputs
            for dimensions in [dynamic.get(key, {})]
        },
        "inputs": list(inputs),
        "parameters": list(inputs) if by_name else list(inspect.signature(module.forward).parameters)[: len(inputs)],
        "by_name": by_name,
        "outputs": list(outputs),
        "translations": {key: reference_of(one, key) for key, one in translations.items()},
        "opset": OPSET,
    }
    example = {key: value.detach().cpu().numpy() for key, value in inputs.items()}
    with ExitStack() as stack:
        stack.enter_context(_evaluating(module))
        try_example(module, inputs, outputs, by_name)
        expected = TorchBackend(module, inputs=tuple(inputs), outputs=tuple(outputs)).open(name=name)
        # On the same disk, and no folder on the way is there before the file is.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".export-", dir=_place_for(path))))
        (folder / MODULE).write_bytes(pack(module, {key: value.detach() for key, value in inputs.items()}))
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        answer = run_worker(folder, name)
        parity = None
        if cases is None or len(cases):
            asked = make_cases(example, dynamic) if cases is None else [_arrays(case) for case in cases]
            found = _open(sessions, (folder / MODEL).read_bytes(), answer["operators"])
            parity = compare(expected, found, asked)
            parity.require(tolerance)
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).replace(path)
    return ExportReport(
        operators=answer["operators"],
        opset=answer["opset"],
        nodes=answer["nodes"],
        axes={key: tuple(value) for key, value in answer["axes"].items()},
        size=answer["size"],
        warnings=tuple(answer["warnings"]),
        parity=parity,
        engines=engine_notes(answer["operators"]),
    )


def _place_for(path: Path) -> Path:
    """Return the folder, of those above a path, that is there already; refuse a path where no file can be."""
    if path.is_dir():
        raise ExportError(f"{path} is a folder; give the path of a file in it, such as {path / 'model.onnx'}.")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise ExportError(f"{there} is a file, so nothing can be written below it; give another path.")
    return there


def _open(sessions: Backend | None, model: bytes, operators: Mapping[str, int]) -> Session:
    name = "The exported model"
    try:
        if sessions is not None:
            return sessions.open(model, name=name)
        if any(operator.startswith(f"{PYTHON_OPERATORS}::") for operator in operators):
            from engine.export.operators.python_operators import open_python_session

            return open_python_session(model, name)
        return open_backend("onnxruntime").open(model, name=name)
    except BundleError as error:
        raise ExportError(str(error)) from None


def _arrays(case: Mapping[str, Tensor | NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {
        key: value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for key, value in case.items()
    }


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Have a module in evaluation mode for a while; each part gets its own mode back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
