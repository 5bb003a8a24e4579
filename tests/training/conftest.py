"""Small labelled texts that a model can learn in a second, in several languages and scripts."""

from __future__ import annotations

import numpy as np
import pytest

TOPICS = {
    "vision": ["image", "pixel", "camera", "detection", "segmentation", "photo", "video", "object", "画像", "認識"],
    "language": ["text", "translation", "grammar", "sentence", "language", "corpus", "parser", "перевод", "текста"],
    "operations": ["deploy", "monitor", "pipeline", "container", "cluster", "release", "alert", "déploiement"],
}
FILLER = ["a", "the", "with", "for", "and", "of", "learning", "model", "network", "paper", "code", "using"]


def make_texts(rows: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    chance = np.random.default_rng(seed)
    words = list(TOPICS.values())
    targets = np.arange(rows) % len(words)
    texts = [
        " ".join(
            chance.permutation(
                [*chance.choice(words[tag], chance.integers(1, 5)), *chance.choice(FILLER, chance.integers(0, 8))]
            )
        )
        for tag in targets
    ]
    return texts, targets


@pytest.fixture(scope="session")
def corpus() -> tuple[list[str], np.ndarray]:
    """300 texts of three tags."""
    return make_texts(300)


@pytest.fixture(scope="session")
def held_out() -> tuple[list[str], np.ndarray]:
    """90 other texts of the same tags."""
    return make_texts(90, seed=1)
