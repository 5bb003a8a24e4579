"""How a run is computed fastest on one processor, as `tagscope tune` found it; read without torch or pandas.

Two attachments per processor: `choice-<fingerprint>` names a backend, a precision and a batch for each load pattern,
`profile-<fingerprint>` holds all that was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.errors import BundleError
from engine.runs.attachments import has_attachment, read_attachment

if TYPE_CHECKING:
    from engine.runs.bundle import Bundle

CHOICE_VERSION = 1
CHOICE_FILE = "choice.json"
PROFILE_FILE = "profile.json"


class Setting(msgspec.Struct, frozen=True):
    """One way to compute a model, under one load, and how fast it was.

    Attributes
    ----------
    backend, precision
        As `engine.backends.registry` and the precision attachments name them.
    batch, sequence
        Texts of one call and tokens of each, nothing of it padding.
    callers, threads
        How many threads call side by side, and how many threads each call computes on.
    latency
        Seconds of one call, the median over the rounds.
    throughput
        Texts per second of all callers together, the median over the rounds.
    latency_range, throughput_range
        The lowest and the highest of the rounds.
    rounds
        How often it was measured.
    """

    backend: str
    precision: str
    batch: int
    sequence: int
    callers: int
    threads: int
    latency: float
    throughput: float
    latency_range: tuple[float, float]
    throughput_range: tuple[float, float]
    rounds: int


class Choice(msgspec.Struct, frozen=True):
    """The fastest setting that passes the gate, per load pattern.

    Attributes
    ----------
    cpu
        Fingerprint of the processor it holds for, see `engine.backends.machine`.
    patterns
        By name of the pattern, such as `single-short`.
    reference
        By the same names, the fastest setting of fp32 on ONNX Runtime.
    batching
        Whether each chosen way may be given several texts at once, by `backend precision`.
    complete
        Whether everything was measured, or the time was up before.
    """

    version: int
    cpu: str
    patterns: dict[str, Setting]
    reference: dict[str, Setting]
    batching: dict[str, bool]
    complete: bool


class Profile(msgspec.Struct, frozen=True):
    """All settings that were measured on one processor, those that did not pass the gate included."""

    version: int
    cpu: str
    settings: tuple[Setting, ...]


_Kind = TypeVar("_Kind", Choice, Profile)


def precision_name(precision: str) -> str:
    """Name of the attachment with the model in a precision."""
    return f"precision-{precision}"


def choice_name(fingerprint: str) -> str:
    """Name of the attachment with the choice for a processor."""
    return f"choice-{fingerprint}"


def profile_name(fingerprint: str) -> str:
    """Name of the attachment with the measurements on a processor."""
    return f"profile-{fingerprint}"


def read_choice(bundle: Bundle, fingerprint: str) -> Choice | None:
    """Return what was chosen for a run on a processor; None where it was not tuned there.

    Raises
    ------
    engine.errors.BundleError
        The attachment is damaged, incomplete or of another version.
    """
    return _read(bundle, choice_name(fingerprint), CHOICE_FILE, Choice)


def read_profile(bundle: Bundle, fingerprint: str) -> Profile | None:
    """Return what was measured of a run on a processor; None where it was not tuned there.

    Raises
    ------
    engine.errors.BundleError
        The attachment is damaged, incomplete or of another version.
    """
    return _read(bundle, profile_name(fingerprint), PROFILE_FILE, Profile)


def _read(bundle: Bundle, name: str, file: str, kind: type[_Kind]) -> _Kind | None:
    if not has_attachment(bundle, name):
        return None
    attachment = read_attachment(bundle, name)
    path = attachment.path / file
    try:
        found = msgspec.json.decode(attachment.read(file), type=kind)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path}: cannot be read ({error}); run `tagscope tune {bundle.run_id}` again.") from None
    if found.version != CHOICE_VERSION:
        raise BundleError(
            f"{path}: has version {found.version}, this Tagscope reads {CHOICE_VERSION}; run `tagscope tune "
            f"{bundle.run_id}` again."
        )
    return found
