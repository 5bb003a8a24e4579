"""What a tuning's measurements belong to."""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import TYPE_CHECKING

import msgspec

from engine.backends.machine import cpu_fingerprint
from engine.runs.bundle import TOKENIZER_NAME, WEIGHTS_NAME

if TYPE_CHECKING:
    from engine.pipeline.proof.texts import Texts
    from engine.runs.bundle import Bundle

_JOURNAL_VERSION = 1


def identity_of(bundle: Bundle, texts: Texts) -> str:
    """Digest of all that a measurement depends on; where it changes, measuring begins anew.

    Model, tokenizer, weights, texts, processor and the versions of what computes.
    """
    files = bundle.manifest.files
    parts = (
        _JOURNAL_VERSION,
        bundle.manifest.model_digest,
        files.get(TOKENIZER_NAME),
        files.get(WEIGHTS_NAME),
        cpu_fingerprint(),
        _versions(),
        texts.digest,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in ("tagscope", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
