"""Mistakes that a person can mend. Every message is one sentence: what is wrong, where, and what to do."""

from __future__ import annotations

_LONGEST_REASON = 300


class TagscopeError(Exception):
    """Base of every error that is shown to a person as it is, without a trace."""


class SettingsError(TagscopeError):
    """A setting, from a file or the environment, cannot be used."""


class DataError(TagscopeError):
    """A data file or a data set cannot be used."""


class BundleError(TagscopeError):
    """A run bundle is incomplete, damaged or of an unknown version."""


class RunNotFoundError(TagscopeError):
    """No run has the id that was asked for."""


class TrainingError(TagscopeError):
    """A model cannot be trained on this data."""


class ExportError(TagscopeError):
    """A model cannot be exported, or its ONNX graph does not give the answers of the torch module."""


class BackendError(TagscopeError):
    """A backend is not installed here, or cannot run a model on an input."""


def reason_of(error: BaseException) -> str:
    """Return what another library says, as part of a sentence: its first line, or else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST_REASON].rstrip(". ")
