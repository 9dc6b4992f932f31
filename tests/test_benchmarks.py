"""The benchmarks compute what they say: every workload at a tiny size, nothing is timed.

Values are compared with NumPy, derivatives with central differences of the NumPy function along a
random direction, and both with every other tool that happens to be installed.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import report
from benchmarks.catalogue import WORKLOADS, select
from benchmarks.check import mismatches
from benchmarks.derivatives import rosenbrock_gradient_numpy
from benchmarks.measure import ANY_DTYPE, Outcome, all_calls
from benchmarks.peers import BY_HAND, LOADERS, installed, numpy_namespace, to_numpy
from benchmarks.startup import FIRST_CALLS, Startup
from benchmarks.timing import Effort, Timing, compete
from benchmarks.workload import LEARNING_RATE, Workload

EACH = pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
SLOW_TOOLS = ("torch.compile",)
Arrays = list[np.ndarray]

# Loops that wengert does not compile yet; what they compute is checked in test_loop_benchmarks.py.
NOT_YET = frozenset(workload.name for workload in WORKLOADS.values() if workload.has_versions)
COMPILED = [workload for workload in WORKLOADS.values() if workload.name not in NOT_YET]


def wengert_result(workload: Workload) -> Arrays:
    tools, _ = installed(["wengert"])
    return to_numpy(tools["wengert"].bind(workload)(*workload.inputs(tiny=True)))


def gradients(workload: Workload, result: Arrays) -> Arrays:
    """The gradients in the result of a workload; None for modes without."""
    if workload.mode in ("grad", "vmap_grad"):
        return result
    if workload.mode == "value_and_grad":
        return result[1:]
    olds = [workload.inputs(tiny=True)[n] for n in workload.argnums]
    return [(old - new) / LEARNING_RATE for old, new in zip(olds, result[1:], strict=True)]


def directional_difference(workload: Workload, directions: Arrays) -> float:
    """The central difference of the NumPy function, in float64, along `directions`."""
    f = workload.function("numpy", numpy_namespace())
    inputs = [
        value.astype(np.float64) if value.dtype.kind == "f" else value
        for value in workload.inputs(tiny=True)
    ]

    def along(step: float) -> float:
        moved = list(inputs)
        for n, direction in zip(workload.argnums, directions, strict=True):
            moved[n] = inputs[n] + step * direction
        rows = zip(*moved, strict=True) if workload.mode == "vmap_grad" else [moved]
        return sum(float(f(*row)) for row in rows)

    step = 1e-6
    return (along(step) - along(-step)) / (2 * step)


@pytest.mark.parametrize(
    "workload", [w for w in COMPILED if w.mode == "value"], ids=lambda w: w.name
)
def test_values_equal_numpys(workload: Workload) -> None:
    plain = workload.function("numpy", numpy_namespace())
    expected = to_numpy(plain(*workload.inputs(tiny=True)))
    results = {"numpy": expected, "wengert": wengert_result(workload)}
    assert not mismatches(results, workload.tolerance)


@pytest.mark.parametrize(
    "workload",
    [w for w in COMPILED if w.mode not in ("value", "hessian")],
    ids=lambda w: w.name,
)
def test_gradients_equal_differences(workload: Workload) -> None:
    assert_gradients(workload, wengert_result(workload))


def assert_gradients(workload: Workload, result: Arrays) -> None:
    """That a workload's result agrees with the difference along a random direction."""
    inputs = workload.inputs(tiny=True)
    found = gradients(workload, result)
    rng = np.random.default_rng(0)
    directions = [rng.standard_normal(inputs[n].shape) for n in workload.argnums]
    slope = sum(float(np.sum(g * d)) for g, d in zip(found, directions, strict=True))
    size = sum(float(np.sum(np.abs(g * d))) for g, d in zip(found, directions, strict=True))
    single = inputs[0].dtype == np.float32
    allowed = 1e-4 if single else 1e-6
    assert abs(slope - directional_difference(workload, directions)) <= allowed * size
    assert all(g.dtype == inputs[n].dtype for g, n in zip(found, workload.argnums, strict=True))


def test_hessian_equals_differences_of_the_gradient() -> None:
    workload = WORKLOADS["rosenbrock/hessian/100"]
    gradient = rosenbrock_gradient_numpy()
    (x,) = workload.inputs(tiny=True)
    step = 1e-6
    columns = [(gradient(x + step * e) - gradient(x - step * e)) / (2 * step) for e in np.eye(8)]
    np.testing.assert_allclose(wengert_result(workload)[0], np.array(columns), atol=1e-5)


@pytest.mark.slow
@EACH
def test_all_installed_tools_agree(workload: Workload) -> None:
    names = [name for name in LOADERS if name not in SLOW_TOOLS]
    tools, _ = installed([n for n in names if n != "wengert" or workload.name not in NOT_YET])
    everyone = replace(workload, skip={})  # what is too slow to time is not at a tiny size
    ready, faults = all_calls(everyone, tools, BY_HAND, tiny=True)
    results = {name: prepared.result for name, prepared in ready.items()}
    assert not faults
    assert not mismatches(results, workload.tolerance, ANY_DTYPE)
    alone = workload.name in NOT_YET  # and so, where it has no peer but that by hand
    assert (
        len(results) > 1
        or alone
        or not any(importlib.util.find_spec(module) for module in ("jax", "torch", "autograd"))
    )


