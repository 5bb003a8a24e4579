"""The tokenizer of a model from elsewhere: Hugging Face `tokenizer.json`, where texts are cut, and what pads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import BundleError, DataError
from engine.runs.manifest import TokenizerReference
from engine.runs.tokenizer import SubwordTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FILE = "tokenizer.json"
_PAD_TOKENS = ("[PAD]", "<pad>", "<PAD>", "[pad]", "<|pad|>", "<|padding|>")
# Transformers writes a huge number where a model has no limit.
_NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class ForeignTokenizer:
    """A tokenizer, and the id that fills up a batch."""

    tokenizer: SubwordTokenizer
    pad_id: int

    @property
    def reference(self) -> TokenizerReference:
        """As it stands in `run.json`."""
        return TokenizerReference(self.tokenizer.format, self.tokenizer.max_tokens, self.pad_id)

    def encode(self, texts: Sequence[str], where: str) -> list[list[int]]:
        """Token ids of real texts.

        Raises
        ------
        engine.errors.DataError
            The id that pads is that of a real token.
        """
        found = [self.tokenizer.encode(text) for text in texts]
        if any(self.pad_id in ids for ids in found):
            raise DataError(
                f"{where}: the id {self.pad_id}, which is to pad, also stands for a part of real texts; name the one "
                "that the model was trained with by --pad-id."
            )
        return found


def read_tokenizer(path: Path, *, pad_id: int | None, max_tokens: int | None, default_tokens: int) -> ForeignTokenizer:
    """Read a tokenizer.

    Parameters
    ----------
    path
        A `tokenizer.json`, or a folder that holds it; other files beside it may tell the padding and the length.
    pad_id
        The id that fills up a batch; by default what the files say, or the id of a token such as `[PAD]`.
    max_tokens
        Texts are cut after so many tokens; by default where the files say, else after `default_tokens`.
    default_tokens
        See there.

    Raises
    ------
    engine.errors.DataError
        There is no such tokenizer, or nothing tells what pads.
    """
    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise DataError(
            f"{file}: there is no such file; name a {_FILE}, which `AutoTokenizer.from_pretrained(...)"
            ".save_pretrained(DIR)` writes for any fast tokenizer."
        )
    content = _object(file)
    beside = [_object(file.with_name(name)) for name in ("tokenizer_config.json", "config.json")]
    try:
        tokenizer = SubwordTokenizer.load(file, max_tokens or _length(content, beside) or default_tokens)
    except BundleError as error:
        reason = str(error).split("(", 1)[-1].rsplit(")", 1)[0]
        raise DataError(
            f"{file}: this is not a tokenizer in the format of Hugging Face ({reason}); name the {_FILE} that came "
            "with the model."
        ) from None
    found = _pad_id(content, beside, tokenizer) if pad_id is None else pad_id
    if found is None:
        raise DataError(
            f"{file}: nothing there tells which id pads; name the one that the model was trained with by --pad-id."
        )
    return ForeignTokenizer(tokenizer, found)


def _length(content: dict[str, Any], beside: list[dict[str, Any]]) -> int | None:
    truncation = content.get("truncation")
    given = [
        truncation.get("max_length") if isinstance(truncation, dict) else None,
        beside[0].get("model_max_length"),
        beside[1].get("max_position_embeddings"),
    ]
    known = [int(value) for value in given if isinstance(value, int | float) and 1 < value < _NO_LIMIT]
    return known[0] if known else None


def _pad_id(content: dict[str, Any], beside: list[dict[str, Any]], tokenizer: SubwordTokenizer) -> int | None:
    padding = content.get("padding")
    named = beside[0].get("pad_token")
    # In older files the token is an object with its flags.
    token = named.get("content") if isinstance(named, dict) else named
    given = [
        padding.get("pad_id") if isinstance(padding, dict) else None,
        beside[1].get("pad_token_id"),
        *(tokenizer.tokenizer.token_to_id(name) for name in (token, *_PAD_TOKENS) if isinstance(name, str)),
    ]
    return next((value for value in given if isinstance(value, int) and value >= 0), None)


def _object(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none, which whoever needs it then says."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
