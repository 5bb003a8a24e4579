"""What the map is drawn from: an encoder's embeddings of exactly these rows, else words, and the page says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.detail import read_detail
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.text_map import TextMapView
from dashboard.state import DashboardState
from engine.dataset.fields import Fields
from engine.pipeline.imports.predictions import import_predictions
from engine.runs.embeddings import EmbeddingsSource, attach_embeddings
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from dashboard.samples import Samples
    from engine.exploration.text_map import TextMap

ROWS, WIDTH = 45, 80
WORDS = ("image of a camera", "deploy the cluster", "grammar of a sentence")
TAGS = ("vision", "operations", "language")


@pytest.fixture
def runs(home: Path) -> list[str]:
    """Ids of three runs on the same few rows, the newest first."""
    frame = pd.DataFrame({"id": range(ROWS), "text": [f"{WORDS[n % 3]} {n % 9} {n}" for n in range(ROWS)]})
    frame["tag"] = frame["predicted_tag"] = [TAGS[n % 3] for n in range(ROWS)]
    frame.to_csv(home / "answers.csv", index=False)
    for _ in range(3):
        import_predictions(home / "answers.csv", Fields(text=("text",)))
    return [manifest.run_id for manifest in open_store().runs()]


def vectors_of(seed: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, WIDTH)).astype(np.float32)


def attach(run_id: str, encoder: str = "tiny-encoder", seed: int = 0, dataset: str = "", rows: int = ROWS) -> None:
    bundle = open_store().open(run_id)
    source = EmbeddingsSource(encoder, 32, (), dataset or bundle.manifest.dataset.digest)
    attach_embeddings(bundle, source, [vectors_of(seed, rows)], (rows, WIDTH), {})


def new_catalogue(**settings: Any) -> Catalogue:
    return Catalogue(load_settings(**settings), open_store())


def map_of(samples: Samples) -> TextMap:
    found = samples.map.start().wait(60)
    assert found is not None, samples.map.status.sentence
    return found


def said_of(samples: Samples, catalogue: Catalogue) -> str:
    """What the page says of the map."""
    map_of(samples)
    exploration = Exploration(DashboardState(), catalogue)
    exploration.open(samples)
    view = TextMapView(exploration)
    view._job._start()  # as a click on its button: without an event loop nothing begins by itself
    return view._said.html


def test_the_map_is_that_of_the_encoder_and_the_page_names_it(runs: list[str]) -> None:
    attach(runs[1], "<tiny>; of mine")
    catalogue = new_catalogue()
    samples = catalogue.samples(runs[1])
    assert not samples.kept_map()
    drawn = map_of(samples)
    assert (drawn.info.rows, drawn.info.placed) == (ROWS, ROWS)
    assert "Laid out by the embeddings of &lt;tiny&gt;; of mine, 45 main directions of 80; t-SNE." in said_of(
        samples, catalogue
    )
    assert samples.map.remark == ""
    # The nearest rows are those of the encoder, too.
    given = vectors_of(0).astype(np.float16).astype(np.float32)
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    near = np.argsort(-(given @ given[4]))[1]
    assert drawn.neighbours(4, 1)[0].position == near
    assert read_detail(catalogue, samples, runs[1], "4").method.startswith("the embeddings of <tiny>; of mine, 45 main")
    # It is kept, and opened without the vectors.
    assert samples.kept_map()
    (file,) = (open_store().open(runs[1]).path / "attachments" / "embeddings").glob("*/vectors.npy")
    file.write_bytes(b"damaged by now")
    again = new_catalogue().samples(runs[1])
    assert again.kept_map()
    assert np.array_equal(map_of(again).points, drawn.points)
    assert again.map.remark == ""


def test_a_run_without_embeddings_takes_those_of_the_newest_run_that_has_some(runs: list[str]) -> None:
    newest, middle, oldest = runs
    attach(middle, "one", seed=1)
    attach(oldest, "two", seed=2)
    catalogue = new_catalogue()
    assert map_of(catalogue.samples(newest)).info.method.startswith("the embeddings of one,")
    assert catalogue.samples(newest).map is catalogue.samples(middle).map
    assert map_of(catalogue.samples(oldest)).info.method.startswith("the embeddings of two,")
    # The file has no run of its own.
    of_file = new_catalogue(data={"file": load_settings().home / "answers.csv", "text": ["text"]}).samples("")
    assert map_of(of_file).info.method.startswith("the embeddings of one,")


def test_without_embeddings_the_map_is_one_of_words(runs: list[str]) -> None:
    catalogue = new_catalogue()
    samples = catalogue.samples(runs[0])
    said = said_of(samples, catalogue)
    assert "Laid out by TF-IDF of words, " in said
    assert said.count("<p>") == 1


def spoilt(run_id: str, how: str) -> None:
    attach(run_id, dataset="0" * 32 if how == "other data" else "", rows=ROWS - 1 if how == "too few" else ROWS)
    folder = open_store().open(run_id).path / "attachments" / "embeddings"
    (file,) = folder.glob("*/vectors.npy")
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "gone":
        file.unlink()
    elif how == "no manifest":
        (folder / "attachment.json").write_text("{")
    elif how == "no numbers":
        bundle = open_store().open(run_id)
        source = EmbeddingsSource("tiny", 32, (), bundle.manifest.dataset.digest)
        attach_embeddings(bundle, source, [np.full((ROWS, WIDTH), np.nan, np.float32)], (ROWS, WIDTH), {})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "was changed after it was written"),
        ("gone", "lacks this file"),
        ("no manifest", "not a valid attachment.json"),
        ("other data", "are those of another data set"),
        ("too few", "not a float16 vector for each of the 45 rows"),
        ("no numbers", "have numbers that are not finite"),
    ],
)
def test_embeddings_that_cannot_be_used_are_one_sentence_above_a_map_of_words(
    runs: list[str], how: str, words: str
) -> None:
    spoilt(runs[0], how)
    catalogue = new_catalogue()
    samples = catalogue.samples(runs[0])
    said = said_of(samples, catalogue)
    assert "Laid out by TF-IDF of words, " in said
    assert f"<p>Not by the embeddings of run {runs[0][:8]}, which cannot be used: " in said
    assert words in said
    assert "\n" not in samples.map.remark
    # Another run's sound ones are taken where the damage shows at once.
    if how in ("no manifest", "other data"):
        attach(runs[2])
        assert map_of(new_catalogue().samples(runs[0])).info.method.startswith("the embeddings of tiny-encoder,")


def test_a_damaged_run_lends_no_embeddings(runs: list[str]) -> None:
    attach(runs[1], "one", seed=1)
    attach(runs[2], "two", seed=2)
    (open_store().open(runs[1]).path / "performance.json").write_text("{}")
    samples = new_catalogue().samples(runs[0])
    assert map_of(samples).info.method.startswith("the embeddings of two,")
    assert samples.map.remark == ""
