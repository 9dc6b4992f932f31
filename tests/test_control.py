"""Structured control flow: scan, while_loop, fori_loop, cond, switch and map against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.arange(12.0).reshape(4, 3)


def reference_scan(f: Any, init: Any, xs: Any, reverse: bool = False) -> Any:
    ys, carry = [], init
    for x in reversed(xs) if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


def jit(f: Any) -> Any:
    return wg.jit(f, backend="reference")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 2, 3, True])
def test_scan(reverse: bool, unroll: Any) -> None:
    def step(carry: Any, x: Any) -> Any:
        return 0.5 * carry + np.sin(x), carry * x

    expected = reference_scan(step, np.ones(3), X, reverse)
    for run in (lambda f: f, jit):
        found = run(lambda xs: wg.scan(step, np.ones(3), xs, reverse=reverse, unroll=unroll))(X)
        np.testing.assert_allclose(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1])


def test_scan_takes_pytrees_and_no_xs() -> None:
    def step(s: Any, x: Any) -> Any:
        return {"n": s["n"] + 1, "v": s["v"] + x[0] * x[1]}, (s["v"], s["n"])

    last, (vs, ns) = jit(lambda xs: wg.scan(step, {"n": 0, "v": 0.0}, (xs[:, 0], xs[:, 1])))(X)
    assert last["n"] == 4
    assert last["v"] == np.sum(X[:, 0] * X[:, 1])
    np.testing.assert_array_equal(ns, np.arange(4))
    assert vs.shape == (4,)
    carry, ys = wg.scan(lambda c, _: (c * 2, c), 1, length=5)
    assert carry == 32
    np.testing.assert_array_equal(ys, [1, 2, 4, 8, 16])
    carry, ys = wg.scan(lambda c, x: (c + 1, x), 0, np.zeros((0, 2)))
    assert carry == 0
    assert ys.shape == (0, 2)


@pytest.mark.parametrize(
    ("init", "increment", "dtype"),
    [(0, 1, np.int64), (0, 0.5, np.float64), (0, np.float32(1), np.float32), (0.0, 1, np.float64)],
)
def test_numbers_take_the_dtype_of_the_body(init: Any, increment: Any, dtype: Any) -> None:
    found = jit(lambda n: wg.fori_loop(0, n, lambda i, s: s + increment, init))(np.int64(3))
    assert found == 3 * increment
    assert found.dtype == dtype


def test_traced_bounds_and_closures() -> None:
    @jit
    def total(x: Any, low: Any, high: Any) -> Any:
        return wg.fori_loop(low, high, lambda i, s: s + i * x.sum(), 0.0)

    assert total(X, np.int64(2), np.int64(5)) == 9 * X.sum()
    assert total(X, np.int64(5), np.int64(2)) == 0


def test_while_loop() -> None:
    @jit
    def collatz(n: Any) -> Any:
        def step(s: Any) -> Any:
            n, count = s
            return wg.cond(n % 2 == 0, lambda: n // 2, lambda: 3 * n + 1), count + 1

        return wg.while_loop(lambda s: s[0] != 1, step, (n, 0))[1]

    assert collatz(np.int64(27)) == 111


def test_cond_and_switch_run_one_branch() -> None:
    f = jit(lambda p, x: wg.cond(p > 0, lambda x: (x * 2, 1), lambda x: (x - 1, 2.5), x))
    np.testing.assert_array_equal(f(1.0, X)[0], X * 2)
    np.testing.assert_array_equal(f(-1.0, X)[0], X - 1)
    assert f(1.0, X)[1] == 1.0
    assert f(-1.0, X)[1] == 2.5
    g = jit(lambda i, x: wg.switch(i, [np.sin, np.cos, lambda x: 1], x))
    expected = [np.sin(2.0), np.sin(2.0), np.cos(2.0), 1, 1]
    np.testing.assert_allclose([g(np.int64(k), 2.0) for k in range(-1, 4)], expected)
    assert wg.cond(True, lambda: 3, lambda: 4) == 3
    assert wg.switch(7, [lambda: 3, lambda: 4]) == 4


def test_map() -> None:
    np.testing.assert_array_equal(jit(lambda x: wg.map(np.sum, x))(X), X.sum(axis=1))


def test_the_state_must_keep_its_shape_and_structure() -> None:
    with pytest.raises(wg.errors.ShapeError, match=r"state\[1\].*\(\) to \(3,\).*test_control.py"):
        jit(lambda x: wg.scan(lambda c, r: ((c[0], c[1] + r), None), (0, 0.0), x))(X)
    with pytest.raises(wg.errors.TreeError, match="structure"):
        jit(lambda x: wg.scan(lambda c, r: ((c, c), None), 0.0, x))(X)
    with pytest.raises(wg.errors.ShapeError, match="shape"):
        jit(lambda p: wg.cond(p, lambda: X, lambda: X[0]))(np.bool_(True))
    with pytest.raises(wg.errors.ShapeError, match="one length"):
        wg.scan(lambda c, r: (c, r), 0, X, length=3)
