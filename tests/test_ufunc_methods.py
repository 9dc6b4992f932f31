"""Methods of ufuncs whose order counts, against Python loops: NumPy's power.reduce errs on rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivative_laws import assert_slopes
from numpy_oracle import agree

import wengert as wg
from wengert.errors import ArgumentError, OutOfBoundsError

ORDERED = ["subtract", "divide", "power", "arctan2", "fmod", "remainder", "floor_divide",
           "copysign", "float_power", "left_shift", "right_shift"]  # fmt: skip
AT = [*ORDERED, "gcd", "lcm", "hypot", "logaddexp", "logaddexp2", "logical_xor", "equal", "less"]
X = np.array([[0.7, 1.3, 0.4, 2.1], [1.9, 0.6, 1.1, 0.3]])
WHOLE = np.array([[40, 3, 1, 2], [7, 2, 1, 1]])


def given(name: str) -> np.ndarray[Any, Any]:
    return WHOLE if "shift" in name or name in ("gcd", "lcm") else X


def states(ufunc: np.ufunc, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each element along the last axis combined with what is made of those before it."""
    found = [x[..., 0]]
    for j in range(1, x.shape[-1]):
        found.append(ufunc(found[-1], x[..., j]))
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("name", ORDERED)
def test_one_after_the_other(name: str) -> None:
    ufunc, x = getattr(np, name), given(name)
    wanted = states(ufunc, x)
    mask = np.array([True, False, True, True])
    for axis in (1, -1):
        found = wg.jit(lambda v, a=axis: ufunc.accumulate(v, axis=a))(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    found = wg.jit(lambda v: ufunc.reduce(v, axis=1, keepdims=True))(x)
    np.testing.assert_allclose(found, wanted[:, -1:], rtol=1e-14)
    found = wg.jit(lambda v: ufunc.reduce(v, axis=1, initial=3, where=mask))(x)
    first = np.full((2, 1), 3, x.dtype)
    kept = states(ufunc, np.concatenate([first, x[:, mask]], axis=1))
    np.testing.assert_allclose(found, kept[:, -1], rtol=1e-14)
    agree(lambda v: ufunc.accumulate(v, axis=0), x, label=name, tolerance=4)
    agree(lambda v: ufunc.reduce(v, axis=(0, 1)), x, label=name)
    agree(lambda v: ufunc.reduce(v, axis=0), np.zeros((0, 3), x.dtype), label=name)


@pytest.mark.parametrize("name", [*ORDERED, "add", "maximum", "hypot", "gcd", "logical_and"])
def test_reduceat_of_indices_from_data(name: str) -> None:
    ufunc, x = getattr(np, name), given(name)
    for places in ([0, 2, 1], [3], [1, 1, 0, 3]):
        k, stops = np.array(places), [*places[1:], 4]
        parts = [x[:, a : max(b, a + 1)] for a, b in zip(places, stops, strict=True)]
        wanted = np.stack([states(ufunc, p)[:, -1] for p in parts], axis=1)
        for f in (
            lambda v, i: ufunc.reduceat(v, i, axis=1),
            lambda v, i, p=places: ufunc.reduceat(v, p, axis=-1),
        ):
            found = wg.jit(f)(x, k)
            np.testing.assert_allclose(found, wanted.astype(found.dtype), rtol=1e-14)


def test_a_single_divisor_keeps_its_sign() -> None:
    x = np.array([6, -4, 8, -5])
    agree(lambda v: np.gcd.reduceat(v, [0, 3, 1]), x)
    agree(lambda v: np.lcm.reduceat(v, [0, 3, 1]), x)


def test_reduceat_checks_indices_from_data() -> None:
    f = wg.jit(lambda v, i: np.add.reduceat(v, i))
    for wrong in ([0, 4], [-1, 2]):
        with pytest.raises(OutOfBoundsError, match="length 4"):
            f(X[0], np.array(wrong))


@pytest.mark.parametrize("name", AT)
def test_at_of_every_ufunc_of_two(name: str) -> None:
    ufunc, x = getattr(np, name), given(name)
    values = x[:, [1, 2, 2]] + 1

    def changed(v: Any, i: Any, w: Any) -> Any:
        v = v.copy()
        ufunc.at(v, (slice(None), i), w)
        ufunc.at(v, (0, i), w[1])
        ufunc.at(v, 1, w[0, 0])
        return v

    agree(changed, x, np.array([2, 0, 2]), values, label=name, tolerance=8)
    narrow = x.astype(np.float32 if x.dtype.kind == "f" else np.int8)
    agree(changed, narrow, np.array([2, 0, 2]), values, label=name, tolerance=8)


@pytest.mark.parametrize("name", ["negative", "exp", "sqrt", "square", "reciprocal", "sin"])
def test_at_of_every_ufunc_of_one(name: str) -> None:
    def changed(v: Any) -> Any:
        v = v.copy()
        getattr(np, name).at(v, [1, 3, 1])
        return v

    agree(changed, X[0], label=name, tolerance=8)
    assert_slopes(changed, X[0])


def test_bins_whose_order_is_known_at_run_time() -> None:
    points = np.array([-1.0, 0, 0.5, 1, 2, 3, 4])
    for bins in ([3.0, 1, 1, 0], [0.0, 1, 1, 3], [2.0], [], [1.0, 1]):
        for right in (False, True):
            agree(lambda v, b, r=right: np.digitize(v, b, right=r), points, np.array(bins))
            agree(lambda v, b=bins, r=right: np.digitize(v, np.array(b), right=r), points)
    with pytest.raises(ArgumentError, match="monotonically"):
        wg.jit(lambda v, b: np.digitize(v, b))(points, np.array([0.0, 2, 1]))


def test_slopes() -> None:
    k = np.array([0, 2, 1, 3])

    def hypotenuses(v: Any) -> Any:
        v = v.copy()
        np.hypot.at(v, [0, 1, 0], np.sin(v[:3]))
        return v

    assert_slopes(hypotenuses, X[0])
    assert_slopes(lambda v: np.power.accumulate(v), X[0])
    assert_slopes(lambda v: np.power.reduce(v, axis=0, initial=1.5), X)
    assert_slopes(lambda v: np.multiply.reduceat(v, wg.stop_gradient(v * 0 + k).astype(int)), X[0])
