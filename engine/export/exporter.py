"""Torch module -> ONNX file, in a process of its own.

A second export in one process was once silently frozen to the sizes of its example, so each export gets a fresh
one. What goes over is the module's class by name, its `config` as JSON and its weights as safetensors: nothing
that runs when it is read. The process sees the packages that this one sees, but not the current folder: a file
`onnx.py` that lies about there is none of its business. It ends when this process does, however that ends.
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

from safetensors.torch import save

from engine.errors import ExportError

if TYPE_CHECKING:
    from torch import nn

OPSET = 20
_SECONDS = 600
REQUEST, WEIGHTS, MODEL, ANSWER = "request.json", "weights.safetensors", "model.onnx", "answer.json"
# Exit status of a worker that met a full disk: an answer may not fit there either.
DISK_FULL_STATUS = 28
_ENGINE_PARENT = Path(__file__).resolve().parents[2]


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
        Of a class that can be imported without the current folder, and that ``type(module)(**module.config)``
        builds again. `config` is fit for JSON.
    path
        File to write; it is there whole or not at all.
    max_tokens
        Longest sequence.
    vocabulary_size
        Every token id is below it.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be exported, or the export came to no end; one sentence says why.
    OSError
        A file cannot be written; `errno` says why.
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
        # Not `save_file`: it hides the file from other users, and the number of an error from us.
        weights = {key: value.contiguous() for key, value in module.state_dict().items()}
        (folder / WEIGHTS).write_bytes(save(weights))
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
    environment["PYTHONPATH"] = os.pathsep.join(_search_path())
    # A fixed hash seed keeps names in the graph equal.
    environment["PYTHONHASHSEED"] = "0"
    # -P: without it, -m puts the current folder first.
    command = [sys.executable, "-P", "-m", "engine.export.worker", str(folder)]
    # The worker ends when its end of this pipe closes: that happens however this process ends, even killed.
    reader, writer = os.pipe()
    try:
        # An exception here, an interrupt too, kills the worker and waits for its end.
        done = subprocess.run(
            command,
            env=environment,
            stdin=reader,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(
            f"The export of {name} took over {_SECONDS} seconds and was ended; try a smaller model."
        ) from None
    finally:
        os.close(reader)
        os.close(writer)
    return _read_answer(folder / ANSWER, done, name)


def _search_path() -> list[str]:
    """Where the worker looks for modules: where this process does, without the current folder.

    The current folder stays where somebody named it in full, or where it holds this very package.
    """
    found: list[str] = []
    for entry in sys.path:
        path = Path(entry).resolve()
        hidden = not Path(entry).is_absolute() and path == Path.cwd() and path != _ENGINE_PARENT
        # Not every entry is a place: an editable installation puts names of its own there.
        if not hidden and path.exists():
            found.append(str(path))
    if str(_ENGINE_PARENT) not in found:
        found.append(str(_ENGINE_PARENT))
    return found


def _read_answer(path: Path, done: subprocess.CompletedProcess[str], name: str) -> ExportReport:
    if done.returncode == DISK_FULL_STATUS:
        raise ExportError(
            f"The export of {name} was ended because there is no space left on the disk of {path.parent.parent}; "
            "free some and train again."
        )
    last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    # No answer, or a part of one.
    except (FileNotFoundError, ValueError):
        raise ExportError(
            f"The export of {name} ended with status {done.returncode} and no whole answer ({last}); check free "
            "space and memory."
        ) from None
    if "error" in answer:
        raise ExportError(f"{name} cannot be exported to ONNX: {answer['error']}")
    return ExportReport(**answer)
