"""Torch module -> ONNX file, in a process of its own.

A second export in one process was once silently frozen to the sizes of its example, so each export gets a fresh
one. What goes over is the module's class by name, its `config` as JSON and its weights as safetensors: nothing
that runs when it is read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from engine.errors import ExportError

if TYPE_CHECKING:
    from torch import nn

OPSET = 20
_SECONDS = 600
REQUEST, WEIGHTS, MODEL, ANSWER = "request.json", "weights.safetensors", "model.onnx", "answer.json"


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes
    ----------
    opset
        Version of the ONNX operators.
    nodes
        Number of nodes of the graph.
    size
        Bytes of the file.
    """

    opset: int
    nodes: int
    size: int


def export_onnx(module: nn.Module, path: Path, *, max_tokens: int, vocabulary_size: int) -> ExportReport:
    """Write a module as ONNX: input `input_ids` int64 [batch, sequence], output `logits` float32 [batch, labels].

    Parameters
    ----------
    module
        An importable class that ``type(module)(**module.config)`` builds again. `config` is fit for JSON.
    path
        File to write; it is there whole or not at all.
    max_tokens
        Longest sequence.
    vocabulary_size
        Every token id is below it.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be exported; one sentence says why.
    """
    kind = type(module)
    config = getattr(module, "config", None)
    if not isinstance(config, dict) or kind.__module__ == "__main__" or "." in kind.__qualname__:
        raise ExportError(
            f"{kind.__qualname__} cannot be exported: it must be a class of an importable module, with a `config` "
            "dictionary that holds the arguments to build it again."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as name:
        folder = Path(name)
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, str(folder / WEIGHTS))
        request = {
            "module": kind.__module__,
            "name": kind.__qualname__,
            "config": config,
            "max_tokens": max_tokens,
            "vocabulary_size": vocabulary_size,
            "opset": OPSET,
        }
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        report = _run_worker(folder, kind.__qualname__)
        (folder / MODEL).replace(path)
    return report


def _run_worker(folder: Path, name: str) -> ExportReport:
    environment = dict(os.environ)
    # The child finds the same packages as this process; a fixed hash seed keeps names in the graph equal.
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path)
    environment["PYTHONHASHSEED"] = "0"
    command = [sys.executable, "-m", "engine.export.worker", str(folder)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExportError(
            f"The export of {name} took over {_SECONDS} seconds and was ended; try a smaller model."
        ) from None
    answer_file = folder / ANSWER
    if not answer_file.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
        raise ExportError(f"The export of {name} ended with status {done.returncode} ({last}); check free memory.")
    answer = json.loads(answer_file.read_text(encoding="utf-8"))
    if "error" in answer:
        raise ExportError(f"{name} cannot be exported to ONNX: {answer['error']}")
    return ExportReport(**answer)
