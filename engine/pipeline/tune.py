"""Find the fastest way to compute a run on this processor that answers as fp32 does; behind `tagscope tune`.

Speed is measured in rounds in which every way takes its turn, so that a machine that is slow for a while is slow for
all; what is faster than fp32 on ONNX Runtime goes through the gate; what passes is measured again, in more rounds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from config.settings import get_settings
from engine.backends.machine import cpu_fingerprint, usable_cores
from engine.disk import encode_json
from engine.errors import BundleError
from engine.pipeline.parity import chosen_ways
from engine.pipeline.progress import silent
from engine.pipeline.proof.bench import Bench, TimeIsUp
from engine.pipeline.proof.choosing import REFERENCE, choose, gains, settings_of, split_way
from engine.pipeline.proof.gate import Verdict, judge_gate
from engine.pipeline.proof.identity import identity_of
from engine.pipeline.proof.journal import Journal
from engine.pipeline.proof.texts import gather_texts
from engine.pipeline.proof.workload import plan_workload
from engine.pipeline.provenance import environment
from engine.runs.choice import (
    CHOICE_FILE,
    CHOICE_VERSION,
    PROFILE_FILE,
    Choice,
    Profile,
    Setting,
    choice_name,
    profile_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.export.precisions.precision import Way
    from engine.pipeline.progress import Progress
    from engine.pipeline.proof.workload import Load, Workload
    from engine.runs.bundle import Bundle


STAGES = ("Prepare", "First round", "Gate", "More rounds", "Whole grid")
MINUTES = 10.0
ROUNDS = 5
_ROUNDS_OF_GRID = 2
# Shares of the time after which the next stage begins, whatever is missing: without the gate nothing can be chosen.
_FIRST_ROUND_UNTIL, _GATE_UNTIL = 0.4, 0.8
# After one round, who is a little slower may only have had bad luck.
_WORTH_JUDGING = 0.9
_READING_SECONDS = (0.02, 0.3)
_READINGS_PER_RUN = 1500


class WayOutcome(msgspec.Struct, frozen=True):
    """What became of one way.

    Attributes
    ----------
    way
        Backend and precision.
    passed, batching
        Whether it passed the gate, and may run in batches; None where it was not asked.
    reason
        Why, in words.
    gain
        How many times as fast as fp32 on ONNX Runtime in the pattern that suits it best; None where not measured.
    """

    way: str
    passed: bool | None
    batching: bool | None
    reason: str
    gain: float | None


class Tuning(msgspec.Struct, frozen=True):
    """What `tune_run` found.

    Attributes
    ----------
    meanings
        What each pattern is, in words, by its name.
    texts
        How many texts of each kind the gate counted flips on.
    unfinished
        What was not measured before the time was up, in words; empty where all was.
    """

    run_id: str
    choice: Choice
    ways: tuple[WayOutcome, ...]
    meanings: dict[str, str]
    texts: dict[str, int]
    settings: tuple[Setting, ...]
    unfinished: tuple[str, ...]
    environment: dict[str, Any]

    @property
    def faster(self) -> bool:
        """Whether anything but fp32 on ONNX Runtime was chosen."""
        return any(f"{found.backend} {found.precision}" != REFERENCE for found in self.choice.patterns.values())


def tune_run(
    bundle: Bundle,
    *,
    minutes: float = MINUTES,
    again: bool = False,
    backends: Sequence[str] | None = None,
    reading_seconds: float | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Find the fastest way per load pattern and attach it to the run, with all that was measured.

    Parameters
    ----------
    bundle
        A run with a model.
    minutes
        Nothing is begun after so long; an interrupted or unfinished tuning goes on from where it was.
    again
        Forget what was measured before.
    backends
        Only these and fp32 on ONNX Runtime; all that are installed where it is None.
    reading_seconds
        How long one measurement lasts; what the minutes allow where it is None.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Raises
    ------
    engine.errors.BackendError
        There is no such backend here.
    engine.errors.BundleError
        The run has no model, is being tuned by another process, or what was found cannot be written.
    engine.errors.DataError
        The run's data set is not here.
    """
    from engine.export.precisions.precision import Way

    report = progress or silent
    began = time.monotonic()
    bundle.require_model()
    found = chosen_ways(bundle, backends, None)
    # The usual way first in the first round: all others are compared with it.
    ways = list(dict.fromkeys([Way(*split_way(REFERENCE)), *found]))
    report("Prepare", 0.0)
    texts = gather_texts(bundle)
    cores = usable_cores()
    workload = plan_workload(texts.lengths, max_tokens=bundle.manifest.tokenizer.max_tokens, cores=cores)
    path = get_settings().home / "data" / "tuning" / bundle.run_id / f"{cpu_fingerprint()}.jsonl"
    low, high = _READING_SECONDS
    seconds = reading_seconds or min(high, max(low, minutes * 60 / _READINGS_PER_RUN))
    report("Prepare", 1.0)
    with Journal(path, identity_of(bundle, texts), again=again) as journal:
        bench = Bench(bundle, texts, journal, seconds=seconds)
        tuner = _Tuner(bench, ways, workload, report)
        tuner.run(began, minutes * 60)
        tuning = tuner.result()
    _attach(bundle, tuning)
    return tuning


