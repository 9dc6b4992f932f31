"""Forms of loops that compile to less code: equal chunks, strips of two versions, few iterations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, buffer, executable, program

import wengert as wg
from wengert.backends.cpu import machine
from wengert.backends.cpu.versions import constant_length, in_equal_chunks, in_two_versions
from wengert.ir.scalar import Expr, Index
from wengert.kernels.buffers.inplace import may_take_over
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    Kernel,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)

SIZE, CHUNK = 1000, 192
X, OUT = buffer("f8", SIZE), buffer("f8", SIZE, Space.OUTPUT)


def chunked(body: Callable[[Expr], tuple[Stmt, ...]], size: int = SIZE, each: int = CHUNK) -> Loop:
    """A loop over `size` elements in chunks of `each`, as the schedule makes it."""
    chunk, index = Index(-(-size // each)), Index(size)
    start = S.mul(S.index(chunk), each)
    inner = Loop(index, start, S.min(S.add(start, each), S.int(size)), body(S.index(index)))
    return Loop(chunk, S.int(0), S.int(chunk.extent), (inner,), Kind.PARALLEL)


def itself(b: Buffer) -> object:
    return b


def doubled(i: Expr) -> tuple[Stmt, ...]:
    return (Store(OUT, i, S.mul(S.load(X, i), 2.0)),)


def test_the_last_chunk_is_as_long_as_the_others() -> None:
    made = in_equal_chunks(S, chunked(doubled), itself)
    inner = made.body[0]
    assert isinstance(inner, Loop)
    assert constant_length(S, inner) == CHUNK
    assert str(inner.start.op) == "min"
    assert inner.start.args[1].attr == SIZE - CHUNK


def test_chunks_that_must_not_run_twice_are_left() -> None:
    r = Register(np.dtype("f8"))
    accumulating = chunked(lambda i: (Accumulate(r, "add", S.load(X, i)),))
    assert in_equal_chunks(S, accumulating, itself) is accumulating
    reading_itself = chunked(lambda i: (Store(OUT, i, S.add(S.load(OUT, i), 1.0)),))
    assert in_equal_chunks(S, reading_itself, itself) is reading_itself
    in_place = chunked(doubled)
    assert in_equal_chunks(S, in_place, lambda b: "the same memory") is in_place


@pytest.mark.parametrize("size", [385, 1000, 1152, 100_003])
def test_elements_of_overlapping_chunks(size: int) -> None:
    x, out = buffer("f8", size), buffer("f8", size, Space.OUTPUT)
    each = 192 if size < 10_000 else 15_680
    outer = chunked(lambda i: (Store(out, i, S.exp(S.load(x, i))),), size, each)
    data = np.random.default_rng(0).standard_normal(size)
    found = executable(program([Kernel("k", (outer,))], [x], [out]))(data)[0]
    np.testing.assert_allclose(found, np.exp(data), rtol=1e-15)


@pytest.mark.parametrize("each", [1, 24, 63, 64, 65, 1030])
def test_strips_of_chunks_of_any_length(each: int) -> None:
    """A strip is as long as its chunk at most: it would begin before the array."""
    size = 1500
    x, out = buffer("f8", size), buffer("f8", size, Space.OUTPUT)
    outer = chunked(lambda i: (Store(out, i, S.maths("sin", S.load(x, i))),), size, each)
    data = np.random.default_rng(each).uniform(-50, 50, size)
    data[[3, 700, -1]] = 1e300
    made = executable(program([Kernel("k", (outer,))], [x], [out]))
    np.testing.assert_allclose(made(data)[0], np.sin(data), rtol=1e-15)


@pytest.mark.parametrize("kind", ["exp", "copy"])
def test_what_an_inner_loop_leaves_over_stays_inside_the_loop_around(kind: str) -> None:
    """Where the last vector begins is known there alone."""
    rows, each = 3, 63 if kind == "exp" else 640
    x, out = buffer("f8", rows * each), buffer("f8", rows * each, Space.OUTPUT)
    row, index = Index(rows), Index(rows * each)
    start, i = S.mul(S.index(row), each), S.index(index)
    value = S.load(x, i) if kind == "copy" else S.exp(S.load(x, i))
    inner = Loop(index, start, S.add(start, each), (Store(out, i, value),))
    made = program([Kernel("k", (Loop(row, S.int(0), S.int(rows), (inner,)),))], [x], [out])
    data = np.random.default_rng(0).standard_normal(rows * each)
    wanted = data if kind == "copy" else np.exp(data)
    np.testing.assert_allclose(executable(made)(data)[0], wanted, rtol=1e-15)


@pytest.mark.parametrize("size", [300, 1024, 1025, 2000, 15_680, 20_011])
@pytest.mark.parametrize("where", [0, 1023, -1])
def test_huge_arguments_in_overlapping_strips(size: int, where: int) -> None:
    data = np.random.default_rng(1).uniform(-50, 50, size)
    data[min(where, size - 1)] = 1e300
    made = build.elementwise(lambda x: S.mul(S.maths("sin", x), 2.0), ["f8"], "f8", size)
    np.testing.assert_allclose(executable(made)(data)[0], 2 * np.sin(data), rtol=1e-15)


@pytest.mark.parametrize(("size", "each"), [(1050, 62), (1100, 9), (3000, 1000), (4000, 1030)])
def test_strips_stay_within_chunks_that_are_shorter(size: int, each: int) -> None:
    """Of an array longer than a strip in chunks shorter than one, nothing before it is stored."""
    edge = 64
    x, out = buffer("f8", size + 2 * edge), buffer("f8", size + 2 * edge, Space.OUTPUT)
    zeroed = build.loop(out.size, lambda i: [Store(out, i, S.const(0.0, "f8"))])

    def sine(i: Expr) -> tuple[Stmt, ...]:
        place = S.add(i, edge)
        return (Store(out, place, S.maths("sin", S.load(x, place))),)

    steps = [Kernel("zeros", (zeroed,)), Kernel("sines", (chunked(sine, size, each),))]
    data = np.random.default_rng(3).uniform(1, 50, x.size)
    data[edge + 5] = 1e300
    (found,) = executable(program(steps, [x], [out]))(data)
    expected = np.zeros(x.size)
    expected[edge:-edge] = np.sin(data[edge:-edge])
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_huge_arguments_under_an_accumulator() -> None:
    """The second run of a strip starts from the sums before the first."""
    size = 3000
    x, total = buffer("f8", size), buffer("f8", 1, Space.OUTPUT)
    r = Register(np.dtype("f8"))
    body = (
        Declare(r, S.const(0.0, "f8")),
        build.loop(size, lambda i: [Accumulate(r, "add", S.maths("sin", S.load(x, i)))]),
        Store(total, S.int(0), S.register(r)),
    )
    data = np.random.default_rng(2).uniform(-50, 50, size)
    data[[5, 2999]] = 1e300
    found = executable(program([Kernel("k", body)], [x], [total]))(data)[0]
    np.testing.assert_allclose(found, [np.sum(np.sin(data))], rtol=1e-12)


def test_strips_of_memory_that_is_written_over_run_once() -> None:
    """Overlapping strips would take the sine of what is a sine already."""
    size = 1086
    x, out = buffer("f8", size), buffer("f8", size, Space.OUTPUT)
    a, b = buffer("f8", size, Space.TEMP), buffer("f8", size, Space.TEMP)
    steps = [
        Kernel("first", (build.loop(size, lambda i: [Store(a, i, S.load(x, i))]),)),
        Kernel("sine", (build.loop(size, lambda i: [Store(b, i, S.maths("sin", S.load(a, i)))]),)),
        Kernel("last", (build.loop(size, lambda i: [Store(out, i, S.load(b, i))]),)),
    ]
    data = np.random.default_rng(3).standard_normal(size)
    found = executable(program(steps, [x], [out], offsets={a: 0, b: 0}))(data)[0]
    np.testing.assert_allclose(found, np.sin(data), rtol=1e-15)
    assert not may_take_over(steps[1], a, b)


def scalar_fmas(made: Any) -> int:
    module, _ = machine.optimized(executable(made).source)
    return len(re.findall(r"call \S+ @llvm\.fma\.f(?:32|64)\(", str(module)))


def test_what_overwrites_its_operand_does_not_run_twice() -> None:
    """The product is doubled in the place where it stood, beside strips of sines that overlap."""
    index = Index(2000)
    x, double, sines = (buffer("f8", 2000, space) for space in (Space.TEMP, Space.TEMP, Space.TEMP))
    i = S.index(index)
    body = (Store(double, i, S.mul(S.load(x, i), 2.0)), Store(sines, i, S.sin(S.load(x, i))))
    loop = Loop(index, S.int(0), S.int(2000), body)
    assert in_two_versions(S, loop, lambda b: b)[0]
    assert not in_two_versions(S, loop, lambda b: "together")[0]

    def f(x: Any, w: Any) -> Any:
        double = (x @ w) * 2.0
        return double @ w, np.sin(x) @ w

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((100, 50)), rng.standard_normal((50, 50))
    for found, wanted in zip(wg.jit(f)(x, w), f(x, w), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_what_is_zeroed_first_takes_over_no_memory() -> None:
    """A scatter stores zeros and then what it sets, which it reads: not from under those zeros."""
    index, again = Index(500), Index(500)
    old, new = (buffer("f8", 500, Space.TEMP) for _ in range(2))
    i, k = S.index(index), S.index(again)
    zeros = Loop(index, S.int(0), S.int(500), (Store(new, i, S.const(0.0, old.dtype)),))
    read = Loop(again, S.int(0), S.int(500), (Store(new, k, S.mul(S.load(old, k), 2.0)),))
    assert may_take_over(Kernel("map", (read,)), old, new)
    assert not may_take_over(Kernel("scatter", (zeros, read)), old, new)


@pytest.mark.parametrize("name", ["exp", "sin"])
def test_one_copy_of_the_loop(name: str) -> None:
    """Vectors have nothing left over in chunks of equal length."""
    size = 100_003
    x, out = buffer("f8", size), buffer("f8", size, Space.OUTPUT)
    outer = chunked(lambda i: (Store(out, i, S.maths(name, S.load(x, i))),), size, 15_680)
    assert scalar_fmas(program([Kernel("k", (outer,))], [x], [out])) == 0


def test_few_iterations_stay_scalar() -> None:
    """Partial results are added up once in a call."""
    made = build.chunked_sum(64_000, 64)
    module, _ = machine.optimized(executable(made).source)
    final = str(module).split("@kernel1(")[1].split("\n}")[0]
    assert "fadd" in final
    assert " x double>" not in final


@pytest.mark.parametrize("size", [5, 511, 512, 513, 1500])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_changes_in_place_is_set_back_before_it_runs_again(size: int, dtype: Any) -> None:
    """Some arguments are too large for the fast form, and the turns before have changed them."""

    def swing(q: Any, p: Any) -> Any:
        for _ in range(7):
            p = p - 0.125 * np.sin(q)
            q = q + 0.125 * p + 0.25 * np.cos(q)
        return q, p

    rng = np.random.default_rng(size)
    q, p = rng.standard_normal((2, size)).astype(dtype)
    q[rng.integers(0, size, 3)] = [3e16, -1e22, np.inf]
    with np.errstate(invalid="ignore"):
        wanted = swing(q, p)
    for found, exact in zip(wg.jit(swing)(q, p), wanted, strict=True):
        np.testing.assert_allclose(found, exact, rtol=2e-4 if dtype == np.float32 else 1e-11)


def test_sines_in_place_have_two_versions_where_each_turn_has_its_own_element() -> None:
    index = Index(2000)
    x = buffer("f8", 2001, Space.TEMP)
    i, loop = S.index(index), Loop(index, S.int(0), S.int(2000), ())
    own = (Store(x, i, S.sin(S.load(x, i))),)
    (strips,), _ = in_two_versions(S, replace(loop, body=own), itself)
    assert isinstance(strips, Loop)
    fast = [st for st in strips.body if isinstance(st, Loop) and len(st.body) > 1]
    assert [st.kind for st in fast] == [Kind.FREE]
    others = (Store(x, i, S.sin(S.load(x, S.add(i, 1)))),)
    assert not in_two_versions(S, replace(loop, body=others), itself)[0]
    assert not in_two_versions(S, replace(loop, body=own, kind=Kind.ORDERED), itself)[0]
