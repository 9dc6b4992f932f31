"""What the reverse sweep of a loop keeps: memory, and gradients of loops that keep little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from benchmarks.loops.factors import cholesky_square, lu_square
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.lower import lower

SIZE = 5
Place = Callable[[Any, Any, int], Any]
# Lengths that depend on the loops too: all of them are from 0 to n.
PLACES: tuple[Place, ...] = (
    lambda i, j, n: i,
    lambda i, j, n: j,
    lambda i, j, n: n - 1 - i,
    lambda i, j, n: n - 1 - j,
    lambda i, j, n: 1,
)
RANGES: tuple[Callable[[Any, int], tuple[Any, Any]], ...] = (
    lambda i, n: (0, i),
    lambda i, n: (i, n),
    lambda i, n: (i + 1, n),
    lambda i, n: (0, n - i),
    lambda i, n: (n - i, n),
    lambda i, n: (0, n),
)


def memory(fun: Callable[..., Any], *args: Any) -> int:
    """The bytes of temporaries of a compiled function."""
    program = wg.make_ir(fun)(*args).program
    return lower(default_pipeline(program)).loops.arena


@pytest.mark.parametrize("square", [cholesky_square, lu_square])
def test_factors_keep_a_few_matrices(square: Callable[..., Any]) -> None:
    n = 60
    a = np.full((n, n), 0.1) + n * np.eye(n)
    assert memory(wg.grad(square), a, np.ones((n, n))) <= 4 * 8 * n * n


def by_rows(a: Any) -> Any:
    """LU in place, row by row: two loops in a row write a row, and read columns above it."""
    a = a.copy()
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            w = a[i, j]
            for k in range(j):
                w -= a[i, k] * a[k, j]
            a[i, j] = w / a[j, j]
        for j in range(i, n):
            w = a[i, j]
            for k in range(i):
                w -= a[i, k] * a[k, j]
            a[i, j] = w
    return np.sum(np.cos(a))


def by_pivots(a: Any) -> Any:
    """LU in place, pivot by pivot: what is read of a column is final, what is changed is not."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
        for i in range(k + 1, n):
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return np.sum(np.cos(a))


def backwards(a: Any) -> Any:
    """A triangular system whose unknowns are found from the last to the first."""
    n = a.shape[0]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = 1.0
        for j in range(i + 1, n):
            x[i] -= a[i, j] * x[j]
        x[i] /= a[i, i]
    return np.sum(x * x)


def used_up(a: Any) -> Any:
    """A triangular product in place: what is read of a column has not been changed yet."""
    b = a.copy()
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            for k in range(i + 1, n):
                b[i, j] += a[k, i] * b[k, j]
            b[i, j] *= 1.5
    return np.sum(np.cos(b / n))


def in_branches(a: Any) -> Any:
    """What branches and a while loop read is final, what one branch writes is followed."""
    b = np.zeros_like(a)
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            if a[i, j] > 0.2:
                b[i, j] = a[i, j]
            for k in range(i):
                if a[i, k] < n:
                    b[i, j] += 0.01 * a[j, k] * b[k, j]
    return np.sum(np.cos(b))


@pytest.mark.parametrize("fun", [by_rows, by_pivots, backwards, used_up, in_branches])
def test_single_elements_that_are_final_are_not_on_tape(fun: Callable[..., Any]) -> None:
    n = 40
    a = np.full((n, n), 0.1) + n * np.eye(n)
    assert memory(wg.grad(fun), a) <= 3 * 8 * n * n
    wg.testing.check_grads(fun, (a[:4, :4] + np.arange(16.0).reshape(4, 4),), order=1)


def test_elements_that_change_later_are_on_tape_beside_those_that_are_final() -> None:
    """Rows of q are final when they are read, those of a change at every turn of the outer loop."""

    def orthogonal(a: Any) -> Any:
        a = a.copy()
        n = a.shape[0]
        q = np.zeros((n, n))
        for k in range(n):
            norm = np.sqrt(np.sum(a[k] * a[k]))
            for i in range(n):
                q[k, i] = a[k, i] / norm
            for j in range(k + 1, n):
                r = 0.0
                for i in range(n):
                    r += q[k, i] * a[j, i]
                for i in range(n):
                    a[j, i] -= q[k, i] * r
        return np.sum(np.cos(q))

    n = 20
    a = np.random.default_rng(0).random((n, n)) + n * np.eye(n)
    assert memory(wg.grad(orthogonal), a) <= 8 * n**3 + 6 * 8 * n * n
    wg.testing.check_grads(orthogonal, (a[:4, :4],), order=1)


def pairs(p: Any, mass: Any) -> Any:
    """A loop over pairs at every step, on differences of what the step begins with."""
    p = p.copy()
    n = mass.size
    v = np.zeros(n)
    for _ in range(20):
        half = 0.5 * p
        for i in range(n):
            for j in range(i):
                d = half[i] - half[j]
                v[i] -= mass[j] * d / (1.0 + d * d)
                v[j] += mass[i] * d / (1.0 + d * d)
        p += 0.01 * v
    return np.sum(p * p)


