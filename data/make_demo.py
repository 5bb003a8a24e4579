"""Train the three demo runs from the embedded data: `make demo`.

A cnn, then an ngram on the same data (promoted), then an ngram on the data with its known wrong tags corrected: three
versions to compare. The demo runs that the repository ships are replaced once the new ones are there.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from engine.dataset.fields import Fields
from engine.pipeline.train import TrainRequest, train
from engine.runs.store import open_store

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data" / "labeled_projects.csv"
WRONG_TAGS = ROOT / "data" / "known_wrong_tags.csv"


def write_corrected(target: Path) -> None:
    """Copy the embedded data with the known wrong tags corrected."""
    with WRONG_TAGS.open(newline="", encoding="utf-8") as file:
        correct = {row["id"]: row["correct_tag"] for row in csv.DictReader(file)}
    with DATA.open(newline="", encoding="utf-8") as file, target.open("w", newline="", encoding="utf-8") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "tag": correct.get(row["id"], row["tag"])} for row in reader)


def remove_former(keep: set[str]) -> None:
    """Remove the runs that the repository shipped before, and snapshots that no run refers to; nobody else's runs."""
    listed = subprocess.run(["git", "ls-files", "data/runs"], cwd=ROOT, capture_output=True, text=True, check=True)
    for run_id in {Path(line).parts[2] for line in listed.stdout.splitlines()} - keep:
        shutil.rmtree(ROOT / "data" / "runs" / run_id, ignore_errors=True)
    used = {manifest.dataset.digest for manifest in open_store().runs()}
    for snapshot in (ROOT / "data" / "datasets").iterdir():
        if snapshot.name not in used:
            shutil.rmtree(snapshot)


def main() -> None:
    """Train by the product's defaults, promote, and remove the demo runs that were there before."""
    os.environ["TAGSCOPE_HOME"] = str(ROOT)
    store = open_store()
    fields = Fields()
    cnn = train(TrainRequest(DATA, fields, model="cnn"))
    ngram = train(TrainRequest(DATA, fields, parent=cnn.manifest.run_id))
    with tempfile.TemporaryDirectory() as folder:
        corrected = Path(folder) / DATA.name
        write_corrected(corrected)
        fixed = train(TrainRequest(corrected, fields, parent=ngram.manifest.run_id, version="corrected"))
    store.promote(ngram.manifest.run_id)
    remove_former({result.manifest.run_id for result in (cnn, ngram, fixed)})
    for result in (cnn, ngram, fixed):
        manifest, overall = result.manifest, result.performance["overall"]
        size = sum(file.stat().st_size for file in store.open(manifest.run_id).path.rglob("*")) / 1e6
        print(
            f"{manifest.run_id}  {manifest.model:6} {manifest.dataset.version:10} F1 {overall['f1']:.3f}  {size:.2f} MB"
        )


if __name__ == "__main__":
    main()
