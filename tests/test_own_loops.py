"""Sums at neighbouring places, each in a loop of its own: which they are, and what they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Kind, Loop, LoopProgram
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.statements import map_loops, map_statements, walk


def lowered(fun: Callable[..., Any], *args: Any) -> Lowered:
    return lower(default_pipeline(wg.make_ir(fun)(*args).program))


def backwards(made: Lowered) -> LoopProgram:
    """The loops with turns that wait for nothing in the opposite order."""
    s = ScalarBuilder()

    def one(loop: Loop, _: Any) -> Any:
        if loop.kind is not Kind.FREE:
            return None
        index = Index(loop.index.extent)
        turn = s.sub(s.sub(s.add(loop.start, loop.stop), 1), s.index(index))

        def rule(expr: Expr) -> Expr | None:
            return turn if expr.op is ScalarOp.INDEX and expr.attr is loop.index else None

        return (replace(loop, index=index, body=map_statements(loop.body, Rewriter(s, rule))),)

    steps = tuple([replace(k, body=map_loops(k.body, one)) for k in made.loops.steps])
    return replace(made.loops, steps=steps)


def kinds(made: Lowered) -> set[Kind]:
    """The kinds of innermost loops in loops."""
    found = [x for k in made.loops.steps for x in walk(k.body) if isinstance(x, Loop)]
    around = [x for x in found if any(isinstance(y, Loop) for y in walk(x.body))]
    return {y.kind for x in around for y in walk(x.body) if isinstance(y, Loop)} - {Kind.SERIAL}


def smoothed(x: Any) -> Any:
    y = np.zeros_like(x)
    for i in range(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            y[i, j] = x[i, j] + 0.2 * (x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])
    return np.sum(y * y)


def spread(x: Any) -> Any:
    """Longer than a strip; what a turn adds is of what it has just read and cleared."""
    x, y = x.copy(), np.zeros(x.size + 2)
    for _ in range(2):
        for j in range(x.size):
            g = x[j]
            x[j] = 0.5
            y[j] += g
            y[j + 1] -= 2.0 * g
            y[j + 2] += g
    return y, x


def waiting(x: Any) -> Any:
    """What a turn adds depends on the sums of those before it."""
    y = np.zeros(x.size + 1)
    for _ in range(2):
        for j in range(x.size):
            y[j] += x[j]
            y[j + 1] += 0.5 * y[j]
    return y


@pytest.mark.parametrize(
    ("fun", "shape", "found"),
    [
        (wg.grad(smoothed), (20, 21), {Kind.FREE}),
        (spread, (1100,), {Kind.FREE, Kind.ORDERED}),
        (waiting, (40,), {Kind.ORDERED}),
    ],
)
def test_sums_of_stencils_are_free(fun: Any, shape: tuple[int, ...], found: set[Kind]) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    assert kinds(lowered(fun, x)) - {Kind.PARALLEL} >= found - {Kind.ORDERED}
    assert Kind.FREE in found or Kind.FREE not in kinds(lowered(fun, x))
    for one, other in zip(wg.tree_leaves(wg.jit(fun)(x)), wg.tree_leaves(fun(x)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def drawn(seed: int) -> Callable[[Any, Any], Any]:
    """Sums at random neighbours of two arrays, with a store and reads of either."""
    rng = np.random.default_rng(seed)
    places = [tuple(rng.integers(0, 3, 2)) for _ in range(6)]
    targets, sources = rng.integers(2, size=4), rng.integers(3, size=5)
    sets, down, start = rng.integers(2), rng.integers(2), rng.integers(3)

    def f(a: Any, b: Any) -> Any:
        x, y = a.copy(), b.copy()
        n, m = x.shape
        for i in range(n - 2):
            for step in range(start, m - 2):
                j = start + m - 3 - step if down else step
                g = (x, y, b)[sources[4]][i + places[4][0], j + places[4][1]]
                if sets:
                    y[i + places[5][0], j + places[5][1]] = 0.25 * g
                for k in range(4):
                    v = g if k % 2 else (x, y, a)[sources[k]][i, j]
                    (x, y)[targets[k]][i + places[k][0], j + places[k][1]] += 0.1 * (k + 1) * v
        return x, y

    return f


@pytest.mark.parametrize("seed", fast_share(range(120), 5))
def test_random_sums_give_what_they_give_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wengert.kernels.turns.own_loops.SHORT", 2)
    monkeypatch.setattr("wengert.kernels.turns.own_loops.STRIP", 3)
    fun, rng = drawn(seed), np.random.default_rng(seed)
    a, b = rng.standard_normal((6, 9)), rng.standard_normal((6, 9))
    made = lowered(fun, a, b)
    for loops in (made.loops, backwards(made)):
        found = interpret(loops, [a, b], made.constants)
        for one, other in zip(found, fun(a, b), strict=True):
            np.testing.assert_allclose(one, np.ravel(other), rtol=1e-12, atol=1e-12)
