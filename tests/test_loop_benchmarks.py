"""The benchmarks with loops: what each version computes, at a tiny size; nothing is timed.

The plain functions run in Python. Gradients by hand and those of the other tools are compared with
central differences of the plain function, so that wengert's are compared with something right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.catalogue import WORKLOADS
from benchmarks.limits import TookTooLongError, at_most
from benchmarks.loops.twins import numba_twin
from benchmarks.measure import measure
from benchmarks.peers import Tool, installed, numpy_namespace, to_numpy
from benchmarks.timing import Effort
from benchmarks.workload import Function, Workload
from tests.test_benchmarks import assert_gradients

LOOPS = [workload for workload in WORKLOADS.values() if workload.has_versions]
GRADIENTS = [workload for workload in LOOPS if workload.value_alone() is not None]


@pytest.mark.slow
@pytest.mark.parametrize("workload", GRADIENTS, ids=lambda w: w.name)
def test_gradients_of_peers_equal_differences(workload: Workload) -> None:
    inputs = workload.inputs(tiny=True)
    for build in workload.by_hand.values():
        assert_gradients(workload, [np.asarray(g) for g in to_numpy(build()(*inputs))])
    tools, _ = installed([name for name in ("jax", "torch") if workload.is_for(name)])
    for tool in tools.values():
        result = to_numpy(tool.bind(workload)(*tool.arguments(inputs)))
        assert_gradients(workload, result)


@pytest.mark.parametrize("workload", LOOPS, ids=lambda w: w.name)
def test_plain_functions_leave_their_arguments_alone(workload: Workload) -> None:
    inputs = workload.inputs(tiny=True)
    rows = [next(zip(*inputs, strict=True))] if workload.mode == "vmap_grad" else [inputs]
    for row in rows:
        workload.function("numpy", numpy_namespace())(*row)
    for before, after in zip(workload.inputs(tiny=True), inputs, strict=True):
        np.testing.assert_array_equal(before, after)


def test_every_loop_has_a_peer() -> None:
    for workload in LOOPS:
        assert set(workload.by_hand) | (set(workload.build) - {"plain"}), workload.name


def helper(x):
    return 2.0 * x


def calls_helper(x):
    return helper(x) + 1.0


@pytest.mark.slow
def test_twins_are_new_at_every_call_and_compile_their_helpers() -> None:
    build = numba_twin(calls_helper, helper)
    first, second = build(), build()
    assert first is not second
    assert first(3.0) == 7.0
    assert first.signatures
    assert not second.signatures
    assert not hasattr(helper, "signatures")


def test_what_takes_too_long_is_stopped() -> None:
    with pytest.raises(TookTooLongError, match=r"0\.05 s"), at_most(0.05):
        while True:
            pass
    with at_most(0.05):
        pass
    time.sleep(0.06)  # nothing comes later


def fake_tool(name: str, transforms: dict[str, Callable[[Function, Any], Function]]) -> Tool:
    return Tool(name, numpy_namespace(), transforms)


def workload_with(
    extras: dict[str, Callable[[Callable[[], Function], Sequence[Any]], float]],
) -> Workload:
    return Workload(
        "doubled",
        {"plain": lambda: lambda x: 2.0 * x, "jax": lambda: lambda x: x + x},
        lambda rng, tiny: (np.ones(3),),
        mode="grad",
        extras=extras,
    )


def test_values_and_extra_numbers_are_measured_beside_gradients() -> None:
    transforms = {mode: lambda f, argnums: f for mode in ("value", "grad")}
    tools = {name: fake_tool(name, transforms) for name in ("wengert", "jax", "torch")}
    effort = Effort(sample=1e-5, rounds=3, budget=1.0)
    workload = workload_with({"elements": lambda make, arguments: float(make()(*arguments).size)})
    outcome = measure(workload, tools, [], effort)
    assert set(outcome.timings) == {"wengert", "jax"}  # there is no version for torch
    assert outcome.extras == {"elements": 3.0}
    assert outcome.gradient_over_value is not None
    assert outcome.gradient_over_value > 0.0


def test_an_extra_number_that_cannot_be_had_is_a_line_of_the_report() -> None:
    tools = {"wengert": fake_tool("wengert", {m: lambda f, _: f for m in ("value", "grad")})}
    workload = workload_with({"memory": lambda make, arguments: float("much")})
    outcome = measure(workload, tools, [], Effort(sample=1e-5, rounds=3, budget=1.0))
    assert "ValueError" in outcome.faults["wengert"]
    assert "wengert" in outcome.timings
