"""Classifiers that export with dynamic sizes, to be copied: how each kind is written so that the ONNX file holds.

All of them keep to one rule: no answer depends on how far a batch was padded. Id 0 pads, every text has at least
one token, and logits are float32 [batch, labels].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

PAD_ID = 0


class EmbeddingBagClassifier(nn.Module):
    """Mean of word vectors, texts one after the other instead of padded.

    Two inputs of unlike length: the words of all texts, and where each text begins.

    Parameters
    ----------
    labels, vocabulary_size, width
        Tags, token ids, and width of a word's vector.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(vocabulary_size, width, mode="mean")
        self.output = nn.Linear(width, labels)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Logits of texts.

        Parameters
        ----------
        ids
            int64 [tokens], all texts in a row.
        offsets
            int64 [batch], the place of each text's first token; the first is 0.
        """
        logits: Tensor = self.output(self.bag(ids, offsets))
        return logits


class MaskedBiLstm(nn.Module):
    """Both last states of a bidirectional LSTM, as `pack_padded_sequence` gives them, without packing.

    The forward direction reads on into the padding, so its state is taken at each row's last token. The backward
    direction would begin in the padding: instead each row is turned around within its own length, and a second
    LSTM reads that from the left.

    Parameters
    ----------
    labels, vocabulary_size, width, hidden
        Tags, token ids, width of a word's vector, and of the state of each direction.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32, hidden: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.forwards = nn.LSTM(width, hidden, batch_first=True)
        self.backwards = nn.LSTM(width, hidden, batch_first=True)
        self.output = nn.Linear(2 * hidden, labels)

    @classmethod
    def from_packed(cls, packed: PackedBiLstm) -> MaskedBiLstm:
        """Return a module with the weights of one that packs: it gives the same answers and can be exported."""
        config = packed.embedding.num_embeddings, packed.embedding.embedding_dim, packed.lstm.hidden_size
        module = cls(packed.output.out_features, *config)
        weights = packed.lstm.state_dict()
        module.forwards.load_state_dict({name: weights[name] for name in module.forwards.state_dict()})
        module.backwards.load_state_dict({name: weights[f"{name}_reverse"] for name in module.backwards.state_dict()})
        module.embedding.load_state_dict(packed.embedding.state_dict())
        module.output.load_state_dict(packed.output.state_dict())
        return module.train(packed.training)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        lengths = (input_ids != PAD_ID).sum(1)
        vectors = self.embedding(input_ids)
        ahead = at_last(self.forwards(vectors)[0], lengths)
        behind = at_last(self.backwards(turned_around(vectors, lengths))[0], lengths)
        logits: Tensor = self.output(torch.cat([ahead, behind], 1))
        return logits


