"""Whole loop programs on the CPU back end, against NumPy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, buffer, executable, loop, program

import wengert as wg
from wengert import errors
from wengert.backends.cpu import machine
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Check,
    Declare,
    Failure,
    If,
    Kernel,
    Kind,
    Register,
    Space,
    Store,
)

F8 = np.dtype("f8")


def test_map() -> None:
    f = executable(build.elementwise(lambda x, y: S.add(S.mul(x, y), 1.5), ["f8", "f8"], "f8", 100))
    x, y = np.random.default_rng(0).normal(size=(2, 100))
    (out,) = f(x, y)
    np.testing.assert_array_equal(out, x * y + 1.5)


@pytest.mark.parametrize("kind", [Kind.SERIAL, Kind.PARALLEL])
def test_row_softmax(kind: Kind) -> None:
    x = np.random.default_rng(0).normal(size=(7, 33))
    f = executable(build.softmax(7, 33, kind), [(7, 33)], [(7, 33)])
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(f(x)[0], e / e.sum(axis=1, keepdims=True), rtol=1e-14)


def test_chunked_sum() -> None:
    x = np.random.default_rng(0).normal(size=12 * 1000)
    (total,) = executable(build.chunked_sum(12 * 1000, 12), out_shapes=[()])(x)
    assert type(total) is np.float64
    np.testing.assert_allclose(total, x.sum(), rtol=1e-12)


SIZES = [(1, 4, 5, 6), (3, 4, 5, 6), (2, 1, 5, 6), (2, 4, 1, 6), (1, 1, 1, 6), (2, 3, 4, 0)]


# at the borders of tiles, panels and blocks of the product that is written for vectors
BORDERS = [(1, 70, 65, 80), (2, 13, 32, 257), (1, 15, 31, 9), (1, 57, 17, 300), (1, 113, 530, 3)]


@pytest.fixture(params=["own", "blas"])
def products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has matrix products be wengert's own, where this machine has the vectors, or a BLAS's."""
    found = machine.target()
    monkeypatch.setattr(machine, "target", lambda: replace(found, masks=request.param == "own"))
    if request.param == "own" and not found.masks:
        pytest.skip("this machine has no vectors of 512 bits")


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [*SIZES, (1, 0, 3, 2), *BORDERS])
@pytest.mark.parametrize("transposes", list(itertools.product([False, True], repeat=2)))
def test_gemm(size: tuple[int, int, int, int], transposes: tuple[bool, bool], dtype: str) -> None:
    batch, m, n, k = size
    rng = np.random.default_rng(1)
    a = rng.normal(size=(batch, k, m) if transposes[0] else (batch, m, k)).astype(dtype)
    b = rng.normal(size=(batch, n, k) if transposes[1] else (batch, k, n)).astype(dtype)
    expected = (a.mT if transposes[0] else a) @ (b.mT if transposes[1] else b)
    made = build.gemm(*size, transposes, dtype, shared=False)
    (out,) = executable(made, [a.shape, b.shape], [(batch, m, n)])(a, b)
    np.testing.assert_allclose(out, expected, rtol=1e-4 if dtype == "f4" else 1e-12, atol=1e-5)


@pytest.mark.skipif(
    not machine.target().masks, reason="needs products of our own (AVX-512): a BLAS has other sums"
)
def test_products_of_some_rows_have_the_bits_of_all() -> None:
    """Our own products; a BLAS sums some rows in other orders."""
    a, b = np.random.default_rng(2).normal(size=(2, 260, 260))
    whole = wg.jit(np.matmul)(a, b)
    for rows in (5, 30, 101):
        np.testing.assert_array_equal(wg.jit(np.matmul)(a[:rows], b), whole[:rows])


