"""A small explorer for the tests."""

from __future__ import annotations

import numpy as np
import pytest

from engine.exploration.explorer import Explorer
from engine.exploration.table import FoundRows, Table
from tests.exploration.made import make_dataset

TEXTS = [
    "Deep learning for graphs",
    "deep sea diving; learning to swim",
    "Zebra detection with YOLO v3.2",
    "",
    "apple detection, Deep Learning",
    "深度学习 for everyone",
    "C++ (not rust)",
    "État de l'art",
]


@pytest.fixture
def explorer() -> Explorer:
    count = len(TEXTS)
    dataset = make_dataset(
        TEXTS,
        ["nlp", "cv", "cv", "nlp", "cv", "nlp", "ops", "ops"],
        [
            "2024-01-01",
            "2024-01-31 23:59:59.999999",
            "2024-02-01",
            None,
            "1969-12-31",
            "2024-03-01",
            "2024-02-29",
            None,
        ],
    )
    table = Table.of(
        dataset,
        split=["train", "test", "train", None, "validation", "train", "train", "test"],
        outcome=["right", "wrong", "right", "right", "wrong", "right", "right", "right"],
        predicted=["nlp", "nlp", "cv", "nlp", "ops", "nlp", "ops", "ops"],
        confidence=np.linspace(0.9, 0.2, count),
        tokens=[4, 700, 6, 0, 5, 6, 3, 4],
        token_limit=512,
        findings={"odd": FoundRows(np.arange(count) % 2 == 1, np.linspace(0, 1, count, dtype=np.float32))},
    )
    return Explorer(table)