class PackedBiLstm(nn.Module):
    """The same with `pack_padded_sequence`, which no ONNX graph expresses: export `MaskedBiLstm.from_packed(it)`.

    Parameters
    ----------
    labels, vocabulary_size, width, hidden
        As of `MaskedBiLstm`.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32, hidden: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        lengths = (input_ids != PAD_ID).sum(1).cpu()
        packed = pack_padded_sequence(self.embedding(input_ids), lengths, batch_first=True, enforce_sorted=False)
        _, (states, _) = self.lstm(packed)
        logits: Tensor = self.output(torch.cat([states[0], states[1]], 1))
        return logits


class MaskedGru(nn.Module):
    """A GRU's state at the last token of each text.

    Parameters
    ----------
    labels, vocabulary_size, width, hidden, layers
        Tags, token ids, width of a word's vector, of the state, and number of layers.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32, hidden: int = 24, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.gru = nn.GRU(width, hidden, num_layers=layers, batch_first=True)
        self.output = nn.Linear(hidden, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        lengths = (input_ids != PAD_ID).sum(1)
        states, _ = self.gru(self.embedding(input_ids))
        logits: Tensor = self.output(at_last(states, lengths))
        return logits


class TransformerClassifier(nn.Module):
    """`nn.TransformerEncoder` with a padding mask, then the mean over real tokens.

    Parameters
    ----------
    labels, vocabulary_size, width, heads, layers
        Tags, token ids, width of a token's vector, attention heads and layers.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True)
        # Nested tensors drop the padding, but only on torch's fast path, and ONNX has no such thing.
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.output = nn.Linear(width, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        padding = input_ids == PAD_ID
        states = self.encoder(self.embedding(input_ids), src_key_padding_mask=padding)
        logits: Tensor = self.output(masked_mean(states, ~padding))
        return logits


class Matcher(nn.Module):
    """How well a query fits a document: each query word looks for its best match. Two inputs of unlike length.

    Parameters
    ----------
    vocabulary_size, width
        Token ids, and width of a word's vector.
    """

    def __init__(self, vocabulary_size: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.output = nn.Linear(2, 2)

    def forward(self, query_ids: Tensor, document_ids: Tensor) -> Tensor:
        """Logits of "does not fit" and "fits".

        Parameters
        ----------
        query_ids
            int64 [batch, query].
        document_ids
            int64 [batch, document].
        """
        query = functional.normalize(self.embedding(query_ids), dim=2)
        document = functional.normalize(self.embedding(document_ids), dim=2)
        likeness = query @ document.transpose(1, 2)
        likeness = likeness.masked_fill((document_ids == PAD_ID).unsqueeze(1), -1.0)
        asked = (query_ids != PAD_ID).to(likeness.dtype)
        best = likeness.amax(2)
        best_of_all = best.masked_fill(query_ids == PAD_ID, -1.0).amax(1)
        mean = (best * asked).sum(1) / asked.sum(1)
        logits: Tensor = self.output(torch.stack([best_of_all, mean], 1))
        return logits


class RareWords(nn.Module):
    """Rare words take a costly way, which is skipped where a batch has none: an `If` in the ONNX graph.

    Which way to go is known only when the ids are, so Python cannot choose: `torch.cond` puts both ways into the
    graph. The costly way changes rare words alone, so no answer depends on what else is in the batch.

    Parameters
    ----------
    labels, vocabulary_size, common, width
        Tags, token ids, ids that are common (the rest, from this one on, are rare), and width of a word's vector.
    """

    def __init__(self, labels: int, vocabulary_size: int, common: int, width: int = 32) -> None:
        super().__init__()
        self.common = common
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.costly = nn.Sequential(nn.Linear(width, 8 * width), nn.GELU(), nn.Linear(8 * width, width))
        self.output = nn.Linear(width, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        vectors = self.embedding(input_ids)
        rare = input_ids >= self.common
        vectors = torch.cond(rare.any(), self.refined, self.as_they_are, (vectors, rare))
        logits: Tensor = self.output(masked_mean(vectors, input_ids != PAD_ID))
        return logits

    def refined(self, vectors: Tensor, rare: Tensor) -> Tensor:
        """Word vectors, those of rare words changed."""
        changed: Tensor = vectors + self.costly(vectors) * rare.unsqueeze(2).to(vectors.dtype)
        return changed

    def as_they_are(self, vectors: Tensor, rare: Tensor) -> Tensor:
        """Word vectors unchanged; a copy, for a way may not hand back what it was given."""
        return vectors.clone()


class RareWordsByIf(RareWords):
    """The same choice by Python's `if`, which is refused: a graph would keep only what the example took."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        vectors = self.embedding(input_ids)
        rare = input_ids >= self.common
        if rare.any():
            vectors = self.refined(vectors, rare)
        logits: Tensor = self.output(masked_mean(vectors, input_ids != PAD_ID))
        return logits


def at_last(states: Tensor, lengths: Tensor) -> Tensor:
    """States [batch, sequence, width] at each row's last token, [batch, width]."""
    last = (lengths - 1).clamp_min(0).view(-1, 1, 1).expand(-1, 1, states.shape[2])
    return states.gather(1, last).squeeze(1)


def turned_around(vectors: Tensor, lengths: Tensor) -> Tensor:
    """Vectors [batch, sequence, width] with each row's first `length` in reverse order; the rest is any of them."""
    places = torch.arange(vectors.shape[1], device=vectors.device).unsqueeze(0)
    mirrored = (lengths.unsqueeze(1) - 1 - places).clamp_min(0)
    return vectors.gather(1, mirrored.unsqueeze(2).expand(-1, -1, vectors.shape[2]))


def masked_mean(states: Tensor, real: Tensor) -> Tensor:
    """Mean of states [batch, sequence, width] over the places that are real, [batch, width]."""
    weights = real.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp_min(1.0)
