"""Reading a local directory in the form of Hugging Face `transformers`: never a network, pickles or foreign code.

In: a folder with `config.json`, safetensors and a tokenizer. Out: a loaded model and what is known about it, or one
sentence about what is wrong with the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from engine.errors import TrainingError
from engine.training.encoder import ATTENTION, without_pooler
from engine.training.folder import read_config, read_json, read_pooling, weight_files
from engine.training.offline import offline_and_quiet

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

DEFAULT_MAX_TOKENS = 256
_GENERIC_LABEL = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class Pretrained:
    """A model of a directory, loaded.

    Attributes
    ----------
    name
        Name of the folder.
    config
        Content of `config.json` without what only says where it came from.
    model
        An encoder, or a sequence classifier, with its weights, in evaluation mode.
    tokenizer
        A `tokenizers.Tokenizer` that gives the ids the model was trained with.
    pad_id
        Fills up a text in a batch; no text has it.
    vocabulary_size
        Every id that the model takes is below it.
    max_tokens
        Where its authors cut texts.
    longest
        Most tokens that it has positions for; None where there is no bound.
    pooling
        How an encoder's tokens become one vector: one of `engine.training.encoder.POOLINGS`.
    outputs
        Names of a classifier's outputs; empty for an encoder, and where they are only numbered.
    num_outputs
        How many outputs a classifier has; 0 for an encoder.
    digest
        Of the weights, the configuration and the pooling: all that decides on an embedding.
    """

    name: str
    config: dict[str, Any]
    model: nn.Module
    tokenizer: Any
    pad_id: int
    vocabulary_size: int
    max_tokens: int
    longest: int | None
    pooling: str
    outputs: tuple[str, ...]
    num_outputs: int
    digest: str

    @property
    def is_classifier(self) -> bool:
        """Whether it has a classification head of its own."""
        return self.num_outputs > 0


def read_pretrained(directory: Path) -> Pretrained:
    """Load the model of a directory.

    Parameters
    ----------
    directory
        Has `config.json`, `model.safetensors` (or its parts) and a tokenizer.

    Raises
    ------
    engine.errors.TrainingError
        It cannot be used; one sentence says why.
    """
    # Imported before anything is caught: an installation without it has a sentence of its own.
    import transformers  # noqa: F401

    config = read_config(directory)
    weights = weight_files(directory)
    is_classifier = any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or ())
    pooling = "mean" if is_classifier else read_pooling(directory)
    with offline_and_quiet():
        model = _load_model(directory, is_classifier)
        fast = _load_tokenizer(directory)
    known: Any = model.config
    if getattr(known, "is_encoder_decoder", False):
        raise TrainingError(
            f"{directory}: this is a model with a decoder ({known.model_type}), not an encoder or a classifier; "
            "use one such as BERT, RoBERTa, DistilBERT or MiniLM."
        )
    tokenizer = _own_tokenizer(directory, fast)
    _check_vocabulary(directory, known, fast)
    pad_id = _pad_id(directory, known, fast)
    longest = _longest(model)
    wanted = read_json(directory / "sentence_bert_config.json").get("max_seq_length") or min(
        int(fast.model_max_length), DEFAULT_MAX_TOKENS
    )
    return Pretrained(
        name=directory.resolve().name,
        config=config,
        model=model,
        tokenizer=tokenizer,
        pad_id=pad_id,
        vocabulary_size=int(known.vocab_size),
        max_tokens=min(int(wanted), longest or int(wanted)),
        longest=longest,
        pooling=pooling,
        outputs=_outputs(directory, known) if is_classifier else (),
        num_outputs=int(known.num_labels) if is_classifier else 0,
        digest=_digest(config, pooling, weights),
    )


def _load_model(directory: Path, is_classifier: bool) -> nn.Module:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if is_classifier else AutoModel
    try:
        model, info = kind.from_pretrained(
            str(directory),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation=ATTENTION,
            dtype=torch.float32,
            # Said below with the name of the weight, not by an exception without it.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
        RuntimeError,
        ZeroDivisionError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        raise TrainingError(
            f"{directory}: the model cannot be loaded ({_reason(error)}); fetch or save it again, whole."
        ) from None
    model = model if is_classifier else without_pooler(model)
    own = set(model.state_dict())
    # The layer that was taken out may be missing.
    missing = sorted(set(info["missing_keys"]) & own)
    if missing:
        raise TrainingError(
            f"{directory}: the weights do not fit config.json: {len(missing)} are missing, such as {missing[0]}; fetch "
            "or save the model again, whole."
        )
    if info["mismatched_keys"]:
        name, found, expected = sorted(info["mismatched_keys"])[0]
        raise TrainingError(
            f"{directory}: the weights do not fit config.json: {name} has the shape {list(found)} and should have "
            f"{list(expected)}; fetch or save the model again, whole."
        )
    surplus = _of_the_same_kind(info["unexpected_keys"], own)
    if surplus:
        raise TrainingError(
            f"{directory}: the weights do not fit config.json, which has no place for {surplus[0]}; fetch or save the "
            "model again, whole."
        )
    damaged = next((name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()), None)
    if damaged is not None:
        raise TrainingError(f"{directory}: the weight {damaged} is no number (NaN or infinity); save the model again.")
    loaded: nn.Module = model.eval()
    return loaded


def _of_the_same_kind(names: Collection[str], own: Collection[str]) -> list[str]:
    """Names that differ from one of the model's own by a number only: another layer, not another head."""

    def shape(name: str) -> str:
        return re.sub(r"\d+", "#", name)

    kinds = {shape(name) for name in own if re.search(r"\d", name)}
    return sorted(name for name in names if any(shape(name).endswith(kind) for kind in kinds))


