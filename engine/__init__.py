"""The engine: from a labelled table to a served ONNX model, with no dashboard in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.client.predictor import predict_tag

__all__ = ["predict_tag"]


def __getattr__(name: str) -> Any:
    # Importing `engine` stays free of numpy and ONNX Runtime until a prediction is asked for.
    if name == "predict_tag":
        from engine.client.predictor import predict_tag

        return predict_tag
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
