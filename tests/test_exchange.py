"""Loops that walk across their arrays change places with those around them, where they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Loop, LoopProgram
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.statements import walk

N = 20
SIZE = 5
PLACES = (
    lambda i, j, k, n: (i, j),
    lambda i, j, k, n: (k, j),
    lambda i, j, k, n: (k, i),
    lambda i, j, k, n: (j, k),
    lambda i, j, k, n: (i, k),
    lambda i, j, k, n: (n - 1 - k, j),
    lambda i, j, k, n: (n - 1, j),
    lambda i, j, k, n: (k, 0),
)
RANGES = (
    lambda i, n: (0, i),
    lambda i, n: (i, n),
    lambda i, n: (i + 1, n),
    lambda i, n: (0, n),
)


def lowered(fun: Callable[..., Any], *args: Any) -> Lowered:
    return lower(default_pipeline(wg.make_ir(fun)(*args).program))


def strides_alone(loops: LoopProgram) -> list[int]:
    """The lengths of innermost loops."""
    found = [x for k in loops.steps for x in walk(k.body) if isinstance(x, Loop)]
    return [x.index.extent for x in found if not any(isinstance(y, Loop) for y in walk(x.body))]


def product(a: Any, b: Any) -> Any:
    c = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            c[i, j] = 0.5
            for k in range(b.shape[0]):
                c[i, j] += a[i, k] * b[k, j]
            c[i, j] *= 2.0
    return c


def waiting(a: Any, b: Any) -> Any:
    """A turn of the middle loop needs what the inner loop of the one before has left at the end."""
    c = b.copy()
    for i in range(a.shape[0]):
        for j in range(1, b.shape[1]):
            for k in range(b.shape[0] - 1):
                c[k, j] = 0.5 * c[k + 1, j - 1] + a[i, k]
    return c


def shortest(a: Any, b: Any) -> Any:
    """Down the columns; its transpose adds in branches, to what it has cleared in others."""
    d = a[:N] @ b
    for k in range(N):
        for j in range(N):
            for i in range(N):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return np.sum(d)


@pytest.mark.parametrize(
    ("fun", "length"), [(product, N + 7), (waiting, N - 1), (wg.grad(shortest), N)]
)
def test_the_inner_loop_goes_along_rows_if_it_may(fun: Callable[..., Any], length: int) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((N + 1, N)), rng.standard_normal((N, N + 7))
    assert strides_alone(lowered(fun, a, b).loops)[-1] == length
    np.testing.assert_allclose(wg.jit(fun)(a, b), fun(a, b), rtol=1e-12, atol=1e-12)


def idle_at_last(a: Any, b: Any) -> Any:
    """The loop beside what is written has no turn in the last turn of the loop around."""
    x, y, z = a.copy(), b[0].copy(), b.copy()
    for j in range(N):
        y[j] = 2.0 * y[j]
        for m in range(j + 1, N):
            z[j, m] *= 0.5
        for k in range(N):
            x[k, j] += y[N - 1] * b[k, j]
    return x, z


def test_what_a_loop_without_turns_stands_beside_is_not_bounded_by_it() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((N + 1, N)), rng.standard_normal((N, N + 7))
    for one, other in zip(wg.jit(idle_at_last)(a, b), idle_at_last(a, b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def drawn(seed: int) -> Callable[[Any, Any], Any]:
    """Loops three deep whose turns read and write single elements at random places."""
    rng = np.random.default_rng(seed)

    def place() -> Any:
        return PLACES[rng.integers(len(PLACES))]

    middle, inner = (RANGES[rng.integers(len(RANGES))] for _ in range(2))
    p1, p2, p3, p4, p5, p6, p7, p8 = (place() for _ in range(8))
    adds, down, before, after, chooses = rng.integers(2, size=5)

    def f(a: Any, b: Any) -> Any:
        x, y = a.copy(), b.copy()
        n = x.shape[0]
        for i in range(n):
            first, stop = middle(i, n)
            for step in range(first, stop):
                j = first + stop - 1 - step if down else step
                if before:
                    x[p1(i, j, j, n)] *= 0.5
                low, high = inner(i, n)
                for k in range(low, high):
                    x[p2(i, j, k, n)] += 0.1 * y[p3(i, j, k, n)] * b[k, j]
                    if chooses and b[k, j] > 0.0:
                        y[p4(i, j, k, n)] += 0.1 * b[j, k]
                        x[p1(i, j, k, n)] += 0.2 * b[k, j]
                    elif adds:
                        y[p4(i, j, k, n)] += 0.1 * x[p5(i, j, k, n)]
                    else:
                        y[p4(i, j, k, n)] = 0.3 * x[p5(i, j, k, n)] - 0.1 * b[k, j]
                if after:
                    y[p6(i, j, j, n)] = 0.4 * x[p7(i, j, i, n)] + y[p8(i, j, j, n)]
        return x, y

    return f


@pytest.mark.parametrize("seed", fast_share(range(120), 4))
def test_random_nests_give_what_they_give_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wengert.kernels.turns.exchange.SHORT", 2)
    fun, rng = drawn(seed), np.random.default_rng(seed)
    a, b = rng.standard_normal((SIZE, SIZE)), rng.standard_normal((SIZE, SIZE))
    made = lowered(fun, a, b)
    found = interpret(made.loops, [a, b], made.constants)
    for one, other in zip(found, fun(a, b), strict=True):
        np.testing.assert_allclose(one, np.ravel(other), rtol=1e-12, atol=1e-12)
