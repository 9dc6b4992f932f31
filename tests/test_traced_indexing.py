"""Traced integers as indices and bounds of slices; lengths that are affine in loop indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_oracle import run, same

import wengert as wg
from wengert.errors import OutOfBoundsError, TracerConversionError
from wengert.ir.types import Dim
from wengert.tracer.functions.creation import CREATION

N = 6
R = np.random.default_rng(3)
X, Y = R.standard_normal(N), R.standard_normal(N)
A = R.standard_normal((N, N))


class Module:
    """NumPy as rewritten code sees it."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return CREATION.get(found, found)


xp = Module()


def in_a_loop(f: Callable[..., Any], *args: Any, compiled: bool) -> Any:
    """f(*args, i) for i = 1, ..., N - 2, added up; in NumPy, or as a loop of the program."""
    if not compiled:
        total = 0.0
        for i in range(1, N - 1):
            total = total + f(*args, i)
        return total
    return wg.fori_loop(1, N - 1, lambda i, total: total + f(*args, i), 0.0)


LENGTHS: list[Callable[..., Any]] = [
    lambda x, y, a, i: x[:i].sum(), lambda x, y, a, i: np.sum(x[i:] ** 2), lambda x, y, a, i: x[:i] @ y[:i],
    lambda x, y, a, i: np.dot(a[i, :i], a[i - 1, :i]), lambda x, y, a, i: (a[:i, :i] @ x[:i]).sum(),
    lambda x, y, a, i: (a[i:, i] * x[i:]).max(), lambda x, y, a, i: np.mean(x[:i]), lambda x, y, a, i: x[: i + 1].mean(),
    lambda x, y, a, i: np.var(x[: i + 1]), lambda x, y, a, i: x[i:].std(), lambda x, y, a, i: np.max(x[i:]) - np.min(x[:i]),
    lambda x, y, a, i: x[i - 1 : i + 2].sum(), lambda x, y, a, i: np.sum(a[i - 1 : i + 2, i - 1 : i + 2] * a[:3, :3]),
    lambda x, y, a, i: x[i : N - i + 1].sum() if False else x[: N - i].sum(), lambda x, y, a, i: x[-i:].sum(),
    lambda x, y, a, i: x[:-i].sum(), lambda x, y, a, i: np.sum(x[:i][::-1] * y[:i]), lambda x, y, a, i: x[i::-1].sum(),
    lambda x, y, a, i: np.sum(x[i:, None] * y[None, :i]), lambda x, y, a, i: np.sum(np.outer(x[:i], y[i:])),
    lambda x, y, a, i: np.einsum("ij,j->", a[:, :i], x[:i]), lambda x, y, a, i: np.sum(a[:i].T @ x[:i]),
    lambda x, y, a, i: np.sum(x[:i] * xp.arange(i)), lambda x, y, a, i: np.sum(xp.arange(i, N) * x[i:]),
    lambda x, y, a, i: np.sum(xp.ones(i) * x[:i]), lambda x, y, a, i: np.sum(xp.zeros((i, 2)) + x[:i, None]),
    lambda x, y, a, i: np.sum(np.where(x[:i] > 0, x[:i], y[:i])), lambda x, y, a, i: np.sum(np.exp(a[:, i:]), axis=0).max(),
    lambda x, y, a, i: np.sum(np.maximum(x[:i], 0.1)), lambda x, y, a, i: np.linalg.norm(x[i:]),
    lambda x, y, a, i: np.trace(a[:i, :i]) if False else a[i, i], lambda x, y, a, i: np.any(x[:i] > 1) + 0.0,
    lambda x, y, a, i: np.prod(x[:i]), lambda x, y, a, i: np.sum(np.cumsum(x[:i])), lambda x, y, a, i: a[i:, :i].sum(axis=1).max(),
    lambda x, y, a, i: np.sum(x[:i].reshape(-1, 1) * y[:i].reshape(-1, 1)), lambda x, y, a, i: np.sum(a[i:].reshape(-1)),
    lambda x, y, a, i: np.sum(a[1:, :i] - a[:-1, :i]), lambda x, y, a, i: np.sum(np.squeeze(a[i : i + 1, :i])),
    lambda x, y, a, i: x[:i].sum() / x[:i].shape[0], lambda x, y, a, i: x[i] * x[:i].shape[0] ** 2,
    lambda x, y, a, i: x[i:].size * 1.0, lambda x, y, a, i: np.size(x[:i]) // 2 + 0.0, lambda x, y, a, i: a[x[:i].shape[0], 0],
    lambda x, y, a, i: np.sum(np.full(2, 1.0)) * x[x[:i].shape[0] - 1], lambda x, y, a, i: np.argmax(x[:i]) + 0.0,
    lambda x, y, a, i: np.sum(np.transpose(a[:i, i:])), lambda x, y, a, i: np.count_nonzero(x[:i] > 0) + 0.0,
    lambda x, y, a, i: np.sum(x[1:i] - x[: i - 1]), lambda x, y, a, i: np.sum(np.copy(x[:i])), lambda x, y, a, i: np.vdot(x[i:], y[i:]),
    lambda x, y, a, i: np.inner(x[:i], y[:i]), lambda x, y, a, i: np.sum(xp.zeros_like(x[:i]) + 2), lambda x, y, a, i: np.average(x[:i]),
    lambda x, y, a, i: np.sum(np.clip(x[i:], 0, 1)), lambda x, y, a, i: np.tensordot(a[:, :i], x[:i], axes=1).sum(),
    lambda x, y, a, i: np.linalg.norm(a[:i, :i]), lambda x, y, a, i: np.sum(np.abs(x[:i]) ** 3) ** (1 / 3), lambda x, y, a, i: np.ptp(x[:i]),
    lambda x, y, a, i: np.sum(np.stack([x[:i], y[:i]])), lambda x, y, a, i: np.sum(np.broadcast_to(x[i], (3,))),
    lambda x, y, a, i: np.sum(np.multiply(a[:i, None, :i], a[None, :i, :i]), axis=(1, 2)).max(),
    lambda x, y, a, i: np.sum(np.flip(x[:i]) * xp.linspace(0, 1, N)[:i]), lambda x, y, a, i: np.sum(np.square(a[i, i:])),
    lambda x, y, a, i: len(x) * x[N - 1 - i], lambda x, y, a, i: x[(i + 1) % N] - x[(i - 1) % N], lambda x, y, a, i: x[-i],
    lambda x, y, a, i: a[i][i - 1], lambda x, y, a, i: a[i][:i].sum(), lambda x, y, a, i: a.T[i][:i].sum(), lambda x, y, a, i: a[:, i][i],
    lambda x, y, a, i: a[i, [0, 2]].sum(), lambda x, y, a, i: a[[0, 1], i].sum(), lambda x, y, a, i: a[i, ::2].sum(), lambda x, y, a, i: a[..., i].sum(),
    lambda x, y, a, i: a[None, i].sum(), lambda x, y, a, i: x[i // 2], lambda x, y, a, i: x[min(i, 3) if isinstance(i, int) else np.minimum(i, 3)],
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LENGTHS)))
def test_reads(number: int) -> None:
    f = LENGTHS[number]
    wanted = in_a_loop(f, X, Y, A, compiled=False)
    found = run(lambda x, y, a: in_a_loop(f, x, y, a, compiled=True), X, Y, A)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    native = wg.jit(lambda x, y, a: in_a_loop(f, x, y, a, compiled=True))(X, Y, A)
    np.testing.assert_allclose(native, wanted, rtol=1e-12)


