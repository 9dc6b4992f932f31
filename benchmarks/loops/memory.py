"""What reverse mode of the sweeps needs beyond arguments and results, with and without a budget.

Jacobi's sweeps are linear, and keep nothing at all. So the budget is tried on sweeps that are not
(each new element goes through a sine), written as a scan, whose `checkpoint` is the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.timing import Effort, compete
from benchmarks.workload import Function

SWEEPS = 100
BUDGET = 12 << 20
MEBI = float(1 << 20)


def arena(function: Function, *arguments: Any) -> float:
    """The MiB of temporaries of a compiled function: tapes and all else but results."""
    import wengert as wg
    from wengert.ir.passes.pipeline import default_pipeline
    from wengert.kernels.lower import lower

    program = wg.make_ir(function)(*arguments).program
    return lower(default_pipeline(program)).loops.arena / MEBI


def curved(budget: int | None) -> Function:
    import wengert as wg

    def sweep(u, _):
        beside = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        u = u.copy()
        u[1:-1, 1:-1] = np.sin(0.25 * beside)
        return u, None

    def f(start):
        u, _ = wg.scan(sweep, start, None, length=SWEEPS, checkpoint=budget)
        return np.sum(u * u)

    return wg.grad(f)


def of_jacobi(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
    import wengert as wg
    from benchmarks.loops.stencils import jacobi_square

    return arena(wg.grad(jacobi_square), *arguments)


def unbounded(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
    return arena(curved(None), *arguments)


def bounded(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
    return arena(curved(BUDGET), *arguments)


def slower(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
    """The time with the budget over the time without."""
    import wengert as wg

    functions = {name: wg.jit(curved(b)) for name, b in (("free", None), ("bound", BUDGET))}
    for function in functions.values():
        function(*arguments)  # compiles
    calls = {name: lambda f=f: f(*arguments) for name, f in functions.items()}
    times = compete(calls, Effort())
    return times["bound"].median / times["free"].median


EXTRAS = {
    "reverse sweep's memory, MiB": of_jacobi,
    "with a sine, no budget, MiB": unbounded,
    "with a sine, budget 12 MiB, MiB": bounded,
    "time with the budget / without": slower,
}
