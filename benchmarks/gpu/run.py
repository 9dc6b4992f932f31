"""Runs the lines: results compared first, then all tools in turns; JSON after each line."""

from __future__ import annotations

import functools
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
from benchmarks.gpu.tools import GRAPHS, fetched
from benchmarks.peers import Tool, identity, load_numpy, load_wengert
from benchmarks.workload import Workload


@dataclass(frozen=True)
class Call:
    """A tool's call, and what waits for its result: once in a sample, as the device is, too."""

    run: Callable[[], Any]
    finish: Callable[[Any], Any] = identity


COMPILED = "torch.compile"


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
    wanted: list[str] = field(default_factory=list[str])
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
            found.append(self.outcome(line, copy, found))
            save(found)
        return found

    def outcome(
        self, line: Line, copy: Callable[[float], float], before: Sequence[Outcome]
    ) -> Outcome:
        """One line's numbers; whatever goes wrong with it stays its own affair."""
        outcome = Outcome(line.name, wanted=wanted(line))
        try:
            self.line(line, outcome)
            if line.traffic and "wengert" in outcome.seconds:
                rate = line.traffic / outcome.seconds["wengert"]
                outcome.share_of_copy = rate / copy(line.traffic)
        except Exception as fault:  # too little memory for the inputs, say
            outcome.faults["all"] = first_line(fault)
        outcome.missed = missed(line, outcome, before)
        return outcome

    def line(self, line: Line, outcome: Outcome) -> None:
        calls = self.checked(line, outcome)
        samples: dict[str, list[float]] = {name: [] for name in calls}
        inner = {name: self.inner(call) for name, call in calls.items()}
        for turn in range(self.effort.rounds):
            names = list(calls)
            first = turn % max(1, len(names))
            for name in names[first:] + names[:first]:
                try:
                    samples[name].append(self.sample(calls[name], inner[name]))
                except Exception as fault:  # it drops out, the others go on
                    outcome.faults[name] = first_line(fault)
                    del calls[name], samples[name]
        outcome.seconds = {name: statistics.median(s) for name, s in samples.items()}
        if "wengert" in calls:
            outcome.host = self.host(calls["wengert"])

    def checked(self, line: Line, outcome: Outcome) -> dict[str, Call]:
        """Calls on the inputs of full size, of those tools whose results on tiny ones are right."""
        workload = line.workload
        tiny, full = workload.inputs(True), workload.inputs(self.effort.tiny)
        expected = reference(workload, tiny)
        calls: dict[str, Call] = {}
        for name, tool in self.tools.items():
            if not tool.can_do(workload) or name == (COMPILED if line.graphs else GRAPHS):
                continue
            name = COMPILED if name == GRAPHS else name
            try:
                small = tool.bind(workload)(*tool.arguments(tiny))
                wrong = difference(fetched(small), expected, workload.tolerance, any_dtype=True)
                if wrong is not None:
                    outcome.faults[name] = wrong
                    continue
                calls[name] = self.prepared(tool, line, full, outcome)
            except Exception as fault:  # a tool that cannot do it is a line of the report
                outcome.faults[name] = first_line(fault)
        return calls

    def prepared(self, tool: Tool, line: Line, inputs: Sequence[Any], outcome: Outcome) -> Call:
        """A call after its first runs, which compile and capture."""
        arguments = tool.arguments(inputs)
        function = tool.bind(line.workload)

        call = Call(functools.partial(function, *arguments), tool.finish)
        outcome.first_call[tool.name] = self.sample(call, 1)
        self.sample(call, 3)
        return call

    def sample(self, call: Call, inner: int) -> float:
        """Seconds of one call, on the device, as the mean over calls in a row."""
        result: Any = None
        self.synchronize()
        start = time.perf_counter()
        for _ in range(inner):
            result = call.run()
        call.finish(result)
        self.synchronize()
        return (time.perf_counter() - start) / inner

    def inner(self, call: Call) -> int:
        """How many calls fill a sample."""
        return max(1, min(20_000, round(self.effort.sample / max(1e-7, self.sample(call, 2)))))

    def host(self, call: Call) -> float:
        """Seconds until a call returns, while the device is not busy; the median of some."""
        times: list[float] = []
        for _ in range(50):
            self.synchronize()
            start = time.perf_counter()
            call.run()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def first_line(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}".split("\n")[0][:200]


def reference(workload: Workload, inputs: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """NumPy's result; for derivatives that of wengert on the CPU, which has tests of its own."""
    tool = load_numpy() if workload.mode == "value" else load_wengert()
    return fetched(tool.bind(workload)(*inputs))


def wanted(line: Line) -> list[str]:
    """The line's targets in words."""
    found = [f"{line.bandwidth:.0%} of a copy"] if line.bandwidth else []
    found += [f"{ratio} of {peer}" for peer, ratio in line.targets.items()]
    found += [f"{line.host_us:.0f} us on the host"] if line.host_us else []
    if line.against is not None:
        found.append(f"{line.against[1]} of the best of {line.against[0]}")
    return found


def missed(line: Line, outcome: Outcome, before: Sequence[Outcome] = ()) -> list[str]:
    """What the line wants and has not got, or has no number for."""
    found: list[str] = []
    own = outcome.seconds.get("wengert")
    if own is None:
        return ["everything: wengert has no time"]
    if line.against is not None:
        name, ratio = line.against
        best = min((t for o in before if o.name == name for t in o.seconds.values()), default=None)
        if best is None:
            found.append(f"{name} was not measured")
        elif best / own < ratio:
            found.append(f"{ratio} of the best of {name}")
    if line.bandwidth and (outcome.share_of_copy or 0) < line.bandwidth:
        found.append(f"{line.bandwidth:.0%} of a copy")
    for peer, ratio in line.targets.items():
        time_of_peer = outcome.seconds.get(peer)
        if time_of_peer is None:
            found.append(f"{peer} has no time")
        elif time_of_peer / own < ratio:
            found.append(f"{ratio} of {peer}")
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
        times = [f"first call {n} {t:.2f} s" for n, t in o.first_call.items()]
        text = ", ".join([*peers, *times, *(f"! {m}" for m in o.missed)])
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

            copy = Call(functools.partial(cupy.copyto, target, source))
            inner = bench.inner(copy)
            times = [bench.sample(copy, inner) for _ in range(5)]
            known[size] = 8 * size / statistics.median(times)
        return known[size]

    return rate
