"""The files of a Hugging Face directory that are read here: JSON and the names of the weights, never pickles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from engine.errors import TrainingError
from engine.training.encoder import POOLINGS

if TYPE_CHECKING:
    from pathlib import Path

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
# What says where the model came from or what to run: of no use to build it, and not to be kept in a run.
_NOT_KEPT = ("_name_or_path", "auto_map", "_attn_implementation", "attn_implementation", "transformers_version")
_POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


def read_config(directory: Path) -> dict[str, Any]:
    """Return `config.json` without what only says where the model came from or what to run.

    Raises
    ------
    engine.errors.TrainingError
        There is none, or it is none of a model.
    """
    if not directory.is_dir():
        raise TrainingError(
            f"{directory}: there is no such folder; name a local one that holds config.json, model.safetensors and "
            "tokenizer.json."
        )
    path = directory / "config.json"
    if not path.is_file():
        raise TrainingError(
            f"{directory}: there is no config.json, so this is no Hugging Face model; name the folder that "
            "`save_pretrained` wrote."
        )
    config = read_json(path)
    if not isinstance(config.get("model_type"), str):
        raise TrainingError(f"{path}: it does not say `model_type`; fetch or save the model again.")
    return {key: value for key, value in config.items() if key not in _NOT_KEPT}


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty where there is none.

    Raises
    ------
    engine.errors.TrainingError
        It is not JSON, or not an object.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path}: cannot be read as JSON ({error}); fetch or save the model again.") from None
    if not isinstance(content, dict):
        raise TrainingError(f"{path}: it holds no JSON object; fetch or save the model again.")
    return content


def weight_files(directory: Path) -> list[Path]:
    """Return the safetensors of a model.

    Raises
    ------
    engine.errors.TrainingError
        There are none; pickled weights are not read.
    """
    found = sorted(directory.glob("model*.safetensors"))
    if found:
        return found
    pickled = sorted(path.name for path in directory.iterdir() if path.suffix in _PICKLED)
    if pickled:
        raise TrainingError(
            f"{directory}: the weights are only there as {pickled[0]}, a form that can run code when it is read; where "
            'you trust it, convert it with `AutoModel.from_pretrained(...).save_pretrained("DIR")`, which writes '
            "model.safetensors."
        )
    raise TrainingError(f"{directory}: there is no model.safetensors; fetch or save the model again.")


def read_pooling(directory: Path) -> str:
    """Return how the tokens are pooled, as Sentence Transformers writes it; `mean` where nobody says it.

    Raises
    ------
    engine.errors.TrainingError
        The pooling is not one that is offered here.
    """
    path = next(iter(sorted(directory.glob("*_Pooling/config.json"))), None)
    if path is None:
        return "mean"
    content = read_json(path)
    given = content.get("pooling_mode")
    modes = [given] if isinstance(given, str) else list(given or ())
    modes += [key for key, value in content.items() if key.startswith("pooling_mode_") and value is True]
    named = [_POOLING_FLAGS.get(mode, mode) for mode in modes]
    if len(named) != 1 or named[0] not in POOLINGS:
        raise TrainingError(
            f"{path}: the pooling {', '.join(named) or 'is not named'} is not offered here; use an encoder that pools "
            f"by one of {', '.join(POOLINGS)}."
        )
    return str(named[0])