@pytest.mark.slow
def test_pairs_keep_what_they_are_made_of() -> None:
    """The positions of each step are stored, and no difference of two of them."""
    n = 30
    p, mass = np.linspace(-1.0, 1.0, n), np.ones(n)
    assert memory(wg.grad(pairs, (0, 1)), p, mass) <= (20 + 12) * n * 8
    wg.testing.check_grads(pairs, (p[::8], mass[::8]), order=2)


def drawn(seed: int) -> Callable[[Any], Any]:
    """A loop with two loops inside that write elements and read elements, rows and columns.

    They read so much that one copy of the array is less than a tape.
    """
    rng = np.random.default_rng(seed)

    def place() -> Place:
        return PLACES[rng.integers(len(PLACES))]

    one, two = [RANGES[rng.integers(len(RANGES))] for _ in range(2)]
    r1, c1, r2, c2, r3, k3, r4, c4, k5, c5, r6, k6 = [place() for _ in range(12)]
    down = bool(rng.integers(2))

    def f(a: Any) -> Any:
        x = a.copy()
        n = x.shape[0]
        for step in range(n):
            i = n - 1 - step if down else step
            first, stop = one(i, n)
            for j in range(first, stop):
                row, column = x[r3(i, j, n), : k3(i, j, n)], x[k5(i, j, n) :, c5(i, j, n)]
                sums = np.sum(row * row) * np.sum(column * column)
                x[r1(i, j, n), c1(i, j, n)] = 0.8 * x[r2(i, j, n), c2(i, j, n)] - 0.1 * sums
            first, stop = two(i, n)
            for j in range(first, stop):
                row, column = x[r6(i, j, n), k6(i, j, n) :], x[:i, r4(i, j, n)]
                x[r4(i, j, n), c4(i, j, n)] -= 0.2 * np.sum(row * row) * np.sum(column * x[j, :i])
        return np.sum(np.cos(x))

    return f


def drawn_elements(seed: int) -> Callable[[Any], Any]:
    """Loops three deep that read and write single elements, two of them in a row."""
    rng = np.random.default_rng(seed)

    def place() -> Place:
        return PLACES[rng.integers(len(PLACES))]

    middle = [RANGES[rng.integers(len(RANGES))] for _ in range(2)]
    inner = [RANGES[rng.integers(len(RANGES))] for _ in range(2)]
    r1, c1, r2, c2, r3, c3, r4, c4 = [place() for _ in range(8)]
    down, nested = rng.integers(2, size=2)

    def f(a: Any) -> Any:
        x, z = a.copy(), a.copy()
        n = x.shape[0]
        for step in range(n):
            i = n - 1 - step if down else step
            first, stop = middle[0](i, n)
            for j in range(first, stop):
                w = x[r1(i, j, n), c1(i, j, n)]
                low, high = inner[0](j if nested else i, n)
                for k in range(low, high):
                    w -= 0.1 * x[r2(i, j, n), k] * z[k, c2(i, j, n)] * x[k, j]
                x[r1(i, j, n), c1(i, j, n)] = w / (1.0 + x[j, j] * z[i, j])
            first, stop = middle[1](i, n)
            for j in range(first, stop):
                low, high = inner[1](j if nested else i, n)
                for k in range(low, high):
                    z[r3(i, j, n), c3(i, k, n)] -= 0.1 * x[r4(i, k, n), k] * z[k, c4(i, j, n)]
        return np.sum(np.cos(x)) + np.sum(z * z)

    return f


@pytest.mark.slow
@pytest.mark.parametrize("draw", [drawn, drawn_elements])
@pytest.mark.parametrize("seed", fast_share(range(60), 6))
def test_random_triangles_have_the_gradient_of_the_complex_step(
    seed: int, draw: Callable[[int], Callable[[Any], Any]]
) -> None:
    fun = draw(seed)
    a = np.random.default_rng(seed + 1000).uniform(0.4, 1.1, (SIZE, SIZE))
    expected = np.empty_like(a)
    for at in np.ndindex(a.shape):
        moved = a.astype(complex)
        moved[at] += 1e-30j
        expected[at] = fun(moved).imag / 1e-30
    np.testing.assert_allclose(wg.grad(fun)(a), expected, rtol=1e-9, atol=1e-11)
    if seed % 6 == 0:
        np.testing.assert_allclose(wg.jit(wg.grad(fun))(a), expected, rtol=1e-9, atol=1e-11)


def test_the_cotangent_of_scattered_sums_is_changed_in_place() -> None:
    """One that each turn copied, or marked the last writers in, took arrays of its size more."""

    def assembled(v: Any, places: Any) -> Any:
        a = np.zeros((60, 60))
        for t in places:
            a[np.ix_(t, t)] += np.outer(v[t], v[t])
        return np.sum(a * a)

    rng = np.random.default_rng(0)
    v, places = rng.random(60), rng.integers(0, 60, (20, 3))
    places[0] = [5, 5, 7]
    slope = wg.jit(wg.grad(assembled))
    assert memory(wg.grad(assembled), v, places) < 2 * 60 * 60 * 8
    shift = rng.random(60)
    expected = (assembled(v + 1e-6 * shift, places) - assembled(v - 1e-6 * shift, places)) / 2e-6
    np.testing.assert_allclose(slope(v, places) @ shift, expected, rtol=1e-6)
