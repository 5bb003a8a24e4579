"""What there is to show, from real runs."""

from __future__ import annotations

import json
import shutil
import threading
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from engine.errors import BundleError, DataError, RunNotFoundError
from engine.runs.bundle import read_manifest, seal
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def test_runs_come_newest_first_and_the_promoted_one_is_marked(catalogue: Catalogue, demo_home: Path) -> None:
    runs = catalogue.runs()
    promoted = (demo_home / "config" / "run_id.txt").read_text().strip()
    assert [run.manifest.created for run in runs] == sorted((run.manifest.created for run in runs), reverse=True)
    assert [run.run_id for run in runs if "promoted" in run.label] == [promoted] == [catalogue.default_run()]


def test_without_a_promoted_run_the_newest_is_shown(catalogue: Catalogue, demo_home: Path) -> None:
    (demo_home / "config" / "run_id.txt").unlink()
    assert catalogue.default_run() == catalogue.runs()[0].run_id


def test_every_run_has_three_sentences_with_n(catalogue: Catalogue) -> None:
    for run in catalogue.runs():
        sentences = catalogue.report(run.run_id).sentences
        assert len(sentences) == 3
        assert all("n = " in sentence for sentence in sentences)


def test_changed_tags_make_runs_not_comparable(catalogue: Catalogue) -> None:
    corrected = next(run for run in catalogue.runs() if run.manifest.dataset.version == "corrected")
    assert "not comparable" in catalogue.report(corrected.run_id).sentences[2]


def test_an_order_of_rows_is_no_change_of_tags(catalogue: Catalogue, demo_home: Path) -> None:
    shown = catalogue.default_run()
    before = catalogue.earlier_run(shown)
    expected = catalogue.report(shown).sentences[2]
    folder = demo_home / "data" / "runs" / before
    path = folder / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame[::-1].to_parquet(path, index=False)
    seal(folder, read_manifest(folder))
    assert Catalogue(load_settings(), open_store()).report(shown).sentences[2] == expected
    half = frame[(frame["split"] != "test") | (frame.index % 2 == 0)]
    half.to_parquet(path, index=False)
    seal(folder, read_manifest(folder))
    assert "different samples" in Catalogue(load_settings(), open_store()).report(shown).sentences[2]


def test_the_samples_of_a_run_know_their_split(catalogue: Catalogue) -> None:
    table = catalogue.samples(catalogue.default_run()).explorer.table
    assert set(table.category("split").names) == {"train", "validation", "test"}
    assert set(table.category("outcome").names) == {"correct", "wrong"}


def test_runs_of_a_data_set_share_its_texts_and_words(catalogue: Catalogue) -> None:
    explorers = {run.manifest.dataset.digest: [] for run in catalogue.runs()}
    for run in catalogue.runs():
        explorers[run.manifest.dataset.digest].append(catalogue.samples(run.run_id).explorer)
    (shared,) = [found for found in explorers.values() if len(found) > 1]
    assert len({id(explorer) for explorer in shared}) == len(shared)
    assert len({id(explorer.table.strings["text"]) for explorer in shared}) == 1
    assert len({id(explorer.words()) for explorer in shared}) == 1


def test_the_runs_of_a_data_set_share_one_map(catalogue: Catalogue) -> None:
    maps: dict[str, list[object]] = {}
    for run in catalogue.runs():
        maps.setdefault(run.manifest.dataset.digest, []).append(catalogue.samples(run.run_id).map)
    assert sorted((len(jobs), len(set(jobs))) for jobs in maps.values()) == [(1, 1), (2, 1)]


def test_what_was_read_is_kept_and_asking_for_it_reads_nothing(catalogue: Catalogue) -> None:
    run_id = catalogue.default_run()
    assert catalogue.kept_samples(run_id) is None
    samples = catalogue.samples(run_id)
    assert catalogue.kept_samples(run_id) is samples
    assert catalogue.kept_samples("") is None
    with pytest.raises(RunNotFoundError):
        catalogue.kept_samples("f" * 32)


