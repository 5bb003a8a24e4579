"""Who answers texts: the predictor of this process, or a service where TAGSCOPE_ENGINE_URL names one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from config.settings import get_settings
from engine.client.remote import RemotePredictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_Errors = Literal["raise", "return"]


class TextPredictor(Protocol):
    """What `engine.inference.predictor.Predictor` and `RemotePredictor` both do, with the same answers and errors.

    Safe to share between threads. The classes' own docstrings say what the parameters mean.
    """

    def predict(
        self,
        texts: Sequence[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
    ) -> list[Any]:
        """Return a `Prediction` (or, with `errors="return"`, perhaps a `Refusal`) for each text, in order."""
        ...

    async def predict_async(
        self,
        texts: Sequence[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
    ) -> list[Any]:
        """As `predict`, without blocking the event loop."""
        ...

    def predict_stream(
        self,
        texts: Iterable[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Any]:
        """As `predict` for any number of texts, in order and in bounded memory."""
        ...


def get_predictor() -> TextPredictor:
    """Return the predictor that answers in this process; made from the settings at the first call, then shared.

    Raises
    ------
    engine.errors.SettingsError
        The settings cannot be read, or TAGSCOPE_ENGINE_URL is not the address of a service.

    Examples
    --------
    >>> get_predictor().predict(["Detecting objects in video frames"])[0].predicted_tag  # doctest: +SKIP
    'computer-vision'
    """
    settings = get_settings()
    if settings.engine_url:
        return _remote(settings.engine_url, settings.api.key)
    # ONNX Runtime is imported only where it is needed.
    from engine.inference.predictor import get_predictor as get_predictor_of_this_process

    return get_predictor_of_this_process()


def service_host() -> str:
    """Host and port of the service that answers; empty where texts are answered in this process.

    Raises
    ------
    engine.errors.SettingsError
        As `get_predictor`.
    """
    predictor = get_predictor() if get_settings().engine_url else None
    return predictor.host if isinstance(predictor, RemotePredictor) else ""


@functools.lru_cache(maxsize=4)
def _remote(url: str, key: str) -> RemotePredictor:
    return RemotePredictor(url, key)


def predict_tag(text: str | Sequence[str], run_id: str | None = None, **options: Any) -> list[dict[str, Any]]:
    """Predict tags, as plain dictionaries.

    Parameters
    ----------
    text
        One text or several.
    run_id
        Which run answers; the promoted one where it is None.
    **options
        `top_k`, `threshold`, `errors` and `deadline`, as `Predictor.predict`.

    Returns
    -------
    list of dict
        Per text: input_text, predicted_tag, probabilities, run_id, model, model_digest, cached, seconds,
        below_threshold. With `errors="return"`, input_text and error where a text cannot be answered.

    Raises
    ------
    engine.errors.TagscopeError
        As `Predictor.predict`.

    Examples
    --------
    >>> from engine import predict_tag
    >>> predict_tag(text="Detecting objects in video frames")[0]["predicted_tag"]  # doctest: +SKIP
    'computer-vision'
    """
    texts = [text] if isinstance(text, str) else list(text)
    return [msgspec.to_builtins(answer) for answer in get_predictor().predict(texts, run_id, **options)]
