"""Loops and branches, lowered: the same results as the evaluator, in place where that is right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from loop_programs import Generator, for_loop, if_else, integer, real, while_loop

from wengert.backends import cpu
from wengert.errors import OutOfBoundsError
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, INT64, Dim, Symbol, TensorType
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import lower
from wengert.kernels.text import to_text


def real_type(*shape: int) -> TensorType:
    return TensorType(FLOAT64, shape)


def arguments(program: Program, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(t.shape) for t in program.in_types]


def check(program: Program, args: list[Any] | None = None, native: bool = True) -> str:
    """Runs a program everywhere; gives the text of its loops."""
    args = arguments(program) if args is None else args
    expected = evaluate(program, args)
    lowered = lower(program)
    text = to_text(lowered.loops)
    found: list[Any] = interpret(lowered.loops, args, lowered.constants)
    for x, y in zip(expected, found, strict=True):
        np.testing.assert_allclose(y, np.ravel(x), rtol=1e-10, atol=1e-12, err_msg=text)
    if native:
        run = cpu.compile(
            lambda: lowered.loops,
            key=None,
            in_types=program.in_types,
            out_types=program.out_types,
            constants=lowered.constants,
        )
        for x, y in zip(expected, run(*args), strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-10, atol=1e-12, err_msg=text)
    return text


def one(x: Value, *starts: Value) -> Value:
    sizes = (1,) * x.ndim
    return x.window(*starts, sizes=sizes, steps=sizes).reshape(shape=())


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_interpreted(seed: int) -> None:
    check(Generator(np.random.default_rng(seed)).program(), native=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60, 100))
def test_random_programs_native(seed: int) -> None:
    check(Generator(np.random.default_rng(seed), depth=3).program())


def test_a_prefix_sum_works_in_place() -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        before = one(k[0], i - integer(i, 1))
        return [k[0].window_add(before.reshape(shape=(1,)), i, steps=(1,))]

    builder = Builder()
    x = builder.input(real_type(200))
    text = check(builder.finish(for_loop(builder, 1, 200, [], [x], turn)))
    assert text.count("for ") == 2, "a copy of the argument, and the loop without any other"


def test_an_old_version_that_is_read_later_is_kept() -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        new = k[0].window_set(real(i, 7.0).broadcast(shape=(1,), dims=()), i, steps=(1,))
        return [new, k[0] + k[1]]

    builder = Builder()
    x, y = (builder.input(real_type(6)) for _ in range(2))
    check(builder.finish(for_loop(builder, 0, 6, [], [x, y], turn)))


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("size", [3, 200])
def test_exchanged_arrays(size: int, turns: int) -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        return [k[1], k[0] * real(i, 2.0) + k[1]]

    builder = Builder()
    x, y = (builder.input(real_type(size)) for _ in range(2))
    check(builder.finish(for_loop(builder, 0, turns, [], [x, y], turn)))


@pytest.mark.parametrize("turns", [1, 4, 5])
def test_a_stencil_alternates_between_two_arrays(turns: int) -> None:
    n = 40

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        u = k[0]

        def part(a: int, b: int) -> Value:
            start = integer(u, a), integer(u, b)
            return u.window(*start, sizes=(n - 2, n - 2), steps=(1, 1))

        mean = (part(0, 1) + part(2, 1) + part(1, 0) + part(1, 2)) * real(u, 0.25)
        return [u.window_set(mean, integer(u, 1), integer(u, 1), steps=(1, 1))]

    builder = Builder()
    x = builder.input(real_type(n, n))
    text = check(builder.finish(for_loop(builder, 0, turns, [], [x], turn)))
    assert text.count("* 0.25") == (1 if turns == 1 else 2 + turns % 2)


def test_a_loop_whose_turns_do_much_is_not_written_in_pairs() -> None:
    """Around one that is, it would be there three times for each level of loops."""

    def shifted(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        x = k[0]
        near = x.window(integer(x, 0), sizes=(99,), steps=(1,))
        return [x.window_add(near * real(x, 0.25), integer(x, 1), steps=(1,))]

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        (moved,) = for_loop(i.builder, 0, 101, [], [k[0]], shifted)
        return [moved * k[0]]

    builder = Builder()
    x = builder.input(real_type(100))
    text = check(builder.finish(for_loop(builder, 0, 3, [], [x], turn)))
    assert text.count("* 0.25") == 3, "an inner loop in pairs, inside of one that is not"


@pytest.mark.parametrize("reverse", [False, True])
def test_triangular_rows(reverse: bool) -> None:
    n = 7
    symbol = Symbol(0, n - 1)
    length = Dim.make({symbol: 1}, 1)

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        row = c[0].window(i, integer(i, 0), sizes=(1, length), steps=(1, 1))
        row = row.reshape(shape=(length,))
        total = (row * row).reduce_sum(axes=(0,)).reshape(shape=(1,))
        return [k[0].window_set(total, i, steps=(1,))]

    builder = Builder()
    x = builder.input(real_type(n, n))
    start = builder.zeros(real_type(n))
    text = check(
        builder.finish(for_loop(builder, 0, n, [x], [start], turn, symbol=symbol, reverse=reverse))
    )
    assert re.search(r"for i\d+ in 0 : i\d+ \+ 1", text) or reverse


def test_bounds_known_only_at_run_time() -> None:
    builder = Builder()
    x = builder.input(real_type(8))
    first, last = (builder.input(TensorType(INT64, ())) for _ in range(2))

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        return [k[0] * real(i, 0.5) + one(c[0], i)]

    zero = builder.literal(0.0, FLOAT64)
    program = builder.finish(for_loop(builder, first, last, [x], [zero], turn))
    for bounds in ((2, 7), (0, 0), (5, 3), (0, 8)):
        check(program, [np.arange(8.0), *(np.int64(b) for b in bounds)])


def test_newton_in_a_while_loop() -> None:
    builder = Builder()
    x = builder.input(real_type())
    root = while_loop(
        [x],
        [builder.literal(1.0, FLOAT64)],
        lambda c, k: (k[0] * k[0] - c[0]).abs().gt(real(k[0], 1e-12)),
        lambda c, k: [(k[0] + c[0] / k[0]) * real(k[0], 0.5)],
    )
    program = builder.finish(root)
    check(program, [np.float64(7.0)])
    np.testing.assert_allclose(evaluate(program, [np.float64(7.0)])[0], np.sqrt(7.0))


def test_a_branch_that_updates_in_place() -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        def write(ops: list[Value]) -> list[Value]:
            value = real(ops[1], 1.0).broadcast(shape=(1,), dims=())
            return [ops[1].window_set(value, ops[0], steps=(1,))]

        return if_else(i.gt(integer(i, 4)), [i, k[0]], write, lambda ops: [ops[1]])

    builder = Builder()
    x = builder.input(real_type(100))
    text = check(builder.finish(for_loop(builder, 0, 10, [], [x], turn)))
    assert text.count("for ") == 2


@pytest.mark.slow
def test_rows_run_in_parallel() -> None:
    builder = Builder()
    x, y = builder.input(real_type(50, 3)), builder.input(real_type(3))
    inner = Builder()
    c, row = inner.input(real_type(3)), inner.input(real_type(3))
    turns = for_loop(inner, 0, 300, [c], [row], lambda i, c, k: [k[0].sin() + c[0]])
    params = {"body": inner.finish(turns), "consts": 1, "size": 50}
    text = check(builder.finish(builder.emit(REGISTRY["for_each"], [y, x], params)))
    assert "parallel for" in text


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_that_are_all_written_are_not_filled_first(reverse: bool) -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        row = (k[0].sin() + c[0]).reshape(shape=(1, 40))
        return [row.reshape(shape=(40,)), k[1].window_set(row, i, integer(i, 0), steps=(1, 1))]

    builder = Builder()
    x, y = builder.input(real_type(40)), builder.input(real_type(40))
    for rows in (6, 7):  # the last row of seven keeps its zeros
        rest = builder.zeros(real_type(rows, 40))
        outs = for_loop(builder, 0, 6, [x], [y, rest], turn, reverse=reverse)
        text = check(Builder(builder.inputs, list(builder.eqns)).finish(outs))
        assert ("= 0.0" in text) == (rows == 7)


def sum_from() -> Program:
    """The sum of x[start + i] for i below count, with checks."""
    builder = Builder()
    x = builder.input(real_type(8))
    first, count = (builder.input(TensorType(INT64, ())) for _ in range(2))

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        place = (c[1] + i).check_index(size=8, axis=0)
        return [k[0] + one(c[0], place)]

    zero = builder.literal(0.0, FLOAT64)
    return builder.finish(for_loop(builder, 0, count, [x, first], [zero], turn))


def test_indices_that_walk_are_checked_at_the_ends() -> None:
    program = sum_from()
    for first, count in ((0, 8), (3, 5), (-8, 8), (-3, 6), (7, 0), (70, 0)):
        text = check(program, [np.arange(8.0), np.int64(first), np.int64(count)])
    assert text.count("check") == 1 and text.count("ordered for ") == 2


@pytest.mark.parametrize(("first", "count", "bad"), [(3, 6, 8), (-9, 2, -9), (2**62, 1, 2**62)])
def test_the_index_that_fails_is_named(first: int, count: int, bad: int) -> None:
    program = sum_from()
    lowered = lower(program)
    run = cpu.compile(
        lambda: lowered.loops,
        key=None,
        in_types=program.in_types,
        out_types=program.out_types,
        constants=lowered.constants,
    )
    with pytest.raises(OutOfBoundsError, match=f"index {bad} is out of bounds for axis 0"):
        run(np.arange(8.0), np.int64(first), np.int64(count))
