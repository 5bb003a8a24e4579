"""What the exporter says of modules that it cannot export: through the public door, one fresh process each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import ExportError
from engine.export.axes import Axis
from engine.export.exporter import export_model

BATCH, LENGTH = Axis("batch"), Axis("length", maximum=64)
DYNAMIC = {0: BATCH, 1: LENGTH}


@torch.library.custom_op("explained::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@doubled.register_fake
def _(x):
    return torch.empty_like(x)


@torch.library.custom_op("explained::shapeless", mutates_args=())
def shapeless(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def wrong_translation(x):
    return x.no_such_attribute


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x * 3


class Count(nn.Module):
    def forward(self, x):
        for _ in range(int(x[0, 0])):
            x = x * 2
        return x


class Loop(nn.Module):
    def forward(self, x):
        total = x.new_zeros(x.shape[0])
        for column in range(x.shape[1]):
            total = total * 0.5 + x[:, column]
        return total


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 2)

    def forward(self, x):
        return self.linear(x)


class Joined(nn.Module):
    def forward(self, x, y):
        return torch.cat([x, x], 1) + y


class Choosy(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[1] > 4 else x * 3


class Short(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.ones(20))

    def forward(self, x):
        return x + self.places[: x.shape[1]]


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 2, batch_first=True)

    def forward(self, x):
        lengths = (x != 0).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x[:, :, None], lengths, batch_first=True, enforce_sorted=False)
        return self.lstm(packed)[1][0][-1]


class Svd(nn.Module):
    def forward(self, x):
        return torch.linalg.svdvals(x)


class Doubled(nn.Module):
    def forward(self, x):
        return doubled(x)


class Shapeless(nn.Module):
    def forward(self, x):
        return shapeless(x)


class Numbers(nn.Module):
    def forward(self, x):
        return torch.tensor([sum(row) for row in x.tolist()])


CASES = {
    "a branch on values": (Branch, {}, ["`if x.sum() > 0:`", "torch.where or torch.cond"]),
    "a number of a value": (Count, {}, ["`for _ in range(int(x[0, 0])):`", "keep it a tensor"]),
    "a loop over a length": (Loop, {}, ["axis 1 of x (length)", "size 7 only", "`for column in range(x.shape[1]):`"]),
    "a constant size": (Constant, {}, ["axis 1 of x (length)", "size 7 only", "`return self.linear(x)`"]),
    "lists of numbers": (Numbers, {}, ["axis 0 of x (batch)", "x.tolist()"]),
    "a size that follows": (
        Joined,
        {"inputs": {"y": torch.ones(14)}, "dynamic": {"y": {0: Axis("width")}}},
        ["axis 0 of y (width)", "it is always 2*length", "`return torch.cat([x, x], 1) + y`"],
    ),
    "a part of the sizes": (Choosy, {}, ["axis 1 of x (length)", "declare minimum=5", "if x.shape[1] > 4"]),
    "a table that is too short": (Short, {}, ["The module itself fails at x [1, 64]", "narrow the ranges"]),
    "a packed sequence": (Packed, {}, ["pack_padded_sequence", "examples.classifiers.MaskedBiLstm"]),
    "no translation": (
        Svd,
        {},
        ["aten::_linalg_svd", "docs/operators.md", "`return torch.linalg.svdvals(x)`", "level 3"],
    ),
    "no translation of one's own": (Doubled, {}, ["explained::doubled", "translations={'explained::doubled': ...}"]),
    "a translation that fails": (
        Doubled,
        {"translations": {"explained::doubled": wrong_translation}},
        ["the translation of the operator explained::doubled fails", "`return x.no_such_attribute`"],
    ),
    "an operator that is not there": (
        Branch,
        {"translations": {"explained::nothing": wrong_translation}},
        ["torch has no operator explained::nothing"],
    ),
    "an operator without shapes": (Shapeless, {}, ["explained::shapeless", "@shapeless.register_fake"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_names_the_line_or_operator_and_what_to_do(name, tmp_path):
    kind, more, words = CASES[name]
    given = dict(more)
    inputs = {"x": torch.ones(3, 7), **given.pop("inputs", {})}
    dynamic = {"x": DYNAMIC, **given.pop("dynamic", {})}
    with pytest.raises(ExportError) as caught:
        export_model(kind(), inputs, tmp_path / "model.onnx", dynamic=dynamic, **given)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert "/tmp" not in sentence
    assert str(Path(__file__).parent) not in sentence
    assert list(tmp_path.iterdir()) == []
