"""The `cnn` model: a convolutional network over sub-words, with maximum and mean over the text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.runs.tokenizer import PAD_ID


class TextCnn(nn.Module):
    """Convolutions of several widths over sub-word vectors, pooled over the text, then a linear layer.

    After Kim, "Convolutional Neural Networks for Sentence Classification" (2014). Each convolution sees one window
    around each sub-word (zeros beyond the ends), so a text of one sub-word works; windows around padding are
    set to zero before pooling, so that neither padding nor batch-mates change an answer. The mean of the
    sub-word vectors goes to the linear layer too: it carries what a text is about where no window is telling.

    Parameters
    ----------
    labels
        Number of tags.
    vocabulary_size
        Number of token ids; 0 pads.
    embedding
        Width of a sub-word's vector.
    kernels
        Widths of the convolutions.
    filters
        Number of filters of each width.
    dropout
        Share of the pooled features dropped in training mode.
    """

    def __init__(
        self, labels: int, vocabulary_size: int, embedding: int, kernels: tuple[int, ...], filters: int, dropout: float
    ) -> None:
        super().__init__()
        self.labels = labels
        self.vocabulary_size = vocabulary_size
        self.kernels = tuple(int(width) for width in kernels)
        self.filters = filters
        self.embedding = nn.Embedding(vocabulary_size, embedding, padding_idx=PAD_ID)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, filters, width) for width in self.kernels)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(self.kernels) + embedding, labels)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that build this module again, as JSON can hold them."""
        return {
            "labels": self.labels,
            "vocabulary_size": self.vocabulary_size,
            "embedding": self.embedding.embedding_dim,
            "kernels": list(self.kernels),
            "filters": self.filters,
            "dropout": self.dropout.p,
        }

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts.

        Parameters
        ----------
        input_ids
            int64 [batch, sequence], 0 after the end of a text.

        Returns
        -------
        Tensor
            float32 [batch, labels].
        """
        real = (input_ids != PAD_ID).unsqueeze(1).to(torch.float32)
        # The mask also holds for a padding row that an optimiser should ever move away from zero.
        vectors = self.embedding(input_ids).transpose(1, 2) * real
        pooled = [vectors.sum(2) / real.sum(2).clamp_min(1.0)]
        for width, convolution in zip(self.kernels, self.convolutions, strict=True):
            windows = convolution(functional.pad(vectors, ((width - 1) // 2, width // 2)))
            # Activations are not negative, so a zero never wins against a real window.
            pooled.append((torch.relu(windows) * real).amax(2))
        logits: Tensor = self.output(self.dropout(torch.cat(pooled, 1)))
        return logits

    @torch.no_grad()
    def sharpen(self, factor: float) -> None:
        """Multiply all logits by a factor, by way of the weights."""
        self.output.weight.mul_(factor)
        self.output.bias.mul_(factor)
