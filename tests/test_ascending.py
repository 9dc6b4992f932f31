"""Loops of independent turns go through their arrays in the order in which these lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Kind, Loop
from wengert.kernels.lower import lower
from wengert.kernels.statements import expressions, walk

N = 18


def shortest(d: Any) -> Any:
    """Each turn of the inner loops is a minimum, apart from the one that meets what all read."""
    d = d.copy()
    for k in range(N):
        for i in range(N):
            for j in range(N):
                d[i, j] = min(d[i, j], d[i, k] + d[k, j])
    return d


def fallen(d: Any) -> Any:
    """The same with an inner loop that falls."""
    d = d.copy()
    for k in range(N):
        for i in range(N):
            for j in range(N - 1, -1, -1):
                d[i, j] = min(d[i, j], d[i, k] + d[k, j])
    return d


def table(d: Any) -> Any:
    """Its loops run along diagonals, whose ends are the least and the greatest of two bounds."""
    r = np.full((N + 1, N + 1), 9.0)
    for i in range(1, N + 1):
        for j in range(1, N + 1):
            near = np.exp(-r[i - 1, j]) + np.exp(-r[i, j - 1]) + np.exp(-r[i - 1, j - 1])
            r[i, j] = d[i - 1, j - 1] - np.log(near)
    return r


def loss(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda d: np.sum(np.sin(fun(d)))


def steps(loop: Loop) -> list[int]:
    """By how much the loads of a loop move from turn to turn."""
    loads = {n for n in nodes(expressions(loop.body)) if n.op is ScalarOp.LOAD}
    places = [affine(n.args[0]) for n in loads]
    return [p.terms[loop.index] for p in places if p is not None and loop.index in p.terms]


@pytest.mark.slow
@pytest.mark.parametrize("fun", [wg.grad(loss(shortest)), fallen, wg.grad(loss(table))])
def test_free_loops_rise_and_give_the_same(
    fun: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    d = np.random.default_rng(3).uniform(0.1, 1.0, (N, N))
    program = default_pipeline(wg.make_ir(fun)(d).program)
    found = lower(program)
    loops = [x for k in found.loops.steps for x in walk(k.body) if isinstance(x, Loop)]
    free = [x for x in loops if x.kind is Kind.FREE and steps(x)]
    assert free
    assert all(2 * sum(step < 0 for step in steps(x)) <= len(steps(x)) for x in free)
    monkeypatch.setattr("wengert.kernels.lower.ascending", lambda s, kernels: list(kernels))
    before = lower(program)
    expected = interpret(before.loops, [d], before.constants)
    turned = interpret(found.loops, [d], found.constants)
    for values in (turned, [np.ravel(wg.jit(fun)(d))]):
        for x, y in zip(values, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


def test_a_scalar_keeps_what_the_last_turn_has_left() -> None:
    def f(x: Any) -> Any:
        d, last = x.copy(), 0.0
        for j in range(len(x) - 1, -1, -1):
            d[j] = d[5] + d[j]
            last = x[j]
        return last, d

    x = np.random.default_rng(3).standard_normal(40)
    made = lower(default_pipeline(wg.make_ir(f)(x).program))
    found = interpret(made.loops, [x], made.constants)
    for a, b in zip(found, f(x), strict=True):
        np.testing.assert_array_equal(np.ravel(a), np.ravel(b))
