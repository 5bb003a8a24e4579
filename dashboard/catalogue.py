"""What there is to show: runs, their data sets and their performance, read once per process and shared.

Everything is kept by what it was made from (a digest, a run id, a file's time and size), never by hashing a frame,
and nothing belongs to a visitor.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from config.settings import get_settings
from engine.errors import DataError, RunNotFoundError, TagscopeError
from engine.runs.manifest import Manifest, checked_run_id
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from config.settings import Settings
    from dashboard.samples import Samples
    from engine.dataset.snapshot import Dataset
    from engine.evaluation.performance_file import Performance
    from engine.exploration.explorer import Explorer
    from engine.runs.bundle import Bundle
    from engine.runs.store import RunStore

_ENTRIES_KEPT = 32
T = TypeVar("T")
TEST_SPLIT = "test"
SEEN_UNKNOWN = (
    "This model was trained elsewhere, and nobody knows here on which samples: those that it has seen make it look "
    "better than it is."
)


class RunEntry(msgspec.Struct, frozen=True):
    """One run as a selector names it."""

    manifest: Manifest
    promoted: bool

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.manifest.run_id

    @property
    def has_model(self) -> bool:
        """Whether it can answer texts; a run that was made from predictions cannot."""
        return bool(self.manifest.model_digest)

    @property
    def label(self) -> str:
        """Model, day, whether promoted, and the short id."""
        mark = " · promoted" if self.promoted else ""
        return f"{self.manifest.model} · {self.manifest.created[:10]}{mark} · {self.manifest.short_id}"


class Report(msgspec.Struct, frozen=True):
    """What the Performance section shows, the sentences above it, and what is unusual about the run."""

    performance: Any
    sentences: tuple[str, ...]
    source: str = ""
    remarks: tuple[str, ...] = ()


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
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

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

        return self._keep(("file", path, *_stamp(path)), load)

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
        from dashboard.samples import Samples, map_job
        from engine.dataset.snapshot import open_dataset

        if self.settings.data.file is not None:
            dataset = self.file_dataset()
        elif not run_id:
            raise RunNotFoundError(self.training_advice())
        else:
            digest = self.manifest(run_id).dataset.digest
            dataset = self._keep(("dataset", digest), lambda: open_dataset(self.settings.datasets_dir, digest))

        def make() -> Samples:
            bundle = self.store.open(run_id) if run_id else None
            explorer = self.explorer(dataset)
            # The map is one of the texts: the runs of a data set share it, and the work on it.
            text_map = self._keep(("map", dataset.digest), lambda: map_job(dataset.digest, explorer))
            return Samples(dataset, explorer, text_map, None if bundle is None else _predictions(bundle), bundle)

        return self._keep(("samples", dataset.digest, run_id), make)

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
        return cast("Samples | None", self._peek(("samples", digest, run_id)))

    def _kept_file(self) -> Dataset | None:
        file = self.settings.data.file
        if file is None:
            return None
        path = self.settings.resolve(file)
        return cast("Dataset | None", self._peek(("file", path, *_stamp(path))))

    def explorer(self, dataset: Dataset) -> Explorer:
        """Return the explorer of a data set, one for all its runs and visitors; it prepares itself in a thread."""
        from engine.exploration.explorer import Explorer
        from engine.exploration.table import Table

        def make() -> Explorer:
            explorer = Explorer(Table.of(dataset))
            explorer.prepare()
            return explorer

        return self._keep(("explorer", dataset.digest), make)

    # Performance

    def report(self, run_id: str) -> Report:
        """Return what the Performance section shows for a run or, where the settings name one, from that file.

        Raises
        ------
        engine.errors.TagscopeError
            The run or the file is missing or damaged.
        """
        from engine.evaluation.performance_file import read_performance

        file = self.settings.performance_file
        if file is not None:
            path = self.settings.resolve(file)

            def from_file() -> Report:
                performance = read_performance(path)
                return Report(performance, _sentences(performance), str(file))

            return self._keep(("performance", path, *_stamp(path)), from_file)
        if not run_id:
            raise RunNotFoundError(self.training_advice())
        bundle = self.store.open(run_id)
        earlier = self._earlier(bundle.manifest)

        def from_run() -> Report:
            performance, remarks = read_performance(bundle.performance()), _remarks(bundle.manifest)
            if earlier is None:
                return Report(performance, _sentences(performance), remarks=remarks)
            try:
                before = self.store.open(earlier.run_id)
                previous = read_performance(before.performance())
                reason = _not_comparable(bundle, before)
            except TagscopeError:
                # A damaged earlier run is no reason to show nothing of this one.
                return Report(performance, _sentences(performance), remarks=remarks)
            return Report(performance, _sentences(performance, previous, reason), remarks=remarks)

        return self._keep(("performance", run_id, None if earlier is None else earlier.run_id), from_run)

    def _earlier(self, manifest: Manifest) -> Manifest | None:
        """Return the latest earlier run on a data set of the same name: another task is no run before."""
        return next(
            (
                run
                for run in self.store.runs()
                if run.created < manifest.created and run.dataset.name == manifest.dataset.name
            ),
            None,
        )

    def warm(self) -> None:
        """Read what the first visitor will see; what is missing or broken is said on the page, not here."""
        for read in (self.samples, self.report):
            try:
                read(self.default_run())
            except TagscopeError:
                continue

    def _peek(self, key: Hashable) -> Any:
        with self._lock:
            return self._kept.get(key)

    def _keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for this key, making it once however many ask; failures are not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("T", self._kept[key])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return cast("T", self._kept[key])
            value = make()
            with self._lock:
                self._kept[key] = value
                self._making.pop(key, None)
                while len(self._kept) > _ENTRIES_KEPT:
                    self._kept.popitem(last=False)
            return value


def _predictions(bundle: Bundle) -> Any:
    from engine.runs.predictions import read_predictions

    return read_predictions(bundle) if "predictions.parquet" in bundle.manifest.files else None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def _sentences(
    performance: Performance, previous: Performance | None = None, not_comparable: str | None = None
) -> tuple[str, ...]:
    from engine.evaluation.summary import summarise

    return tuple(summarise(performance, previous, interval=f1_interval(performance), not_comparable=not_comparable))


def f1_interval(performance: Performance) -> tuple[float, float] | None:
    """Return the interval of the overall F1 that our own performance files hold beside the lesson's figures."""
    intervals = performance.extra.get("intervals")
    try:
        low, high = intervals["overall"]["f1"]  # type: ignore[index]
        return (float(low), float(high))
    except (TypeError, KeyError, ValueError):
        return None


