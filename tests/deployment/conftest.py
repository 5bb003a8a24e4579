"""A real server, as a platform starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def serve_web(start_server: Callable[..., int]) -> Callable[..., int]:
    """Run the Procfile's `web:` line as it stands and return the port once the server answers."""
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def start(**environment: str) -> int:
        return start_server(
            lambda _port: f"exec {lines['web']}",
            lambda port: {**os.environ, "PATH": path, "PORT": str(port), **environment},
        )

    return start
