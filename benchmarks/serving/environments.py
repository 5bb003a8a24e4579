"""A virtual environment per peer, kept in the cache folder and made with pip where it is absent."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Of the same version everywhere: what is compared is the servers.
_SHARED = ("numpy", "msgspec", "tokenizers", "onnxruntime", "torch", "transformers")
_DONE = "requirements.json"


def python_of(folder: Path, name: str, requirements: Sequence[str]) -> Path:
    """Return the interpreter of an environment.

    Parameters
    ----------
    folder
        Where the environments are.
    name
        Of the environment.
    requirements
        As pip takes them; those that Tagscope has too are installed in Tagscope's version.
    """
    home = folder / name
    python = home / "bin" / "python"
    wanted = [f"{item}=={importlib.metadata.version(item)}" if item in _SHARED else item for item in requirements]
    done = home / _DONE
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")) == wanted:
        return python
    print(f"making the environment {home}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    done.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def versions_in(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the installed versions of packages in an environment."""
    ask = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found: dict[str, str] = json.loads(subprocess.check_output([str(python), "-c", ask, *names], text=True))
    return found
