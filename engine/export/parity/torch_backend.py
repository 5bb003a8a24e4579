"""The baseline: a torch module, run eagerly, behind the protocol of every other backend."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.backends.onnx_runtime import check_options
from engine.backends.protocol import FP32
from engine.errors import BackendError, reason_of
from engine.export.parity.comparison import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

BF16 = "bf16"
# What forward methods raise on an input they are not made for; torch's own errors are RuntimeErrors.
_REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AssertionError, AttributeError)


class TorchSession:
    """A torch module that answers arrays; see `engine.backends.protocol.Session`.

    Parameters
    ----------
    module
        In evaluation mode.
    inputs
        Names of the inputs: parameters of `forward`, or else its positions in this order.
    outputs
        Names of what it returns, in order; where it returns a mapping, its keys.
    name
        What to call the module in an error.
    compute
        `fp32` as the weights are, or `bf16` by autocast.
    threads
        Threads of one run.
    """

    def __init__(
        self,
        module: nn.Module,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        name: str,
        compute: str = FP32,
        threads: int = 1,
    ) -> None:
        self._module = module
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._name = name
        self._bf16 = compute == BF16
        self._threads = threads
        parameters = inspect.signature(module.forward).parameters.values()
        named = {parameter.name for parameter in parameters if parameter.kind in _BY_NAME}
        self._by_name = named.issuperset(self._inputs)
        first = next(module.parameters(), None)
        self._device = torch.device("cpu") if first is None else first.device

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch; see the protocol.

        Raises
        ------
        engine.errors.BackendError
            The module cannot run this input.
        """
        unknown, missing = set(feeds) - set(self._inputs), set(self._inputs) - set(feeds)
        if unknown or missing:
            raise BackendError(
                f"{self._name} takes {', '.join(self._inputs)} and was given {', '.join(feeds) or 'nothing'}; give it "
                "its inputs by name."
            )
        try:
            # Copies: torch warns about arrays that may not be written to, and a module may write to its input.
            tensors = {key: torch.tensor(np.asarray(feeds[key])).to(self._device) for key in self._inputs}
            with torch.no_grad(), _threads(self._threads), self._autocast():
                answer = self._module(**tensors) if self._by_name else self._module(*tensors.values())
            values = self._named(answer)
        except _REFUSALS as error:
            shapes = describe({key: tuple(np.shape(value)) for key, value in feeds.items()})
            reason = reason_of(error)
            raise BackendError(
                f"{self._name}: torch cannot run the module on {shapes} ({reason}); give an input of its shape."
            ) from None
        return {key: _array(value) for key, value in values.items()}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16)

    def _named(self, answer: Any) -> dict[str, Tensor]:
        if isinstance(answer, Mapping) and set(self._outputs) <= set(answer):
            return {key: answer[key] for key in self._outputs}
        tensors = list(tensors_of(answer))
        if len(tensors) != len(self._outputs):
            raise ValueError(f"it returns {len(tensors)} tensors, not {len(self._outputs)}: {', '.join(self._outputs)}")
        return dict(zip(self._outputs, tensors, strict=True))


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class TorchBackend:
    """One torch module as a backend: whatever model it is asked to open, the module answers.

    Parameters
    ----------
    module
        Put into evaluation mode when it is opened, and left there.
    inputs
        Names of the inputs: parameters of `forward`, or else its positions in this order.
    outputs
        Names of what it returns, in order.
    """

    def __init__(
        self, module: nn.Module, inputs: Sequence[str] = ("input_ids",), outputs: Sequence[str] = ("logits",)
    ) -> None:
        self._module = module
        self._inputs = inputs
        self._outputs = outputs

    @property
    def name(self) -> str:
        """`torch`."""
        return "torch"

    @property
    def computes(self) -> tuple[str, ...]:
        """`fp32`, the baseline, and `bf16`, by autocast."""
        return (FP32, BF16)

    def open(self, model: bytes = b"", *, name: str = "", compute: str = FP32, threads: int = 1) -> TorchSession:
        """Make a session of the module; the bytes of an ONNX model are not looked at.

        Raises
        ------
        engine.errors.BackendError
            torch does not compute so.
        """
        check_options(self, compute, threads)
        return TorchSession(
            self._module.eval(),
            self._inputs,
            self._outputs,
            name=name or type(self._module).__name__,
            compute=compute,
            threads=threads,
        )


def tensors_of(answer: Any) -> Iterator[Tensor]:
    """Give the tensors that a module returned, in order, out of tuples, lists and mappings."""
    if isinstance(answer, torch.Tensor):
        yield answer
    elif isinstance(answer, Mapping):
        for value in answer.values():
            yield from tensors_of(value)
    elif isinstance(answer, (list, tuple)):
        for value in answer:
            yield from tensors_of(value)


def _array(value: Tensor) -> NDArray[Any]:
    value = value.detach().cpu()
    # numpy has no bfloat16. A copy, because an output may be a weight or an input.
    return np.array((value.float() if value.dtype == torch.bfloat16 else value).numpy())


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if before == wanted:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
