"""Memory of the server's process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

POOLS = """
import ctypes, sys, threading
from dashboard.memory import limit_arenas

if sys.argv[1] == "limited":
    limit_arenas()
# All at once: each thread finds the pools of the others taken.
together = threading.Barrier(8)

def work():
    together.wait()
    kept = [bytearray(4000) for _ in range(2000)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(
    ("given", "variables", "most"),
    [("limited", {}, 2), ("free", {}, 99), ("limited", {"MALLOC_ARENA_MAX": "4"}, 4)],
)
def test_threads_share_two_pools_of_memory(given: str, variables: dict[str, str], most: int) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    said = subprocess.run(
        [sys.executable, "-c", POOLS, given], env=clean | variables, capture_output=True, text=True, check=True
    ).stderr
    pools = said.count("\nArena ") + said.startswith("Arena ")
    assert (pools > 2) == (most > 2)
    assert pools <= most
