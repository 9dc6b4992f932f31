"""Scalars of a turn: in no memory where nothing else sees them, and the right values in any case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.loops import Kind, Loop, Space, Store
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk

R = np.random.default_rng(11)


def relaxed(x: Any) -> Any:
    """A scalar that is written once in a turn, and decides about a store."""
    d = np.abs(x)
    for k in range(d.shape[0]):
        for i in range(d.shape[0]):
            for j in range(d.shape[0]):
                through = d[i, k] + d[k, j]
                if through < d[i, j]:
                    d[i, j] = through
    return d


def last(x: Any) -> Any:
    """The same, and the last turn's scalar."""
    d = np.abs(x)
    through = 0.0
    for k in range(d.shape[0]):
        for i in range(d.shape[0]):
            for j in range(d.shape[0]):
                through = d[i, k] + d[k, j]
                if through < d[i, j]:
                    d[i, j] = through
    return d, through


def rows_last(x: Any) -> Any:
    """What the last turn of each row leaves is read by the loop around."""
    d, ends = np.abs(x), np.zeros(x.shape[0])
    through = 0.0
    for k in range(d.shape[0]):
        for i in range(d.shape[0]):
            for j in range(d.shape[0]):
                through = d[i, k] + d[k, j]
                if through < d[i, j]:
                    d[i, j] = through
            ends[i] += through
    return d, ends


def overwritten(x: Any) -> Any:
    """A scalar that reads what the turn changes before it is used."""
    v, p = x[0].copy(), x[-1]
    for i in range(p.size):
        for j in range(i):
            old = v[j]
            v[j] += 0.1 * p[j]
            v[i] -= p[i] * old
    return v


def kicked(x: Any) -> Any:
    """Scalars beside sums that are kept in registers; one of them is written twice."""
    p, v = x[0], np.zeros(x.shape[1])
    for i in range(p.size):
        for j in range(i):
            d = p[i] - p[j]
            s = d / (1.0 + d * d)
            v[i] -= s
            s = s * d
            v[j] += 2.0 * s
    return v


FUNCTIONS = (relaxed, last, rows_last, overwritten, kicked)


@pytest.mark.parametrize("size", [2, 7, 37])
@pytest.mark.parametrize("fun", FUNCTIONS)
def test_loops_give_what_python_gives(fun: Callable[[Any], Any], size: int) -> None:
    x = R.normal(size=(size, size))
    results = (wg.jit(fun)(x), fun(x))
    found, expected = (r if isinstance(r, tuple) else (r,) for r in results)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def stores_of_scalars(fun: Callable[[Any], Any]) -> int:
    """How many scalars on the stack the turns of independent loops write."""
    program = wg.make_ir(fun)(np.zeros((37, 37))).program
    loops = [
        st
        for kernel in lower(default_pipeline(program)).loops.steps
        for st in walk(kernel.body)
        if isinstance(st, Loop) and st.kind is Kind.FREE
    ]
    assert loops
    written = [st.buffer for loop in loops for st in walk(loop.body) if isinstance(st, Store)]
    return sum(b.space is Space.LOCAL and b.size == 1 for b in written)


@pytest.mark.parametrize("fun", [relaxed, overwritten, kicked])
def test_scalars_that_nothing_else_sees_are_in_no_memory(fun: Callable[[Any], Any]) -> None:
    assert stores_of_scalars(fun) == 0


@pytest.mark.parametrize("fun", [last, rows_last])
def test_a_scalar_that_is_read_after_the_loop_is_stored(fun: Callable[[Any], Any]) -> None:
    assert stores_of_scalars(fun) > 0


def lives(x: Any) -> Any:
    """Choices in choices, and conditions of which the second is asked where the first is false."""
    g = np.round(np.abs(x)).astype(np.int64) % 2
    out, ages = np.zeros_like(g), np.zeros(g.shape)
    for i in range(1, g.shape[0] - 1):
        for j in range(1, g.shape[1] - 1):
            around = g[i - 1, j] + g[i + 1, j] + g[i, j - 1] + g[i, j + 1]
            if around == 3 or (around == 2 and g[i, j] == 1):
                out[i, j] = 1
                if x[i, j] > 0:
                    ages[i, j] = ages[i, j] + 1
                    if x[i, j] > 1:
                        ages[i, j] = 0.5 * x[i, j]
                else:
                    ages[i, j] = x[i, j]
            elif around == 1:
                ages[i, j] = -1
    return out, ages


def test_choices_in_choices_are_values_too() -> None:
    x = R.normal(size=(31, 27)) * 2
    for found, expected in zip(wg.jit(lives)(x), lives(x), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert "if " not in wg.jit(lives).lower(x).kernels
