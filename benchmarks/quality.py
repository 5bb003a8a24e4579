"""How good are our models beside TF-IDF + linear SVM? On the lesson's real data, all in one run.

    python benchmarks/quality.py

Five stratified folds x 3 with fixed seeds over `dataset.csv` + `holdout.csv`, tags outside NLP, computer-vision and
mlops mapped to `other`; then once trained on `dataset.csv` by the whole pipeline and scored on `holdout.csv`, through
the exported ONNX model. `cnn` holds 15 % of each training part back to know when to stop.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from machine import LESSON_DATA, write_results
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from engine.dataset.cleaning import clean
from engine.dataset.tags import map_tags
from engine.training.padding import logits_of
from engine.training.trainer import train_model

ACCEPTED = ("natural-language-processing", "computer-vision", "mlops")
Predict = Callable[[list[str], np.ndarray, list[str]], np.ndarray]


def load(name: str) -> pd.DataFrame:
    """Read one of the lesson's files: raw `text` and mapped `tag`."""
    frame = pd.read_csv(LESSON_DATA / name, dtype=str, keep_default_na=False)
    tags, _ = map_tags(frame["tag"], ACCEPTED)
    return pd.DataFrame({"text": frame["title"] + " " + frame["description"], "tag": tags})


def svm(**options: object) -> Predict:
    """TF-IDF + linear SVM with scikit-learn's defaults, on the raw texts."""

    def predict(texts: list[str], targets: np.ndarray, unseen: list[str]) -> np.ndarray:
        return make_pipeline(TfidfVectorizer(**options), LinearSVC()).fit(texts, targets).predict(unseen)

    return predict


def ours(name: str, validation_share: float = 0.0) -> Predict:
    """One of our models with the product's defaults, cleaning included."""

    def predict(texts: list[str], targets: np.ndarray, unseen: list[str]) -> np.ndarray:
        learn, validation = (texts, targets), None
        if validation_share:
            parts = train_test_split(texts, targets, test_size=validation_share, stratify=targets, random_state=0)
            learn, validation = (parts[0], parts[2]), ([clean(text) for text in parts[1]], parts[3])
        cleaned = [clean(text) for text in learn[0]]
        model = train_model(name, cleaned, learn[1], int(targets.max()) + 1, validation=validation, seed=0)
        return logits_of(model.module, [model.tokenizer.encode(clean(text)) for text in unseen]).argmax(axis=1)

    return predict


MODELS: dict[str, Predict] = {
    "TF-IDF words 1-2 + linear SVM": svm(ngram_range=(1, 2)),
    "TF-IDF chars 2-5 + linear SVM": svm(analyzer="char", ngram_range=(2, 5)),
    "ngram": ours("ngram"),
    "cnn": ours("cnn", validation_share=0.15),
}


def cross_validate(frame: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Weighted F1 of every model on the same 15 folds, and seconds of training and predicting a fold."""
    labels, targets = np.unique(frame["tag"], return_inverse=True)
    texts = frame["text"].to_numpy(dtype=object)
    folds = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0).split(texts, targets))
    results: dict[str, dict[str, object]] = {}
    for name, predict in MODELS.items():
        scores, seconds = [], []
        for train, test in track(folds, description=f"{name:<30}"):
            started = time.perf_counter()
            predicted = predict(list(texts[train]), targets[train], list(texts[test]))
            seconds.append(time.perf_counter() - started)
            scores.append(f1_score(targets[test], predicted, average="weighted"))
        results[name] = {"f1": scores, "mean": np.mean(scores), "spread": np.std(scores), "seconds": np.median(seconds)}
    print(f"{len(frame)} rows, {len(labels)} tags, {len(folds)} folds")
    return results


def on_holdout() -> dict[str, dict[str, float]]:
    """Train on `dataset.csv` by the pipeline, score on `holdout.csv` through the served ONNX model."""
    from config.settings import get_settings
    from engine.pipeline.train import TrainRequest, train

    results = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["TAGSCOPE_HOME"] = home
        get_settings.cache_clear()
        for name in ("ngram", "cnn"):
            request = TrainRequest.from_settings(
                get_settings(),
                LESSON_DATA / "dataset.csv",
                holdout=LESSON_DATA / "holdout.csv",
                model=name,
                accepted=ACCEPTED,
            )
            stages: dict[str, list[float]] = {}
            started = time.perf_counter()
            result = train(
                request, progress=lambda stage, _, seen=stages: seen.setdefault(stage, []).append(time.perf_counter())
            )
            seconds = time.perf_counter() - started
            low, high = result.performance["intervals"]["overall"]["f1"]
            results[name] = {
                "f1": result.performance["overall"]["f1"],
                "low": low,
                "high": high,
                "train_seconds": stages["Train"][-1] - stages["Load"][-1],
                "pipeline_seconds": seconds,
            }
    return results


def main() -> None:
    """Measure, print and write."""
    folds = cross_validate(pd.concat([load("dataset.csv"), load("holdout.csv")], ignore_index=True))
    holdout = on_holdout()
    best = max(folds[name]["mean"] for name in list(MODELS)[:2])
    table = Table(
        "model", "weighted F1, 15 folds", "spread", "minus best SVM", "s / fold", "holdout.csv", "train s", "pipeline s"
    )
    for name, row in folds.items():
        extra = holdout.get(name)
        shown = (
            (
                f"{extra['f1']:.3f} ({extra['low']:.3f}-{extra['high']:.3f})",
                f"{extra['train_seconds']:.1f}",
                f"{extra['pipeline_seconds']:.1f}",
            )
            if extra
            else ("", "", "")
        )
        table.add_row(
            name,
            f"{row['mean']:.4f}",
            f"{row['spread']:.4f}",
            f"{row['mean'] - best:+.4f}",
            f"{row['seconds']:.1f}",
            *shown,
        )
    Console(width=150).print(table)
    write_results("quality", {"command": "python benchmarks/quality.py", "folds": folds, "holdout": holdout})


if __name__ == "__main__":
    main()
