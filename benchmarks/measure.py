"""One workload through all tools: results compared first, then compile times, then run times."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.check import mismatches
from benchmarks.limits import at_most
from benchmarks.peers import BY_HAND, Tool, identity, to_numpy
from benchmarks.timing import Call, Effort, Timing, compete
from benchmarks.workload import Workload

# autograd promotes float32 to float64 here and there, Numba returns scalars as Python floats
ANY_DTYPE = ("autograd", "numba")
LIMIT = 30.0  # seconds for one compilation, and for one first call
VALUE_ALONE = "wengert, value alone"


@dataclass
class Outcome:
    """What became of one workload. `faults` says, by tool, what went wrong or why it is absent."""

    name: str
    targets: dict[str, float]
    timings: dict[str, Timing] = field(default_factory=dict)
    compile_seconds: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    compile_targets: dict[str, float] = field(default_factory=lambda: {"jax": 2.0})
    value_alone: Timing | None = None
    extras: dict[str, float] = field(default_factory=dict)

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

    def compile_ratio(self, peer: str) -> float | None:
        """That peer's compile time over wengert's."""
        both = self.compile_seconds
        return both[peer] / both["wengert"] if {peer, "wengert"} <= both.keys() else None

    @property
    def gradient_over_value(self) -> float | None:
        """How many times its value a gradient costs in wengert."""
        if self.value_alone is None or "wengert" not in self.timings:
            return None
        return self.timings["wengert"].median / self.value_alone.median


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

    with at_most(LIMIT):
        return Prepared(call, [np.array(leaf) for leaf in to_numpy(call())])


def prepare_tool(workload: Workload, tool: Tool, tiny: bool = False) -> Prepared:
    """The call of a tool, after its first run."""
    arguments = tool.arguments(workload.inputs(tiny))
    return prepare(lambda: tool.bind(workload), arguments, tool.finish)


def all_calls(
    workload: Workload, tools: Mapping[str, Tool], by_hand: Sequence[str], tiny: bool
) -> tuple[dict[str, Prepared], dict[str, str]]:
    """The calls of every tool that can do the workload, and what went wrong with the others."""
    ready: dict[str, Prepared] = {}
    faults = {name: why for name, why in workload.skip.items() if name in (*tools, *by_hand)}
    for name, tool in tools.items():
        if not tool.can_do(workload):
            continue
        try:
            ready[name] = prepare_tool(workload, tool, tiny)
        except Exception as fault:  # a tool that cannot do it is a line in the report
            faults[name] = first_line(fault)
    for name, build in workload.by_hand.items():
        if name in by_hand:
            try:
                ready[name] = prepare(build, workload.inputs(tiny), identity)
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


def least_time(attempt: Callable[[], object], fresh: Callable[[], object], tries: int) -> float:
    """The least seconds of some attempts, each after forgetting what the last one left behind."""
    taken = []
    for _ in range(tries):
        fresh()
        start = time.perf_counter()
        with at_most(LIMIT):
            attempt()
        taken.append(time.perf_counter() - start)
        if sum(taken) > 2.0:
            break
    return min(taken)


def compile_time(workload: Workload, tool: Tool, tries: int) -> float:
    """The least seconds from a new Python function to native code, caches empty."""
    compile_only = tool.compile_only
    assert compile_only is not None
    arguments = tool.arguments(workload.inputs())
    return least_time(lambda: compile_only(tool.bind(workload), arguments), tool.fresh, tries)


def numba_compile_time(workload: Workload, tries: int) -> float:
    """The same for the version that is written with Numba."""
    import numba

    signature = tuple(numba.typeof(value) for value in workload.inputs())
    build = workload.by_hand["numba"]
    return least_time(lambda: build().compile(signature), lambda: None, tries)


def compile_times(
    workload: Workload, tools: Mapping[str, Tool], by_hand: Sequence[str], tries: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Compile times by tool, and what went wrong; Numba's for loops, where the text is the same."""
    attempts: dict[str, Callable[[], float]] = {
        name: functools.partial(compile_time, workload, tool, tries)
        for name, tool in tools.items()
        if tool.compile_only is not None and tool.can_do(workload) and workload.mode != "as_is"
    }
    if workload.has_versions and "numba" in workload.by_hand and "numba" in by_hand:
        attempts["numba"] = lambda: numba_compile_time(workload, tries)
    taken: dict[str, float] = {}
    faults: dict[str, str] = {}
    for name, attempt in attempts.items():
        try:
            taken[name] = attempt()
        except Exception as fault:
            faults[name] = first_line(fault)
    return taken, faults


def measure(
    workload: Workload,
    tools: Mapping[str, Tool],
    by_hand: Sequence[str],
    effort: Effort,
    compile_tries: int = 3,
) -> Outcome:
    """Checks, compiles and times one workload."""
    measured = {} if workload.mode == "as_is" else workload.compile_targets
    outcome = Outcome(workload.name, dict(workload.targets), compile_targets=dict(measured))
    if compile_tries:
        outcome.compile_seconds, outcome.faults = compile_times(
            workload, tools, by_hand, compile_tries
        )
    able = {name: tool for name, tool in tools.items() if name not in outcome.faults}
    calls, faults = checked_calls(workload, able, by_hand)
    outcome.faults.update(faults)
    for name in faults:  # a number of something that is wrong is no number
        outcome.compile_seconds.pop(name, None)
    if calls:
        time_calls(outcome, workload, tools, calls, effort)
    for tool in tools.values():
        tool.fresh()
    return outcome


def time_calls(
    outcome: Outcome,
    workload: Workload,
    tools: Mapping[str, Tool],
    calls: Mapping[str, Call],
    effort: Effort,
) -> None:
    """Fills in the run times and, where wengert is right, what is asked of it alone."""
    beside: dict[str, Call] = {}
    if "wengert" in calls:
        own = tools["wengert"]
        alone = workload.value_alone() if workload.has_versions else None
        try:
            if alone is not None:
                beside[VALUE_ALONE] = prepare_tool(alone, own).call
            for name, number in workload.extras.items():
                arguments = own.arguments(workload.inputs())
                outcome.extras[name] = number(lambda: own.bind(workload), arguments)
        except Exception as fault:
            outcome.faults["wengert"] = f"beside the gradient: {first_line(fault)}"
    timings = compete({**calls, **beside}, effort)
    outcome.value_alone = timings.pop(VALUE_ALONE, None)
    outcome.timings = timings
