"""Runs the lines: results compared first, then all tools in turns; JSON after each line."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.check import difference
from benchmarks.gpu.lines import Line
from benchmarks.gpu.tools import fetched
from benchmarks.peers import Tool, load_wengert

Call = Callable[[], Any]


@dataclass(frozen=True)
class Effort:
    """Seconds of calls in a sample, rounds, and seconds for everything."""

    sample: float = 0.02
    rounds: int = 7
    budget: float = 540.0
    tiny: bool = False  # inputs of the size for comparing results only


@dataclass
class Outcome:
    """One line's numbers, in seconds, by tool; `faults` says why a tool has none."""

    name: str
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    first_call: dict[str, float] = field(default_factory=dict[str, float])
    host: float | None = None
    faults: dict[str, str] = field(default_factory=dict[str, str])
    share_of_copy: float | None = None
    missed: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Bench:
    """The tools, and what waits for the device."""

    tools: dict[str, Tool]
    synchronize: Callable[[], Any]
    effort: Effort

    def run(
        self, lines: Sequence[Line], copy: Callable[[float], float], save: Callable[[Any], None]
    ) -> list[Outcome]:
        """All lines for which there is time; `copy` gives the bytes a second of a copy."""
        started = time.perf_counter()
        found: list[Outcome] = []
        for line in lines:
            if time.perf_counter() - started > self.effort.budget:
                found.append(Outcome(line.name, faults={"all": "left out: no time"}))
                continue
            outcome = self.line(line)
            if line.traffic and "wengert" in outcome.seconds:
                rate = line.traffic / outcome.seconds["wengert"]
                outcome.share_of_copy = rate / copy(line.traffic)
            outcome.missed = missed(line, outcome)
            found.append(outcome)
            save(found)
        return found

    def line(self, line: Line) -> Outcome:
        outcome = Outcome(line.name)
        calls = self.checked(line, outcome)
        samples: dict[str, list[float]] = {name: [] for name in calls}
        inner = {name: self.inner(call) for name, call in calls.items()}
        for turn in range(self.effort.rounds):
            names = list(calls)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                samples[name].append(self.sample(calls[name], inner[name]))
        outcome.seconds = {name: statistics.median(s) for name, s in samples.items()}
        if "wengert" in calls:
            outcome.host = self.host(calls["wengert"])
        return outcome

    def checked(self, line: Line, outcome: Outcome) -> dict[str, Call]:
        """Calls on the inputs of full size, of those tools whose results on tiny ones are right."""
        workload = line.workload
        expected = fetched(load_wengert().bind(workload)(*workload.inputs(True)))
        calls: dict[str, Call] = {}
        for name, tool in self.tools.items():
            if not tool.can_do(workload):
                continue
            try:
                small = tool.bind(workload)(*tool.arguments(workload.inputs(True)))
                wrong = difference(fetched(small), expected, workload.tolerance, any_dtype=True)
                if wrong is not None:
                    outcome.faults[name] = wrong
                    continue
                calls[name] = self.prepared(tool, line, outcome)
            except Exception as fault:  # a tool that cannot do it is a line of the report
                outcome.faults[name] = f"{type(fault).__name__}: {fault}".split("\n")[0][:200]
        return calls

    def prepared(self, tool: Tool, line: Line, outcome: Outcome) -> Call:
        """A call after its first runs, which compile and capture."""
        arguments = tool.arguments(line.workload.inputs(self.effort.tiny))
        function = tool.bind(line.workload)

        def call() -> Any:
            return tool.finish(function(*arguments))

        self.synchronize()
        start = time.perf_counter()
        call()
        self.synchronize()
        outcome.first_call[tool.name] = time.perf_counter() - start
        for _ in range(3):
            call()
        self.synchronize()
        return call

    def sample(self, call: Call, inner: int) -> float:
        """Seconds of one call, on the device, as the mean over calls in a row."""
        self.synchronize()
        start = time.perf_counter()
        for _ in range(inner):
            call()
        self.synchronize()
        return (time.perf_counter() - start) / inner

    def inner(self, call: Call) -> int:
        """How many calls fill a sample."""
        return max(1, min(1000, round(self.effort.sample / max(1e-7, self.sample(call, 2)))))

    def host(self, call: Call) -> float:
        """Seconds until a call returns, while the device is not busy; the median of some."""
        times: list[float] = []
        for _ in range(50):
            self.synchronize()
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def missed(line: Line, outcome: Outcome) -> list[str]:
    """What the line wants and has not got."""
    found: list[str] = []
    if line.bandwidth and (outcome.share_of_copy or 0) < line.bandwidth:
        found.append(f"{line.bandwidth:.0%} of a copy")
    for peer, wanted in line.targets.items():
        both = outcome.seconds
        if {peer, "wengert"} <= both.keys() and both[peer] / both["wengert"] < wanted:
            found.append(f"{wanted} of {peer}")
    if line.host_us and outcome.host is not None and outcome.host * 1e6 > line.host_us:
        found.append(f"{line.host_us:.0f} us on the host")
    return found


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as text: times, and how many times as long each peer takes."""
    rows = [f"{'':36}{'wengert':>12}{'of copy':>9}{'host':>9}  peer's time / wengert's; ! missed"]
    for o in outcomes:
        own = o.seconds.get("wengert")
        if own is None:
            rows.append(f"{o.name:36}{'-':>12}  {'; '.join(o.faults.values())}")
            continue
        share = "" if o.share_of_copy is None else f"{o.share_of_copy:.0%}"
        host = "" if o.host is None else f"{o.host * 1e6:.0f} us"
        peers = [f"{n} {t / own:.2f}" for n, t in o.seconds.items() if n != "wengert"]
        text = ", ".join([*peers, *(f"! {m}" for m in o.missed)])
        rows.append(f"{o.name:36}{own * 1e6:>9.1f} us{share:>9}{host:>9}  {text}")
    return "\n".join(rows)


def saver(folder: Path, head: dict[str, Any]) -> Callable[[list[Outcome]], None]:
    """Writes what there is so far, so that a run that is cut short leaves its numbers."""

    def save(outcomes: list[Outcome]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        data = {**head, "lines": [asdict(o) for o in outcomes]}
        (folder / "latest.json").write_text(json.dumps(data, indent=1) + "\n")
        (folder / "latest.txt").write_text(table(outcomes) + "\n")

    return save


def copy_rate(cupy: Any, synchronize: Callable[[], Any]) -> Callable[[float], float]:
    """Bytes a second, read and written, of a copy on the device that moves so many bytes."""
    known: dict[int, float] = {}

    def rate(traffic: float) -> float:
        size = max(1 << 20, int(traffic / 2)) // 4
        if size not in known:
            source, target = (cupy.asarray(np.ones(size, np.float32)) for _ in range(2))
            bench = Bench({}, synchronize, Effort())

            def copy() -> Any:
                return cupy.copyto(target, source)

            copy()
            inner = bench.inner(copy)
            times = [bench.sample(copy, inner) for _ in range(5)]
            known[size] = 8 * size / statistics.median(times)
        return known[size]

    return rate
