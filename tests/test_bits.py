"""Vectors of packed truth values, as machines with masks have them (`llvm/bits.py`).

Nothing here needs instructions of such a machine: LLVM makes what it has of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cpu_programs import S, buffer, executable, loop, program

from wengert.backends.cpu import machine
from wengert.backends.cpu.llvm import alike
from wengert.kernels.buffers import packed as packing
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Buffer, Declare, Kernel, Kind, LoopProgram, Register, Space, Store


@pytest.fixture(autouse=True)
def masks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine.target()
    monkeypatch.setattr(machine, "target", lambda: replace(found, masks=True))
    monkeypatch.setattr(packing, "LARGE", 1)


def rows(count: int, length: int, row: Any, kind: Kind = Kind.SERIAL) -> Kernel:
    """A kernel of loops for each row, which `row` gives for the offset of its first element."""
    return Kernel("rows", (loop(count, lambda i: row(S.mul(i, length)), kind),))


def positive(x: Buffer, at: Any, above: float = 0.0) -> Any:
    return S.lt(S.const(above, x.dtype), S.load(x, at))


def turned(x: Buffer, y: Buffer, found: Buffer, first: Any, length: int) -> Sequence[Any]:
    """y = -x where `found` holds."""

    def one(j: Any) -> Sequence[Any]:
        at = S.add(first, j)
        value = S.load(x, at)
        return [Store(y, at, S.select(S.load(found, at), S.neg(value), value))]

    return [loop(length, one, Kind.FREE)]


def marked(dtype: str, count: int, length: int, ends: tuple[int, int]) -> LoopProgram:
    """Rows of bits: all of them cleared, then some set between two ends, then looked at."""
    x, y = buffer(dtype, count * length), buffer(dtype, count * length, Space.OUTPUT)
    found = buffer("?", count * length, Space.TEMP)

    def fill(first: Any) -> Sequence[Any]:
        def none(j: Any) -> Sequence[Any]:
            return [Store(found, S.add(first, j), S.const(False, "?"))]

        def some(j: Any) -> Sequence[Any]:
            at = S.add(first, j)
            return [Store(found, at, positive(x, at))]

        return [loop(length, none, Kind.FREE), loop(ends[1], some, Kind.FREE, ends[0])]

    def use(first: Any) -> Sequence[Any]:
        return turned(x, y, found, first, length)

    steps = [rows(count, length, part, Kind.PARALLEL) for part in (fill, use)]
    return program(steps, [x], [y], offsets={found: 0})


def numbers(made: LoopProgram) -> Any:
    given = made.inputs[0]
    return np.random.default_rng(0).standard_normal(given.size).astype(given.dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("length", "ends"), [(49, (0, 49)), (90, (3, 80)), (64, (5, 7)), (1100, (1, 1099))]
)
def test_rows_are_cleared_and_marked(dtype: str, length: int, ends: tuple[int, int]) -> None:
    """Long rows too, which would be cleared by the C library if they were bytes."""
    made = marked(dtype, 6, length, ends)
    assert sum(b.packed for b in packing.packed(made).offsets) == 1
    x = numbers(made)
    place = np.arange(x.size) % length
    some = (x > 0) & (place >= ends[0]) & (place < ends[1])
    np.testing.assert_array_equal(executable(made)(x)[0], np.where(some, -x, x))


def test_no_write_reaches_into_the_next_row() -> None:
    """It may be another thread's, which would lose what it writes there meanwhile."""
    source = executable(marked("f4", 6, 64, (5, 49))).source
    assert "llvm.masked.store.v2i8" in source  # the last vector of each row
    assert "store i16" in source and "store i32" not in source


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("first", "back"), [(3, 3), (11, 3), (5, 2), (16, 8), (9, 1)])
def test_what_is_read_begins_at_another_bit(dtype: str, first: int, back: int) -> None:
    """Vectors begin where what they write does, which is not where the loop begins."""
    x, y = buffer(dtype, 3 * 128), buffer(dtype, 3 * 128, Space.OUTPUT)
    one, two = (buffer("?", 3 * 128, Space.TEMP) for _ in range(2))

    def fill(row: Any) -> Sequence[Any]:
        def both(j: Any) -> Sequence[Any]:
            at = S.add(row, j)
            return [Store(b, at, positive(x, at, t)) for b, t in ((one, 0.0), (two, 0.3))]

        return [loop(128, both, Kind.FREE)]

    def again(row: Any) -> Sequence[Any]:
        def cell(j: Any) -> Sequence[Any]:
            at, other = S.add(row, j), S.add(row, S.add(j, -back))
            return [Store(two, at, S.xor(S.load(one, other), positive(x, at, 0.2)))]

        return [loop(126, cell, Kind.FREE, first)]

    def use(row: Any) -> Sequence[Any]:
        return turned(x, y, two, row, 128)

    steps = [rows(3, 128, part) for part in (fill, again, use)]
    made = program(steps, [x], [y], offsets={one: 0, two: 3 * 128})
    assert sum(b.packed for b in packing.packed(made).offsets) == 2
    values = numbers(made)
    np.testing.assert_array_equal(executable(made)(values)[0], interpret(made, [values])[0])


def test_kernels_of_bits_and_of_bytes_have_code_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alike, "LEAST", 1)
    monkeypatch.setattr(packing, "LARGE", 1 << 18)
    x, y, z = (buffer("f8", 256, s) for s in (Space.INPUT, Space.OUTPUT, Space.OUTPUT))
    one, two = (Buffer(np.dtype(bool), 256, Space.TEMP, packed) for packed in (True, False))

    def fill(found: Buffer) -> Kernel:
        return Kernel("fill", (loop(256, lambda i: [Store(found, i, positive(x, i))], Kind.FREE),))

    def number(i: Any) -> Sequence[Any]:
        return [Store(z, i, S.cast(S.load(two, i), "f8"))]

    first = Kernel("use", tuple(turned(x, y, one, S.int(0), 256)))
    steps = [fill(one), first, fill(two), Kernel("count", (loop(256, number, Kind.FREE),))]
    native = executable(program(steps, [x], [y, z], offsets={one: 0, two: 256}))
    values = np.random.default_rng(1).standard_normal(256)
    for out, expected in zip(native(values), (-np.abs(values), values > 0), strict=True):
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("alone", [True, False])
def test_places_that_a_turn_keeps_in_a_register(alone: bool) -> None:
    """They differ from lane to lane, though a loop's index has nothing to do with them."""
    k, x, y = buffer("i8", 640), buffer("f8", 1280), buffer("f8", 640, Space.OUTPUT)
    place = Register(np.dtype("i8"))

    def turn(j: Any) -> Sequence[Any]:
        at = S.register(place) if alone else S.add(j, S.register(place))
        return [Declare(place, S.load(k, j)), Store(y, j, S.load(x, at))]

    made = program([Kernel("moved", (loop(640, turn, Kind.FREE),))], [k, x], [y])
    places, values = np.random.default_rng(2).integers(0, 640, 640), np.arange(1280.0)
    expected = values[places if alone else places + np.arange(640)]
    np.testing.assert_array_equal(executable(made)(places, values)[0], expected)
