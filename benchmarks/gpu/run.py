"""Runs the lines: results compared first, then all tools in turns; JSON after each line."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.check import difference
from benchmarks.gpu.lines import Line
from benchmarks.gpu.outcome import OWN, Outcome
from benchmarks.gpu.tools import GRAPHS, fetched
from benchmarks.limits import at_most
from benchmarks.peers import Tool, identity, load_numpy, load_wengert
from benchmarks.workload import Workload

COMPILED = "torch.compile"


@dataclass(frozen=True)
class Call:
    """A tool's call, and what waits for its result: once in a sample, as the device is, too."""

    run: Callable[[], Any]
    finish: Callable[[Any], Any] = identity


@dataclass(frozen=True)
class Effort:
    """Seconds of calls in a sample, rounds, and seconds for everything.

    `once` bounds each preparation of a tool, `allowance` all those of a peer: most of the time of a
    run would else be theirs. The lines that matter most come first.
    """

    sample: float = 0.02
    rounds: int = 7
    budget: float = 540.0
    once: float = 40.0
    allowance: float = 150.0
    tiny: bool = False  # inputs of the size for comparing results only


@dataclass(frozen=True)
class Bench:
    """The tools, and what waits for the device."""

    tools: dict[str, Tool]
    synchronize: Callable[[], Any]
    effort: Effort
    spent: dict[str, float] = field(default_factory=dict[str, float])
    verdicts: dict[Any, str | None] = field(default_factory=dict[Any, str | None])
    first_calls: dict[str, float] = field(default_factory=dict[str, float])  # by tool, the last

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
            found.append(self.outcome(line, copy))
            save(found)
        return found

    def outcome(self, line: Line, copy: Callable[[float], float]) -> Outcome:
        """One line's numbers; whatever goes wrong with it stays its own affair."""
        outcome = Outcome(line.name)
        try:
            self.line(line, outcome)
            if line.traffic and OWN in outcome.seconds:
                rate = line.traffic / outcome.seconds[OWN]
                outcome.share_of_copy = rate / copy(line.traffic)
        except Exception as fault:  # too little memory for the inputs, say
            outcome.faults["all"] = first_line(fault)
        return outcome

    def line(self, line: Line, outcome: Outcome) -> None:
        calls = self.calls(line, outcome)
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
        timed = [name for name in calls if name == OWN or name in line.ceilings]
        outcome.host = {name: self.host(calls[name]) for name in timed}

    def calls(self, line: Line, outcome: Outcome) -> dict[str, Call]:
        """Calls on the inputs of full size: of tools whose results on tiny ones are right, and of
        the line's ceilings."""
        workload = line.workload
        full = workload.inputs(self.effort.tiny)
        calls: dict[str, Call] = {}
        for name, tool in self.tools.items():
            if not tool.can_do(workload) or name == (COMPILED if line.graphs else GRAPHS):
                continue
            shown = COMPILED if name == GRAPHS else name
            call = self.bounded(shown, outcome, lambda t=tool, n=name: self.made(t, n, line, full))
            if call is not None:
                calls[shown] = call
                outcome.first_call[shown] = self.first_calls[name]
        if OWN in self.tools:
            arrays = self.tools[OWN].arguments(full) if line.ceilings else []
            for name, ceiling in line.ceilings.items():
                call = self.bounded(name, outcome, lambda c=ceiling: Call(c(arrays)))
                if call is not None:
                    calls[name] = call
        return calls

    def bounded(self, name: str, outcome: Outcome, make: Callable[[], Call | str]) -> Call | None:
        """What `make` prepares in the time that there is; a fault is a line of the report."""
        spent, most = self.spent.get(name, 0.0), self.effort.allowance
        if name != OWN and spent > most:
            outcome.faults[name] = f"left out: its compilations took {spent:.0f} s"
            return None
        start = time.perf_counter()
        try:
            with at_most(self.effort.once):
                made = make()
        except Exception as fault:
            made = first_line(fault)
        self.spent[name] = spent + time.perf_counter() - start
        if isinstance(made, str):
            outcome.faults[name] = made
            return None
        return made

    def made(self, tool: Tool, name: str, line: Line, full: Sequence[Any]) -> Call | str:
        """A tool's call after its first runs, which compile and capture; or what is wrong with it.

        Lines of the same function on other sizes are compared once.
        """
        workload = line.workload
        key = (name, id(workload.build), workload.mode)
        if key not in self.verdicts:
            tiny = workload.inputs(True)
            small = fetched(tool.bind(workload)(*tool.arguments(tiny)))
            self.verdicts[key] = difference(
                small, reference(workload, tiny), workload.tolerance, any_dtype=True
            )
        wrong = self.verdicts[key]
        if wrong is not None:
            return wrong
        call = Call(functools.partial(tool.bind(workload), *tool.arguments(full)), tool.finish)
        self.first_calls[name] = self.sample(call, 1)
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