def _remarks(manifest: Manifest) -> tuple[str, ...]:
    """Return what a person should know of a run that came from elsewhere, in sentences."""
    # The manifest may have come from anywhere too: what is not as we write it is not shown.
    training, source = (manifest.parameters.get(key) for key in ("training", "source"))
    elsewhere = isinstance(training, dict) and training.get("trained_elsewhere") is True
    remarks = source.get("remarks") if isinstance(source, dict) else None
    written = [remark for remark in remarks if isinstance(remark, str)] if isinstance(remarks, list) else []
    return (*([SEEN_UNKNOWN] if elsewhere else []), *written)


def _not_comparable(bundle: Bundle, before: Bundle) -> str | None:
    """Return why two runs were not judged on the same samples with the same tags; None where they were."""
    from engine.runs.predictions import read_predictions

    frames = []
    for one in (bundle, before):
        frame = read_predictions(one)
        frames.append(frame.loc[frame["split"] == TEST_SPLIT].set_index("id")["tag"])
    now, then = frames
    if set(now.index) != set(then.index):
        return "they were judged on different samples"
    changed = int((now != then.reindex(now.index)).sum())
    if changed:
        verb = "was" if changed == 1 else "were"
        return f"{changed:,} of the tags they were judged by {verb} changed in between"
    return None


@functools.cache
def get_catalogue() -> Catalogue:
    """Return the catalogue of this process, made from the settings at the first call.

    Raises
    ------
    engine.errors.SettingsError
        The settings cannot be read.
    """
    return Catalogue(get_settings(), open_store())
