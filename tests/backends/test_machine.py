from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.backends.machine import cpu_fingerprint, cpu_flags, cpu_name, usable_cores

ROOT = Path(__file__).parents[2]


def test_the_fingerprint_is_the_same_in_every_process():
    assert re.fullmatch(r"[0-9a-f]{16}", cpu_fingerprint())
    command = [sys.executable, "-c", "from engine.backends.machine import cpu_fingerprint as f; print(f())"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == cpu_fingerprint()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or usable_cores() < 2, reason="needs two cores to take one")
def test_fewer_cores_are_another_machine():
    before, cores = cpu_fingerprint(), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert usable_cores() == 1
        assert cpu_fingerprint() != before
    finally:
        os.sched_setaffinity(0, cores)
    assert cpu_fingerprint() == before


def test_name_and_flags_are_those_of_the_system():
    assert cpu_name()
    try:
        content = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return
    assert all(re.search(rf"\b{flag}\b", content) for flag in cpu_flags())
