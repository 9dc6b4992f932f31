"""Loops over rows that meet in a pivot alone, on the threads: as in order, and the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu import threads
from wengert.kernels.scheduling import pivots

Array = np.ndarray[Any, Any]


def shortest(d: Array) -> Array:
    """Row k changes itself where a way from k to k is negative."""
    d = d.copy()
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                over = d[i, k] + d[k, j]
                if over < d[i, j]:
                    d[i, j] = over
    return d


def mixed(a: Array) -> Array:
    """Turn k always changes row k, which turns before it read as it was, and others as it is."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(n):
            f = a[i, k]
            for j in range(n):
                a[i, j] = 0.5 * a[i, j] + 0.25 * f * a[k, j]
    return a


def mirrored(a: Array) -> Array:
    """The pivot comes from the other end, and rows go the other way."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(n - 1, -1, -1):
            for j in range(n):
                a[i, j] = 0.75 * a[i, j] - 0.125 * a[n - 1 - k, j] * a[i, 1]
    return a


def eliminated(a: Array) -> Array:
    """The rows under the pivot alone."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n - 1):
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= f * a[k, j]
    return a


def gauss_jordan(a: Array) -> Array:
    """All rows but the pivot, which is scaled before."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        p = a[k, k]
        for j in range(n):
            a[k, j] = a[k, j] / p
        for i in range(n):
            if i != k:
                f = a[i, k]
                for j in range(n):
                    a[i, j] -= f * a[k, j]
    return a


def gathered(a: Array) -> Array:
    """What turns add to the pivot, turn k reads in between."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                t = 0.25 * a[i, j]
                a[i, j] = 0.5 * a[i, j]
                a[k, j] += t
    return a


def beyond(a: Array) -> Array:
    """The pivot may be none of the turns' rows."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(3, n - 3):
            for j in range(n):
                a[i, j] = 0.5 * a[i, j] + 0.25 * a[k, j]
    return a


def vanishing(a: Array) -> Array:
    """The last loops over rows have no turns, and would begin at the pivot."""
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k, n - 5):
            for j in range(n):
                a[i, j] = 0.5 * a[i, j] + 0.25 * a[k, j]
    return a


def overwriting(a: Array) -> Array:
    """No rows of k: turns of the outer loop write the same elements, and the last one wins."""
    c = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k):
            for j in range(k + 1, n):
                c[i, j] = 0.5 * a[n - 1 - k, 0] + 0.25 * a[i, j]
    return c


PROGRAMS = [
    *(shortest, mixed, mirrored, eliminated, gauss_jordan),
    *(gathered, beyond, vanishing, overwriting),
]
IN_PIVOTS = {shortest, mixed, mirrored, gauss_jordan, gathered, beyond, vanishing}


@pytest.fixture(autouse=True)
def small_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small arrays go on the threads, too; nothing comes from the disk."""
    monkeypatch.setattr(pivots, "INNER_WORK", 1)
    monkeypatch.setattr(pivots, "INNER_CHUNK", 500)
    monkeypatch.setattr(pivots, "PART_SHARE", 0.1)
    monkeypatch.setenv("WENGERT_CACHE", "off")
    before = threads.start()
    yield
    threads.set_threads(before)


def matrix(n: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.1, 1.0, (n, n)) + 2.0 * np.eye(n) * (seed % 2)


def runs_chunks(text: str) -> bool:
    """Whether a loop in order has one for the threads in it."""
    return any("parallel for" in part for part in text.split("ordered for")[1:])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [17, 24])
def test_values_are_those_in_order(program: Callable[[Array], Array], n: int) -> None:
    a = matrix(n, n)
    f = wg.jit(program)
    wanted = program(a)
    for count in (2, 1):
        threads.set_threads(count)
        got = f(a)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * abs(wanted).max())
    text = f.lower(a).kernels
    if program in IN_PIVOTS:
        assert runs_chunks(text)
    assert program is not overwriting or "parallel for" not in text


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients_are_those_in_order(
    program: Callable[[Array], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, w = matrix(19, 1), matrix(19, 2)

    def loss(a: Array) -> Any:
        return np.sum(w * program(a))

    got = wg.jit(wg.grad(loss))
    first = got(a)
    threads.set_threads(1)
    assert np.array_equal(got(a), first)

    monkeypatch.setattr(pivots, "INNER_WORK", 10**12)
    in_order = wg.jit(wg.grad(lambda a: loss(a)))(a)
    np.testing.assert_allclose(first, in_order, rtol=1e-9, atol=1e-10 * abs(in_order).max())
    step = matrix(19, 4)
    h = 1e-6
    by_differences = (loss(a + h * step) - loss(a - h * step)) / (2 * h)
    np.testing.assert_allclose(np.sum(first * step), by_differences, rtol=1e-4)
