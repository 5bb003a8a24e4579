"""Which processor this is: figures and choices measured on one machine are not used on another."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

# Instructions that change the order or the width of sums, or what a backend can compute in.
_NUMERIC_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "amx_fp16",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
)


def cpu_name() -> str:
    """Name of the processor's model; `unknown` where the system does not tell."""
    return _facts().get("model name") or platform.processor() or "unknown"


def cpu_flags() -> list[str]:
    """Instruction sets of this processor that change numerics."""
    facts = _facts()
    there = (facts.get("flags") or facts.get("Features") or "").split()
    return [flag for flag in _NUMERIC_FLAGS if flag in there]


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_fingerprint() -> str:
    """16 hexadecimal characters: equal where model, numeric instruction sets and usable cores are equal."""
    parts = [platform.machine(), cpu_name(), " ".join(cpu_flags()), str(usable_cores())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@functools.cache
def _facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
