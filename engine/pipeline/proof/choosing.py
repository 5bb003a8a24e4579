"""From what was measured and judged to the choice per load pattern; pure, no model in sight."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from engine.pipeline.proof.workload import LATENCY, Load
from engine.runs.choice import CHOICE_VERSION, Choice, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.pipeline.proof.gate import Verdict
    from engine.pipeline.proof.journal import Measured
    from engine.pipeline.proof.workload import Pattern

REFERENCE = "onnxruntime fp32"
# So much faster than fp32 on ONNX Runtime must something be: what differs by less is within the noise of a machine.
MARGIN = 1.05


def settings_of(readings: Iterable[Measured]) -> tuple[Setting, ...]:
    """Put the rounds of each way and load together: their median, and the lowest and highest."""
    rounds: dict[tuple[str, Load], list[Measured]] = defaultdict(list)
    for reading in readings:
        load = Load(reading.batch, reading.sequence, reading.callers, reading.threads)
        rounds[reading.way, load].append(reading)
    found = []
    for (way, load), of_way in rounds.items():
        backend, precision = split_way(way)
        latencies = [reading.latency for reading in of_way]
        throughputs = [reading.throughput for reading in of_way]
        found.append(
            Setting(
                backend=backend,
                precision=precision,
                batch=load.batch,
                sequence=load.sequence,
                callers=load.callers,
                threads=load.threads,
                latency=statistics.median(latencies),
                throughput=statistics.median(throughputs),
                latency_range=(min(latencies), max(latencies)),
                throughput_range=(min(throughputs), max(throughputs)),
                rounds=len(of_way),
            )
        )
    return tuple(found)


def choose(
    settings: Sequence[Setting],
    verdicts: Mapping[str, Verdict],
    patterns: Sequence[Pattern],
    *,
    cpu: str,
    complete: bool,
) -> Choice:
    """Choose the fastest setting that passes the gate, for each pattern.

    fp32 on ONNX Runtime is what is chosen where nothing that passes is faster by 5 %.

    Parameters
    ----------
    settings
        All that was measured.
    verdicts
        By way, such as `openvino bf16`; one without a verdict was not judged and is not chosen.
    patterns
        What is chosen for; one for which fp32 on ONNX Runtime was not measured is left out.
    cpu, complete
        As in `Choice`.
    """
    chosen: dict[str, Setting] = {}
    reference: dict[str, Setting] = {}
    for pattern in patterns:
        fitting = [setting for setting in settings if load_of(setting) in pattern.loads and _may(setting, verdicts)]
        usual = [setting for setting in fitting if way_of(setting) == REFERENCE]
        if not usual:
            continue
        reference[pattern.name] = best = max(usual, key=lambda setting: speed(setting, pattern))
        fastest = max(fitting, key=lambda setting: speed(setting, pattern))
        chosen[pattern.name] = fastest if speed(fastest, pattern) > MARGIN * speed(best, pattern) else best
    batching = {way_of(setting): _batches(way_of(setting), verdicts) for setting in chosen.values()}
    return Choice(CHOICE_VERSION, cpu, chosen, reference, batching, complete)


def gains(settings: Sequence[Setting], patterns: Sequence[Pattern]) -> dict[str, float]:
    """Say how many times as fast as fp32 on ONNX Runtime each way is in the pattern that suits it best, gate or not."""
    found: dict[str, float] = {}
    for pattern in patterns:
        fitting = [setting for setting in settings if load_of(setting) in pattern.loads]
        usual = [speed(setting, pattern) for setting in fitting if way_of(setting) == REFERENCE]
        for setting in fitting if usual else ():
            gain = speed(setting, pattern) / max(usual)
            found[way_of(setting)] = max(gain, found.get(way_of(setting), 0.0))
    return found


def speed(setting: Setting, pattern: Pattern) -> float:
    """Return what the pattern asks for, as a figure of which more is better."""
    return 1 / setting.latency if pattern.goal == LATENCY else setting.throughput


def way_of(setting: Setting) -> str:
    """Name of a setting's backend and precision."""
    return f"{setting.backend} {setting.precision}"


def split_way(way: str) -> tuple[str, str]:
    """Backend and precision of a way's name."""
    backend, _, precision = way.partition(" ")
    return backend, precision


def load_of(setting: Setting) -> Load:
    """Return the load under which a setting was measured."""
    return Load(setting.batch, setting.sequence, setting.callers, setting.threads)


def _may(setting: Setting, verdicts: Mapping[str, Verdict]) -> bool:
    way = way_of(setting)
    if setting.batch > 1 and not _batches(way, verdicts):
        return False
    # What is served today needs no permission; `tagscope parity` says where it should not be.
    return way == REFERENCE or (way in verdicts and verdicts[way].passed)


def _batches(way: str, verdicts: Mapping[str, Verdict]) -> bool:
    verdict = verdicts.get(way)
    return way == REFERENCE if verdict is None else verdict.batching
