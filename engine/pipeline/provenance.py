"""Where a run came from: the state of the code, the libraries and the processor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backends.machine import cpu_flags, cpu_name
from engine.evaluation.declared_slices import DeclaredSlice
from engine.runs.manifest import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LIBRARIES = ("tagscope", "torch", "onnx", "onnxscript", "onnxruntime", "tokenizers", "numpy", "pandas", "scikit-learn")


def source() -> Source:
    """Return commit, tag and dirty flag of the git checkout that the code runs from; empty for an installed package."""
    code = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        command = ["git", "--no-optional-locks", *arguments]
        try:
            done = subprocess.run(command, cwd=code, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # Another project's checkout may lie around an installed package: only a tracked file is ours.
    if git("ls-files", "--error-unmatch", __file__) is None:
        return Source()
    changed = git("status", "--porcelain", "--", "engine", "config/*.py")
    return Source(commit=git("rev-parse", "HEAD"), dirty=bool(changed), tag=git("describe", "--tags", "--exact-match"))


def slices_digest(slices: Mapping[str, Callable[..., Any] | DeclaredSlice]) -> str:
    """Return the sha256 of the slices' names and definitions: figures of different ones are not compared."""
    digest = hashlib.sha256()
    for name, function in slices.items():
        try:
            definition = function.definition if isinstance(function, DeclaredSlice) else inspect.getsource(function)
        except (OSError, TypeError):
            definition = repr(function)  # made by a call, such as functools.partial
        digest.update(f"{name}\0{definition}\0".encode())
    return digest.hexdigest()


def environment() -> dict[str, Any]:
    """Return library versions, Python, platform, processor name and the CPU flags that change numerics."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": libraries,
        "cpu": cpu_name(),
        "cpu_flags": cpu_flags(),
    }
