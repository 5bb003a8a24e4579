"""The process of its own that each export gets, seen from the one that asks.

A second export in one process was once silently frozen to the sizes of its example, so each gets a fresh one. What
goes over is written into a private folder that this process makes and deletes: the module by cloudpickle, so that
classes of a notebook work too, and the request as JSON. Nothing that a person gave is ever unpickled. The process
sees the packages that this one sees, but not the current folder: a file `onnx.py` that lies about there is none of
its business. It ends when this process does, however that ends.
"""

from __future__ import annotations

import json
import linecache
import os
import re
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from engine.errors import ExportError

SECONDS = 600
REQUEST, MODULE, MODEL, ANSWER = "request.json", "module.pickle", "model.onnx", "answer.json"
# Exit status of a worker that met a full disk: an answer may not fit there either.
DISK_FULL_STATUS = 28
_KILLED = (-9, 137)
# torch's log, which is turned on to be listened to: it is no reason.
_LOG_LINE = re.compile(r"[VIWE]\d{4} \d\d:")
_ENGINE_PARENT = Path(__file__).resolve().parents[3]


def run_worker(folder: Path, name: str) -> dict[str, Any]:
    """Export what a folder holds; the model is there afterwards.

    Parameters
    ----------
    folder
        With `REQUEST` and `MODULE`, in the folder where the model will be.
    name
        What to call the module in an error.

    Returns
    -------
    dict
        The worker's answer.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be exported, or the worker came to no end.
    """
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(search_path())
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
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(
            f"The export of {name} took over {SECONDS} seconds and was ended; try a smaller model."
        ) from None
    finally:
        os.close(reader)
        os.close(writer)
    return _read_answer(folder / ANSWER, done, name)


def search_path() -> list[str]:
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


def worker_finds(module: str) -> bool:
    """Tell whether the worker can import a module by its name."""
    if module == "__main__":
        return False
    top = module.partition(".")[0]
    return top in sys.builtin_module_names or PathFinder.find_spec(top, search_path()) is not None


def _read_answer(path: Path, done: subprocess.CompletedProcess[str], name: str) -> dict[str, Any]:
    if done.returncode == DISK_FULL_STATUS:
        raise ExportError(
            f"The export of {name} was ended because there is no space left on the disk of {path.parent.parent}; "
            "free some and try again."
        )
    told = [line for line in done.stderr.strip().splitlines() if not _LOG_LINE.match(line)]
    last = (told or ["no message"])[-1][:300]
    try:
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # No answer, or a part of one.
    except (FileNotFoundError, ValueError):
        if done.returncode in _KILLED:
            raise ExportError(
                f"The export of {name} was killed by the system, most likely for want of memory; close other programs "
                "or try a smaller model."
            ) from None
        raise ExportError(
            f"The export of {name} ended with status {done.returncode} and no whole answer ({last}); check free "
            "space and memory."
        ) from None
    if "error" in answer:
        raise ExportError(f"{name} cannot be exported to ONNX{_place(answer.get('place'))}: {answer['error']}.")
    return answer


def _place(place: list[Any] | None) -> str:
    """Say where in the user's code, as this process can read it: a notebook's cells exist only here."""
    if not place:
        return ""
    file, line = place
    code = " ".join(linecache.getline(file, line).split())[:120]
    shown = "a notebook cell" if file.startswith("<") or "ipykernel" in file else Path(file).name
    return f" ({shown}, line {line}{f': `{code}`' if code else ''})"
