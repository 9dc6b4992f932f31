"""One workload through all tools: results compared first, then compile times, then run times."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.check import mismatches
from benchmarks.peers import BY_HAND, Tool, identity, to_numpy
from benchmarks.timing import Call, Effort, Timing, compete
from benchmarks.workload import Workload

# autograd promotes float32 to float64 here and there, Numba returns scalars as Python floats
ANY_DTYPE = ("autograd", "numba")


@dataclass
class Outcome:
    """What became of one workload. `faults` says, by tool, what went wrong or why it is absent."""

    name: str
    targets: dict[str, float]
    timings: dict[str, Timing] = field(default_factory=dict)
    compile_seconds: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> str | None:
        """The fastest peer that was given the same function (what is by hand does not count)."""
        peers = [name for name in self.timings if name not in ("wengert", *BY_HAND)]
        return min(peers, key=lambda name: self.timings[name].median, default=None)

    def ratio(self, peer: str | None) -> float | None:
        """That peer's time over wengert's."""
        if peer == "best":
            peer = self.best
        if peer not in self.timings or "wengert" not in self.timings:
            return None
        return self.timings[peer].median / self.timings["wengert"].median

    @property
    def compile_ratio(self) -> float | None:
        """JAX's compile time over wengert's."""
        both = self.compile_seconds
        return both["jax"] / both["wengert"] if {"jax", "wengert"} <= both.keys() else None


def first_line(fault: BaseException) -> str:
    text = str(fault).strip().split("\n")[0]
    return f"{type(fault).__name__}: {text}"[:300]


@dataclass(frozen=True)
class Prepared:
    """A tool's call for one workload, with the result of its first run."""

    call: Call
    result: list[np.ndarray]


def prepare(
    bind: Callable[[], Callable[..., Any]], arguments: Sequence[Any], finish: Callable[[Any], Any]
) -> Prepared:
    function = bind()
    call = functools.partial(function, *arguments)  # in C: it must not cost more than the callee
    if finish is not identity:
        plain = call

        def call() -> Any:
            return finish(plain())

    return Prepared(call, [np.array(leaf) for leaf in to_numpy(call())])


def all_calls(
    workload: Workload, tools: Mapping[str, Tool], by_hand: Sequence[str], tiny: bool
) -> tuple[dict[str, Prepared], dict[str, str]]:
    """The calls of every tool that can do the workload, and what went wrong with the others."""
    inputs = workload.inputs(tiny)
    ready: dict[str, Prepared] = {}
    faults = dict(workload.skip)
    for name, tool in tools.items():
        if name in faults or workload.mode not in tool.transforms:
            continue
        try:
            arguments = tool.arguments(inputs)
            ready[name] = prepare(lambda tool=tool: tool.bind(workload), arguments, tool.finish)
        except Exception as fault:  # a tool that cannot do it is a line in the report
            faults[name] = first_line(fault)
    for name, build in workload.by_hand.items():
        if name in by_hand:
            try:
                ready[name] = prepare(build, inputs, identity)
            except Exception as fault:
                faults[name] = first_line(fault)
    return ready, faults


def checked_calls(
    workload: Workload, tools: Mapping[str, Tool], by_hand: Sequence[str], tiny: bool = False
) -> tuple[dict[str, Call], dict[str, str]]:
    """The calls whose results agree; those that differ are reported and not timed."""
    ready, faults = all_calls(workload, tools, by_hand, tiny)
    results = {name: prepared.result for name, prepared in ready.items()}
    for wrong in mismatches(results, workload.tolerance, ANY_DTYPE):
        faults[wrong.tool] = f"WRONG RESULT: {wrong}"
        del ready[wrong.tool]
    return {name: prepared.call for name, prepared in ready.items()}, faults


def compile_time(workload: Workload, tool: Tool, tries: int) -> float:
    """The least seconds from a new Python function to native code, caches empty."""
    assert tool.compile_only is not None
    arguments = tool.arguments(workload.inputs())
    taken = []
    for _ in range(tries):
        tool.fresh()
        start = time.perf_counter()
        tool.compile_only(tool.bind(workload), arguments)
        taken.append(time.perf_counter() - start)
        if sum(taken) > 2.0:
            break
    return min(taken)


def measure(
    workload: Workload,
    tools: Mapping[str, Tool],
    by_hand: Sequence[str],
    effort: Effort,
    compile_tries: int = 3,
) -> Outcome:
    """Checks, compiles and times one workload."""
    outcome = Outcome(workload.name, dict(workload.targets))
    for name, tool in tools.items():
        if compile_tries and tool.compile_only is not None and name not in workload.skip:
            try:
                outcome.compile_seconds[name] = compile_time(workload, tool, compile_tries)
            except Exception as fault:
                outcome.faults[name] = first_line(fault)
    calls, faults = checked_calls(workload, tools, by_hand)
    outcome.faults.update(faults)
    for name in faults:  # a number of something that is wrong is no number
        outcome.compile_seconds.pop(name, None)
    if calls:
        outcome.timings = compete(calls, effort)
    for tool in tools.values():
        tool.fresh()
    return outcome
