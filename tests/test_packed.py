"""Truth values on tape: as bits, and looked at before the rows of turns that they decide on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from cpu_programs import S, buffer, executable, loop, program

import wengert as wg
from wengert.backends.cpu import machine
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.types import BOOL
from wengert.kernels.buffers import packed as packing
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Accumulate, If, Kernel, Kind, Loop, LoopProgram, Space, Store
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.statements import walk

Array = np.ndarray[Any, Any]

needs_vectors = pytest.mark.skipif(not machine.target().vector, reason="needs vectors of 256 bits")


def shortest(d: Any) -> Any:
    d = d.copy()
    for k in range(4):
        for i in range(d.shape[0]):
            for j in range(d.shape[1]):
                over = d[i, k] + d[k, j]
                if over < d[i, j]:
                    d[i, j] = over
    return np.sum(np.sin(d))


def stretch(first: int, left_out: int) -> Callable[[Any], Any]:
    """Rows that are changed from one place to another, by what stands in the row before."""

    def fun(d: Any) -> Any:
        d = d.copy()
        for _ in range(3):
            for i in range(1, d.shape[0]):
                for j in range(first, d.shape[1] - left_out):
                    if d[i - 1, j] < d[i, j]:
                        d[i, j] = 0.5 * d[i - 1, j]
        return np.sum(d * d)

    return fun


def two_choices(d: Any) -> Any:
    d = d.copy()
    for _ in range(3):
        for i in range(1, d.shape[0]):
            for j in range(1, d.shape[1]):
                if d[i - 1, j] < d[i, j]:
                    d[i, j] = d[i - 1, j]
                if d[i - 1, j - 1] * 0.9 < d[i, j]:
                    d[i, j] = d[i - 1, j - 1] * 0.9
    return np.sum(d * d)


def both_sides(d: Any) -> Any:
    """Whichever side is taken, the transpose has something to do."""
    d = d.copy()
    for i in range(1, d.shape[0]):
        for j in range(d.shape[1]):
            if d[i - 1, j] < d[i, j]:
                d[i, j] = d[i - 1, j] * d[i - 1, j]
            else:
                d[i, j] = np.sin(d[i - 1, j])
    return np.sum(d)


def lowered(fun: Callable[[Any], Any], x: Array) -> Lowered:
    return lower(default_pipeline(wg.make_ir(wg.grad(fun))(x).program))


def table(columns: int, dtype: str = "float64") -> Array:
    return np.random.default_rng(columns).uniform(0.2, 1.0, (7, columns)).astype(dtype)


def bits(made: LoopProgram) -> int:
    return sum(b.packed for b in made.offsets)


CASES = [
    *((shortest, n, "float64") for n in (53, 64)),
    *((stretch(*ends), 70, "float64") for ends in ((3, 2), (8, 12), (0, 1))),
    *((stretch(*ends), 75, "float32") for ends in ((0, 0), (5, 1))),
    *((two_choices, n, "float64") for n in (50,)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fun", "columns", "dtype"), CASES)
def test_bits_are_the_truth_values(
    fun: Callable[[Any], Any], columns: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LARGE", 1)
    x = table(columns, dtype)
    found = lowered(fun, x)
    made = packing.packed(found.loops)
    assert bits(made) > 0 and made.arena < found.loops.arena
    expected = interpret(found.loops, [x], found.constants)[0]
    np.testing.assert_array_equal(interpret(made, [x], found.constants)[0], expected)
    native = executable(found.loops, [x.shape], [x.shape], found.constants)(x)[0]
    np.testing.assert_allclose(
        np.ravel(native), expected, rtol=1e-12 if dtype == "float64" else 1e-5
    )


def test_small_arrays_stay_as_they_are() -> None:
    found = lowered(shortest, table(64)).loops
    assert packing.packed(found) is found


def rows_of_bits(rows: int, length: int, kind: Kind, turned: bool = False) -> LoopProgram:
    """y = -x where x > 0, by way of an array of truth values that one kernel fills."""
    x, y = buffer("f8", rows * length), buffer("f8", rows * length, Space.OUTPUT)
    found = buffer("?", rows * length, Space.TEMP)

    def at(i: Any, j: Any) -> Any:
        place = S.sub(S.int(length - 1), j) if turned else j
        return S.add(S.mul(i, length), place)

    def fill(i: Any) -> Sequence[Any]:
        def one(j: Any) -> Sequence[Any]:
            return [Store(found, at(i, j), S.lt(S.const(0.0, "f8"), S.load(x, at(i, j))))]

        return [loop(length, one, Kind.FREE)]

    def use(i: Any) -> Sequence[Any]:
        def one(j: Any) -> Sequence[Any]:
            value = S.load(x, at(i, j))
            return [Store(y, at(i, j), S.select(S.load(found, at(i, j)), S.neg(value), value))]

        return [loop(length, one, Kind.FREE)]

    steps = [Kernel("fill", (loop(rows, fill, kind),)), Kernel("use", (loop(rows, use, kind),))]
    return program(steps, [x], [y], offsets={found: 0})


@pytest.mark.parametrize("kind", [Kind.SERIAL, Kind.PARALLEL])
@pytest.mark.parametrize("length", [49, 64, 100])
def test_each_thread_has_rows_of_its_own(
    kind: Kind, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LARGE", 1)
    made = rows_of_bits(40, length, kind)
    assert bits(packing.packed(made)) == 1
    x = np.random.default_rng(0).standard_normal(40 * length)
    np.testing.assert_array_equal(executable(made)(x)[0], -np.abs(x))


def test_rows_that_threads_share_are_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGE", 1)
    x = buffer("f8", 640)
    found, y = buffer("?", 640, Space.TEMP), buffer("f8", 640, Space.OUTPUT)

    def chunk(c: Any) -> Sequence[Any]:
        first = S.mul(c, 64)

        def one(j: Any) -> Sequence[Any]:
            place = S.add(first, j)
            return [Store(found, place, S.lt(S.const(0.0, "f8"), S.load(x, place)))]

        return [loop(64, one, Kind.FREE)]

    def use(j: Any) -> Sequence[Any]:
        return [Store(y, j, S.select(S.load(found, j), S.const(1.0, "f8"), S.const(0.0, "f8")))]

    whole = loop(10, chunk, Kind.PARALLEL)
    steps = [Kernel("fill", (whole,)), Kernel("use", (loop(640, use),))]
    made = program(steps, [x], [y], offsets={found: 0})
    values = np.random.default_rng(1).standard_normal(640)
    np.testing.assert_array_equal(executable(made)(values)[0], values > 0)
    assert bits(packing.packed(rows_of_bits(40, 64, Kind.SERIAL, turned=True))) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("first", "last"), [(0, 5), (6, 11), (5, 20), (7, 64)])
def test_two_arrays_that_begin_at_different_bits(
    first: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One loop fills them from the middle of a byte on; what stood there before stays."""
    monkeypatch.setattr(packing, "LARGE", 1)
    x, y = buffer("f8", 64 * 64), buffer("f8", 64 * 64, Space.OUTPUT)
    one, two = buffer("?", 64 * 64, Space.TEMP), buffer("?", 64 * 64, Space.TEMP)

    def rows(cell: Any, first: int, last: int) -> Loop:
        def row(i: Any) -> Sequence[Any]:
            body = lambda j: cell(S.mul(i, 64), j)  # noqa: E731
            return [loop(last, body, Kind.FREE, first)]

        return loop(64, row)

    def fill(row: Any, j: Any) -> Sequence[Any]:
        at = S.add(row, j)
        return [Store(b, at, S.lt(S.const(0.0, "f8"), S.load(x, at))) for b in (one, two)]

    def again(row: Any, j: Any) -> Sequence[Any]:
        at, other = S.add(row, j), S.add(row, S.add(j, -first))
        return [
            Store(one, at, S.lt(S.const(1.0, "f8"), S.load(x, at))),
            Store(two, other, S.lt(S.const(-1.0, "f8"), S.load(x, at))),
        ]

    def use(row: Any, j: Any) -> Sequence[Any]:
        at = S.add(row, j)
        parts = [S.select(S.load(b, at), S.const(v, "f8"), S.const(0.0, "f8")) for b, v in found]
        return [Store(y, at, S.add(*parts))]

    found = [(one, 1.0), (two, 2.0)]
    steps = [rows(fill, 0, 64), rows(again, first, last), rows(use, 0, 64)]
    kernels = [Kernel(f"k{k}", (step,)) for k, step in enumerate(steps)]
    made = program(kernels, [x], [y], offsets={one: 0, two: 64 * 64})
    assert bits(packing.packed(made)) == (2 if first == 0 else 1)
    values = np.random.default_rng(first).standard_normal(64 * 64)
    np.testing.assert_array_equal(executable(made)(values)[0], interpret(made, [values])[0])


