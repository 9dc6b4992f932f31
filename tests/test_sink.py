"""Additions that move into branches: the same results, and nothing is added outside."""

from __future__ import annotations

import numpy as np
from loop_programs import if_else, integer, real

from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.passes.sink import sink
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, TensorType
from wengert.ir.verify import verify


def program(others: bool = False) -> Program:
    """Adds to two arrays after a branch that has something to add, or nothing."""
    builder = Builder()
    vector = TensorType(FLOAT64, (5,))
    x, y, s = builder.input(vector), builder.input(vector), builder.input(TensorType(FLOAT64, ()))

    def take(ops: list[Value]) -> list[Value]:
        part = ops[0].window(integer(ops[0], 2), sizes=(1,), steps=(1,))
        cleared = ops[0].window_set(part * real(part, 0.0), integer(part, 2), steps=(1,))
        value = part.reshape(shape=())
        return [value, value.sin(), cleared]

    def leave(ops: list[Value]) -> list[Value]:
        return [real(ops[0], 0.0), real(ops[0], 0.0), ops[0]]

    first, second, kept = if_else(s.gt(real(s, 0.0)), [x], take, leave)
    one = (1,)
    a = kept.window_add(first.reshape(shape=one), integer(x, 1), steps=one)
    b = y.window_add(second.reshape(shape=one), integer(x, 4), steps=one)
    return builder.finish([a, b, kept] if others else [a, b])


def test_additions_move_into_the_branch() -> None:
    before = program()
    after = sink(before)
    verify(after)
    assert [e.op.name for e in after.eqns].count("window_add") == 0
    rng = np.random.default_rng(0)
    for s in (1.0, -1.0):
        args = [rng.standard_normal(5), rng.standard_normal(5), np.float64(s)]
        for u, v in zip(evaluate(before, args), evaluate(after, args), strict=True):
            np.testing.assert_array_equal(u, v)


def test_what_others_read_stays() -> None:
    before = program(others=True)
    after = sink(before)
    verify(after)
    assert [e.op.name for e in after.eqns].count("window_add") == 1
    args = [np.arange(5.0), np.ones(5), np.float64(1.0)]
    for u, v in zip(evaluate(before, args), evaluate(after, args), strict=True):
        np.testing.assert_array_equal(u, v)
