"""Where a run came from: the state of the code, the libraries and the processor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.manifest import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LIBRARIES = ("tagscope", "torch", "onnx", "onnxscript", "onnxruntime", "tokenizers", "numpy", "pandas", "scikit-learn")
_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16", "asimd", "sve")


def source(folder: Path) -> Source:
    """Return commit, tag and dirty flag of the git checkout around a folder; empty outside of one."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return Source()
    return Source(
        commit=commit, dirty=bool(git("status", "--porcelain")), tag=git("describe", "--tags", "--exact-match")
    )


def slices_digest(functions: Mapping[str, Callable[..., Any]]) -> str:
    """Return the sha256 of the slices' names and source: figures of different definitions are not compared."""
    digest = hashlib.sha256()
    for name, function in functions.items():
        digest.update(f"{name}\0{inspect.getsource(function)}\0".encode())
    return digest.hexdigest()


def environment() -> dict[str, Any]:
    """Return library versions, Python, platform, processor name and the CPU flags that change numerics."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    cpu = _cpu()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": libraries,
        "cpu": cpu.get("model name", platform.processor() or "unknown"),
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in cpu.get("flags", "").split()],
    }


def _cpu() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