def swap(a: Any, i: Any, j: Any) -> None:
    held = a[i].copy()
    a[i] = a[j]
    a[j] = held


WRITES: list[Callable[..., None]] = [
    lambda x, a, i: x.__setitem__(i, 1.0), lambda x, a, i: x.__setitem__(slice(None, i), 2.0),
    lambda x, a, i: x.__setitem__(slice(i, None), x[i:] * 0.5), lambda x, a, i: x.__setitem__(slice(1, i), x[: i - 1]),
    lambda x, a, i: a.__setitem__((i, slice(None, i)), a[slice(None, i), i]), lambda x, a, i: a.__setitem__(i, x),
    lambda x, a, i: a.__setitem__((slice(None), i), 0), lambda x, a, i: a[i:, i:].__isub__(np.outer(a[i:, i], a[i, i:])),
    lambda x, a, i: a[i].fill(3), lambda x, a, i: a[i, 1:].__imul__(2.0), lambda x, a, i: swap(a, i, i - 1),
    lambda x, a, i: a.T[i].__setitem__(slice(None, i), 7.0), lambda x, a, i: a[i].__setitem__(i, a[i - 1][i]),
    lambda x, a, i: x.__setitem__(i, x[i - 1] * 0.5 + x[i + 1]), lambda x, a, i: a[:i, :i].__setitem__((0, slice(None)), x[:i]),
    lambda x, a, i: a.reshape(-1).__setitem__(i, 5.0), lambda x, a, i: np.copyto(a[i], x), lambda x, a, i: np.add(a[i], 1, out=a[i - 1]),
    lambda x, a, i: a.__setitem__((i, a[i] > 0), -1.0), lambda x, a, i: a.__setitem__((slice(i - 1, i + 2), 0), x[:3]),
    lambda x, a, i: np.add.at(x, i, 1.0), lambda x, a, i: x.__setitem__(slice(i, None, -1), x[: i + 1]),
    lambda x, a, i: a.__setitem__(([0, 1], i), [1.0, 2.0]), lambda x, a, i: x[::-1].__setitem__(i, 9.0),
]  # fmt: skip


