"""The choice between this process and a service, and everybody who goes by it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import dashboard
from config.settings import get_settings, load_settings
from dashboard.catalogue import Catalogue
from engine import predict_tag
from engine.client.predictor import get_predictor, service_host
from engine.client.remote import RemotePredictor
from engine.errors import SettingsError
from engine.inference.predictor import get_predictor as get_predictor_of_this_process
from engine.runs.store import open_store

from .conftest import RUN_ID, Service, problem

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Transfer learning with transformers for text classification."


@pytest.fixture
def engine_url(demo_home: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> str:
    """A home whose texts are answered by the service."""
    monkeypatch.setenv("TAGSCOPE_ENGINE_URL", service.url)
    return service.url


def pane(**options: str) -> str:
    """What the inference pane shows, alone as in a notebook."""
    shown = dashboard.InferencePane(catalogue=Catalogue(load_settings(), open_store()), **options)
    return f"{shown._message._html()} {shown._answer.object if shown._result.visible else ''}"


def test_without_a_url_this_process_answers(demo_home: Path) -> None:
    assert get_predictor() is get_predictor_of_this_process()
    assert service_host() == ""
    assert "by the service" not in pane(text=TEXT)


def test_with_a_url_the_service_answers_and_one_predictor_is_shared(engine_url: str, service: Service) -> None:
    predictor = get_predictor()
    assert isinstance(predictor, RemotePredictor)
    assert get_predictor() is predictor
    (found,) = predict_tag(text=TEXT, threshold=0.1)
    assert (found["predicted_tag"], found["run_id"], found["input_text"]) == (f"tag-{len(TEXT)}", RUN_ID, TEXT)
    assert service.asked == [{"texts": [TEXT], "threshold": 0.1}]


def test_the_url_may_stand_in_the_homes_settings_and_the_key_goes_along(
    demo_home: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (demo_home / "config" / "settings.toml").write_text(f'engine_url = "{service.url}"\n')
    monkeypatch.setenv("TAGSCOPE_API__KEY", "secret")
    predict_tag(text=TEXT)
    assert service.headers[0]["Authorization"] == "Bearer secret"
    monkeypatch.setenv("TAGSCOPE_ENGINE_URL", "nowhere")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="TAGSCOPE_ENGINE_URL"):
        get_predictor()


def test_the_command_line_asks_the_service(engine_url: str, service: Service) -> None:
    command = [sys.executable, "-m", "engine.cli", "predict", TEXT, "four", "--top-k", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [answer["predicted_tag"] for answer in json.loads(done.stdout)] == [f"tag-{len(TEXT)}", "tag-4"]
    service.script.append(problem(503, "The service is shutting down; ask again."))
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "shutting down; ask again." in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_pane_shows_the_services_answer_and_says_whose_it_is(engine_url: str, service: Service) -> None:
    shown = pane(text=TEXT)
    assert f"tag-{len(TEXT)}" in shown
    assert "75.0% probable" in shown
    assert f"by the service at {engine_url.removeprefix('http://')}" in shown
    assert service.asked[-1]["run_id"] == open_store().promoted()


def test_the_pane_says_in_place_what_the_service_says(engine_url: str, service: Service) -> None:
    service.script.append(problem(503, "The queue is <full>; ask again."))
    assert "The queue is &lt;full&gt;; ask again." in pane(text=TEXT)
    service.script.append(problem(404, "No run has this id."))
    assert "does not have this run; choose one that it has" in pane(text=TEXT)


def test_the_pane_asks_for_runs_that_only_the_service_has(engine_url: str, service: Service) -> None:
    assert "by the service at" in pane(text=TEXT, run_id=RUN_ID)
    service.script.append(problem(404, "No run has this id."))
    assert "No run has this id." in pane(text=TEXT, run_id=RUN_ID)
    assert [asked["run_id"] for asked in service.asked] == [RUN_ID, RUN_ID]


def test_a_home_without_runs_shows_the_services_own(
    home: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGSCOPE_ENGINE_URL", service.url)
    assert f"run {RUN_ID[:8]}" in pane(text=TEXT)
    assert "run_id" not in service.asked[0]


def test_the_pane_is_whole_while_the_service_is_down(engine_url: str, service: Service) -> None:
    service.shutdown()
    service.server_close()
    shown = pane(text=TEXT)
    assert "cannot be reached" in shown
    assert "TAGSCOPE_ENGINE_URL" in shown
    assert "probable" not in shown


def test_asking_a_service_needs_no_model_code(engine_url: str) -> None:
    script = (
        f"import sys; from engine import predict_tag; predict_tag(text={TEXT!r});"
        "names = ('torch', 'pandas', 'pyarrow', 'sklearn', 'panel', 'onnxruntime', 'tokenizers', 'numpy');"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
