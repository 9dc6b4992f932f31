"""`x.view(dtype)`, against NumPy's, and writes through such views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derivative_laws import assert_slopes
from numpy_oracle import agree

import wengert as wg
from wengert.errors import ShapeError

RNG = np.random.default_rng(3)
REAL = RNG.standard_normal((3, 4))
COMPLEX = REAL + 1j * RNG.standard_normal((3, 4))
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPES: list[tuple[int, ...]] = [(3, 4), (0, 4), (2, 0), (), (2,), (3, 1)]


def signless(x: Any) -> Any:
    x.view(np.uint64)[...] &= np.uint64(2**63 - 1)
    return x


def parts(x: Any) -> Any:
    z = x + 1j
    z.view(float).reshape(3, 4, 2)[..., 1] *= x
    z.view(float)[0, ::2] = 7.0
    return z


def of_zeros(x: Any) -> Any:
    z = np.zeros(4, np.float32)
    bits = z.view("u4")
    bits[1] = 0x3F800000
    return z * x[0]


def later(x: Any) -> Any:
    z = x.copy()
    seen = z.view("i8")
    z[0, 0] = 7.0
    return seen


def in_a_loop(x: Any) -> Any:
    y = np.zeros_like(x)
    for i in range(x.shape[0]):
        y[i] = (x[i].view("i8") ^ np.int64(-(2**63))).view("f8")
    return y


WRITES: list[Callable[[Any], Any]] = [signless, parts, of_zeros, later, in_a_loop]


@pytest.mark.parametrize("source", DTYPES)
def test_every_pair_of_dtypes(source: str) -> None:
    for shape in SHAPES:
        x = RNG.integers(0, 99, shape).astype(source)
        for target in DTYPES:
            if target == "?" and source != "?":
                continue  # bytes that are neither 0 nor 1 are no bools
            agree(lambda v, t=target: v.view(t), x, label=f"{source} {target}")


@pytest.mark.parametrize("f", WRITES, ids=lambda f: f.__name__)
def test_writes(f: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(wg.jit(f)(REAL.copy()), f(REAL.copy()))


def test_parts_of_complex_numbers_have_derivatives() -> None:
    assert_slopes(lambda x: np.sin((x * (1 + 2j)).view(float)) @ np.arange(8.0), REAL)
    assert_slopes(lambda x: np.abs(np.exp(x).view(complex)) ** 2, REAL)
    assert_slopes(lambda x: np.abs(parts(x)) ** 2, REAL)


def test_bits_have_none() -> None:
    def f(x: Any) -> Any:
        return np.sum(x.view("i8").view("f8") * x)

    np.testing.assert_array_equal(wg.grad(f)(REAL), REAL)


def test_in_a_batch() -> None:
    found = wg.vmap(lambda x: x.view("u2"))(REAL)
    np.testing.assert_array_equal(found, REAL.view("u2"))


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="not a multiple of 16 bytes"):
        wg.jit(lambda x: x[:, :3].view(complex))(REAL)
    with pytest.raises(ShapeError, match="an array with an axis"):
        wg.jit(lambda x: x[0, 0].view("f4"))(REAL)