class _Tuner:
    """The stages, in the order in which they are worth most: a tuning that stops early has the best of it."""

    def __init__(self, bench: Bench, ways: Sequence[Way], workload: Workload, report: Progress) -> None:
        self._bench = bench
        self._ways = ways
        self._workload = workload
        self._report = report
        self._verdicts: dict[str, Verdict] = {}
        self._slower: set[str] = set()
        self._unfinished: list[str] = []
        self._wanted = tuple(dict.fromkeys(load for pattern in workload.patterns for load in pattern.loads))

    def run(self, began: float, seconds: float) -> None:
        """Go through the stages until the time is up; whatever the time, each pattern has something to choose."""
        for pattern in self._workload.patterns:
            self._bench.read(self._ways[0], pattern.loads[0], 0)
        self._bench.until(began + _FIRST_ROUND_UNTIL * seconds)
        self._measure("First round", self._ways, self._wanted, range(1))
        self._bench.until(began + _GATE_UNTIL * seconds)
        self._judge()
        self._bench.until(began + seconds)
        passed = [way for way in self._ways if self._passed(way)]
        self._measure("More rounds", passed, self._wanted, range(1, ROUNDS))
        rest = [load for load in self._workload.loads if load not in self._wanted]
        self._measure("Whole grid", self._ways, rest, range(_ROUNDS_OF_GRID))

    def _measure(self, stage: str, ways: Sequence[Way], loads: Sequence[Load], rounds: range) -> None:
        steps = [(number, load, place) for number in rounds for load in loads for place in range(len(ways))]
        for done, (number, load, place) in enumerate(steps):
            self._report(stage, done / len(steps))
            # Each round begins with another way: none is always the one that follows the slowest.
            way = ways[(place + number) % len(ways)]
            try:
                self._bench.read(way, load, number)
            except TimeIsUp:
                self._unfinished.append(f"{stage.lower()}: {done} of {len(steps)} measurements")
                return
        self._report(stage, 1.0)

    def _judge(self) -> None:
        # By the first round alone, also where later ones were kept: what was not worth judging then is not judged now.
        first = [
            reading
            for (_, load, number), reading in self._bench.readings.items()
            if number == 0 and load in self._wanted
        ]
        found = gains(settings_of(first), self._workload.patterns)
        faster = [way for way in self._ways if str(way) == REFERENCE or found.get(str(way), 0.0) > _WORTH_JUDGING]
        self._slower = {str(way) for way in self._ways if str(way) in found and way not in faster}
        # What gains most first; last fp32 on ONNX Runtime, which may be chosen without a verdict.
        faster.sort(key=lambda way: (str(way) == REFERENCE, -found.get(str(way), 0.0)))
        for number, way in enumerate(faster):
            start = number

            def share(done: float, start: int = start) -> None:
                self._report("Gate", (start + done) / len(faster))

            try:
                evidence = self._bench.evidence(way, share)
            except TimeIsUp:
                left = ", ".join(str(one) for one in faster[number:])
                self._unfinished.append(f"gate: {left}")
                return
            if evidence is not None:
                self._verdicts[str(way)] = judge_gate(evidence)
        self._report("Gate", 1.0)

    def _passed(self, way: Way) -> bool:
        verdict = self._verdicts.get(str(way))
        return str(way) == REFERENCE or (verdict is not None and verdict.passed)

    def result(self) -> Tuning:
        """Choose, and say what became of each way."""
        bench = self._bench
        settings = settings_of(bench.readings.values())
        patterns = self._workload.patterns
        choice = choose(settings, self._verdicts, patterns, cpu=cpu_fingerprint(), complete=not self._unfinished)
        if REFERENCE in bench.refused:
            raise BundleError(bench.refused[REFERENCE])
        found = gains(settings, patterns)
        return Tuning(
            run_id=bench.bundle.run_id,
            choice=choice,
            ways=tuple(self._outcome(str(way), found.get(str(way))) for way in self._ways),
            meanings={pattern.name: pattern.meaning for pattern in patterns},
            texts=bench.texts.kinds,
            settings=settings,
            unfinished=tuple(self._unfinished),
            environment=environment(),
        )

    def _outcome(self, way: str, gain: float | None) -> WayOutcome:
        verdict = self._verdicts.get(way)
        if way in self._bench.refused:
            return WayOutcome(way, None, None, self._bench.refused[way], gain)
        if verdict is not None:
            return WayOutcome(way, verdict.passed, verdict.batching, verdict.reason, gain)
        if way in self._slower:
            return WayOutcome(way, None, None, "slower than fp32 on ONNX Runtime in every pattern, so not judged", gain)
        return WayOutcome(way, None, None, "the time was up before it could be measured and judged", gain)


def _attach(bundle: Bundle, tuning: Tuning) -> None:
    from engine.runs.attachments import writing_attachment

    cpu = tuning.choice.cpu
    profile = Profile(CHOICE_VERSION, cpu, tuning.settings)
    outcomes = {"ways": msgspec.to_builtins(tuning.ways), "texts": tuning.texts, "patterns": tuning.meanings}
    for name, kind, file, content in (
        (profile_name(cpu), "profile", PROFILE_FILE, profile),
        (choice_name(cpu), "choice", CHOICE_FILE, tuning.choice),
    ):
        with writing_attachment(bundle, name, kind, outcomes, tuning.environment, replace=True) as folder:
            (folder / file).write_bytes(encode_json(content))
