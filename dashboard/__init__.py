"""The Panel app: sections that work on the served page and alone in a notebook; knows the engine, never the reverse."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboard.sections.compare.section import CompareSection
    from dashboard.sections.data import DataSection
    from dashboard.sections.errors.section import ErrorsSection
    from dashboard.sections.inference import InferencePane
    from dashboard.sections.performance.section import PerformanceSection

__all__ = ["CompareSection", "DataSection", "ErrorsSection", "InferencePane", "PerformanceSection"]

_MODULES = {
    "DataSection": "dashboard.sections.data",
    "PerformanceSection": "dashboard.sections.performance.section",
    "ErrorsSection": "dashboard.sections.errors.section",
    "CompareSection": "dashboard.sections.compare.section",
    "InferencePane": "dashboard.sections.inference",
}


def __getattr__(name: str) -> Any:
    # Importing `dashboard` stays free of Panel until a section is asked for.
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'dashboard' has no attribute {name!r}")
