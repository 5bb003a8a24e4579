"""The predictor, on the demo runs: right answers whatever the company, readable refusals, promotions seen at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import predict_tag
from engine.errors import BundleError, DataError, RunNotFoundError
from engine.inference.cache import ResultCache
from engine.inference.predictor import Predictor, Refusal, get_predictor
from engine.runs.predictions import probability_matrix, read_predictions
from engine.runs.store import DirectoryStore, open_store

ROOT = Path(__file__).resolve().parents[2]
DEMO = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
RUN_IDS = [manifest.run_id for manifest in DEMO.runs()]
TEXT = "Transfer learning with transformers for text classification."


def make_predictor(store: DirectoryStore = DEMO, *, cache_bytes: int = 2**20) -> Predictor:
    return Predictor(store, cache_bytes=cache_bytes, loaded_runs=2, max_text_characters=1000)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return make_predictor(cache_bytes=0)


def test_the_lessons_sentence_is_natural_language_processing(predictor: Predictor) -> None:
    (answer,) = predictor.predict([TEXT])
    assert answer.predicted_tag == "natural-language-processing"
    assert answer.run_id == DEMO.promoted()
    assert list(answer.probabilities.values()) == sorted(answer.probabilities.values(), reverse=True)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("run_id", RUN_IDS)
def test_what_the_bundle_says_is_what_is_served(predictor: Predictor, run_id: str) -> None:
    bundle = DEMO.open(run_id)
    kept = read_predictions(bundle).set_index("id")
    rows = pd.read_csv(ROOT / "data" / "labeled_projects.csv", dtype=str, keep_default_na=False).set_index("id")
    texts = [f"{row.title} {row.description}".strip() for row in rows.loc[kept.index].itertuples()]
    answers = predictor.predict(texts, run_id)
    assert [answer.predicted_tag for answer in answers] == kept["predicted_tag"].to_list()
    served = np.array([[answer.probabilities[label] for label in bundle.labels] for answer in answers])
    np.testing.assert_allclose(served, probability_matrix(kept, bundle.labels), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc xyzé学", min_size=1).filter(str.strip), min_size=1, max_size=8), st.sampled_from(RUN_IDS))
def test_an_answer_does_not_depend_on_its_batch_mates(texts: list[str], run_id: str) -> None:
    predictor = _WITHOUT_CACHE
    together = predictor.predict(texts, run_id)
    for text, answer in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text], run_id)
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-5)


_WITHOUT_CACHE = make_predictor(cache_bytes=0)


def test_top_k_and_threshold_are_applied_after_the_cache(demo_home: Path) -> None:
    predictor = get_predictor.__wrapped__()
    (full,) = predictor.predict([TEXT])
    (cut,) = predictor.predict([TEXT], top_k=2, threshold=0.999)
    assert (full.cached, cut.cached) == (False, True)
    assert list(cut.probabilities) == list(full.probabilities)[:2]
    assert (cut.predicted_tag, cut.below_threshold) == ("other", True)


def test_a_promotion_is_seen_without_a_restart(demo_home: Path) -> None:
    store = open_store()
    predictor = get_predictor.__wrapped__()
    before = predictor.predict([TEXT])[0].run_id
    other = next(run_id for run_id in RUN_IDS if run_id != before)
    store.promote(other)
    assert predictor.predict([TEXT])[0].run_id == other


def test_runs_share_the_cache_without_mixing_answers(demo_home: Path) -> None:
    predictor = get_predictor.__wrapped__()
    first = {run_id: predictor.predict([TEXT], run_id)[0] for run_id in RUN_IDS}
    again = {run_id: predictor.predict([TEXT], run_id)[0] for run_id in RUN_IDS}
    assert all(answer.cached for answer in again.values())
    assert len({tuple(answer.probabilities.values()) for answer in first.values()}) == len(RUN_IDS)
    assert {key: value.probabilities for key, value in first.items()} == {
        key: value.probabilities for key, value in again.items()
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Text 2 has no words left"),
        ("  \n\t", "Text 2 has no words left"),
        ("https://example.com/a", "Text 2 has no words left"),
        ("x" * 1001, "Text 2 has 1,001 characters, more than the 1,000 allowed"),
        (None, "Text 2 is not a text but NoneType"),
    ],
)
def test_a_text_that_cannot_be_answered_is_named_by_position(predictor: Predictor, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        predictor.predict(["good text", text])


def test_a_text_without_any_known_word_still_gets_an_answer(predictor: Predictor) -> None:
    for run_id in RUN_IDS:
        (answer,) = predictor.predict(["!!! ???"], run_id)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_unknown_runs_are_refused_in_a_sentence(predictor: Predictor) -> None:
    with pytest.raises(RunNotFoundError, match="not a run id"):
        predictor.predict([TEXT], "../../etc/passwd")
    with pytest.raises(RunNotFoundError, match="No run has the id"):
        predictor.predict([TEXT], "0" * 32)


def test_nothing_promoted_says_what_to_do(home: Path) -> None:
    with pytest.raises(RunNotFoundError, match="tagscope train"):
        predict_tag(text=TEXT)


def test_a_run_of_another_cleaning_version_is_refused(demo_home: Path) -> None:
    store = open_store()
    folder = demo_home / "data" / "runs" / str(store.promoted())
    manifest = (folder / "run.json").read_text()
    version = store.open(folder.name).manifest.preprocessing_version
    old = f'"preprocessing_version": "{version}"'
    assert old in manifest
    (folder / "run.json").write_text(manifest.replace(old, '"preprocessing_version": "0"'))
    with pytest.raises(BundleError, match="cleaning version 0"):
        get_predictor.__wrapped__().predict([TEXT])


def test_predict_tag_answers_as_the_lesson_does(demo_home: Path) -> None:
    get_predictor.cache_clear()
    (answer,) = predict_tag(text=TEXT, run_id=RUN_IDS[0])
    assert {"input_text", "predicted_tag", "probabilities"} <= set(answer)
    assert answer["input_text"] == TEXT
    assert len(predict_tag(text=[TEXT, "object detection in images"])) == 2
    get_predictor.cache_clear()


def test_many_threads_get_the_answers_of_one(predictor: Predictor) -> None:
    texts = [f"text number {number} about images and words" for number in range(40)]
    expected = [answer.probabilities for answer in predictor.predict(texts)]
    shared = make_predictor()
    found: dict[int, list[dict[str, float]]] = {}

    def ask(name: int) -> None:
        found[name] = [shared.predict([text])[0].probabilities for text in texts]

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answers in found.values():
        for one, other in zip(answers, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(1, 50)), max_size=60), st.integers(0, 5000))
def test_the_cache_never_holds_more_than_its_bytes(entries: list[tuple[str, int]], capacity: int) -> None:
    cache = ResultCache(capacity)
    for text, size in entries:
        key = cache.key(b"identity", text)
        cache.put(key, np.zeros(size, dtype=np.float32))
        assert cache.used_bytes <= capacity
    cache.clear()
    assert cache.used_bytes == 0


def test_runs_that_differ_only_in_where_texts_are_cut_do_not_share_answers(demo_home: Path) -> None:
    store = open_store()
    promoted = store.open(str(store.promoted()))
    shorter = store.allocate()
    shutil.copytree(promoted.path, promoted.path.with_name(shorter))
    manifest = promoted.path.with_name(shorter) / "run.json"
    content = manifest.read_text().replace(promoted.run_id, shorter)
    assert '"max_tokens": 512' in content
    manifest.write_text(content.replace('"max_tokens": 512', '"max_tokens": 2'))
    text = "Neural network that detects and segments objects in images of a camera"
    predictor = get_predictor.__wrapped__()
    (cut,) = predictor.predict([text], shorter)
    (whole,) = predictor.predict([text], promoted.run_id)
    assert not whole.cached
    assert cut.probabilities != whole.probabilities


def test_serving_imports_no_torch_and_no_pandas() -> None:
    script = (
        "import sys; from engine.inference.predictor import get_predictor; get_predictor().predict(['graph networks']);"
        "print([name for name in ('torch', 'pandas', 'pyarrow', 'sklearn', 'panel') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_a_model_cannot_say_in_numbers_is_an_error_of_that_text_alone(
    demo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = make_predictor(cache_bytes=0)
    model = predictor.load()
    compute, bad = model._session.run, model.encode("poison")[0]

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = compute(feeds)
        found["logits"][(feeds["input_ids"] == bad).any(axis=1)] = np.nan
        return found

    monkeypatch.setattr(model._session, "run", run)
    found = predictor.predict(["object detection", "zzqx", "language model"], errors="return")
    refused = [isinstance(answer, Refusal) for answer in found]
    assert refused == [False, True, False]
    assert "not a number" in found[1].error


def test_options_without_a_meaning_are_refused(predictor: Predictor) -> None:
    for options in ({"top_k": 0}, {"threshold": 2.0}, {"threshold": float("nan")}):
        with pytest.raises(DataError, match=r"`(top_k|threshold)` is"):
            predictor.predict([TEXT], **options)