def all_of(f: Callable[..., Any], x: Any, a: Any, compiled: bool) -> Any:
    def step(i: Any, s: Any) -> Any:
        f(x, a, i)
        x[i] += 0.25
        return s

    if compiled:
        wg.fori_loop(1, N - 1, step, 0)
    else:
        for i in range(1, N - 1):
            step(i, 0)
    return x, a


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_writes(number: int) -> None:
    f = WRITES[number]
    wanted = all_of(f, X.copy(), A.copy(), compiled=False)
    same(run(lambda x, a: all_of(f, x, a, compiled=True), X, A), wanted)
    x, a = X.copy(), A.copy()
    wg.jit(lambda x, a: all_of(f, x, a, compiled=True))(x, a)
    np.testing.assert_allclose(x, wanted[0], rtol=1e-13)
    np.testing.assert_allclose(a, wanted[1], rtol=1e-13)


# indices that depend on data


def test_positions_that_depend_on_data() -> None:
    def f(x: Any, a: Any, i: Any, j: Any) -> Any:
        a[i, j] = x[j]
        row = a[i]
        row[j] += a[j, i]
        a[i] *= 2
        return a[i, j], row[0], a[..., j], x[i : i + 2]

    def plain(x: Any, a: Any, i: Any, j: Any) -> Any:
        b = a.copy()
        return f(x, b, i, j), b

    for i, j in ((1, 2), (0, 0), (3, -1), (-2, 4)):
        i, j = np.int64(i), np.int64(j)
        if i < 0:
            with pytest.raises(OutOfBoundsError, match="test_traced_indexing.py"):
                run(f, X, A, i, j)
            continue
        same(run(lambda x, a, i, j: (f(x, a, i, j), a), X, A, i, j), plain(X, A, i, j))
    with pytest.raises(OutOfBoundsError, match="index 6 is out of bounds for axis 0 with size 6"):
        run(f, X, A, np.int64(6), np.int64(0))
    with pytest.raises(OutOfBoundsError, match="index -7 is out of bounds for axis 0"):
        run(f, X, A, np.int64(0), np.int64(-7))


def checks(f: Callable[..., Any], *args: Any) -> int:
    """How many indices are checked at run time."""
    text = str(wg.make_ir(f)(*args))
    return text.count("= check_index[")


def test_no_checks_where_intervals_prove_the_range() -> None:
    def stencil(x: Any) -> Any:
        y = xp.zeros(N)

        def step(i: Any, s: Any) -> Any:
            y[i] = x[i - 1] + x[i + 1] + x[(i + 3) % N] + x[-i] + x[np.maximum(i - 3, 0)]
            return s

        wg.fori_loop(1, N - 1, step, 0)
        return y

    assert checks(stencil, X) == 0

    def outside(x: Any) -> Any:
        return wg.fori_loop(0, N, lambda i, s: s + x[i + 1], 0.0)

    assert checks(outside, X) == 1
    with pytest.raises(OutOfBoundsError, match="index 6"):
        run(outside, X)
    assert checks(lambda x, i: x[i] + x[i] * x[i], X, np.int64(1)) == 1


def remainders(data: Any, table: Any) -> Any:
    """A cyclic redundancy check, byte by byte."""
    code = np.uint32(0xFFFFFFFF)
    for k in range(data.size):
        code = (code >> np.uint32(8)) ^ table[(code ^ data[k]) & np.uint32(0xFF)]
    return code


def bytes_counted(data: Any, table: Any) -> Any:
    counts = np.zeros(256, np.int64)
    for k in range(data.size):
        counts[data[k]] += 1
        counts[(k | 7) & ~8] += 2
        counts[(np.int64(data[k]) - 100) >> 5] += 3
    return counts


def multiples(data: Any, table: Any) -> Any:
    found = np.zeros(40, np.int64)
    for i in range(2, 7):
        for j in range(i * i, 40, i):
            found[j] += i
    return found


def wrapped_around(data: Any, table: Any) -> Any:
    """An even number n times the greatest one is -n, though no product of such numbers is."""
    found = table[0]
    for k in range(data.size):
        found = found ^ table[np.minimum(np.int64(data[k]) * (2**63 - 1), 9)]
    return found


@pytest.mark.parametrize(
    ("f", "unproved"),
    [(remainders, 0), (bytes_counted, 1), (multiples, 0), (wrapped_around, 1)],
)
def test_no_checks_where_bits_dtypes_and_ranges_say_enough(f: Any, unproved: int) -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(0, 256, 40).astype(np.uint8)
    table = rng.integers(0, 2**32, 256).astype(np.uint32)
    assert checks(f, data, table) == unproved
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(wg.jit(f)(data, table), f(data, table))


