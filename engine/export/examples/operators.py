"""Operators that ONNX lacks, at three levels: `docs/operators.md` explains which one to take.

1. `distinct`: a torch operator that standard ONNX operators express; and another translation of one of torch's own.
2. `sparsemax`: a new ONNX operator, written as a function inside the model: any engine runs it, without a plugin.
3. `edit_distance`: a Python function that only ONNX Runtime calls, and only while parity is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnxscript import FLOAT, opset20, script
from onnxscript.values import Opset
from torch import Tensor, nn

from engine.export.examples.classifiers import PAD_ID, masked_mean
from engine.export.operators.python_operators import python_operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Its methods' types are those of single operators and do not fit each other.
op: Any = opset20
# What torch calls the ways to put a bag together.
_SUM, _MEAN = 0, 1

# ---- Level 1: standard operators -------------------------------------------------------------------------------


@torch.library.custom_op("tagscope::distinct", mutates_args=())
def distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct values of int64 [n], ascending, and for each of the n its place among them."""
    found, places = torch.unique(values, return_inverse=True)
    return found, places


@distinct.register_fake
def _(values: Tensor) -> tuple[Tensor, Tensor]:
    # How many there are is known only when the values are: a size of its own, found when the graph runs.
    count = torch.library.get_ctx().new_dynamic_size()
    return values.new_empty(count), torch.empty_like(values)


def translate_distinct(values: Any) -> Any:
    """Express `tagscope::distinct` by ONNX's Unique."""
    found, _first, places, _counts = op.Unique(values, sorted=1)
    return found, places


