"""Copies of what loops of the program read in each turn (`kernels/scheduling/lines.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import real_pipeline
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import Lowered, lower

N = 48


def steps(w: Any, h: Any, turns: int) -> Any:
    for _ in range(turns):
        h = np.tanh(w @ h)
    return h


def many(w: Any, h: Any) -> Any:
    return steps(w, h, 100)


def few(w: Any, h: Any) -> Any:
    return steps(w, h, 20)


def changed(w: Any, h: Any) -> Any:
    for t in range(100):
        h = np.tanh(w @ h)
        w[t % N, :] = h
    return h


def by_turn(w: Any, h: Any) -> Any:
    for t in range(100):
        h = np.tanh(w[t % N, :] * h)
    return h


def drawn(size: int = N) -> tuple[Any, Any]:
    rng = np.random.default_rng(size)
    return rng.standard_normal((size, size)) / size**0.5, rng.standard_normal(size)


def lowered(fun: Any, *args: Any) -> Lowered:
    return lower(real_pipeline(wg.make_ir(fun)(*args).program))


def copies(fun: Any, *args: Any) -> int:
    return sum(kernel.name == "copy" for kernel in lowered(fun, *args).loops.steps)


@pytest.mark.parametrize(
    ("fun", "size", "expected"), [(many, N, 1), (few, N, 0), (changed, N, 0), (by_turn, N, 0)]
)
def test_arrays_that_many_turns_read_are_copied(fun: Any, size: int, expected: int) -> None:
    w, h = drawn(size)
    assert copies(fun, w, h) == expected
    native = wg.jit(fun)(w.copy(), h)
    np.testing.assert_allclose(native, fun(w.copy(), h), rtol=1e-10)


def test_small_and_large_arrays_are_read_where_they_stand() -> None:
    assert copies(many, *drawn(20)) == 0
    assert copies(many, *drawn(400)) == 0


def test_forward_and_reverse_loops_share_a_copy() -> None:
    gradient = wg.grad(lambda w, h: np.sum(many(w, h)))
    assert copies(gradient, *drawn()) == 1


@pytest.mark.slow
def test_copies_mean_the_same() -> None:
    w, h = drawn(23)

    def fun(w: Any, h: Any) -> Any:
        return steps(w, h, 64)

    assert copies(fun, w, h) == 1
    program = lowered(fun, w, h)
    (found,) = interpret(program.loops, [w, h], program.constants)
    np.testing.assert_allclose(found, fun(w, h), rtol=1e-10)
