"""The real service: what is asked over HTTP is answered, and refused, as in this process."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dashboard
from config.settings import get_settings, load_settings
from dashboard.catalogue import Catalogue
from engine.client.remote import RemotePredictor
from engine.errors import BundleError, TagscopeError
from engine.inference.prediction import Prediction, Refusal
from engine.inference.predictor import Predictor
from engine.runs.store import DirectoryStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Transfer learning with transformers for text classification."
LONGEST = 5_000
RUN_IDS = sorted(path.name for path in (ROOT / "data" / "runs").iterdir())
ODD = ["!!! ???", "naïve 学 \U0001f600", "a\ud800b learning", "<b>R&amp;D</b> \x00", "x" * LONGEST, "=cmd()"]
REFUSED: list[Any] = ["", " \n", "https://example.com/a", "\ud800", "x" * (LONGEST + 1), None, 7]


@pytest.fixture(scope="module")
def served_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the demo runs and one that is damaged."""
    home = tmp_path_factory.mktemp("served")
    shutil.copytree(ROOT / "data", home / "data")
    (home / "config").mkdir()
    shutil.copy(ROOT / "config" / "run_id.txt", home / "config")
    damaged = home / "data" / "runs" / ("d" * 32)
    shutil.copytree(home / "data" / "runs" / RUN_IDS[0], damaged)
    manifest = damaged / "run.json"
    manifest.write_text(manifest.read_text().replace(RUN_IDS[0], damaged.name))
    (damaged / "model.onnx").write_bytes(b"not a model")
    return home


@pytest.fixture(scope="module")
def url(start_server: Callable[..., int], served_home: Path) -> str:
    """Where a real service of that home is, in two processes."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TAGSCOPE_")}
    port = start_server(
        lambda _port: [sys.executable, "-m", "engine.cli", "api"],
        lambda port: {
            **clean,
            "TAGSCOPE_HOME": str(served_home),
            "TAGSCOPE_API__PORT": str(port),
            "TAGSCOPE_API__PROCESSES": "2",
            "TAGSCOPE_INFERENCE__MAX_TEXT_CHARACTERS": str(LONGEST),
        },
    )
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def remote(url: str) -> Iterator[RemotePredictor]:
    predictor = RemotePredictor(url)
    yield predictor
    predictor.close()


@pytest.fixture(scope="module")
def local(served_home: Path) -> Iterator[Predictor]:
    store = DirectoryStore(served_home / "data" / "runs", served_home / "config")
    predictor = Predictor(store, cache_bytes=2**20, loaded_runs=3, max_text_characters=LONGEST)
    yield predictor
    predictor.close(5)


def texts() -> list[str]:
    with (ROOT / "data" / "labeled_projects.csv").open(newline="", encoding="utf-8") as file:
        return [f"{row['title']} {row['description']}" for row in csv.DictReader(file)]


def assert_equal(there: list[Prediction | Refusal], here: list[Prediction | Refusal]) -> None:
    assert len(there) == len(here)
    for one, other in zip(there, here, strict=True):
        assert type(one) is type(other)
        assert one.input_text == other.input_text
        if isinstance(one, Refusal):
            assert one.error == other.error
            continue
        for name in ("predicted_tag", "run_id", "model", "model_digest", "below_threshold"):
            assert getattr(one, name) == getattr(other, name)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        shares = list(one.probabilities.values())
        assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("run_id", [None, *RUN_IDS])
def test_the_answers_are_those_of_this_process(remote: RemotePredictor, local: Predictor, run_id: str | None) -> None:
    mixed = [*texts()[:150], *ODD, *REFUSED, TEXT]
    options: dict[str, Any] = {"errors": "return", "threshold": 0.6, "top_k": 3}
    assert_equal(remote.predict(mixed, run_id, **options), local.predict(mixed, run_id, **options))


def test_a_stream_is_the_same_stream(remote: RemotePredictor, local: Predictor) -> None:
    counts: list[int] = []
    there = list(remote.predict_stream(iter(texts()), progress=counts.append))
    assert_equal(there, list(local.predict_stream(texts())))
    assert counts[-1] == len(there)


@pytest.mark.parametrize(
    ("asked", "run_id"),
    [
        *(([TEXT, text], None) for text in REFUSED),
        ([""], None),
        (["", "\n"], None),
        ([TEXT], "../../etc/passwd"),
        ([TEXT], "f" * 32),
    ],
)
def test_the_errors_are_those_of_this_process(
    remote: RemotePredictor, local: Predictor, asked: list[Any], run_id: str | None
) -> None:
    with pytest.raises(TagscopeError) as here:
        local.predict(asked, run_id)
    with pytest.raises(TagscopeError) as there:
        remote.predict(asked, run_id)
    assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


def test_a_damaged_run_is_the_same_error_but_not_where_it_lies(
    remote: RemotePredictor, local: Predictor, served_home: Path
) -> None:
    with pytest.raises(BundleError) as here:
        local.predict([TEXT], "d" * 32)
    with pytest.raises(BundleError) as there:
        remote.predict([TEXT], "d" * 32)
    assert str(here.value).partition("model.onnx")[1:] == str(there.value).partition("model.onnx")[1:]
    assert str(served_home) not in str(there.value)


def test_the_pane_shows_the_same_answer_and_says_whose_it_is(
    demo_home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> tuple[str, Any]:
        pane = dashboard.InferencePane(text=TEXT, catalogue=Catalogue(load_settings(), open_store()))
        return pane._answer.object, pane._chart.bars

    here, bars = shown()
    monkeypatch.setenv("TAGSCOPE_ENGINE_URL", url)
    get_settings.cache_clear()
    there, bars_there = shown()
    assert bars_there == bars
    assert here.partition('<div class="facts">')[0] == there.partition('<div class="facts">')[0]
    assert f"by the service at {url.removeprefix('http://')}" in there
    assert "by the service" not in here
