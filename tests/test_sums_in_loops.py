"""Sums that loops add to: parts for the threads, registers for a few of them, loops put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import Index, ScalarBuilder
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Gemm,
    Kind,
    Loop,
    LoopProgram,
    Matrix,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk
from wengert.kernels.turns.turn import only_added

RNG = np.random.default_rng(3)


def lowered(fun: Callable[..., Any], *args: Any) -> LoopProgram:
    """The loops of a function; what they mean and what the machine makes of them is `fun`'s."""
    program = default_pipeline(wg.make_ir(fun)(*args).program)
    found = lower(program)
    expected = np.ravel(fun(*(np.copy(a) for a in args)))
    scale = float(np.max(np.abs(expected)))
    got = interpret(found.loops, [np.copy(a) for a in args], found.constants)[0]
    np.testing.assert_allclose(np.ravel(got), expected, rtol=1e-12, atol=1e-12 * scale)
    native = wg.jit(fun)(*(np.copy(a) for a in args))
    np.testing.assert_allclose(np.ravel(native), expected, rtol=1e-12, atol=1e-12 * scale)
    return found.loops


def statements(program: LoopProgram) -> Iterator[Stmt]:
    for kernel in program.steps:
        yield from walk(kernel.body)


def is_parallel(program: LoopProgram) -> bool:
    return any(isinstance(st, Loop) and st.kind is Kind.PARALLEL for st in statements(program))


# Sums of the turns of a loop


def into_all(x: Any, p: Any) -> Any:
    y = np.ones(400)
    for i in range(len(x)):
        y += x[i] * np.sin(p)
    return y


def into_a_row_each(x: Any, p: Any) -> Any:
    y = np.ones((8, 400))
    for i in range(len(x)):
        y[1] -= x[i] * np.sin(p)
    return y


def into_named_places(x: Any, p: Any) -> Any:
    y = np.ones(400)
    for i in range(len(x)):
        for j in range(400):
            y[int(p[j])] += np.cos(x[i, j])
    return y


def read_again(x: Any, p: Any) -> Any:
    y = np.ones(400)
    for i in range(len(x)):
        y += 0.01 * x[i] * np.sin(y[0] + p)
    return y


def written_too(x: Any, p: Any) -> Any:
    y = np.ones(400)
    for i in range(len(x)):
        y[7] = 0.5
        y += x[i] * np.sin(p)
    return y


@pytest.mark.parametrize(
    ("fun", "apart"),
    [
        *((into_all, True), (into_a_row_each, True), (into_named_places, True)),
        *((read_again, False), (written_too, False)),
    ],
)
def test_turns_that_meet_in_sums_alone_run_on_the_threads(
    fun: Callable[..., Any], apart: bool
) -> None:
    x, p = RNG.standard_normal((300, 400)), RNG.permutation(400) + 0.25
    program = default_pipeline(wg.make_ir(fun)(x, p).program)
    assert is_parallel(lower(program).loops) == apart
    expected = fun(x, p)
    np.testing.assert_allclose(wg.jit(fun)(x, p), expected, rtol=1e-11, atol=1e-11)


def test_the_reverse_sweep_of_independent_turns_runs_on_the_threads() -> None:
    def f(w: Any, x: Any) -> Any:
        out = np.zeros(len(x))
        for i in range(len(x)):
            out[i] = np.sum((x[i] - w) ** 2)
        return np.sum(np.sqrt(out))

    w, x = RNG.standard_normal(300), RNG.standard_normal((400, 300))
    slopes = wg.grad(f)
    assert is_parallel(lower(default_pipeline(wg.make_ir(slopes)(w, x).program)).loops)
    expected = np.sum((w - x) / np.sqrt(np.sum((x - w) ** 2, 1))[:, None], 0)
    np.testing.assert_allclose(wg.jit(slopes)(w, x), expected, rtol=1e-11)


def test_a_row_read_at_each_turn_is_added_to_alone() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(50):
            total += np.tanh(x[i] @ x[0])
        return total

    x = RNG.standard_normal((50, 40)) / 7
    text = str(default_pipeline(wg.make_ir(wg.grad(f))(x).program))
    assert "pad[" not in text
    t = 1 - np.tanh(x @ x[0]) ** 2
    expected = t[:, None] * x[0]
    expected[0] += t @ x
    np.testing.assert_allclose(wg.jit(wg.grad(f))(x), expected, rtol=1e-11)


