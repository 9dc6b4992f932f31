"""Temporaries that inner loops walk across are turned; nobody sees it but the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cpu_programs import S, buffer, loop, program

import wengert as wg
from benchmarks.loops.lorenz import short_lorenz
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.scalar import Expr, affine
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Kernel, Kind, Loop, Space, Stmt, Store
from wengert.kernels.lower import lower
from wengert.kernels.scheduling.layout import along_inner_loops
from wengert.kernels.statements import walk
from wengert.kernels.verify import verify

LANES, TURNS = 4, 6
SIZE = LANES * TURNS
Place = Callable[[Expr, Expr], Expr]


def tape(written: Place, read: Place, fill: int = SIZE, kind: Kind = Kind.SERIAL) -> Any:
    """x onto a tape, turn by turn and lane by lane, and from there to the output."""
    x, out = buffer("f8", SIZE), buffer("f8", SIZE, Space.OUTPUT)
    board = buffer("f8", SIZE, Space.LOCAL)
    flat = lambda t, i: S.add(S.mul(t, LANES), i)  # noqa: E731

    def each(put: Callable[[Expr, Expr], Stmt]) -> Loop:
        return loop(TURNS, lambda t: (loop(LANES, lambda i: (put(t, i),), kind),), Kind.ORDERED)

    body = (
        loop(fill, lambda k: (Store(board, k, S.const(0.5, "f8")),)),
        each(lambda t, i: Store(board, written(t, i), S.load(x, flat(t, i)))),
        each(lambda t, i: Store(out, flat(t, i), S.load(board, read(t, i)))),
    )
    return program([Kernel("k", body)], [x], [out]), board


def by_lane(t: Expr, i: Expr) -> Expr:
    return S.add(S.mul(i, TURNS), t)


def backwards(t: Expr, i: Expr) -> Expr:
    return S.add(S.add(S.mul(i, -TURNS), S.mul(t, -1)), SIZE - 1)


def half(t: Expr, i: Expr) -> Expr:
    return S.add(S.mul(i, TURNS), 3)


def shifted(t: Expr, i: Expr) -> Expr:
    """Row and rest are not apart: the last turn's would be in the next row."""
    return S.add(S.add(S.mul(i, TURNS - 1), t), 1)


def by_turn(t: Expr, i: Expr) -> Expr:
    return S.add(S.mul(t, LANES), i)


def steps_of(body: Any, board: Any) -> set[int]:
    """The strides with which innermost loops store to the tape."""
    found: set[int] = set()
    for outer in walk(body):
        if isinstance(outer, Loop) and isinstance(outer.body[0], Store):
            stored = outer.body[0]
            function = affine(stored.offset)
            if stored.buffer is board and function is not None:
                found.add(function.terms[outer.index])
    return found


@pytest.mark.parametrize("read", [by_lane, backwards, half])
def test_a_tape_by_lanes_is_turned(read: Place) -> None:
    made, board = tape(by_lane, read)
    steps = along_inner_loops(S, made.steps)
    assert steps_of(made.steps[0].body, board) == {1, TURNS}  # 1 is that of the first loop
    assert steps_of(steps[0].body, board) == {1}
    turned = program(steps, made.inputs, made.outputs)
    verify(turned)
    data = np.random.default_rng(0).standard_normal(SIZE)
    np.testing.assert_array_equal(interpret(turned, [data])[0], interpret(made, [data])[0])


@pytest.mark.parametrize(
    ("written", "read", "fill", "kind"),
    [
        (by_lane, by_turn, SIZE, Kind.SERIAL),
        (by_turn, by_turn, SIZE, Kind.SERIAL),
        (by_lane, shifted, SIZE, Kind.SERIAL),
        (by_lane, by_lane, SIZE - 1, Kind.SERIAL),
        (by_lane, by_lane, SIZE, Kind.ORDERED),
    ],
)
def test_all_other_temporaries_stay(written: Place, read: Place, fill: int, kind: Kind) -> None:
    made, _ = tape(written, read, fill, kind)
    (step,) = along_inner_loops(S, made.steps)
    assert [s.offset for s in walk(step.body) if isinstance(s, Store)] == [
        s.offset for s in walk(made.steps[0].body) if isinstance(s, Store)
    ]


@pytest.mark.slow
def test_what_a_batch_keeps_is_contiguous_in_the_lanes() -> None:
    rng = np.random.default_rng(1)
    count = 40
    args = (rng.uniform(-5, 5, (count, 3)), *(rng.uniform(1, 9, count) for _ in range(3)))
    batched = wg.vmap(wg.grad(short_lorenz, (0, 1, 2, 3)))
    loops = lower(default_pipeline(wg.make_ir(batched)(*args).program)).loops
    for kernel in loops.steps:
        for statement in walk(kernel.body):
            if isinstance(statement, Loop) and isinstance(statement.body[0], Store):
                stored = statement.body[0]
                function = affine(stored.offset)
                if stored.buffer.space is Space.LOCAL and function is not None:
                    assert abs(function.terms.get(statement.index, 0)) <= 1
    found = wg.jit(batched)(*args)
    single = wg.jit(wg.grad(short_lorenz, (0, 1, 2, 3)))
    for k in (0, 17, count - 1):
        for whole, one in zip(found, single(*(a[k] for a in args)), strict=True):
            np.testing.assert_allclose(whole[k], one, rtol=1e-6)


def running(x: Any) -> Any:
    table, total = np.zeros(600), 0.0
    for i in range(600):
        total = total * 0.9 + x[i]
        table[i] = total
    return table


def counted(x: Any) -> Any:
    table, count = np.zeros(600), np.zeros(2)
    for i in range(600):
        count[1] += x[i]
        table[i] = count[1]
    return table


def here_and_there(x: Any) -> Any:
    table = np.exp(x)
    for i in range(600):
        if x[i] > 0.0:
            table[i] = 0.25
    return table


def mirrored(x: Any) -> Any:
    table = np.exp(x)
    for i in range(600):
        table[i] = 0.25
        x[i] = table[599 - i]
    return table + x


@pytest.mark.parametrize("fun", [running, counted, here_and_there, mirrored])
def test_an_array_is_filled_by_one_value_only_if_no_turn_changes_it(
    fun: Callable[[Any], Any],
) -> None:
    """What else is stored along an array goes where its columns are now."""

    def columns(x: Any) -> Any:
        table, out = fun(x).reshape(20, 30), np.zeros(30)
        for j in range(30):
            out[j] = np.sum(np.sqrt(1 + table[:, j] ** 2)) * x[j]
        return out

    x = np.random.default_rng(0).standard_normal(600)
    made = lower(default_pipeline(wg.make_ir(columns)(np.copy(x)).program))
    found = interpret(made.loops, [np.copy(x)], made.constants)[0]
    np.testing.assert_allclose(found, columns(np.copy(x)), rtol=1e-12)
