"""What is installed where: serving without torch, pins that fit the ranges, a Procfile that needs nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = (line.split("==") for line in lines if "==" in line)
    return {re.sub("[-_.]+", "-", package).lower(): version for package, version in found}


def test_serving_has_no_torch_and_no_cuda() -> None:
    heavy = {"torch", "onnx", "onnxscript", "transformers", "safetensors"}
    assert not heavy & set(pins("requirements.txt"))
    assert not [name for name in pins("requirements-dev.txt") if name.startswith("nvidia")]
    assert pins("requirements-dev.txt")["torch"] == "2.13.0"


def test_every_range_has_a_pin_within_it() -> None:
    serving, everything = pins("requirements.txt"), pins("requirements.txt") | pins("requirements-dev.txt")
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for line, pinned in [(line, serving) for line in PROJECT["dependencies"]] + [(line, everything) for line in extras]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[requirement.name]), line


def test_no_package_is_pinned_twice() -> None:
    assert not set(pins("requirements.txt")) & set(pins("requirements-dev.txt"))


def test_the_builder_finds_a_python_that_the_project_takes() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(version)
