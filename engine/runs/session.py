"""The ONNX Runtime session as it is served: parity is checked with the very options that answer users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime as ort


def session_options() -> ort.SessionOptions:
    """Options of every served session.

    One thread, sequential, no spinning: several threads that each run their own batch beat one run with many
    threads on small models. No arena: under varying shapes the default one keeps several hundred MiB.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def open_session(model: bytes, name: str) -> ort.InferenceSession:
    """Make a session of ONNX bytes on the CPU.

    Parameters
    ----------
    model
        A serialized ONNX model without external data.
    name
        What to call the model in an error.

    Raises
    ------
    engine.errors.BundleError
        ONNX Runtime does not accept the model.
    """
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    try:
        return ort.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])
    except (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NotImplemented,
    ) as error:
        reason = str(error).splitlines()[0][:300]
        raise BundleError(
            f"{name}: ONNX Runtime {ort.__version__} refuses the model ({reason}); train the run again."
        ) from None