def test_columns_shared_by_threads_are_written_once() -> None:
    """Blocks of columns that met added to each other's unfinished sums."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(4, 3000)), rng.normal(size=(3000, 1003))
    multiply = wg.jit(np.matmul)
    for _ in range(40):
        np.testing.assert_allclose(multiply(a, b), a @ b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u8", "f2", "i1"])
def test_transposed_reads(dtype: str) -> None:
    """In whole tiles and what is left beside them; by a function of vectors where there is one."""
    rng = np.random.default_rng(4)
    for shape in ((300, 71), (9, 3000), (2, 150, 131)):
        x, y = (
            rng.integers(0, 99, s).astype(dtype) for s in (shape, (*shape[:-2], *shape[:-3:-1]))
        )
        np.testing.assert_array_equal(wg.jit(lambda x, y: x.mT + y)(x, y), x.mT + y)


def test_gemm_shares_an_operand_without_stride() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 3, 4, 4))
    made = build.gemm(3, 4, 4, 4, (False, False), "f8", shared=True)
    (out,) = executable(made, [(3, 4, 4), (4, 4)], [(3, 4, 4)])(a, b[0])
    np.testing.assert_allclose(out, a @ b[0], rtol=1e-12)


def _shifted(size: int) -> Any:
    """out[i] = x[i - 2] where i >= 2, else -1."""
    x, out = buffer("f8", size), buffer("f8", size + 2, Space.OUTPUT)
    body = loop(
        size + 2,
        lambda i: [Store(out, i, S.guard(S.ge(i, 2), S.load(x, S.add(i, -2)), -1.0))],
    )
    return program([Kernel("pad", (body,))], [x], [out])


@pytest.mark.parametrize("size", [0, 1, 5, 100])
def test_guard_protects_a_load(size: int) -> None:
    x = np.arange(float(size))
    np.testing.assert_array_equal(
        executable(_shifted(size))(x)[0], np.concatenate([[-1.0, -1.0], x])
    )


def test_guard_inside_guard() -> None:
    x, out = buffer("f8", 4), buffer("f8", 12, Space.OUTPUT)

    def value(i: Any) -> Any:
        inner = S.guard(S.lt(i, 8), S.load(x, S.add(i, -4)), 7.0)
        return S.guard(S.ge(i, 4), S.mul(inner, 2.0), S.guard(S.eq(i, 1), S.load(x, i), 0.0))

    made = program([Kernel("k", (loop(12, lambda i: [Store(out, i, value(i))]),))], [x], [out])
    expected = [0.0, 2.0, 0.0, 0.0, 2.0, 4.0, 6.0, 8.0, 14.0, 14.0, 14.0, 14.0]
    np.testing.assert_array_equal(executable(made)(np.arange(1.0, 5.0))[0], expected)


def test_triangular_loop_and_registers() -> None:
    n = 6
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    total = Register(F8)

    def row(i: Any) -> list[Any]:
        inner = loop(n, lambda j: [Accumulate(total, "add", S.load(x, j))])
        bounded = type(inner)(inner.index, inner.start, i, inner.body)
        return [Declare(total, S.const(0.0, F8)), bounded, Store(out, i, S.register(total))]

    f = executable(program([Kernel("prefix", (loop(n, row),))], [x], [out]))
    data = np.arange(1.0, n + 1)
    np.testing.assert_allclose(f(data)[0], np.concatenate([[0.0], np.cumsum(data)[:-1]]))


def test_store_in_a_loop_is_seen_by_later_loads() -> None:
    """x[i + 1] += x[i], in place: a remembered load of the buffer would be stale."""
    n = 8
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    copy = loop(n, lambda i: [Store(out, i, S.load(x, i))])
    step = loop(
        n - 1,
        lambda i: [
            Store(out, S.add(i, 1), S.add(S.load(out, i), S.load(out, S.add(i, 1)))),
            Store(out, S.int(0), S.add(S.load(out, S.int(0)), 1.0)),
        ],
    )
    f = executable(program([Kernel("scan", (copy, step))], [x], [out]))
    expected = np.arange(1.0, n + 1)
    for i in range(n - 1):
        expected[i + 1] += expected[i]
        expected[0] += 1
    np.testing.assert_array_equal(f(np.arange(1.0, n + 1))[0], expected)


def test_branches() -> None:
    n = 10
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    kept = Register(F8)

    def body(i: Any) -> list[Any]:
        value = S.load(x, i)
        return [
            If(
                S.gt(value, S.register(kept)),
                (Assign(kept, value), Store(out, i, S.register(kept))),
                (Store(out, i, S.neg(S.register(kept))),),
            )
        ]

    f = executable(
        program([Kernel("k", (Declare(kept, S.const(0.0, F8)), loop(n, body)))], [x], [out])
    )
    data = np.random.default_rng(3).normal(size=n)
    best, expected = 0.0, []
    for v in data:
        expected.append(v if v > best else -best)
        best = max(best, v)
    np.testing.assert_array_equal(f(data)[0], expected)


@pytest.mark.parametrize("combine", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4", "u8", "i8"])
def test_reductions(combine: str, dtype: str) -> None:
    n = 67
    x, out = buffer(dtype, n), buffer(dtype, 1, Space.OUTPUT)
    register = Register(np.dtype(dtype))
    body = (
        Declare(register, S.load(x, S.int(0))),
        loop(n, lambda i: [Accumulate(register, combine, S.load(x, i))], start=1),
        Store(out, S.int(0), S.register(register)),
    )
    f = executable(program([Kernel("reduce", body)], [x], [out]))
    reduce = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[combine]
    data = (1 + np.random.default_rng(0).random(n) / 8).astype(dtype)
    if np.dtype(dtype).kind != "f":
        data = np.random.default_rng(0).integers(1, 100, n).astype(dtype)
    expected = data[0]
    with np.errstate(over="ignore"):
        for v in data[1:]:
            expected = reduce(expected, v)
    tolerance = {"f2": 0.0, "f4": 1e-5}.get(dtype, 1e-13)
    np.testing.assert_allclose(f(data)[0][0], expected, rtol=tolerance)


@pytest.mark.parametrize("position", [0, 5, 66])
def test_maximum_propagates_nan(position: int) -> None:
    n = 67
    x, out = buffer("f8", n), buffer("f8", 1, Space.OUTPUT)
    most = Register(F8)
    body = (
        Declare(most, S.const(-np.inf, F8)),
        loop(n, lambda i: [Accumulate(most, "max", S.load(x, i))]),
        Store(out, S.int(0), S.register(most)),
    )
    data = np.zeros(n)
    data[position] = np.nan
    assert np.isnan(executable(program([Kernel("k", body)], [x], [out]))(data)[0][0])


@pytest.mark.parametrize("kind", [Kind.SERIAL, Kind.PARALLEL])
def test_failed_check_raises_with_the_value(kind: Kind) -> None:
    n = 8
    x, at, out = buffer("f8", n), buffer("i8", n), buffer("f8", n, Space.OUTPUT)

    def body(i: Any) -> list[Any]:
        where = S.load(at, i)
        fine = S.and_(S.ge(where, 0), S.lt(where, n))
        return [Check(fine, 0, where), Store(out, i, S.load(x, where))]

    failure = Failure("OutOfBoundsError", "index {value} is outside of axis 0 of size 8")
    made = program([Kernel("take", (loop(n, body, kind),))], [x, at], [out], failures=[failure])
    f = executable(made)
    data, indices = np.arange(8.0), np.arange(8)[::-1].copy()
    np.testing.assert_array_equal(f(data, indices)[0], data[::-1])
    indices[3] = -90
    with pytest.raises(errors.OutOfBoundsError, match="index -90 is outside"):
        f(data, indices)
    indices[3] = 0
    np.testing.assert_array_equal(f(data, indices)[0], data[indices])


@pytest.mark.parametrize("same", [True, False])
def test_temporaries_that_share_memory(same: bool) -> None:
    """A temporary written over one that is read in the same kernel, at the same place."""
    n = 64
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    a, b = buffer("f8", n, Space.TEMP), buffer("f8", n, Space.TEMP)
    steps = [
        Kernel("first", (loop(n, lambda i: [Store(a, i, S.mul(S.load(x, i), 2.0))]),)),
        Kernel(
            "second",
            (
                loop(n, lambda i: [Store(b, i, S.add(S.load(a, i), 1.0))]),
                loop(n, lambda i: [Store(out, i, S.load(b, i))]),
            ),
        ),
    ]
    made = program(steps, [x], [out], offsets={a: 0, b: 0 if same else 8 * n})
    data = np.arange(float(n))
    np.testing.assert_array_equal(executable(made)(data)[0], 2 * data + 1)


def test_outputs_that_are_inputs_constants_or_repeated() -> None:
    n = 5
    x, c, out = buffer("f8", n), buffer("f8", n, Space.CONSTANT), buffer("f8", n, Space.OUTPUT)
    kernel = Kernel("k", (loop(n, lambda i: [Store(out, i, S.add(S.load(x, i), S.load(c, i)))]),))
    made = program([kernel], [x], [out, x, c, out, x], [c])
    constant, data = np.arange(5.0), np.ones(5)
    results = executable(made, constants=[constant])(data)
    for result, expected in zip(
        results, [data + constant, data, constant, data + constant, data], strict=True
    ):
        np.testing.assert_array_equal(result, expected)
    owners = [data, constant, *results]
    assert not any(np.shares_memory(p, q) for p, q in itertools.combinations(owners, 2))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_small_and_empty_arrays(n: int) -> None:
    f = executable(build.elementwise(lambda x: S.add(x, 1.0), ["f8"], "f8", n), [(n, 1)], [(1, n)])
    (out,) = f(np.ones((n, 1)))
    assert out.shape == (1, n)
    np.testing.assert_array_equal(out, 2.0)


def test_large_local_buffers_leave_the_stack_alone() -> None:
    n = 200_000
    f = executable(build.softmax(2, n), [(2, n)], [(2, n)])
    x = np.random.default_rng(0).normal(size=(2, n))
    np.testing.assert_allclose(f(x)[0].sum(axis=1), 1.0)


def test_unrolled_loop() -> None:
    n = 6
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    body = loop(n, lambda i: [Store(out, i, S.mul(S.load(x, i), 3.0))], Kind.UNROLL)
    f = executable(program([Kernel("k", (body,))], [x], [out]))
    np.testing.assert_array_equal(f(np.arange(6.0))[0], 3 * np.arange(6.0))


def test_arrays_of_more_than_2_31_elements() -> None:
    """The pages of zeros are never written, so this takes address space but little memory."""
    n = 2**31 + 4096
    x, out = buffer("u1", n), buffer("i8", 1, Space.OUTPUT)
    total = Register(np.dtype("i8"))
    body = (
        Declare(total, S.const(0, "i8")),
        loop(
            n // 4096,
            lambda i: [Accumulate(total, "add", S.cast(S.load(x, S.mul(i, 4096)), "i8"))],
        ),
        Store(out, S.int(0), S.register(total)),
    )
    f = executable(program([Kernel("sum", body)], [x], [out]))
    data = np.zeros(n, "u1")
    data[[0, 2**31]] = 3, 4
    assert f(data)[0][0] == 7


def test_equal_kernels_are_one_function() -> None:
    """Loops that differ in their buffers alone are printed once; others are not mixed up."""
    args = [np.full(n, k, np.float64) for k, n in enumerate((5000, 5000, 5000, 6000, 5000))]

    def each(*xs: Any) -> Any:
        return [np.sqrt(x) * 2 for x in xs[:4]] + [np.sqrt(xs[4]) * 3]

    compiled = wg.jit(each)
    source = str(compiled.lower(*args).source)
    assert source.count("define hidden i64 @kernel") == 3
    for x, y in zip(compiled(*args), each(*args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-15)
