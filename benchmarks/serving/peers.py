"""The servers that are compared: how each is started, and which of its knobs are tried."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from machine import ROOT

from serving.environments import python_of, versions_in
from serving.models import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.runs.choice import Choice
    from serving.models import Model

TRIVIAL, GRANIAN = "trivial", "trivial-granian"
MOSEC, LITSERVE, FASTAPI, TORCH = "mosec", "litserve", "fastapi-onnx", "fastapi-pt"
TAGSCOPE, OPENVINO, TUNED = "tagscope", "tagscope-openvino", "tagscope-tuned"
_UVICORN = ("fastapi", "uvicorn[standard]", "numpy", "msgspec", "tokenizers")
_BATCHING: tuple[dict[str, int], ...] = (
    {"batch": 1, "wait": 0},
    *({"batch": batch, "wait": wait} for wait in (0, 1, 5) for batch in (8, 32)),
)
_HANDLERS = ({"handler": "inline"}, {"handler": "threads"})


@dataclass(frozen=True)
class Peer:
    """A server.

    Attributes
    ----------
    name
        Short, as in the results.
    title
        As in tables.
    command
        Interpreter, port, knobs -> arguments.
    environment
        Name of its own virtual environment; empty for the one that runs the benchmark.
    requirements
        What is installed there.
    knobs
        All settings to try; one empty one where there is nothing to set.
    settings
        Environment variables.
    exact
        Whether it computes in fp32, so that probabilities must agree.
    """

    name: str
    title: str
    command: Callable[[str, int, dict[str, object]], list[str]]
    environment: str = ""
    requirements: tuple[str, ...] = ()
    knobs: tuple[dict[str, object], ...] = ({},)
    settings: dict[str, str] = field(default_factory=dict)
    exact: bool = True

    @property
    def alike(self) -> bool:
        """Whether it answers as the others do; the ceilings answer the same to everything."""
        return self.name not in (TRIVIAL, GRANIAN)

    @property
    def ours(self) -> bool:
        """Whether it is Tagscope."""
        return self.name.startswith(TAGSCOPE)

    def interpreter(self, environments: Path) -> str:
        """Return the interpreter of its environment, which is made where it is absent."""
        return str(python_of(environments, self.environment, self.requirements)) if self.environment else sys.executable

    def versions(self, environments: Path) -> dict[str, str]:
        """Versions of what it is made of."""
        names = self.requirements or ("tagscope", "uvloop", "httptools", "onnxruntime")
        names = tuple(name.partition("[")[0] for name in names)
        return versions_in(Path(self.interpreter(environments)), names)

    def variables(self, model: Model, port: int, processes: int, knobs: dict[str, object]) -> dict[str, str]:
        """Environment of the server's processes: one thread each, and what tells it the model and its knobs."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("TAGSCOPE_")}
        given = {f"SERVING_{key.upper()}": str(value) for key, value in knobs.items()}
        return {
            **own,
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONPATH": os.pathsep.join([str(SERVERS), str(ROOT)]),
            "SERVING_CARD": str(model.card),
            "SERVING_PROCESSES": str(processes),
            "SERVING_PORT": str(port),
            "TAGSCOPE_HOME": str(model.home),
            "TAGSCOPE_API__PORT": str(port),
            "TAGSCOPE_API__PROCESSES": str(processes),
            **given,
            **self.settings,
        }


def _mosec(python: str, port: int, knobs: dict[str, object]) -> list[str]:
    own = ["--address", "127.0.0.1", "--port", str(port), "--timeout", "60000", "--log-level", "warning"]
    return [python, str(SERVERS / "mosec_server.py"), *own, "--wait", str(knobs["wait"])]


def _litserve(python: str, port: int, knobs: dict[str, object]) -> list[str]:
    return [python, str(SERVERS / "litserve_server.py")]


def _uvicorn(app: str, processes: int) -> Callable[[str, int, dict[str, object]], list[str]]:
    options = ["--host", "127.0.0.1", "--workers", str(processes), "--no-access-log", "--log-level", "warning"]
    return lambda python, port, knobs: [python, "-m", "uvicorn", app, "--port", str(port), *options]


def _granian(processes: int) -> Callable[[str, int, dict[str, object]], list[str]]:
    options = ["--interface", "rsgi", "--workers", str(processes), "--http", "1", "--no-ws", "--loop", "uvloop"]
    return lambda python, port, knobs: [
        *(python, "-m", "granian", "trivial_granian:app", "--host", "127.0.0.1", "--port", str(port)),
        *(*options, "--no-log", "--backlog", "1024"),
    ]


def _trivial(python: str, port: int, knobs: dict[str, object]) -> list[str]:
    return [python, str(SERVERS / "trivial_listener.py")]


def _tagscope(python: str, port: int, knobs: dict[str, object]) -> list[str]:
    return [python, "-m", "engine.cli", "api"]


def peers_of(model: Model, processes: int) -> list[Peer]:
    """Return the servers of a model; those of Tagscope come last.

    Parameters
    ----------
    model
        What is served.
    processes
        Processes that compute, the same number for every server.
    """
    batching = tuple(dict(knobs) for knobs in _BATCHING)
    peers = [
        Peer(
            MOSEC,
            "mosec",
            _mosec,
            "mosec",
            ("mosec", "numpy", "msgspec", "tokenizers", "onnxruntime"),
            batching,
        ),
        Peer(
            LITSERVE,
            "LitServe",
            _litserve,
            "litserve",
            ("litserve", "numpy", "msgspec", "tokenizers", "onnxruntime"),
            batching,
        ),
        Peer(
            FASTAPI,
            "FastAPI + ONNX Runtime",
            _uvicorn("fastapi_onnx:app", processes),
            "fastapi",
            (*_UVICORN, "onnxruntime"),
            _HANDLERS,
        ),
        Peer(
            TORCH,
            "FastAPI + torch .pt",
            _uvicorn("fastapi_torch:app", processes),
            "torch",
            (*_UVICORN, "torch", "transformers"),
            _HANDLERS,
        ),
    ]
    if not model.heavy:
        ceilings = (
            Peer(TRIVIAL, "trivial POST (ceiling)", _trivial),
            Peer(GRANIAN, "trivial POST on Granian", _granian(processes), "granian", ("granian", "uvloop", "msgspec")),
        )
        return [*ceilings, *peers, Peer(TAGSCOPE, "Tagscope", _tagscope)]
    peers.append(Peer(TAGSCOPE, "Tagscope, ONNX Runtime fp32", _tagscope, settings=computed_by("onnxruntime", "fp32")))
    peers.append(Peer(OPENVINO, "Tagscope, OpenVINO fp32", _tagscope, settings=computed_by("openvino", "fp32")))
    if model.choice is not None:
        peers.append(Peer(TUNED, f"Tagscope, tuned ({_chosen(model.choice)})", _tagscope, exact=False))
    return peers


def computed_by(backend: str, precision: str) -> dict[str, str]:
    """Return settings that make Tagscope compute so, whatever was tuned."""
    return {"TAGSCOPE_INFERENCE__BACKEND": backend, "TAGSCOPE_INFERENCE__PRECISION": precision}


def _chosen(choice: Choice) -> str:
    return ", ".join(sorted({f"{found.backend} {found.precision}" for found in choice.patterns.values()}))
