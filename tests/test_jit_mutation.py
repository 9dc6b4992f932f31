"""Arguments that compiled functions change: written back on success, checked before."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputTypeError, MutationError, ReadOnlyError

X = np.arange(6.0)


BACKENDS = ["reference", "cpu"]


@pytest.fixture(params=BACKENDS, autouse=True)
def backend(request: Any) -> Any:
    """Each test runs on both back ends; the quick way of calling is only on one."""
    global chosen
    chosen = request.param


chosen = "cpu"


def compiled(f: Any, **options: Any) -> Any:
    return wg.jit(f, backend=chosen, **options)


def change(x: Any, y: Any) -> Any:
    x[1:] += y[:-1]
    y[0] = x.sum()
    return x, y.sum()


def test_changes_reach_the_caller() -> None:
    f = compiled(change)
    for _ in range(2):
        x, y = X.copy(), X[::-1].copy()
        a, b = x.copy(), y.copy()
        found, wanted = f(x, y), change(a, b)
        assert found[0] is x
        assert found[1] == wanted[1]
        np.testing.assert_array_equal(x, a)
        np.testing.assert_array_equal(y, b)


def test_strided_arrays() -> None:
    f = compiled(change)
    big, other = np.arange(12.0), np.arange(12.0).reshape(2, 6).astype(">f8")
    copy, copy_of_other = big.copy(), other.copy()
    f(big[::-2], other[1])
    change(copy[::-2], copy_of_other[1])
    np.testing.assert_array_equal(big, copy)
    np.testing.assert_array_equal(other, copy_of_other)


def test_one_array_twice() -> None:
    f = compiled(change)
    x, a = X.copy(), X.copy()
    found, wanted = f(x, x), change(a, a)
    np.testing.assert_array_equal(x, a)
    assert found[1] == wanted[1]
    y, b = X.copy(), X.copy()
    f(y[:], y[:])
    change(b, b)
    np.testing.assert_array_equal(y, b)
    f(X.copy(), X.copy())


def test_overlapping_arrays() -> None:
    x = np.arange(7.0)
    with pytest.raises(MutationError, match="same memory"):
        compiled(change)(x[1:], x[:-1])
    np.testing.assert_array_equal(x, np.arange(7.0))
    y = np.arange(12.0)
    compiled(change)(y[::2], y[1::2])
    with pytest.raises(MutationError, match="same memory"):
        compiled(lambda m, n: m.__setitem__(0, n[0]))(x[:4].reshape(2, 2), x[:4].reshape(2, 2).T)


def test_read_only_arrays() -> None:
    x, y = X.copy(), X.copy()
    y.flags.writeable = False
    with pytest.raises(ReadOnlyError, match=r"argument 'y'.*read-only"):
        compiled(change)(x, y)
    np.testing.assert_array_equal(x, X)
    compiled(lambda x: x + 1)(y)


def test_nothing_changes_on_errors() -> None:
    def f(x: Any, i: Any) -> Any:
        x[0] = 7
        return x[i]

    g = compiled(f)
    x = X.copy()
    with pytest.raises(IndexError, match="index 9"):
        g(x, np.int64(9))
    np.testing.assert_array_equal(x, X)
    assert g(x, np.int64(2)) == 2
    assert x[0] == 7


def test_containers_and_keywords() -> None:
    def f(state: Any, *, scale: Any) -> Any:
        state["a"][0] *= scale
        state["b"][1][:] = state["a"]
        return state

    state = {"a": X.copy(), "b": (1.0, np.zeros(6))}
    found = compiled(f)(state, scale=3.0)
    assert found["a"] is state["a"]
    assert found["b"][1] is state["b"][1]
    np.testing.assert_array_equal(state["b"][1], X)


def test_results_do_not_share_memory() -> None:
    def f(x: Any) -> Any:
        x[0] = 1
        return x[:2], x + 0

    x = X.copy()
    found = compiled(f)(x)
    x[:] = -1
    np.testing.assert_array_equal(found[0], [1, 1])


def test_jit_in_jit_and_in_transforms() -> None:
    inner = compiled(lambda x, s: x.__setitem__(slice(0, 2), s))

    def f(x: Any) -> Any:
        inner(x, 2.0 * x[3])
        return np.sum(x * x)

    x = X.copy()
    assert compiled(f)(x) == 36 * 2 + 4 + 9 + 16 + 25
    np.testing.assert_array_equal(x[:2], [6, 6])
    g = wg.grad(f)(X)
    np.testing.assert_allclose(g, [0, 0, 4, 6 + 4 * 12, 8, 10])
    np.testing.assert_array_equal(X, np.arange(6.0))


def test_closures_over_arrays_of_the_function_around() -> None:
    def f(x: Any) -> Any:
        @compiled
        def bump(v: Any) -> Any:
            x[0] += v
            return v * 2

        bump(x[1])
        bump(x[0])
        return x.sum()

    x, a = X.copy(), X.copy()
    a[0] += a[1]
    a[0] += a[0]
    assert compiled(f)(x) == a.sum()
    np.testing.assert_array_equal(x, a)


def test_transforms_refuse_to_change_outer_arrays() -> None:
    def f(x: Any) -> Any:
        def g(v: Any) -> Any:
            x[0] = v
            return v * v

        return wg.grad(g)(x[1])

    with pytest.raises(MutationError, match="transform"):
        compiled(f)(X.copy())


def test_derivatives() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[1:] *= y[:-1]
        row = y.reshape(2, 3)[1]
        row[::-1] += np.sin(row)
        x[2:4] = y[0:2] * x[4]
        return np.sum(y * x)

    def plain(x: Any) -> Any:
        return f(np.array(x))

    x = X + 0.5
    with_steps = [(plain(x + h) - plain(x - h)) / 2e-6 for h in 1e-6 * np.eye(6)]
    np.testing.assert_allclose(wg.grad(f)(x), with_steps, rtol=1e-7)
    np.testing.assert_allclose(wg.jacfwd(f)(x), with_steps, rtol=1e-7)
    np.testing.assert_array_equal(x, X + 0.5)
    batch = np.stack([x, x + 1])
    np.testing.assert_allclose(wg.vmap(f)(batch), [plain(x), plain(x + 1)])


def test_compiled_ahead_of_time() -> None:
    x, y = X.copy(), X.copy()
    f = compiled(change).lower(x, y).compile()
    f(x, y)
    a, b = X.copy(), X.copy()
    change(a, b)
    np.testing.assert_array_equal(x, a)
    np.testing.assert_array_equal(y, b)
    with pytest.raises(MutationError, match="twice"):
        f(x, x)


# constants


TABLE = np.arange(3.0)


def test_what_numpy_makes_of_constants_may_be_changed() -> None:
    def f(x: Any) -> Any:
        a, b, c = TABLE.copy(), np.sqrt(TABLE), np.flip(TABLE).copy()
        a[0] = b[1] = c[2] = x[3]
        return a, b, c

    for found, wanted in zip(compiled(f)(X), f(X), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(TABLE, np.arange(3.0))


def test_arrays_by_the_constructor() -> None:
    def f(x: Any) -> Any:
        a, b = np.ndarray(x.shape[0] + 1), np.ndarray((2, 3), dtype=np.float32)
        a[:-1], a[-1] = x, x[0]
        b[:] = x[:3]
        return a, b, np.ndarray((2,), np.float64, TABLE)

    for found, wanted in zip(compiled(f)(X), f(X), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.add(TABLE, 1, out=TABLE),
        lambda x: np.add(TABLE, 1, TABLE),
        lambda x: np.add.at(TABLE, 0, 1),
        lambda x: np.fill_diagonal(np.ones((2, 2)), 1) or np.copyto(TABLE, 1),
        lambda x: np.cumsum(TABLE, out=TABLE),
        lambda x: TABLE.fill(1),
        lambda x: TABLE.__setitem__(0, x[1]),
    ],
)
def test_constants_stay(f: Any) -> None:
    with pytest.raises(TypeError):
        compiled(lambda x: f(x))(X)
    np.testing.assert_array_equal(TABLE, np.arange(3.0))


def test_compiled_functions_do_not_change_constants_of_a_trace() -> None:
    inner = compiled(lambda t: t.fill(1))
    inner(TABLE.copy())
    inner(TABLE.copy())

    with pytest.raises(MutationError):
        compiled(lambda x: inner(TABLE))(X)
    np.testing.assert_array_equal(TABLE, np.arange(3.0))


def test_known_elements_in_loops_that_change_them() -> None:
    def f(x: Any) -> Any:
        t = np.zeros(3)

        def body(i: Any, s: Any) -> Any:
            t[0] = t[0] + x[i]
            return s + t[0]

        def turn(s: Any) -> Any:
            t[1] += x[1]
            return s + t[1]

        return wg.fori_loop(0, 4, body, 0.0), wg.while_loop(lambda s: s + t[1] < 9, turn, 0.0), t

    s, u, t = 0.0, 0.0, np.zeros(3)
    for i in range(4):
        t[0] += X[i]
        s += t[0]
    while u + t[1] < 9:
        t[1] += X[1]
        u += t[1]
    found = compiled(f)(X)
    assert found[:2] == (s, u)
    np.testing.assert_array_equal(found[2], t)


def test_arrays_that_may_be_an_argument_or_another() -> None:
    def swapped(x: Any, y: Any) -> Any:
        if x[0] > 0:
            x, y = y, x
        return x - 2 * y

    def changed(x: Any, y: Any) -> Any:
        if x[0] > 0:
            x, y = y, x
        x[0] = 1

    def copied(x: Any, y: Any) -> Any:
        z = x.copy()
        if x[0] > 0:
            z = z * 2
        z[0] = 7
        x, y = (y, x) if y[1] > 0 else (x, y)
        x = x.copy()
        x[1] = 3
        return x, z

    x, y = X + 1, -X
    np.testing.assert_array_equal(compiled(swapped)(x, y), swapped(x, y))
    for found, wanted in zip(compiled(copied)(x, y), copied(x, y), strict=True):
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(MutationError, match=r"'x' may be an argument.*x\.copy\(\)"):
        compiled(changed)(x, y)


def test_an_array_without_axes_is_changed_and_a_number_is_not() -> None:
    def grown(x: Any, table: Any, place: Any) -> Any:
        x += 1
        row = table[place]  # a copy where the place is an array, else a view
        row[...] = x
        return table * x

    f = compiled(grown)
    kinds = (np.array, np.float64, float)
    places = (np.array(1), np.int64(1))
    for kind, place in itertools.product(kinds, places):
        x, y, a, b = kind(2.0), kind(2.0), np.ones((2, 3)), np.ones((2, 3))
        for _ in range(2):
            np.testing.assert_array_equal(f(x, a, place), grown(y, b, place))
        np.testing.assert_array_equal(a, b)
        assert x == y
    whole = wg.jit(grown).lower(np.array(2.0), np.ones((2, 3)), np.int64(0)).compile()
    with pytest.raises(InputTypeError, match=r"argument 2 as int64\[\], not int64\[\] in an array"):
        whole(np.array(2.0), np.ones((2, 3)), np.array(1))
