"""Sums into elements that stand still in a loop: which are kept in registers, and what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.loops import Accumulate, Kind, Loop
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk

SIZE = 6
PLACES = (
    lambda i, j, n: i,
    lambda i, j, n: j,
    lambda i, j, n: n - 1 - i,
    lambda i, j, n: n - 1 - j,
    lambda i, j, n: n - 1,
)
RANGES = (
    lambda i, n: (0, i),
    lambda i, n: (i, n),
    lambda i, n: (i + 1, n),
    lambda i, n: (0, n - i),
    lambda i, n: (n - 1 - i, n),
    lambda i, n: (0, n),
)


def sums(fun: Callable[..., Any], *args: Any) -> dict[Kind, int]:
    """How many sums stand in innermost loops of each kind."""
    found: dict[Kind, int] = {}
    for kernel in lower(default_pipeline(wg.make_ir(fun)(*args).program)).loops.steps:
        for loop in walk(kernel.body):
            if isinstance(loop, Loop):
                count = sum(isinstance(st, Accumulate) for st in loop.body)
                found[loop.kind] = found.get(loop.kind, 0) + count
    return {kind: count for kind, count in found.items() if count}


def kicks(p: Any, x: Any) -> Any:
    """Each pair changes both of its ends."""
    v = x.copy()
    n = p.size
    for i in range(n):
        for j in range(i):
            d = p[i] - p[j]
            v[i] -= d / (1.0 + d * d)
            v[j] += 2.0 * d
    return v


def product(a: Any, x: Any) -> Any:
    y = np.zeros(x.size)
    for i in range(x.size):
        for j in range(x.size):
            y[i] += a[i, j] * x[j]
    return y


def one_too_far(p: Any, x: Any) -> Any:
    """The last turn of j is i itself: the loop is cut before it."""
    v = x.copy()
    for i in range(p.size):
        for j in range(i + 1):
            v[i] -= p[j]
            v[j] += 2.0 * p[i]
    return v


def read_elsewhere(p: Any, x: Any) -> Any:
    v = x.copy()
    for i in range(p.size):
        for j in range(i):
            v[i] -= p[j]
            v[j] = v[i] * 0.5
    return v


def compensated(p: Any, x: Any) -> Any:
    """Kahan's sum: its order is its point."""
    c = np.zeros(1)
    total = np.zeros(1)
    for j in range(p.size):
        y = p[j] - c[0]
        t = total[0] + y
        c[0] = (t - total[0]) - y
        total[0] = t
    return total[0]


def neighbours(p: Any, x: Any) -> Any:
    """The sum is one, but x[j] waits for x[j - 1]."""
    v = x.copy()
    s = np.zeros(2)
    for j in range(1, p.size):
        v[j] = 0.5 * v[j - 1] + p[j]
        s[1] += p[j]
    return v, s


def fallen(p: Any, x: Any) -> Any:
    """That a[i, k] is no a[k, j] holds for all i at which the loop over k has a turn."""
    n = p.size
    a = p[:, None] * x
    for i in range(n - 1, -1, -1):
        for k in range(i - 1, -1, -1):
            for j in range(n - 1, i - 1, -1):
                a[k, j] += 0.1 * a[i, j]
                a[i, k] -= 0.1 * a[i, j] * p[j]
    return a


@pytest.mark.parametrize(
    ("fun", "found"),
    [
        (kicks, {Kind.FREE: 1}),
        (fallen, {Kind.FREE: 1}),
        (one_too_far, {Kind.FREE: 2}),
        (read_elsewhere, {}),
        (compensated, {}),
        (neighbours, {Kind.ORDERED: 1}),
    ],
)
def test_what_is_kept_in_a_register(fun: Callable[..., Any], found: dict[Kind, int]) -> None:
    rng = np.random.default_rng(3)
    p, x = rng.standard_normal(37), rng.standard_normal(37)
    assert sums(fun, p, x) == found
    for one, other in zip(
        wg.tree_leaves(wg.jit(fun)(p, x)), wg.tree_leaves(fun(p, x)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_products_by_scalars() -> None:
    rng = np.random.default_rng(4)
    a, x = rng.standard_normal((33, 33)), rng.standard_normal(33)
    assert sum(sums(product, a, x).values()) == 1
    np.testing.assert_allclose(wg.jit(product)(a, x), a @ x, rtol=1e-12)


def drawn(seed: int) -> Callable[[Any, Any], Any]:
    """Two arrays that a loop of two levels adds to at random places."""
    rng = np.random.default_rng(seed)

    def place() -> Any:
        return PLACES[rng.integers(len(PLACES))]

    bounds = RANGES[rng.integers(len(RANGES))]
    p1, p2, p3, p4, p5, p6 = (place() for _ in range(6))

    def f(a: Any, b: Any) -> Any:
        x, y = a.copy(), b.copy()
        n = x.size
        for i in range(n):
            first, stop = bounds(i, n)
            for j in range(first, stop):
                x[p1(i, j, n)] += 0.5 * y[p2(i, j, n)] - 0.1
                y[p3(i, j, n)] -= 0.3 * b[p4(i, j, n)] * a[j]
                x[p5(i, j, n)] += 0.2 * b[p6(i, j, n)]
        return x, y

    return f


@pytest.mark.parametrize("seed", fast_share(range(80), 4))
def test_random_sums_are_those_of_python(seed: int) -> None:
    fun = drawn(seed)
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal(SIZE), rng.standard_normal(SIZE)
    for one, other in zip(wg.jit(fun)(a, b), fun(a, b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