def looks_first(made: LoopProgram) -> int:
    """How many rows of truth values are looked at before what they decide on."""
    loops = [st for k in made.steps for st in walk(k.body) if isinstance(st, Loop)]
    looks = [st for x in loops for st in x.body if isinstance(st, Accumulate)]
    return sum(st.combine == "or" and st.register.dtype == BOOL for st in looks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fun", "rows"),
    [(shortest, True), (stretch(0, 0), True), (two_choices, False), (both_sides, False)],
)
def test_rows_that_do_nothing_are_left_out(
    fun: Callable[[Any], Any], rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the least element in each column first, some rows take nothing, or all do."""
    x = np.sort(table(53), axis=0)
    found = lowered(fun, x)
    assert (looks_first(found.loops) > 0) == rows
    if not rows:
        return
    native = executable(found.loops, [x.shape], [x.shape], found.constants)(x)[0]
    monkeypatch.setattr("wengert.kernels.lower.idle_rows", lambda s, steps: list(steps))
    before = lowered(fun, x)
    assert looks_first(before.loops) == 0
    expected = interpret(before.loops, [x], before.constants)[0]
    np.testing.assert_array_equal(interpret(found.loops, [x], found.constants)[0], expected)
    np.testing.assert_allclose(np.ravel(native), expected, rtol=1e-12)


@needs_vectors
def test_the_tape_of_shortest_paths_is_bits() -> None:
    d = np.random.default_rng(2).uniform(0.1, 1.0, (70, 70))

    def paths(d: Any) -> Any:
        d = d.copy()
        for k in range(70):
            for i in range(70):
                for j in range(70):
                    over = d[i, k] + d[k, j]
                    if over < d[i, j]:
                        d[i, j] = over
        return np.sum(np.sin(d))

    made = machine.ready(lowered(paths, d).loops)
    tape = next(b for b in made.offsets if b.packed)
    assert tape.nbytes < 70**3 / 4
    assert any(isinstance(st, If) for k in made.steps for st in walk(k.body))
