"""Timing several functions against one another, in turns, in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

Call = Callable[[], object]


# Seconds that another tool's threads may go on spinning after its last call, at most.
SETTLE = 0.3


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of calls in one sample, rounds, seconds for one workload."""

    sample: float = 0.02
    rounds: int = 15
    least_rounds: int = 3
    budget: float = 4.0


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median and the least over all rounds, and half of the spread.

    `spread` is half the distance between the quartiles, as a share of the median.
    """

    median: float
    least: float
    spread: float
    rounds: int
    inner: int

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def timed(call: Call, inner: int) -> float:
    """Seconds of one call, as the mean over `inner` calls in a row."""
    turns = range(inner)
    start = time.perf_counter()
    for _ in turns:
        call()
    return (time.perf_counter() - start) / inner


def settle() -> None:
    """Waits until the process is idle: until no thread of another tool spins any more."""
    give_up = time.perf_counter() + SETTLE
    while time.perf_counter() < give_up:
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(0.005)
        if time.process_time() - cpu < 0.2 * (time.perf_counter() - wall):
            return


def inner_calls(call: Call, sample: float) -> int:
    """How many calls fill a sample of that many seconds."""
    inner = 1
    while True:
        taken = timed(call, inner) * inner
        if taken >= sample / 4:
            return max(1, round(inner * sample / taken))
        inner *= 8


def compete(calls: Mapping[str, Call], effort: Effort) -> dict[str, Timing]:
    """Times all calls in rounds; each round has a sample of each, so drifts hit all alike.

    Before each sample there is a pause, in which the other tools' threads fall asleep (those
    of OpenMP and OpenBLAS wait for work by spinning, on a core that the next tool needs), and
    then some calls that do not count, which wake the tool's own threads and bring back the caches.
    """
    inner = {name: inner_calls(call, effort.sample) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for turn in range(effort.rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                settle()
                timed(calls[name], max(1, inner[name] // 8))
                samples[name].append(timed(calls[name], inner[name]))
            spent = time.perf_counter() - start
            if turn + 1 >= effort.least_rounds and spent > effort.budget:
                break
    finally:
        gc.enable()
    return {name: summary(samples[name], inner[name]) for name in names}


def summary(samples: list[float], inner: int) -> Timing:
    median = statistics.median(samples)
    low, _, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else (median,) * 3
    return Timing(median, min(samples), (high - low) / 2 / median, len(samples), inner)
