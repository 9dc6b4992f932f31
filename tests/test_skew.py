"""Recurrences over two loops along their diagonals: which are, and that they give the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import ScalarOp
from wengert.kernels import interpret as interpreter
from wengert.kernels.loops import Kind, Loop, LoopProgram
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.skew import fronts
from wengert.kernels.statements import walk


def lowered(fun: Callable[..., Any], *args: Any) -> Lowered:
    return lower(default_pipeline(wg.make_ir(fun)(*args).program))


def wavefronts(program: LoopProgram) -> int:
    """How many loops run along diagonals: those inside another with bounds that move both ways."""
    return sum(
        isinstance(inner, Loop) and {inner.start.op, inner.stop.op} == {ScalarOp.MAX, ScalarOp.MIN}
        for kernel in program.steps
        for loop in walk(kernel.body)
        if isinstance(loop, Loop) and loop.kind is Kind.ORDERED
        for inner in loop.body
    )


def values(found: Lowered, *args: Any) -> list[np.ndarray[Any, Any]]:
    """The outputs, with the turns of free loops from last to first: no other may depend on one."""
    arrays = [np.asarray(a) for a in args]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "ANY_ORDER", (*interpreter.ANY_ORDER, Kind.FREE))
        return interpreter.interpret(found.loops, arrays, found.constants, order=reversed)


def soft_dtw(cost: Any) -> Any:
    n, m = cost.shape
    r = np.full((n + 1, m + 1), 1e9)
    r[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            a, b, c = r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]
            low = min(a, b, c)
            total = math.exp(low - a) + math.exp(low - b) + math.exp(low - c)
            r[i, j] = cost[i - 1, j - 1] + low - math.log(total)
    return r[n, m]


def soft_dtw_backwards(cost: Any) -> Any:
    """From the last corner to the first, with both loops reversed."""
    n, m = cost.shape
    r = np.full((n + 1, m + 1), 1e9)
    r[n, m] = 0.0
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            a, b, c = r[i + 1, j], r[i, j + 1], r[i + 1, j + 1]
            total = math.exp(-a) + math.exp(-b) + math.exp(-c)
            r[i, j] = cost[i, j] - math.log(total + 1e-30)
    return r[0, 0]


def one_way_and_back(cost: Any) -> Any:
    """Rows forward, columns back: distances (1, 0), (0, 1) of the turns all the same."""
    n, m = cost.shape
    r = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        for j in range(m - 1, -1, -1):
            r[i, j] = math.tanh(r[i - 1, j] + math.exp(-r[i, j + 1])) + cost[i - 1, j]
    return r


def gauss_seidel(u: Any) -> Any:
    """Sweeps of a nonlinear equation, with old values to the right and below."""
    v = u.copy()
    n, m = v.shape
    for _ in range(12):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                around = v[i - 1, j] + v[i, j - 1] + v[i + 1, j] + v[i, j + 1]
                v[i, j] = 0.25 * (around - 0.1 * math.exp(-v[i, j]))
    return v


def nine_points(u: Any) -> Any:
    """Distance (1, -1) needs t = 2 i + j."""
    v = u.copy()
    n, m = v.shape
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            ring = v[i - 1, j - 1] + v[i - 1, j] + v[i - 1, j + 1] + v[i, j - 1]
            ring += v[i, j + 1] + v[i + 1, j - 1] + v[i + 1, j] + v[i + 1, j + 1]
            v[i, j] = 0.125 * (ring - 0.1 * math.exp(-v[i, j]))
    return v


def batch(costs: Any) -> Any:
    total = 0.0
    for k in range(costs.shape[0]):
        total = total + soft_dtw(costs[k])
    return total


def filtered(x: Any) -> Any:
    """A filter in two dimensions whose gain depends on what comes out."""
    y = np.zeros_like(x)
    n, m = x.shape
    for i in range(2, n):
        for j in range(1, m):
            gain = 1.0 / (1.0 + math.exp(y[i - 2, j - 1]))
            y[i, j] = x[i, j] + 0.3 * gain * y[i - 1, j] - 0.2 * math.tanh(y[i, j - 1])
    return y


def local_alignment(x: Any, y: Any) -> Any:
    """Smith and Waterman's, with scores that depend smoothly on how alike two elements are."""
    n, m = x.size, y.size
    h = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            score = 2.0 * math.exp(-((x[i - 1] - y[j - 1]) ** 2)) - 1.0
            gap = max(h[i - 1, j], h[i, j - 1]) - 0.5 * math.exp(-abs(x[i - 1]))
            h[i, j] = max(0.0, h[i - 1, j - 1] + score, gap)
    return h


def running(x: Any) -> Any:
    """One row for all: a distance (1, -1) from the next turn's row to this one's."""
    n, m = x.shape
    row = np.zeros(m)
    for i in range(n):
        for j in range(1, m):
            row[j] = math.tanh(row[j - 1] + math.exp(-row[j]) + x[i, j])
    return row


CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], int]] = {
    "soft_dtw": (soft_dtw, ((19, 23),), 1),
    "wide": (soft_dtw, ((16, 40),), 1),
    "tall": (soft_dtw, ((40, 16),), 1),
    "backwards": (soft_dtw_backwards, ((20, 18),), 1),
    "one way and back": (one_way_and_back, ((18, 21),), 1),
    "gauss_seidel": (gauss_seidel, ((19, 22),), 1),
    "nine_points": (nine_points, ((22, 19),), 1),
    "batch": (batch, ((12, 17, 18),), 1),
    "filtered": (filtered, ((24, 20),), 1),
    "local_alignment": (local_alignment, ((18,), (25,)), 1),
    "running": (running, ((18, 25),), 1),
    "one cell": (soft_dtw, ((1, 1),), 0),
    "one row": (soft_dtw, ((1, 30),), 0),
    "empty": (soft_dtw, ((0, 5),), 0),
}


def arguments(shapes: tuple[tuple[int, ...], ...], dtype: str) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    return [rng.uniform(0.1, 1.0, shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", fast_share(["float64", "float32"], 2))
@pytest.mark.parametrize("name", fast_share(list(CASES), 3))
def test_a_recurrence_runs_along_its_diagonals_and_gives_the_same(name: str, dtype: str) -> None:
    fun, shapes, count = CASES[name]
    args = arguments(shapes, dtype)
    found = lowered(fun, *args)
    assert wavefronts(found.loops) == count
    expected = np.asarray(fun(*(a.astype(np.float64) for a in args)))
    close = {"rtol": 1e-12, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
    np.testing.assert_allclose(values(found, *args)[0], expected.reshape(-1), **close)
    np.testing.assert_allclose(wg.jit(fun)(*args), expected, **close)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_the_gradient_is_the_same_with_and_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fun, shapes, count = CASES[name]
    args = arguments(shapes, "float64")
    weights = np.cos(np.arange(np.size(fun(*args)))).reshape(np.shape(fun(*args)))
    gradient = wg.grad(lambda *xs: np.sum(weights * fun(*xs)), argnums=tuple(range(len(args))))
    with_fronts = lowered(gradient, *args)
    compiled = wg.jit(gradient)(*args)
    monkeypatch.setattr(fronts, "SHORT", 1 << 40)
    without = lowered(gradient, *args)
    assert wavefronts(without.loops) == 0
    assert wavefronts(with_fronts.loops) >= count
    pairs = zip(compiled, values(with_fronts, *args), values(without, *args), strict=True)
    for x, y, z in pairs:
        np.testing.assert_allclose(np.ravel(x), z, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(y, z, rtol=1e-10, atol=1e-12)


@dataclass(frozen=True)
class Stencil:
    """A sweep over a table in place: which neighbours a cell reads, and which way the loops go."""

    reads: tuple[tuple[int, int], ...]
    down: bool
    right: bool
    adds: tuple[int, int] | None
    row: bool

    def __call__(self, u: Any) -> Any:
        v = u.copy()
        sums = np.zeros_like(u)
        n, m = v.shape
        rows = range(2, n - 2) if self.down else range(n - 3, 1, -1)
        columns = range(2, m - 2) if self.right else range(m - 3, 1, -1)
        for i in rows:
            slope = math.exp(-abs(u[i, 0])) if self.row else 0.5
            for j in columns:
                total = u[i, j]
                for di, dj in self.reads:
                    total = total + v[i + di, j + dj]
                v[i, j] = slope * math.tanh(math.exp(-abs(v[i, j])) - 0.3 * total)
                if self.adds is not None:
                    sums[i, j] += 0.5 * v[i, j]
                    sums[i + self.adds[0], j + self.adds[1]] += v[i, j] * u[i, j]
        return v + sums


NEAR = st.integers(-2, 2)
STENCILS = st.builds(
    Stencil,
    st.lists(st.tuples(NEAR, NEAR), min_size=1, max_size=3, unique=True).map(tuple),
    st.booleans(),
    st.booleans(),
    st.none() | st.tuples(NEAR, NEAR),
    st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(STENCILS, st.integers(20, 24), st.integers(20, 24))
def test_random_stencils_give_the_same(stencil: Stencil, n: int, m: int) -> None:
    u = np.random.default_rng(n * m).uniform(-1.0, 1.0, (n, m))
    found = lowered(stencil, u)
    np.testing.assert_allclose(values(found, u)[0], np.ravel(stencil(u)), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_most_near_stencils_run_along_diagonals() -> None:
    """All that read the row above and the cell to the left do, but those no t of ours serves."""
    u = np.zeros((20, 20))
    for reads in ((-1, 0), (0, -1)), ((-1, -1), (0, -1)), ((-1, 1), (0, -1)), ((-2, -1), (0, -2)):
        for down in (False, True):
            for right in (False, True):
                stencil = Stencil(reads, down, right, None, False)
                assert wavefronts(lowered(stencil, u).loops) == 1, stencil


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(STENCILS)
def test_gradients_of_random_stencils_are_the_same_compiled(stencil: Stencil) -> None:
    u = np.random.default_rng(3).uniform(-1.0, 1.0, (21, 22))
    weights = np.cos(np.arange(u.size)).reshape(u.shape)
    gradient = wg.grad(lambda x: np.sum(weights * stencil(x)))
    short = fronts.SHORT
    try:
        fronts.SHORT = 1 << 40
        expected = values(lowered(gradient, u), u)[0]
    finally:
        fronts.SHORT = short
    np.testing.assert_allclose(np.ravel(wg.jit(gradient)(u)), expected, rtol=1e-9, atol=1e-11)
