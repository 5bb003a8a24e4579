"""Rewritings of a graph that keep its meaning: ONNX Runtime's offline optimisation, and fp16 for graphics cards."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.backends.onnx_runtime import open_session, session_options
from engine.errors import ExportError, reason_of

if TYPE_CHECKING:
    import onnx


def optimise(model: bytes, name: str) -> bytes:
    """Let ONNX Runtime fold constants and fuse operators once, and keep the result.

    Only what holds on every processor: a graph laid out for this one would be slow or refused on another.

    Parameters
    ----------
    model
        A serialized ONNX model.
    name
        What to call it in an error.

    Raises
    ------
    engine.errors.BundleError
        ONNX Runtime does not accept the model.
    engine.errors.ExportError
        The result could not be written.
    """
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        open_session(model, name, options=options)
        if not path.is_file():
            raise ExportError(f"{name}: ONNX Runtime wrote no optimised model; check free space of {folder}.")
        return path.read_bytes()


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert weights and products to fp16; inputs and outputs keep their types.

    Raises
    ------
    engine.errors.ExportError
        ONNX Runtime's converter does not know how.
    """
    before = list(sys.path)
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    finally:
        # That package puts its own folder, full of common names, where every import looks.
        sys.path[:] = before
    try:
        converted: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = reason_of(error)
        raise ExportError(f"The model cannot be converted to fp16 ({reason}); use another precision.") from None
    return converted