def test_every_workload_of_the_contract_is_there() -> None:
    themes = {name.split("/")[0] for name in WORKLOADS}
    assert themes == {
        *("call", "rosenbrock", "gmm", "black_scholes", "exp", "log", "sin", "tanh", "erf", "pow"),
        *(
            "sum",
            "transpose_add",
            "softmax",
            "layernorm",
            "matmul",
            "mlp",
            "transformer",
            "loops",
            "jacobian",
            "adam",
            "digits",
            "linalg",
            "newton",
            "nn",
            "sort",
            "fft",
            "random",
        ),
    }
    assert all(w.targets or w.value_alone() is not None for w in WORKLOADS.values())
    assert set(FIRST_CALLS) <= set(WORKLOADS)


def test_inputs_are_the_same_at_every_call() -> None:
    for workload in WORKLOADS.values():
        for first, second in zip(workload.inputs(True), workload.inputs(True), strict=True):
            np.testing.assert_array_equal(first, second)


def test_unknown_workload_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no workload matches"):
        select(["no such thing"])


@pytest.mark.parametrize(
    ("got", "text"),
    [
        ([np.ones(3)], None),
        ([np.ones(3) + 1e-5], "off by"),
        ([np.ones(3, np.float32)], "dtype"),
        ([np.ones((3, 1))], "shape"),
        ([np.ones(3), np.ones(3)], "2 outputs"),
        ([np.array([1.0, 1.0, np.nan])], "NaN"),
        ([np.array([1, 1, 2])], "dtype"),
    ],
)
def test_wrong_results_are_found(got: Arrays, text: str | None) -> None:
    found = mismatches({"wengert": got, "numpy": [np.ones(3)]}, 1.0)
    assert bool(found) == (text is not None)
    assert all(text in str(wrong) and wrong.tool == "wengert" for wrong in found if text)


def test_integers_have_to_be_equal() -> None:
    wanted, got = [np.array([1, 2, 3])], [np.array([1, 2, 4])]
    (wrong,) = mismatches({"numpy": wanted, "wengert": got}, 1e20)
    assert "1 other numbers" in str(wrong)
    assert not mismatches({"numpy": wanted, "wengert": [wanted[0].copy()]}, 1.0)


def test_timing_takes_turns_and_keeps_order() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    timings = compete(calls, Effort(sample=1e-5, rounds=4, budget=5.0))
    assert set(timings) == {"a", "b"}
    assert all(t.rounds == 4 and 0 < t.least <= t.median for t in timings.values())
    changes = sum(x != y for x, y in pairwise(order))
    assert changes >= 4  # not all of a and then all of b


def outcome() -> Outcome:
    def took(seconds: float) -> Timing:
        return Timing(seconds, seconds, 0.01, 5, 1)

    timings = {"wengert": took(1e-3), "jax": took(3e-3), "torch": took(4e-3), "numba": took(5e-4)}
    compiled = {"wengert": 0.05, "jax": 0.2, "numba": 0.3}
    return Outcome(
        "thing",
        {"best": 2, "torch": 5},
        timings,
        compiled,
        {"autograd": "too old"},
        {"jax": 2.0, "numba": 8.0},
        took(1.25e-4),
        {"peak memory in MB": 12.5},
    )


@pytest.mark.slow
def test_report(tmp_path: Path) -> None:
    machine: dict[str, Any] = {"processor": "a CPU", "threads": 2}
    startup = Startup(0.1, {"thing": 0.5}, {"thing": 0.09})
    result = outcome()
    assert result.best == "jax"  # numba was written for the task: no peer
    assert result.ratio("best") == pytest.approx(3.0)
    text = report.text_report([result], startup, machine)
    for part in ("3.00/2", "4.00/5 torch!", "500 us", "90.0 ms  60 ms!", "too old"):
        assert part in text
    for part in ("4.00/2, 6.00/8 numba!", "125 us   1.00 ms        8.00/5!", "12.5"):
        assert part in text
    if importlib.util.find_spec("matplotlib"):
        written = {path.name for path in report.save([result], startup, machine, tmp_path)}
        assert written == {"latest.txt", "latest.json", "latest.png"}
        saved = json.loads((tmp_path / "latest.json").read_text())
        thing = saved["workloads"]["thing"]
        assert thing["best_peer"] == "jax"
        assert thing["gradient_over_value"] == pytest.approx(8.0)
        assert thing["compile_targets"]["numba"] == {"wanted": 8.0, "reached": pytest.approx(6.0)}
        assert thing["extras"] == {"peak memory in MB": 12.5}
        assert "| thing | 1.00 ms | 3.00 ms (jax) | 3.00 | 50.0 ms / 200 ms |" in report.markdown(
            saved
        )