@pytest.mark.parametrize("shape", [(65,), (9, 30)])
@pytest.mark.parametrize("dtype", ["f8", "i8"])
def test_a_number_added_to_a_whole_array(shape: tuple[int, ...], dtype: str) -> None:
    """It is no array of the same shape, as what is added to a part of one is."""

    def f(c: Any, x: Any) -> Any:
        for i in range(40):
            c = 2 + c
            x[i] = 3 * x[i]
        return c

    c, x = np.ones(shape, dtype), RNG.standard_normal(40)
    np.testing.assert_array_equal(wg.jit(f)(c, np.copy(x)), c + 80)


def test_what_a_library_reads_is_not_added_to_alone() -> None:
    y, a, out = (Buffer(np.dtype("f8"), 16, Space.TEMP) for _ in range(3))
    s, place = ScalarBuilder(), Index(16)
    sums = Store(y, s.index(place), s.add(s.load(y, s.index(place)), 1.0))
    assert only_added((sums,), y)
    for given in (y, a):
        used = (Matrix(b, s.int(0), 4, 1) for b in (out, given, a))
        product = Gemm(*used, s.int(4), 4, 4)
        assert only_added((sums, product), y) == (given is a)


# A few sums


def few(x: Any, b: Any) -> Any:
    return np.tanh(x @ b) @ x


def few_of_each(x: Any, b: Any) -> Any:
    r = np.exp(x @ b)
    return np.concatenate([r @ x, (r * r) @ x[:, ::-1]])


@pytest.mark.parametrize("fun", [few, few_of_each])
@pytest.mark.parametrize("features", [2, 3, 6, 8])
def test_few_sums_are_kept_in_registers(fun: Callable[..., Any], features: int) -> None:
    x, b = RNG.standard_normal((37, features)) / 4, RNG.standard_normal(features)
    for loop in statements(lowered(fun, x, b)):
        if isinstance(loop, Loop) and any(isinstance(st, Accumulate) for st in loop.body):
            assert not any(isinstance(st, Loop) for st in loop.body)


@pytest.mark.parametrize("features", [3, 6])
def test_few_sums_of_each_thread(features: int) -> None:
    x, b = RNG.standard_normal((20_000, features)) / 4, RNG.standard_normal(features)
    program = lower(default_pipeline(wg.make_ir(few)(x, b).program)).loops
    assert is_parallel(program)
    np.testing.assert_allclose(wg.jit(few)(x, b), few(x, b), rtol=1e-11)


def test_many_sums_stay_where_they_are() -> None:
    x, b = RNG.standard_normal((50, 30)) / 4, RNG.standard_normal(30)
    stores = [st for st in statements(lowered(few, x, b)) if isinstance(st, Store)]
    assert any(st.buffer in st.value.loads for st in stores)


# Neighbours


def twice(x: Any) -> Any:
    y, z = np.zeros(40), np.zeros(40)
    for i in range(30):
        t = x[i] * z[0]
        y[:] += t
        z[:] += np.sin(x[i]) + t
    return y + z


def shifted(x: Any) -> Any:
    y = np.zeros((31, 40))
    for i in range(30):
        y[i, 1:] = x[i, 1:]
        y[i + 1, 1:] = y[i, :-1] + x[i, 1:]
    return y


@pytest.mark.parametrize("fun", [twice, shifted])
def test_neighbouring_loops(fun: Callable[..., Any]) -> None:
    """They give what they gave; those of `twice` are one loop but for the read of z[0]."""
    lowered(fun, RNG.standard_normal((30, 40)))


def test_rows_of_tapes_are_written_in_one_loop() -> None:
    def f(x: Any) -> Any:
        for _ in range(30):
            x = np.sin(x) * np.sqrt(x * x + 1)
        return np.sum(x)

    x = RNG.standard_normal(50)
    program = default_pipeline(wg.make_ir(wg.grad(f))(x).program)
    bodies = [st.body for st in statements(lower(program).loops) if isinstance(st, Loop)]
    assert max(sum(isinstance(st, Store) for st in body) for body in bodies) > 2
