"""Whose line of code was it: listens to torch's exporter, and reads traces, for the places that a person can change."""

from __future__ import annotations

import logging
import re
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType

_HERE = Path(__file__).resolve().parents[1]
_EXAMPLES = _HERE / "examples"
# Code of these is never what a person can change.
_SITE = Path(torch.__file__).resolve().parents[1]
_LIBRARIES = tuple(f"{_SITE / name}/" for name in ("torch", "onnx", "onnxscript", "onnx_ir", "numpy", "sympy"))
_STANDARD = f"{Path(sysconfig.get_path('stdlib')).resolve()}/"
_GENERATED = ("<eval_with_key", "<frozen", "<string")
_FILE_AND_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_SYMBOL = re.compile(r"\bs\d+\b")
_LENGTH = 300
# About torch's own insides, or about what is dealt with here.
_NOT_FOR_USERS = ("were assigned during export", "torchvision is not installed", "Unable to find user code")

Place = tuple[str, int]


@dataclass(frozen=True)
class Guard:
    """A condition on sizes that the exporter took for granted, and the user's line that made it."""

    condition: str
    place: Place | None


class Witness(logging.Handler):
    """Notes which line of code made which condition on a size, and what torch warns of.

    When an axis comes out constant, torch says so in its error, and only in its log why.
    """

    _TRACER = "torch.fx.experimental.symbolic_shapes"
    _CREATED = re.compile(r"create_symbol (s\d+) = \d+ for L\['(\w+)'\]\.size\(\)\[(\d+)\]")
    _TAKEN = re.compile(r"(?:eval|runtime_assert) (.+) \[guard added\]")

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.guards: list[Guard] = []
        self.symbols: dict[tuple[str, int], str] = {}
        self.warnings: list[str] = []

    def __enter__(self) -> Witness:
        torch._logging.set_logs(dynamic=logging.INFO)  # type: ignore[attr-defined]
        for name in ("torch", self._TRACER):
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("torch", self._TRACER):
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note what a record tells."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
        elif record.name == self._TRACER:
            if (symbol := self._CREATED.match(message)) is not None:
                self.symbols.setdefault((symbol[2], int(symbol[3])), symbol[1])
            elif (guard := self._TAKEN.match(message)) is not None and "[guard suppressed]" not in message:
                self.guards.append(Guard(guard[1], place_of_frames(sys._getframe())))

    def reason(self, *symbols: str | None) -> Place | None:
        """Return the line that first took something for granted about these symbols together, equalities first."""
        wanted = {symbol for symbol in symbols if symbol}
        fitting = [
            guard
            for guard in self.guards
            if wanted and guard.place and wanted.issubset(_SYMBOL.findall(guard.condition))
        ]
        fitting.sort(key=lambda guard: not guard.condition.startswith("Eq("))
        return fitting[0].place if fitting else None


def tidy(caught: Iterable[Any]) -> list[str]:
    """Make one clean line of each warning, a text or as `warnings` records it; what tells users nothing is left out.

    Deprecations are torch's own affair: it is torch that calls what it has deprecated.
    """
    found: dict[str, None] = {}
    for one in caught:
        if isinstance(one, str):
            text = one
        elif issubclass(one.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
            continue
        else:
            text = str(one.message)
        line = first_line(text)
        if line and not any(part in line for part in _NOT_FOR_USERS):
            found.setdefault(line)
    return list(found)


def first_line(text: str) -> str:
    """Return the first line of a message, without colours and folders, and without an end mark."""
    line = (text.strip().splitlines() or [""])[0]
    return re.sub(r"\x1b\[[0-9;]*m|(?<![\w.:])/(?:[\w.+-]+/)+", "", line).strip()[:_LENGTH].rstrip(".! ")


def place_of_error(error: BaseException) -> Place | None:
    """Return the innermost line of the user's code that an error came through."""
    found: Place | None = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_users(frame.f_code.co_filename):
            found = (frame.f_code.co_filename, line)
    return found


def place_of_frames(frame: FrameType | None) -> Place | None:
    """Return the innermost line of the user's code that runs now."""
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def place_of_text(trace: str) -> Place | None:
    """Return the innermost line of the user's code in a trace that was written down."""
    places = [(file, int(line)) for file, line in _FILE_AND_LINE.findall(trace) if _is_users(file)]
    return places[-1] if places else None


def locals_of(error: BaseException) -> Iterator[Any]:
    """Give the values that the functions which an error came through were working on, the innermost first."""
    while error is not None:
        for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
            yield from frame.f_locals.values()
        if error.__cause__ is None:
            return
        error = error.__cause__


def _is_users(file: str) -> bool:
    if file.startswith(_GENERATED):
        return False
    path = Path(file).resolve()
    # The examples are as a user's own code.
    ours = path.is_relative_to(_HERE) and not path.is_relative_to(_EXAMPLES)
    if ours or str(path).startswith(_LIBRARIES):
        return False
    # Without a virtual environment, packages lie inside of the standard library's folder.
    return not str(path).startswith(_STANDARD) or "site-packages" in path.parts
