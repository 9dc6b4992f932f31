"""Functions computed in a wider dtype than what is read or stored: vectors longer than registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import wengert as wg

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{f.__name__: f for f in (np.exp, np.log, np.sin, np.tanh, np.cbrt, np.log1p, np.arctan)},
    "erf": special.erf,
    "power": lambda x: x**1.7,
    "ndtri": special.ndtri,
}
WIDTHS = (
    ("float32", "float64", "float32"),
    ("float64", "float64", "float16"),
    ("float16", "float32", "float16"),
    ("float32", "float64", "int8"),
    ("float64", "float64", "bool"),
)


@pytest.mark.parametrize(("read", "computed", "stored"), WIDTHS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_lanes_are_computed(name: str, read: str, computed: str, stored: str) -> None:
    def f(x: Any) -> Any:
        y = FUNCTIONS[name](x.astype(computed))
        return y > 0.25 if stored == "bool" else (40 * y).astype(stored)

    x = np.random.default_rng(0).uniform(0.1, 0.9, 150).astype(read)
    found, expected = wg.jit(f)(x).astype(float), f(x).astype(float)
    if stored in ("int8", "bool"):  # a last bit may decide about a whole number or a truth
        assert np.abs(found - expected).sum() <= 1
    else:
        np.testing.assert_allclose(found, expected, rtol=4 * float(np.finfo(stored).eps))


@pytest.mark.parametrize("source", ["float32", "float64"])
def test_vectors_of_floats_become_unsigned(source: str) -> None:
    x = np.linspace(0, 1.8e19, 150).astype(source)
    found = wg.jit(lambda x: x.astype("uint64"))(x)
    np.testing.assert_array_equal(found, x.astype("uint64"))