def test_inner_limits_depend_on_outer_indices() -> None:
    def f(x: Any) -> Any:
        def outer(i: Any, s: Any) -> Any:
            def inner(j: Any, s: Any) -> Any:
                assert isinstance(x[j:i].type.shape[0], Dim)
                return s + x[j:i].sum() * x[i - j - 1]

            return wg.fori_loop(0, i, inner, s)

        return wg.fori_loop(0, N, outer, 0.0)

    wanted = sum(X[j:i].sum() * X[i - j - 1] for i in range(N) for j in range(i))
    np.testing.assert_allclose(run(f, X), wanted)
    assert checks(f, X) == 0


def test_comparisons_that_intervals_decide() -> None:
    def f(x: Any) -> Any:
        def body(i: Any, s: Any) -> Any:
            assert i > 0
            assert i < N - 1
            assert i != N
            assert x[:i].shape == x[1 : i + 1].shape
            assert x[:i].shape != x[: i - 1].shape
            assert isinstance(i == 2, np.bool_) is isinstance(i, int)
            return s + x[i]

        return wg.fori_loop(1, N - 1, body, 0.0)

    np.testing.assert_allclose(wg.jit(f)(X), X[1:-1].sum())


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[:i], lambda x, i: x[i:], lambda x, i: x[i : 2 * i], lambda x, i: x[::i],
        lambda x, i: xp.arange(i), lambda x, i: x[i:0:-1],
    ],
)  # fmt: skip
def test_lengths_that_depend_on_data_are_refused(f: Any) -> None:
    with pytest.raises(TracerConversionError, match="test_traced_indexing.py"):
        run(f, X, np.int64(2))
    with pytest.raises(TracerConversionError, match="np.where|np.arange"):
        run(f, X, np.int64(2))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[: i + 3].sum(), lambda x, i: x[i - 3 :].sum(), lambda x, i: x[2:i].sum(),
        lambda x, i: x[i : i - 2].sum(), lambda x, i: x[i - 1 : i + N + 3].sum(),
        lambda x, i: x[i:i].sum(), lambda x, i: x[i + 2 : i : -1].sum(),
    ],
)  # fmt: skip
def test_lengths_that_may_not_fit_are_what_there_is(f: Any) -> None:
    native = wg.jit(lambda x: in_a_loop(f, x, compiled=True))(X)
    np.testing.assert_allclose(native, in_a_loop(f, X, compiled=False), rtol=1e-12)


def test_empty_windows_at_positions_that_depend_on_data() -> None:
    def f(x: Any, a: Any, k: Any) -> Any:
        x[k:k] = 1.0
        return x[k:k], a[k:k, 1:], x[k:k].sum(), x[k : k - 2].sum(), x[k - 3 : k + 9].sum()

    for k in (-9, -2, 0, 4, 40):
        found = wg.jit(f)(X.copy(), A, np.int64(k))
        for mine, wanted in zip(found, f(X.copy(), A, k), strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=1e-12, strict=True)


def test_different_lengths_do_not_broadcast() -> None:
    for f in (
        lambda x, i: x[:i] + x[i:],
        lambda x, i: x[:i] @ x[1 : i + 2],
        lambda x, i: x[:i] * x,
    ):
        with pytest.raises(ValueError, match="shape|lengths|sizes"):
            run(lambda x, f=f: in_a_loop(lambda x, i: f(x, i).sum(), x, compiled=True), X)


def test_derivatives() -> None:
    def f(x: Any, a: Any) -> Any:
        y = x * 1.0

        def step(i: Any, s: Any) -> Any:
            y[i] = np.sin(y[:i] @ a[i, :i]) + y[i]
            y[:i] *= 0.9
            return s + np.mean(y[i:])

        return wg.fori_loop(1, N, step, 0.0) + y.sum()

    def plain(x: Any) -> Any:
        y, s = np.array(x), 0.0
        for i in range(1, N):
            y[i] = np.sin(y[:i] @ A[i, :i]) + y[i]
            y[:i] *= 0.9
            s += np.mean(y[i:])
        return s + y.sum()

    slopes = [(plain(X + h) - plain(X - h)) / 2e-6 for h in 1e-6 * np.eye(N)]
    np.testing.assert_allclose(wg.grad(f, (0, 1))(X, A)[0], slopes, rtol=1e-6)
    np.testing.assert_allclose(wg.jit(wg.grad(f))(X, A), slopes, rtol=1e-6)
    np.testing.assert_allclose(wg.jacfwd(f, (0, 1))(X, A)[0], slopes, rtol=1e-6)
