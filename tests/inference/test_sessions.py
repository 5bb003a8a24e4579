"""How a run is served: as it was tuned for this processor, as the settings say, and always somehow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
import pytest

from engine.backends.machine import cpu_fingerprint
from engine.backends.openvino import installed
from engine.errors import BackendError, BundleError, SettingsError
from engine.inference.predictor import Predictor
from engine.runs.attachments import writing_attachment
from engine.runs.choice import CHOICE_FILE, CHOICE_VERSION, Choice, Setting, choice_name
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from engine.runs.bundle import Bundle

TEXTS = ["Transfer learning with transformers", "counting seals in satellite images of the sea", "kubernetes"]
needs_openvino = pytest.mark.skipif(not installed(), reason="OpenVINO is not installed")


def make_predictor(backend: str = "", precision: str = "") -> Predictor:
    return Predictor(
        open_store(), cache_bytes=0, loaded_runs=2, max_text_characters=1000, backend=backend, precision=precision
    )


def promoted() -> Bundle:
    store = open_store()
    return store.open(str(store.promoted()))


def choose(backend: str, precision: str, *, batching: bool = True) -> None:
    """Write what `tagscope tune` would write, had it chosen this."""
    setting = Setting(backend, precision, 8, 32, 2, 1, 0.01, 800.0, (0.01, 0.01), (800.0, 800.0), 3)
    cpu = cpu_fingerprint()
    choice = Choice(
        CHOICE_VERSION, cpu, {"stream": setting}, {"stream": setting}, {f"{backend} {precision}": batching}, True
    )
    with writing_attachment(promoted(), choice_name(cpu), "choice", {}, {}, replace=True) as folder:
        (folder / CHOICE_FILE).write_bytes(msgspec.json.encode(choice))


def test_without_a_choice_it_is_fp32_on_onnx_runtime(demo_home: Path) -> None:
    model = make_predictor().load()
    assert (model.backend, model.precision) == ("onnxruntime", "fp32")


@needs_openvino
def test_the_tuned_choice_is_served_and_never_shares_a_cached_answer(demo_home: Path) -> None:
    plain = make_predictor().load()
    expected = [answer.probabilities for answer in make_predictor().predict(TEXTS)]
    choose("openvino", "fp32", batching=False)
    predictor = make_predictor()
    model = predictor.load()
    assert (model.backend, model.precision) == ("openvino", "fp32")
    assert model.identity != plain.identity
    assert set(model.plan.texts) == {1}
    for answer, chances in zip(predictor.predict(TEXTS), expected, strict=True):
        assert answer.probabilities == pytest.approx(chances, abs=1e-4)


@pytest.mark.parametrize(("backend", "precision"), [("onnxruntime:Unheard", "fp32"), ("onnxruntime", "int8-static")])
def test_a_choice_that_cannot_be_used_here_does_not_keep_a_run_from_being_served(
    demo_home: Path, caplog: pytest.LogCaptureFixture, backend: str, precision: str
) -> None:
    choose(backend, precision)
    with caplog.at_level(logging.WARNING):
        model = make_predictor().load()
    assert (model.backend, model.precision) == ("onnxruntime", "fp32")
    assert "served in fp32" in caplog.text


def test_a_damaged_choice_does_not_keep_a_run_from_being_served(demo_home: Path) -> None:
    choose("onnxruntime", "fp32")
    (file,) = promoted().path.glob(f"attachments/choice-*/*/{CHOICE_FILE}")
    file.write_text("{")
    assert make_predictor().load().precision == "fp32"


def test_the_settings_overrule_the_choice_and_are_not_guessed_at(demo_home: Path) -> None:
    choose("onnxruntime:Unheard", "fp32")
    assert make_predictor("onnxruntime", "fp32").load().backend == "onnxruntime"
    with pytest.raises(BackendError, match="No backend 'abacus'"):
        make_predictor("abacus", "fp32").load()
    with pytest.raises(BundleError, match="tagscope tune"):
        make_predictor("onnxruntime", "int8-static").load()
    with pytest.raises(SettingsError, match="set both"):
        make_predictor("", "bf16").load()
