"""The directory store: whole runs or none, ids that never become paths, a pointer that only moves to a good run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BundleError, RunNotFoundError
from engine.runs.bundle import file_digest
from engine.runs.manifest import checked_run_id
from engine.runs.store import DirectoryStore, open_store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(demo_home: Path) -> DirectoryStore:
    return DirectoryStore(demo_home / "data" / "runs", demo_home / "config")


def promoted_folder(store: DirectoryStore) -> Path:
    return store.runs_dir / str(store.promoted())


@given(st.text())
def test_only_32_hexadecimal_characters_pass_as_a_run_id(text: str) -> None:
    try:
        assert set(checked_run_id(text)) <= set("0123456789abcdef")
    except RunNotFoundError as error:
        assert "is not a run id" in str(error)
        assert len(str(error)) < 400


@pytest.mark.parametrize(
    "run_id", ["../../etc/passwd", "..", "", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n0", "/" + "0" * 31, "٠" * 32]
)
def test_an_id_that_is_none_is_refused_before_it_comes_near_a_path(store: DirectoryStore, run_id: str) -> None:
    for use in (store.open, store.promote):
        with pytest.raises(RunNotFoundError, match="not a run id"):
            use(run_id)
    with pytest.raises(RunNotFoundError, match="not a run id"), store.writing(run_id):
        pytest.fail("the folder was made")


def test_runs_come_newest_first(store: DirectoryStore) -> None:
    created = [manifest.created for manifest in store.runs()]
    assert len(created) == 3
    assert created == sorted(created, reverse=True)


def test_an_unknown_run_says_what_to_do(store: DirectoryStore) -> None:
    with pytest.raises(RunNotFoundError, match=r"No run has the id f{32}; `tagscope runs` lists"):
        store.open("f" * 32)


@pytest.mark.parametrize("name", ["model.onnx", "performance.json", "predictions.parquet", "tokenizer.json"])
def test_a_changed_or_missing_file_is_named_and_the_run_refused(store: DirectoryStore, name: str) -> None:
    folder = promoted_folder(store)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=rf"{name}: the file was changed"):
        store.open(folder.name)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: the run lacks this file"):
        store.open(folder.name)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a valid run.json"),
        (b"{", "not a valid run.json"),
        (b"[]", "not a valid run.json"),
        (b'{"schema_version": 99}', "schema version 99"),
        (b'{"schema_version": 1}', "not a valid run.json"),
        (b"\xff\xfe", "not a valid run.json"),
    ],
)
def test_a_broken_manifest_is_listed_apart_and_the_others_stay(
    store: DirectoryStore, content: bytes, sentence: str
) -> None:
    folder = promoted_folder(store)
    (folder / "run.json").write_bytes(content)
    assert len(store.runs()) == 2
    assert sentence in store.broken()[folder.name]
    with pytest.raises(BundleError, match=sentence):
        store.open(folder.name)


def test_a_file_name_that_leaves_the_bundle_is_refused(store: DirectoryStore) -> None:
    folder = promoted_folder(store)
    manifest = json.loads((folder / "run.json").read_text())
    manifest["files"]["../../secret"] = "0" * 64
    (folder / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="leaves the bundle"):
        store.open(folder.name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": ["mlops", "mlops"]}, "a label stands twice"),
        ({"tokenizer": {"format": "tagscope-words", "max_tokens": -5}}, "not a valid run.json"),
        ({"files": {"model\0": "0"}}, "leaves the bundle"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(store: DirectoryStore, change: dict, sentence: str) -> None:
    folder = promoted_folder(store)
    manifest = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(manifest | change))
    with pytest.raises(BundleError, match=sentence):
        store.open(folder.name)


@pytest.mark.parametrize("content", ["[]", "{}", '{"overall": {}, "class": {}, "slices": {}}'])
def test_a_run_without_sensible_metrics_is_not_promoted(store: DirectoryStore, content: str) -> None:
    folder = promoted_folder(store)
    (folder / "performance.json").write_text(content)
    manifest = json.loads((folder / "run.json").read_text())
    manifest["files"]["performance.json"] = file_digest(folder / "performance.json")
    (folder / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"performance\.json: not metrics"):
        store.promote(folder.name)


def test_every_file_of_the_runs_that_ship_can_be_read_by_others() -> None:
    files = [path for path in (ROOT / "data" / "runs").rglob("*") if path.is_file()]
    assert len(files) >= 18
    assert [path for path in files if not path.stat().st_mode & 0o044] == []


def test_a_bundle_under_another_name_is_refused(store: DirectoryStore) -> None:
    folder = promoted_folder(store)
    folder.rename(folder.with_name("a" * 32))
    with pytest.raises(BundleError, match="not that of its folder"):
        store.open("a" * 32)


def test_promote_moves_the_pointer_and_the_metrics_together(store: DirectoryStore) -> None:
    other = next(item.run_id for item in store.runs() if item.run_id != store.promoted())
    store.promote(other)
    assert store.promoted() == other
    assert json.loads((store.config_dir / "performance.json").read_text()) == store.open(other).performance()


def test_promoting_a_damaged_run_changes_nothing(store: DirectoryStore) -> None:
    before = {path.name: path.read_bytes() for path in store.config_dir.iterdir()}
    other = next(item.run_id for item in store.runs() if item.run_id != store.promoted())
    (store.runs_dir / other / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="was changed"):
        store.promote(other)
    assert {path.name: path.read_bytes() for path in store.config_dir.iterdir()} == before


@pytest.mark.parametrize("content", ["", "nonsense", "../../etc/passwd"])
def test_a_broken_pointer_says_how_to_mend_it(store: DirectoryStore, content: str) -> None:
    store.pointer.write_text(content)
    with pytest.raises(RunNotFoundError, match=r"run_id\.txt: holds no run id; run `tagscope promote RUN`"):
        store.promoted()


def test_a_home_without_runs_is_empty_and_not_an_error(home: Path) -> None:
    store = open_store()
    assert (store.runs(), store.broken(), store.promoted()) == ([], {}, None)


def test_an_error_while_writing_leaves_nothing(home: Path) -> None:
    store = open_store()
    with pytest.raises(ZeroDivisionError), store.writing(store.allocate()) as folder:
        (folder / "model.onnx").write_bytes(b"half")
        raise ZeroDivisionError
    assert list((home / "data" / "runs").iterdir()) == []


def test_a_kill_while_writing_leaves_no_run_that_can_be_seen(home: Path) -> None:
    script = (
        "from engine.runs.store import open_store\n"
        "store = open_store()\n"
        "with store.writing(store.allocate()) as folder:\n"
        "    (folder / 'model.onnx').write_bytes(b'half')\n"
        "    print('written', flush=True)\n"
        "    input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "TAGSCOPE_HOME": str(home)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    store = open_store()
    assert (store.runs(), store.broken()) == ([], {})


def test_a_run_is_never_overwritten(store: DirectoryStore) -> None:
    run_id = str(store.promoted())
    before = (store.runs_dir / run_id / "run.json").read_bytes()
    with pytest.raises(BundleError, match="exists already"), store.writing(run_id) as folder:
        (folder / "run.json").write_bytes(b"{}")
    assert (store.runs_dir / run_id / "run.json").read_bytes() == before


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    store = DirectoryStore(tmp_path / "runs", tmp_path / "config")
    with pytest.raises(BundleError, match="a run cannot be written here"), store.writing("0" * 32):
        pytest.fail("the folder was made")