class DistinctWords(nn.Module):
    """A costly function of each word, computed once for each distinct word of a batch.

    Parameters
    ----------
    labels, vocabulary_size, width
        Tags, token ids, and width of a word's vector.
    """

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.costly = nn.Sequential(nn.Linear(width, 8 * width), nn.GELU(), nn.Linear(8 * width, width))
        self.output = nn.Linear(width, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        words, places = distinct(input_ids.flatten())
        vectors = self.costly(self.embedding(words))[places].unflatten(0, input_ids.shape)
        logits: Tensor = self.output(masked_mean(vectors, input_ids != PAD_ID))
        return logits


def translate_embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Express torch's own `aten::embedding_bag.padding_idx` in another way than torch's exporter does.

    That one loops over the bags, slowly and not on OpenVINO; here all rows are added to their bags at once.

    Raises
    ------
    NotImplementedError
        The module asks for what is not written here.
    """
    if mode not in (_SUM, _MEAN) or per_sample_weights is not None or include_last_offset or padding_idx is not None:
        raise NotImplementedError("only bags with mode sum or mean are translated, without weights or padding_idx")
    tokens = op.Shape(indices)
    one = op.Constant(value_ints=[1])
    nothing = op.Constant(value_ints=[0])
    # A mark where each bag begins, one place more for empty bags at the end; their running sum numbers the bags.
    marks = op.ScatterND(
        op.Expand(nothing, op.Add(tokens, one)),
        op.Unsqueeze(offsets, op.Constant(value_ints=[1])),
        op.Expand(one, op.Shape(offsets)),
        reduction="add",
    )
    bags = op.Slice(op.Sub(op.CumSum(marks, op.Constant(value_int=0)), one), nothing, tokens)
    empty = op.Expand(op.Constant(value_float=0.0), op.Concat(op.Shape(offsets), op.Shape(weight, start=1), axis=0))
    sums = op.ScatterND(empty, op.Unsqueeze(bags, one), op.Gather(weight, indices), reduction="add")
    ends = op.Concat(op.Slice(offsets, one, op.Constant(value_ints=[2**31 - 1])), tokens, axis=0)
    sizes = op.Sub(ends, offsets)
    if mode == _MEAN:
        sums = op.Div(sums, op.Cast(op.Unsqueeze(op.Max(sizes, one), one), to=1))
    return sums, bags, sizes, offsets


# ---- Level 2: a function inside the model ----------------------------------------------------------------------


@torch.library.custom_op("tagscope::sparsemax", mutates_args=())
def sparsemax(scores: Tensor) -> Tensor:
    """Replace each row of the last axis by the nearest probabilities; most of them are exactly 0.

    Martins and Astudillo, "From Softmax to Sparsemax" (2016).
    """
    falling = scores.sort(dim=-1, descending=True).values
    ranks = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    kept = 1 + ranks * falling > falling.cumsum(-1)
    limit = (torch.where(kept, falling, 0.0).sum(-1, keepdim=True) - 1) / kept.sum(-1, keepdim=True)
    return (scores - limit).clamp_min(0.0)


@sparsemax.register_fake
def _(scores: Tensor) -> Tensor:
    return torch.empty_like(scores)


# Its own domain makes it an operator that the model defines: node `tagscope::Sparsemax`, function beside the graph.
@script(Opset("tagscope", 1))
def Sparsemax(scores: FLOAT[...]) -> FLOAT[...]:  # type: ignore[type-arg, misc]
    """Express `tagscope::sparsemax`; the function's name is the operator's."""
    one = op.Constant(value_float=1.0)
    last = op.Constant(value_int=-1)
    axes = op.Constant(value_ints=[-1])
    falling, _places = op.TopK(scores, op.Shape(scores, start=-1), axis=-1)
    ranks = op.CumSum(op.Expand(one, op.Shape(scores)), last)
    kept = op.Cast(one + ranks * falling > op.CumSum(falling, last), to=1)
    limit = (op.ReduceSum(kept * falling, axes, keepdims=1) - one) / op.ReduceSum(kept, axes, keepdims=1)
    return op.Relu(scores - limit)  # type: ignore[no-any-return]


class SparseAttention(nn.Module):
    """Attention over words that leaves most words out altogether.

    Parameters
    ----------
    labels, vocabulary_size, width
        Tags, token ids, and width of a word's vector.
    """

    # Far below any score, yet small enough for the sums inside sparsemax to keep the digits of the others.
    PADDING = -1e3

    def __init__(self, labels: int, vocabulary_size: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=PAD_ID)
        self.score = nn.Linear(width, 1)
        self.output = nn.Linear(width, labels)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        vectors = self.embedding(input_ids)
        scores = self.score(vectors).squeeze(2).masked_fill(input_ids == PAD_ID, self.PADDING)
        weights = sparsemax(scores)
        logits: Tensor = self.output((weights.unsqueeze(1) @ vectors).squeeze(1))
        return logits


# ---- Level 3: a Python function --------------------------------------------------------------------------------


@python_operator("EditDistance", inputs=("int64", "int64"), outputs=("float32",))
def count_edits(texts: NDArray[np.int64], patterns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Fewest insertions, deletions and replacements of tokens (Levenshtein), [texts, patterns]; 0 pads."""
    answer = np.empty((len(texts), len(patterns)), dtype=np.float32)
    for row, text in enumerate(texts):
        words = text[text != PAD_ID]
        for column, padded in enumerate(patterns):
            pattern = padded[padded != PAD_ID]
            above = np.arange(len(pattern) + 1)
            for word in words:
                # Insertions run along the row: their cost is a running minimum once the slope is taken out.
                best = np.minimum(above[1:] + 1, above[:-1] + (pattern != word))
                steps = np.concatenate([[above[0] + 1], best])
                slope = np.arange(len(steps))
                above = np.minimum.accumulate(steps - slope) + slope
            answer[row, column] = above[-1]
    return answer


@torch.library.custom_op("tagscope::edit_distance", mutates_args=())
def edit_distance(texts: Tensor, patterns: Tensor) -> Tensor:
    """`count_edits` for torch: the same function, so torch and ONNX Runtime cannot differ in it."""
    return torch.from_numpy(count_edits(texts.cpu().numpy(), patterns.cpu().numpy()))


@edit_distance.register_fake
def _(texts: Tensor, patterns: Tensor) -> Tensor:
    return texts.new_empty((texts.shape[0], patterns.shape[0]), dtype=torch.float32)


def translate_edit_distance(texts: Any, patterns: Any) -> Any:
    """Stand for `tagscope::edit_distance`: one node that ONNX Runtime hands to Python."""
    return count_edits.node(texts, patterns)


class NearestPattern(nn.Module):
    """Tags by likeness in wording: each tag has a pattern, and the fewer edits lead to it the higher its logit.

    Parameters
    ----------
    patterns
        int64 [labels, words], 0 pads.
    """

    def __init__(self, patterns: Tensor) -> None:
        super().__init__()
        self.patterns: Tensor
        self.register_buffer("patterns", patterns)
        self.scale = nn.Parameter(torch.ones(len(patterns)))

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of padded texts, int64 [batch, sequence]."""
        logits: Tensor = -edit_distance(input_ids, self.patterns) * self.scale
        return logits


# Which torch operator each stands for, as `export_model(..., translations=...)` takes them.
TRANSLATIONS: dict[str, Callable[..., Any]] = {
    "tagscope::distinct": translate_distinct,
    "aten::embedding_bag.padding_idx": translate_embedding_bag,
    "tagscope::sparsemax": Sparsemax,
    "tagscope::edit_distance": translate_edit_distance,
}
