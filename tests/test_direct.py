"""Arrays that are only copied to where they stay are written there at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import ScalarOp
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Loop, LoopProgram, Store
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk

N = 12


def rows(x: Any) -> Any:
    out = np.zeros((N, N))
    for i in range(N):
        row = np.zeros(N)
        for j in range(N):
            row[j] = np.sin(x[i, j]) * j
        out[i, :] = row
    return out


def from_the_second(x: Any) -> Any:
    """What the inner loop leaves out is 0."""
    out = np.zeros((N, N))
    for i in range(N):
        row = np.zeros(N)
        for j in range(1, N):
            row[j] = x[i, j] * j
        out[N - 1 - i, :] = row
    return out


def read_again(x: Any) -> Any:
    out = np.zeros((N, N + 1))
    for i in range(N):
        row = np.zeros(N)
        for j in range(N):
            row[j] = x[i, j] + 0.5 * row[j - 1]
        out[i, :N] = row
        out[i, N] = np.sum(row)
    return out


def seen(x: Any) -> Any:
    """The place that a row goes to is read while the row is made."""
    out = np.ones((2, N))
    for i in range(N):
        row = np.zeros(N)
        for j in range(N):
            row[j] = x[i, j] + 0.5 * out[0, N - 1 - j]
        out[0, :] = row
    return out


def minima(x: Any) -> Any:
    d = x.copy()
    for k in range(N):
        for i in range(N):
            for j in range(N):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return np.sum(np.cos(d))


def copies(program: LoopProgram) -> int:
    """How many loops do nothing but copy."""
    loops = [st for kernel in program.steps for st in walk(kernel.body) if isinstance(st, Loop)]
    return sum(
        isinstance(st, Store) and st.value.op is ScalarOp.LOAD and loop.index in st.offset.indices
        for loop in loops
        for st in loop.body[:1]
        if len(loop.body) == 1
    )


@pytest.mark.parametrize(
    ("fun", "fewer"),
    [
        *((rows, True), (from_the_second, True), (read_again, False), (seen, False)),
        (wg.grad(minima), True),
    ],
)
def test_copies_are_left_out_where_nothing_sees_them(
    fun: Callable[[Any], Any], fewer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(5).uniform(0.1, 1.0, (N, N))
    program = default_pipeline(wg.make_ir(fun)(x).program)
    monkeypatch.setattr("wengert.kernels.lower.neighbours_joined", lambda s, steps: list(steps))
    found = lower(program)
    got = interpret(found.loops, [x], found.constants)
    native = wg.jit(fun)(x)
    monkeypatch.setattr("wengert.kernels.lower.written_at_once", lambda s, steps: list(steps))
    before = lower(program)
    expected = interpret(before.loops, [x], before.constants)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_allclose(np.ravel(native), expected[0], rtol=1e-13, atol=1e-14)
    assert (copies(found.loops) < copies(before.loops)) == fewer
