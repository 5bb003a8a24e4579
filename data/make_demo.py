"""Train the three demo runs from the embedded data: `make demo`.

A cnn, then an ngram on the same data (promoted), then an ngram on the data with its known wrong tags corrected: three
versions to compare. Existing demo runs are replaced once the new ones are there.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

from config.settings import get_settings
from engine.pipeline.train import TrainRequest, train
from engine.runs.store import open_store

DATA = Path(__file__).with_name("labeled_projects.csv")
WRONG_TAGS = Path(__file__).with_name("known_wrong_tags.csv")


def write_corrected(target: Path) -> None:
    """Copy the embedded data with the known wrong tags corrected."""
    with WRONG_TAGS.open(newline="", encoding="utf-8") as file:
        correct = {row["id"]: row["correct_tag"] for row in csv.DictReader(file)}
    with DATA.open(newline="", encoding="utf-8") as file, target.open("w", newline="", encoding="utf-8") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "tag": correct.get(row["id"], row["tag"])} for row in reader)


def main() -> None:
    """Train, promote and remove the runs that were there before."""
    settings, store = get_settings(), open_store()
    before = [manifest.run_id for manifest in store.runs()]
    cnn = train(TrainRequest.from_settings(settings, DATA, model="cnn"))
    ngram = train(TrainRequest.from_settings(settings, DATA, model="ngram", parent=cnn.manifest.run_id))
    with tempfile.TemporaryDirectory() as folder:
        corrected = Path(folder) / DATA.name
        write_corrected(corrected)
        request = TrainRequest.from_settings(
            settings, corrected, model="ngram", parent=ngram.manifest.run_id, version="corrected"
        )
        fixed = train(request)
    store.promote(ngram.manifest.run_id)
    kept = [result.manifest for result in (cnn, ngram, fixed)]
    for run_id in before:
        shutil.rmtree(settings.runs_dir / run_id)
    for snapshot in settings.datasets_dir.iterdir():
        if snapshot.name not in {manifest.dataset.digest for manifest in kept}:
            shutil.rmtree(snapshot)
    for manifest, result in zip(kept, (cnn, ngram, fixed), strict=True):
        size = sum(file.stat().st_size for file in (settings.runs_dir / manifest.run_id).rglob("*")) / 1e6
        overall = result.performance["overall"]
        print(f"{manifest.run_id}  {manifest.model:6} {manifest.dataset.version:10} F1 {overall['f1']:.3f}  {size:.2f} MB")


if __name__ == "__main__":
    main()