def _load_tokenizer(directory: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        fast = AutoTokenizer.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # noqa: BLE001 - the Rust library raises bare Exception
        raise TrainingError(
            f"{directory}: the tokenizer cannot be loaded ({_reason(error)}); fetch or save its tokenizer.json again."
        ) from None
    if getattr(fast, "backend_tokenizer", None) is None or len(fast) <= len(fast.all_special_tokens):
        raise TrainingError(
            f"{directory}: there is no tokenizer.json, and none can be made of the other files; save the tokenizer "
            "again with `AutoTokenizer.from_pretrained(...).save_pretrained(...)`."
        )
    return fast


def _own_tokenizer(directory: Path, fast: Any) -> Any:
    """Copy of the tokenizer behind a `transformers` one, cutting texts at the same end."""
    from tokenizers import Tokenizer, normalizers

    tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    if read_json(directory / "sentence_bert_config.json").get("do_lower_case") is True:
        lower = normalizers.Lowercase()
        tokenizer.normalizer = (
            lower if tokenizer.normalizer is None else normalizers.Sequence([lower, tokenizer.normalizer])
        )
    tokenizer.enable_truncation(DEFAULT_MAX_TOKENS, direction=fast.truncation_side)
    return tokenizer


def _pad_id(directory: Path, config: Any, fast: Any) -> int:
    # The model's own comes first: RoBERTa and its kin find positions by it.
    pad_id = config.pad_token_id if getattr(config, "pad_token_id", None) is not None else fast.pad_token_id
    if pad_id is None:
        raise TrainingError(
            f"{directory}: neither config.json nor the tokenizer names a padding token; use an encoder such as BERT, "
            "RoBERTa, DistilBERT or MiniLM."
        )
    taken = {*fast("a").input_ids, fast.unk_token_id}
    if pad_id in taken:
        raise TrainingError(
            f"{directory}: the padding id {pad_id} also stands in texts, so padding could not be told from them; set "
            "`pad_token_id` in config.json to an id of its own."
        )
    return int(pad_id)


def _check_vocabulary(directory: Path, config: Any, fast: Any) -> None:
    # A special token that its class adds, such as a mask, may have no place in the model: no text leads to it.
    added = fast.added_tokens_decoder.items()
    reached = [*fast("a").input_ids, *(number for number, token in added if not token.special)]
    largest = max(*fast.backend_tokenizer.get_vocab(with_added_tokens=False).values(), *reached)
    if largest >= config.vocab_size:
        raise TrainingError(
            f"{directory}: the tokenizer gives ids up to {largest}, but the model knows only {config.vocab_size}; put "
            "the tokenizer there that the model was trained with."
        )


def _longest(model: nn.Module) -> int | None:
    """Most tokens that a model has positions for."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from the one after the padding id.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    return limit


def _outputs(directory: Path, config: Any) -> tuple[str, ...]:
    if config.num_labels < 2 or config.problem_type in ("regression", "multi_label_classification"):
        kind = config.problem_type or "one output"
        raise TrainingError(
            f"{directory}: the classifier does not choose one tag of several ({kind.replace('_', ' ')}); use one that "
            "does."
        )
    names = tuple(str(config.id2label[number]).strip() for number in range(config.num_labels))
    return () if all(_GENERIC_LABEL.fullmatch(name) for name in names) else names


def _digest(config: dict[str, Any], pooling: str, weights: list[Path]) -> str:
    total = hashlib.sha256(json.dumps([config, pooling], sort_keys=True).encode())
    for path in weights:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _reason(error: BaseException) -> str:
    """Return the first sentence of a message, without its end."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    text = " ".join(lines) or type(error).__name__
    return re.split(r"(?<=[a-z0-9`'\")])\. ", text)[0][:250].rstrip(". :;")
