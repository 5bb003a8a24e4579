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


class InferenceError(TagscopeError):
    """A text was accepted and could not be computed: its batch, or the thread that ran it, failed."""


class OverloadedError(TagscopeError):
    """The queue is full: nothing of the call was taken.

    Parameters
    ----------
    message
        One sentence.
    retry_after
        Seconds after which there is room, as far as can be foreseen.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineError(TagscopeError):
    """A text was not computed before its deadline."""


class ClosedError(TagscopeError):
    """The predictor is being shut down and takes nothing new."""


def reason_of(error: BaseException) -> str:
    """Return what another library says, as part of a sentence: its first line, or else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST_REASON].rstrip(". ")
