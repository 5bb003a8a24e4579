"""What there is to show: runs, their data sets and their performance, read once per process and shared.

Everything is kept by what it was made from (a digest, a run id, a file's time and size), never by hashing a frame,
and nothing belongs to a visitor.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, cast

from config.settings import get_settings
from dashboard.evaluation.evaluations import Evaluations
from dashboard.report import Report, report_of_file, report_of_run
from dashboard.run_entry import RunEntry
from dashboard.shelf import Shelf
from engine.errors import DataError, RunNotFoundError, TagscopeError
from engine.runs.embeddings import EMBEDDINGS_NAME
from engine.runs.manifest import Manifest, checked_run_id
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import Settings
    from dashboard.map_job import MapJob
    from dashboard.samples import Samples
    from engine.dataset.snapshot import Dataset
    from engine.exploration.explorer import Explorer
    from engine.runs.bundle import Bundle
    from engine.runs.store import RunStore


class Catalogue:
    """Read access to everything the page shows; safe to share between threads.

    Parameters
    ----------
    settings
        Where runs and data are, and which file was named.
    store
        The runs.
    """

    def __init__(self, settings: Settings, store: RunStore) -> None:
        self.settings = settings
        self.store = store
        self._shelf = Shelf()
        self.evaluations = Evaluations(self)

    @property
    def datasets_dir(self) -> Path:
        """Where the data sets are."""
        return self.settings.datasets_dir

    # Runs

    def runs(self) -> list[RunEntry]:
        """List the runs that can be shown, newest first; with a data file named, only those trained on it.

        Raises
        ------
        engine.errors.TagscopeError
            The data file that the settings name cannot be used, or the pointer to the promoted run is damaged.
        """
        promoted = self.store.promoted()
        digest = self.file_dataset().digest if self.settings.data.file is not None else None
        return [
            RunEntry(manifest, manifest.run_id == promoted)
            for manifest in self.store.runs()
            if digest is None or manifest.dataset.digest == digest
        ]

    def default_run(self) -> str:
        """Id of the run to show where none was chosen: the promoted one, else the newest; empty without runs.

        Raises
        ------
        engine.errors.TagscopeError
            As `runs`.
        """
        runs = self.runs()
        return next((entry.run_id for entry in runs if entry.promoted), runs[0].run_id if runs else "")

    def answering_run(self) -> str:
        """Id of the run that answers where none was chosen: as `default_run`, but one with a model if there is any.

        Raises
        ------
        engine.errors.TagscopeError
            As `runs`.
        """
        runs = [entry for entry in self.runs() if entry.has_model]
        return next((entry.run_id for entry in runs if entry.promoted), runs[0].run_id if runs else self.default_run())

    def manifest(self, run_id: str) -> Manifest:
        """Return a run's manifest.

        Raises
        ------
        engine.errors.RunNotFoundError
            The id is not one, or no run has it.
        engine.errors.BundleError
            The run is damaged.
        """
        return self.store.open(checked_run_id(run_id)).manifest

    def training_advice(self) -> str:
        """Sentence that says how to get a first run, for the data file if one was named."""
        file = self.settings.data.file
        if file is None:
            return "There is no run yet; train one with `tagscope train --data FILE`, then load this page again."
        return (
            f"There is no run for this data yet; train one with `tagscope train --data {file}`, then load this page "
            "again."
        )

    # Data

    def file_dataset(self) -> Dataset:
        """Return the data set in the file that the settings name.

        Raises
        ------
        engine.errors.DataError
            No file is named, or it cannot be used.
        """
        from engine.dataset.fields import Fields
        from engine.dataset.loading import load_table
        from engine.dataset.snapshot import Dataset

        settings = self.settings.data
        if settings.file is None:
            raise DataError("No data file is named; set `data.file` in settings.toml or give `--data FILE`.")
        path = self.settings.resolve(settings.file)

        def load() -> Dataset:
            fields = Fields(text=settings.text, label=settings.label, id=settings.id, created=settings.created)
            table = load_table(path, fields, max_cell_characters=settings.max_cell_characters)
            return Dataset.from_table(table, path.stem)

        return self._shelf.keep(("file", path, *_stamp(path)), load)

    def dataset(self, digest: str) -> Dataset:
        """Return a data set by its digest: the named data file, or a snapshot.

        Raises
        ------
        engine.errors.TagscopeError
            It is not here, or damaged.
        """
        from engine.dataset.snapshot import open_dataset

        named = self._kept_file()
        if named is not None and named.digest == digest:
            return named
        return self._shelf.keep(("dataset", digest), lambda: open_dataset(self.settings.datasets_dir, digest))

    def samples(self, run_id: str) -> Samples:
        """Return the rows of the named data file or, without one, those a run was trained and judged on.

        Parameters
        ----------
        run_id
            Also tells the split of each row; may be empty where a data file is named.

        Raises
        ------
        engine.errors.TagscopeError
            The file, the run or its data set is missing or damaged.
        """
        from dashboard.samples import Samples

        if self.settings.data.file is not None:
            dataset = self.file_dataset()
        elif not run_id:
            raise RunNotFoundError(self.training_advice())
        else:
            dataset = self.dataset(self.manifest(run_id).dataset.digest)

        def make() -> Samples:
            bundle = self.store.open(run_id) if run_id else None
            explorer = self.explorer(dataset)
            text_map = self._map(dataset, explorer, bundle)
            return Samples(dataset, explorer, text_map, None if bundle is None else _predictions(bundle), bundle)

        return self._shelf.keep(("samples", dataset.digest, run_id), make)

    def _map(self, dataset: Dataset, explorer: Explorer, bundle: Bundle | None) -> MapJob:
        """Return the work on the map: one for all runs of the data set that go by the same embeddings."""
        from dashboard.map_job import MapJob, choose_embeddings

        embeddings, remark = choose_embeddings(self._embedded(dataset.digest, bundle))
        key = ("map", dataset.digest, "" if embeddings is None else embeddings.digest, remark)
        return self._shelf.keep(key, lambda: MapJob(dataset.digest, explorer, embeddings, remark))

    def _embedded(self, digest: str, bundle: Bundle | None) -> Iterator[Bundle]:
        """Open the runs of a data set that have embeddings: the one on show first, the others newest first."""
        runs = [run.run_id for run in self.store.runs() if run.dataset.digest == digest]
        shown = "" if bundle is None else bundle.run_id
        for run_id in sorted(runs, key=lambda run_id: run_id != shown):
            if self.store.has_attachment(run_id, EMBEDDINGS_NAME):
                # A damaged run says so where it is shown itself.
                with contextlib.suppress(TagscopeError):
                    yield self.store.open(run_id)

    @property
    def is_ready(self) -> bool:
        """Whether runs can be listed at once: the data file, if one is named, has been read."""
        return self.settings.data.file is None or self._kept_file() is not None

    def kept_samples(self, run_id: str) -> Samples | None:
        """Return what `samples` would, if that takes no time because somebody has asked for it; else None.

        Raises
        ------
        engine.errors.TagscopeError
            The run is missing or damaged.
        """
        if self.settings.data.file is not None:
            dataset = self._kept_file()
            digest = "" if dataset is None else dataset.digest
        else:
            digest = self.manifest(run_id).dataset.digest if run_id else ""
        return cast("Samples | None", self._shelf.peek(("samples", digest, run_id)))

    def _kept_file(self) -> Dataset | None:
        file = self.settings.data.file
        if file is None:
            return None
        path = self.settings.resolve(file)
        return cast("Dataset | None", self._shelf.peek(("file", path, *_stamp(path))))

    def explorer(self, dataset: Dataset) -> Explorer:
        """Return the explorer of a data set, one for all its runs and visitors; it prepares itself in a thread."""
        from engine.exploration.explorer import Explorer
        from engine.exploration.table import Table

        def make() -> Explorer:
            explorer = Explorer(Table.of(dataset))
            explorer.prepare()
            return explorer

        return self._shelf.keep(("explorer", dataset.digest), make)

    # Performance

    def report(self, run_id: str) -> Report:
        """Return what the Performance section shows for a run or, where the settings name one, from that file.

        Raises
        ------
        engine.errors.TagscopeError
            The run or the file is missing or damaged.
        """
        file = self.settings.performance_file
        if file is not None:
            path = self.settings.resolve(file)
            return self._shelf.keep(("performance", path, *_stamp(path)), lambda: report_of_file(path, str(file)))
        if not run_id:
            raise RunNotFoundError(self.training_advice())
        bundle = self.store.open(run_id)
        earlier = self._earlier(bundle.manifest)
        before = "" if earlier is None else earlier.run_id
        opening = (lambda: self.store.open(before)) if before else None
        return self._shelf.keep(("performance", run_id, before), lambda: report_of_run(bundle, opening))

    def relatives(self, run_id: str) -> list[RunEntry]:
        """List the runs on the same data as a run, itself among them, newest first.

        Raises
        ------
        engine.errors.TagscopeError
            As `runs` and `manifest`.
        """
        manifest = self.manifest(run_id)
        return [entry for entry in self.runs() if _on_same_data(entry.manifest, manifest)]

    def earlier_run(self, run_id: str) -> str:
        """Id of the run before a run, on the same data; empty where it is the first.

        Raises
        ------
        engine.errors.TagscopeError
            As `manifest`.
        """
        earlier = self._earlier(self.manifest(run_id))
        return "" if earlier is None else earlier.run_id

    def _earlier(self, manifest: Manifest) -> Manifest | None:
        """Return the latest earlier run on the same data: another task is no run before."""
        runs = (run for run in self.store.runs() if run.created < manifest.created)
        return next((run for run in runs if _on_same_data(run, manifest)), None)

    def warm(self) -> None:
        """Read what the first visitor will see; what is missing or broken is said on the page, not here."""
        for read in (self.samples, self.report):
            try:
                read(self.default_run())
            except TagscopeError:
                continue


def _on_same_data(one: Manifest, other: Manifest) -> bool:
    """Tell whether two runs are on versions of one data set.

    Versions have one name. The same rows are the same data whatever they are called: an import takes the name of its
    file.
    """
    return one.dataset.name == other.dataset.name or one.dataset.digest == other.dataset.digest


def _predictions(bundle: Bundle) -> Any:
    from engine.runs.predictions import read_predictions

    return read_predictions(bundle) if "predictions.parquet" in bundle.manifest.files else None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


@functools.cache
def get_catalogue() -> Catalogue:
    """Return the catalogue of this process, made from the settings at the first call.

    Raises
    ------
    engine.errors.SettingsError
        The settings cannot be read.
    """
    return Catalogue(get_settings(), open_store())
