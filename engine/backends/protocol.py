"""What every backend offers: bytes of an ONNX model go in, a session that answers arrays comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FP32 = "fp32"


class Session(Protocol):
    """A loaded model; may be shared by threads."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch.

        Parameters
        ----------
        feeds
            Arrays by input name.

        Returns
        -------
        dict
            Arrays by output name, in the order of the graph.

        Raises
        ------
        engine.errors.BackendError
            The backend cannot run this input; the message holds its reason and the shapes.
        """
        ...


class Backend(Protocol):
    """A way to run ONNX models on this machine."""

    @property
    def name(self) -> str:
        """What people call it, such as `onnxruntime` or `openvino`."""
        ...

    @property
    def computes(self) -> tuple[str, ...]:
        """Precisions it can compute an fp32 model in by itself, here: `fp32` first, then such as `bf16`."""
        ...

    def open(self, model: bytes, *, name: str, compute: str = FP32, threads: int = 1) -> Session:
        """Load a model.

        Parameters
        ----------
        model
            A serialized ONNX model without external data.
        name
            What to call the model in an error.
        compute
            One of `computes`.
        threads
            Threads that one run uses, at least 1.

        Raises
        ------
        engine.errors.BundleError
            The backend does not accept the model.
        """
        ...
