"""Kernels whose code is made instruction by instruction, and loops that fill or copy memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu import machine
from wengert.backends.cpu.executable import Executable
from wengert.backends.cpu.llvm.program import QUICK, SETTLED
from wengert.backends.cpu.load import load
from wengert.backends.cpu.routines.runtime_text import PLAN
from wengert.backends.cpu.support import resolve

R = np.random.default_rng(3)
X = R.normal(size=(48, 640))
needs_masks = pytest.mark.skipif(
    not machine.target().masks, reason="needs vectors of 512 bits with masks (AVX-512)"
)


def filled(x: Any) -> Any:
    """Rows of zeros, some of which are written, and a copy of rows."""
    y = np.zeros(x.shape)
    z = np.zeros(x.shape)
    for i in range(0, x.shape[0], 3):
        y[i] = x[i]
        z[i] = -x[i] * 2
    return y, z


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": np.sum,
    "rows": lambda x: np.sum(x, axis=1),
    "columns": lambda x: np.sum(x, axis=0),
    "dot": lambda x: np.sum(x * x[::-1], axis=1),
    "shares": lambda x: (x - np.max(x, axis=1, keepdims=True)) / np.sum(x, axis=1, keepdims=True),
    "affine": lambda x: 3.5 * x + 1.25,
    "filled": filled,
}


def outputs(lowered: Any, units: list[str]) -> tuple[Any, ...]:
    """What texts compute that are compiled as they are."""
    addresses, code = load(machine.object_codes(units), [PLAN], resolve)
    one = lowered.executable
    return Executable(one.signature, one.constants, addresses[PLAN], code, one.text).run([X])


@needs_masks
@pytest.mark.parametrize("name", FUNCTIONS)
def test_quick_code_gives_the_bits_of_optimised_code(name: str) -> None:
    lowered = wg.jit(FUNCTIONS[name]).lower(X)
    units = machine.units(lowered._kernels)
    assert name == "filled" or any(unit.startswith(QUICK) for unit in units)
    slow = [SETTLED + unit.removeprefix(QUICK).removeprefix(SETTLED) for unit in units]
    expected = FUNCTIONS[name](X)
    for found, same in zip(outputs(lowered, units), outputs(lowered, slow), strict=True):
        np.testing.assert_array_equal(found, same)
    first = expected[0] if isinstance(expected, tuple) else expected
    np.testing.assert_allclose(outputs(lowered, units)[0], first, rtol=1e-12, atol=1e-12)


@needs_masks
@pytest.mark.parametrize(
    ("fun", "is_quick"),
    [
        (lambda x: 2 * x + 1, True),
        (lambda x: np.arctan(np.sin(x) ** x), False),  # many operations
        (np.exp, False),  # a table
        (lambda x: np.cumsum(x, axis=1), False),  # one number at a time
        (lambda x: np.sum(x[:, :16], axis=1), False),  # no turn like the one before
    ],
    ids=["few operations", "long", "table", "scalar", "short"],
)
def test_which_kernels_are_quick(fun: Any, is_quick: bool) -> None:
    groups = machine._printed(wg.jit(fun).lower(X)._kernels).groups
    assert all(group.is_quick for group in groups) is is_quick


@pytest.mark.parametrize(("value", "called"), [(0.0, True), (-0.0, False), (1.0, False)])
def test_only_what_is_all_zero_bits_is_filled_by_the_library(value: float, called: bool) -> None:
    def fun(x: Any) -> Any:
        y = np.full((4, 300), value)
        y[2, 3] = x
        return y

    lowered = wg.jit(fun).lower(5.0)
    assert ("@llvm.memset" in "".join(machine.units(lowered._kernels))) is called
    found = wg.jit(fun)(5.0)
    np.testing.assert_array_equal(found, fun(5.0))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(fun(5.0)))
