"""Small files as people bring them: data, a word-level tokenizer, and an ONNX classifier that is written by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("animals", "machines", "music")
WORDS = {
    "animals": ("cat", "dog", "horse", "whale", "sparrow"),
    "machines": ("engine", "lathe", "turbine", "robot", "crane"),
    "music": ("violin", "opera", "rhythm", "chorus", "drum"),
}
FILLERS = ("the", "a", "with", "about", "near")
PAD, UNKNOWN = "[PAD]", "[UNK]"
VOCABULARY = {
    word: number
    for number, word in enumerate([PAD, UNKNOWN, *FILLERS, *(word for label in LABELS for word in WORDS[label])])
}


def rows(count: int = 90) -> pd.DataFrame:
    """Texts that each hold words of their tag, and some of another one."""
    chance = np.random.default_rng(5)
    texts, tags = [], []
    for number in range(count):
        tag = LABELS[number % 3]
        words = [*chance.choice(WORDS[tag], 3), *chance.choice(FILLERS, number % 5), chance.choice(WORDS["music"])]
        chance.shuffle(words)
        texts.append(" ".join(words))
        tags.append(tag)
    return pd.DataFrame({"id": [f"r{n}" for n in range(count)], "text": texts, "tag": tags})


def write_rows(folder: Path, frame: pd.DataFrame | None = None) -> Path:
    path = folder / "rows.csv"
    (rows() if frame is None else frame).to_csv(path, index=False)
    return path


def write_tokenizer(folder: Path, padding: bool = True) -> Path:
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY if padding else unpadded(), unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def unpadded() -> dict[str, int]:
    return {word.replace(PAD, "<nothing>"): number for word, number in VOCABULARY.items()}


def write_labels(folder: Path, labels: Any = LABELS) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps(labels), encoding="utf-8")
    return path


def weights() -> np.ndarray:
    """One row per word: 3 where it is a word of the label."""
    table = np.zeros((len(VOCABULARY), len(LABELS)), dtype=np.float32)
    for column, label in enumerate(LABELS):
        for word in WORDS[label]:
            table[VOCABULARY[word], column] = 3.0
    # Padding speaks loudly: who does not mask it hears it.
    table[0] = (9.0, -9.0, 0.0)
    return table


def classifier(
    *,
    names: tuple[str, str, str] = ("input_ids", "attention_mask", "token_type_ids"),
    output: str = "logits",
    shape: tuple[Any, Any] = ("n", "tokens"),
    integer: int = TensorProto.INT64,
    mask: bool = True,
    end: str = "",
    number: int = TensorProto.FLOAT,
    columns: int | None = len(LABELS),
    flat: bool = False,
    inner: str = "answer",
) -> ModelProto:
    """The mean of the words' rows, where the mask is 1.

    `end` is a last operator, `flat` ties the graph to the sizes of `shape`, `inner` is what the last value but one
    is called.
    """
    ids, mask_name, types = names
    table = weights()
    kept = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), "last"),
        numpy_helper.from_array(np.array([0.0], dtype=np.float32), "nothing"),
    ]
    nodes = [helper.make_node("Gather", ["table", ids], ["embedded"], axis=0)]
    inputs = [helper.make_tensor_value_info(ids, integer, list(shape))]
    if mask:
        inputs += [helper.make_tensor_value_info(name, integer, list(shape)) for name in (mask_name, types)]
        nodes += [
            helper.make_node("Cast", [mask_name], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
            helper.make_node("Mul", ["embedded", "column"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "axis"], ["total"], keepdims=0),
            helper.make_node("ReduceSum", ["mask", "axis"], ["length"], keepdims=1),
            helper.make_node("Div", ["total", "length"], ["mean"]),
            helper.make_node("Cast", [types], ["types"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["types", "axis"], ["sum_of_types"], keepdims=1),
            helper.make_node("Mul", ["sum_of_types", "nothing"], ["no_types"]),
            helper.make_node("Add", ["mean", "no_types"], [inner]),
        ]
    else:
        nodes.append(helper.make_node("ReduceMean", ["embedded", "axis"], [inner], keepdims=0))
    if flat:
        # What a frozen exporter writes: the sizes of its example stand in a Reshape.
        size = np.array([*shape, len(LABELS)], dtype=np.int64)
        kept.append(numpy_helper.from_array(size, "size"))
        nodes.insert(1, helper.make_node("Reshape", ["embedded", "size"], ["reshaped"]))
        for node in nodes[2:]:
            node.input[:] = ["reshaped" if name == "embedded" else name for name in node.input]
    last = inner
    if end:
        nodes.append(helper.make_node(end, [last], ["ended"]))
        last = "ended"
    nodes.append(helper.make_node("Cast", [last], [output], to=number))
    outputs = [helper.make_tensor_value_info(output, number, [shape[0], columns])]
    graph = helper.make_graph(nodes, "made by hand", inputs, outputs, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def expected(texts: list[str]) -> np.ndarray:
    """Logits of `classifier` for texts, as arithmetic."""
    table = weights()
    return np.array([table[[VOCABULARY.get(word, 1) for word in text.split()]].mean(0) for text in texts])


def write_model(folder: Path, **options: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(classifier(**options).SerializeToString())
    return path
