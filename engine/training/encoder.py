"""Encoders in the form of Hugging Face `transformers` as modules from padded ids to logits.

The attention mask comes from the padding id, the segment is the first one and positions are the model's own: ids are
the only input. Both classes are built again from what JSON can hold, without a network and without pickles.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

POOLINGS = ("mean", "cls", "max")
# Added to the score of padding: nothing is left of it after the softmax, and half precision can still hold it.
_MASKED = -1e4
# Written out as matrix products it gives the smallest graph, and backends know it by its shape.
ATTENTION = "eager"


def build_encoder(config: Mapping[str, Any], *, classifier: bool = False) -> Any:
    """Build an encoder of a `config.json`, with random weights.

    Parameters
    ----------
    config
        Content of `config.json`.
    classifier
        Build the encoder with the classification head that its authors gave it.

    Returns
    -------
    torch.nn.Module
        Of a class of `transformers`, whose types do not describe it.

    Raises
    ------
    ValueError, TypeError
        The configuration is not one that the installed `transformers` knows.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    values = copy.deepcopy(dict(config))
    model_type = values.pop("model_type", None)
    known = AutoConfig.for_model(model_type, **values)
    kind: Any = AutoModelForSequenceClassification if classifier else AutoModel
    model: nn.Module = kind.from_config(known, attn_implementation=ATTENTION, trust_remote_code=False)
    return model if classifier else without_pooler(model)


def without_pooler(model: nn.Module) -> nn.Module:
    """Take out the layer that BERT and its kin trained for another purpose; pooling here is our own."""
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.register_module("pooler", None)
    return model


def attention_mask(real: Tensor) -> Tensor:
    """Mask of real tokens as [batch, 1, 1, sequence], in the form that is added to attention scores."""
    return torch.where(real[:, None, None, :], 0.0, _MASKED)


def _pool(states: Tensor, real: Tensor, pooling: str) -> Tensor:
    if pooling == "cls":
        return states[:, 0]
    if pooling == "max":
        return torch.where(real, states, torch.finfo(states.dtype).min).amax(1)
    weights = real.to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp_min(1.0)


class EncoderClassifier(nn.Module):
    """A text encoder, its tokens pooled to one vector of length 1, and a linear layer.

    Parameters
    ----------
    labels
        Number of tags.
    encoder
        Content of the encoder's `config.json`.
    pooling
        `mean` over the tokens of the text, `cls` for the first one, or `max`.
    pad_id
        Fills up a text in a batch; no text has it.
    """

    def __init__(self, labels: int, encoder: Mapping[str, Any], pooling: str, pad_id: int) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"unknown pooling {pooling!r}")
        self.labels = labels
        self.encoder_config = dict(encoder)
        self.pooling = pooling
        self.pad_id = pad_id
        self.encoder = build_encoder(encoder)
        self.width = int(self.encoder.config.hidden_size)
        self.output = nn.Linear(self.width, labels)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that build this module again, as JSON can hold them."""
        return {
            "labels": self.labels,
            "encoder": self.encoder_config,
            "pooling": self.pooling,
            "pad_id": self.pad_id,
        }

    def embed(self, input_ids: Tensor) -> Tensor:
        """Vectors of padded texts.

        Parameters
        ----------
        input_ids
            int64 [batch, sequence], `pad_id` after the end of a text.

        Returns
        -------
        Tensor
            float32 [batch, width], of length 1.
        """
        real = input_ids != self.pad_id
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask(real)).last_hidden_state
        return nn.functional.normalize(_pool(states, real.unsqueeze(-1), self.pooling), dim=-1)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, float32 [batch, labels]; see `embed`."""
        logits: Tensor = self.output(self.embed(input_ids))
        return logits

    @torch.no_grad()
    def set_head(self, weight: Tensor, bias: Tensor) -> None:
        """Give the linear layer its weights [labels, width] and bias [labels]."""
        self.output.weight.copy_(weight)
        self.output.bias.copy_(bias)

    @torch.no_grad()
    def sharpen(self, factor: float) -> None:
        """Multiply all logits by a factor, by way of the weights."""
        self.output.weight.mul_(factor)
        self.output.bias.mul_(factor)


class SequenceClassifier(nn.Module):
    """A sequence classifier as it was fine-tuned elsewhere.

    Parameters
    ----------
    encoder
        Content of its `config.json`.
    pad_id
        Fills up a text in a batch; no text has it.
    """

    def __init__(self, encoder: Mapping[str, Any], pad_id: int) -> None:
        super().__init__()
        self.encoder_config = dict(encoder)
        self.pad_id = pad_id
        self.model = build_encoder(encoder, classifier=True)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that build this module again, as JSON can hold them."""
        return {"encoder": self.encoder_config, "pad_id": self.pad_id}

    @property
    def width(self) -> int:
        """Length of a vector; an `AttributeError` where the model's configuration does not say it."""
        return int(self.model.config.hidden_size)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Vectors of padded texts, the mean over what its head is given; as `EncoderClassifier.embed`.

        A few models have another number of such vectors than of tokens, or none: a `RuntimeError` or `AttributeError`.
        """
        real = input_ids != self.pad_id
        states = self.model.base_model(input_ids=input_ids, attention_mask=attention_mask(real)).last_hidden_state
        return nn.functional.normalize(_pool(states, real.unsqueeze(-1), "mean"), dim=-1)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts.

        Parameters
        ----------
        input_ids
            int64 [batch, sequence], `pad_id` after the end of a text.

        Returns
        -------
        Tensor
            float32 [batch, labels].
        """
        real = input_ids != self.pad_id
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask(real)).logits
        return logits
