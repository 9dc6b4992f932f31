"""Code that runs one number at a time: the product that is 0 where its first factor is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu.llvm.program import print_program
from wengert.backends.cpu.llvm.target import Target
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.lower import lower
from wengert.kernels.maths import expand


def chain(x: Any, steps: Any, start: Any) -> Any:
    """Partials of 1/x at every step; the cotangent is 0 below the step where it starts."""
    total = x[0] * 0.0
    for k in range(steps.size):
        total = np.where(steps[k] < start, 0.0, total * 0.5 + 1.0 / x[k])
    return total


def text(program: Any, masks: bool) -> str:
    loops = lower(default_pipeline(program)).loops
    return print_program(loops, expand, Target(True, masks)).whole()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_zeros_win_against_infinite_partials(dtype: str) -> None:
    x = np.array([0.0, np.nan, -0.0, np.inf, 2.0, 4.0], dtype)
    steps = np.arange(6.0).astype(dtype)
    found = wg.jit(wg.grad(chain))(x, steps, np.asarray(4, dtype))
    np.testing.assert_array_equal(found, np.array([0, 0, 0, 0, -0.125, -0.0625], dtype))
    assert found.dtype == dtype
    with_pole = wg.jit(wg.grad(chain))(x, steps, np.asarray(2, dtype))
    np.testing.assert_array_equal(with_pole[:3], np.array([0, 0, -np.inf], dtype))


def test_where_masks_are_slow_the_older_form_is_used() -> None:
    gradient = wg.make_ir(wg.grad(chain))(np.ones(6), np.ones(6), 1.0).program
    assert "x86.sse2.cmp.sd" in text(gradient, masks=True)
    assert "x86." not in text(gradient, masks=False)


def test_vector_code_keeps_its_masks() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(x > 0, x * x * x, x * x))

    gradient = wg.make_ir(wg.grad(f))(np.ones(1000)).program
    assert "x86." not in text(gradient, masks=True)