def test_a_data_file_is_ready_once_it_was_read_and_no_longer_when_it_changes(home: Path) -> None:
    own = home / "own.csv"
    own.write_text("id,title,tag\n1,one,a\n2,two,b\n", encoding="utf-8")
    catalogue = Catalogue(load_settings(data={"file": own, "text": ["title"]}), open_store())
    assert not catalogue.is_ready
    assert catalogue.kept_samples("") is None
    samples = catalogue.samples("")
    assert catalogue.is_ready
    assert catalogue.kept_samples("") is samples
    own.write_text("id,title,tag\n1,one,a\n2,two,b\n3,three,b\n", encoding="utf-8")
    assert not catalogue.is_ready
    assert catalogue.kept_samples("") is None


def test_things_are_read_once_however_many_ask(catalogue: Catalogue) -> None:
    run_id, found = catalogue.default_run(), []
    threads = [threading.Thread(target=lambda: found.append(catalogue.samples(run_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(samples) for samples in found}) == 1


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "f" * 32, "12e3", ""])
def test_unknown_runs_are_refused_by_a_sentence(catalogue: Catalogue, run_id: str) -> None:
    with pytest.raises(RunNotFoundError):
        catalogue.samples(run_id)
    with pytest.raises(RunNotFoundError):
        catalogue.report(run_id)


def test_a_tampered_run_is_named_and_the_others_work(catalogue: Catalogue, demo_home: Path) -> None:
    run_id = catalogue.default_run()
    (demo_home / "data" / "runs" / run_id / "performance.json").write_text("{}")
    with pytest.raises(BundleError, match=r"performance\.json"):
        catalogue.report(run_id)
    other = next(run.run_id for run in catalogue.runs() if run.run_id != run_id)
    assert len(catalogue.report(other).sentences) == 3


def test_a_performance_file_is_shown_instead_of_a_run(home: Path) -> None:
    score = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "num_samples": 4.0}
    file = home / "mine.json"
    file.write_text(json.dumps({"overall": score, "class": {"a": score, "b": score}}))
    catalogue = Catalogue(load_settings(performance_file="mine.json"), open_store())
    report = catalogue.report("")
    assert report.source == "mine.json"
    assert report.performance.overall.num_samples == 4
    file.write_text("{")
    with pytest.raises(DataError, match=r"mine\.json, line 1"):
        catalogue.report("")


def test_a_data_file_shows_only_its_own_runs(demo_home: Path) -> None:
    own = demo_home / "own.csv"
    own.write_text("id,title,tag\n1,one,a\n2,two,b\n", encoding="utf-8")
    catalogue = Catalogue(load_settings(data={"file": own, "text": ["title"]}), open_store())
    assert catalogue.runs() == []
    assert catalogue.samples("").facts.num_rows == 2
    assert f"--data {own}" in catalogue.training_advice()
    same = Catalogue(load_settings(data={"file": demo_home / "data" / "labeled_projects.csv"}), open_store())
    assert len(same.runs()) == 2


def test_a_changed_data_file_is_read_again(home: Path) -> None:
    own = home / "own.csv"
    own.write_text("id,title,tag\n1,one,a\n2,two,b\n", encoding="utf-8")
    catalogue = Catalogue(load_settings(data={"file": own, "text": ["title"]}), open_store())
    assert catalogue.samples("").facts.num_rows == 2
    own.write_text("id,title,tag\n1,one,a\n2,two,b\n3,three,b\n", encoding="utf-8")
    assert catalogue.samples("").facts.num_rows == 3


def test_warming_up_says_nothing_of_what_is_broken(demo_home: Path) -> None:
    shutil.rmtree(demo_home / "data" / "datasets")
    Catalogue(load_settings(), open_store()).warm()
