"""Sorting against NumPy: short and long axes, ties, NaNs, and derivatives."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from law_backends import BACKENDS, loops
from numpy_oracle import agree
from op_cases import assert_close
from test_mutation import alike

import wengert as wg
from wengert.backends.cpu import support
from wengert.backends.cpu.routines import merge_text, radix
from wengert.ir.builder import Builder
from wengert.ir.op import REGISTRY
from wengert.ir.types import type_of

R = np.random.default_rng(0)


def arrays() -> list[Any]:
    found: list[Any] = []
    for n in (0, 1, 2, 3, 7, 32, 33, 64, 65, 100, 257):
        x = R.integers(-9, 9, (n,)).astype(float) / 2
        found += [x, x.astype(np.int8), R.standard_normal(n)]
        if n > 3:
            y = x.copy()
            y[[1, n - 2]] = np.nan
            y[2] = np.inf
            found.append(y)
    return [*found, R.standard_normal((3, 40)), R.integers(0, 3, (2, 5, 3)), R.random(50) > 0.5]


@pytest.mark.parametrize("number", range(len(arrays())))
def test_sort(number: int) -> None:
    x = arrays()[number]
    for axis in (*range(-x.ndim, x.ndim), None):
        agree(lambda v, axis=axis: np.sort(v, axis=axis), x)
        agree(lambda v, axis=axis: np.argsort(v, axis=axis, kind="stable"), x)
    if x.size and x.dtype != bool:
        agree(lambda v: np.median(v), x)
        agree(lambda v: np.median(v, axis=-1), x)
        agree(lambda v: np.median(v, axis=0, keepdims=True), x)

    def in_place(v: Any) -> None:
        v.sort()
        v[::-1].sort(axis=0)

    alike(in_place, x)


def test_errors() -> None:
    x = R.standard_normal(5)
    agree(lambda v: np.sort(v, axis=1), x)
    agree(lambda v: np.sort(v, order="a"), x)
    agree(lambda v: np.partition(v, 7), x)
    agree(lambda v: np.partition(v, 2)[2], x)


@pytest.mark.parametrize("n", [6, 50])
def test_derivatives_follow_the_order(n: int) -> None:
    x = R.standard_normal(n)
    weights = np.arange(n) ** 2.0
    g = wg.grad(lambda v: np.sum(np.sort(v) * weights))(x)
    np.testing.assert_array_equal(g[np.argsort(x)], weights)
    middle = wg.grad(np.median)(x)
    assert middle.sum() == 1
    assert np.count_nonzero(middle) == 2


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u2", "i4", "i8", "u8"])
def test_long_rows_are_sorted_in_runs_and_merged(dtype: str, backend: str) -> None:
    """In two and in four runs; ties keep their order, NaNs come last, on both sides of a merge."""
    for n in (32_771, 262_147):
        x = R.integers(0, 500, n).astype(dtype)
        if x.dtype.kind == "f":
            x[R.integers(0, n, 7)] = np.nan
        found = wg.jit(lambda v: (np.sort(v), np.argsort(v)), backend=backend)(x)
        np.testing.assert_array_equal(found[0], np.sort(x))
        np.testing.assert_array_equal(found[1], np.argsort(x, kind="stable"))
        alone = wg.jit(np.sort, backend=backend)(x[:32_769])
        np.testing.assert_array_equal(alone, np.sort(x[:32_769]))


def test_runs_of_which_one_lies_before_the_other() -> None:
    up = np.arange(40_001.0)
    for x in (up, up[::-1].copy(), np.zeros(40_001)):
        found = wg.jit(lambda v: (np.sort(v), np.argsort(v), np.sort(-v)))(x)
        np.testing.assert_array_equal(found[0], np.sort(x))
        np.testing.assert_array_equal(found[1], np.argsort(x, kind="stable"))
        np.testing.assert_array_equal(found[2], np.sort(-x))


def test_elements_are_sorted_alone_where_nothing_needs_their_order() -> None:
    kernels = wg.jit(np.sort).lower(np.zeros(100)).kernels
    assert "values" in kernels and "order" not in kernels
    both = wg.jit(wg.value_and_grad(lambda x: np.sum(np.sort(x) ** 2))).lower(np.zeros(100)).kernels
    assert both.count("order ") == 1 and "values" not in both


@pytest.mark.slow
def test_the_interpreter_of_loops_merges_too() -> None:
    x = R.standard_normal(32_771)
    program = wg.make_ir(lambda v: (np.sort(v), np.argsort(v)))(x).program
    found = loops(program, [x])
    np.testing.assert_array_equal(found[0], np.sort(x))
    np.testing.assert_array_equal(found[1], np.argsort(x, kind="stable"))


def _numbers(rng: np.random.Generator, dtype: np.dtype[Any], n: int, special: bool) -> Any:
    """Random numbers, some of them the extreme ones of their dtype."""
    if dtype.kind == "f":
        found = rng.normal(size=n).astype(dtype)
        extreme = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], dtype)
    else:
        limits = np.iinfo(dtype)
        found = rng.integers(limits.min, limits.max, size=n, dtype=dtype, endpoint=True)
        extreme = np.array([limits.min, limits.max], dtype)
    if special and n:
        found[rng.integers(0, n, size=n // 3)] = rng.choice(extreme, size=n // 3)
    return found


@pytest.mark.parametrize("char", "efdbhlBHIL")
def test_merging_runs_sorts(char: str) -> None:
    dtype = np.dtype(char)
    address = support.resolve(merge_text.name(dtype))
    sizes = (ctypes.c_int64, ctypes.c_int64)
    merge = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *sizes)(address)
    rng = np.random.default_rng(3)
    for trial in range(60):
        n = int(rng.integers(0, rng.choice([20, 100, 1000])))
        m = int(rng.integers(0, n + 1))
        x = _numbers(rng, dtype, n, trial % 3 == 0)
        room = np.full(n + 4, 7, dtype)
        room[:m], room[m:n] = np.sort(x[:m]), np.sort(x[m:])
        merge(room.ctypes.data, m, n)
        np.testing.assert_array_equal(room[:n], np.sort(x))
        assert (room[n:] == 7).all()


@pytest.mark.slow
@pytest.mark.parametrize("backend", [b for b in BACKENDS if b in ("grid", "cuda")])
def test_rows_are_sorted_without_a_library(backend: str) -> None:
    """As in loops of programs for a device, where no library can be called."""
    op = REGISTRY["sort"]
    samples = [s for s in op.samples() if s.args[0].shape in ((70,), (8,))]
    samples = [s for s in samples if s.args[0].dtype.kind != "c"]  # which are sorted by their parts
    assert len(samples) == 4
    builder = Builder()
    assert op.portable is not None
    outs: list[Any] = []
    for sample in samples:
        given = builder.input(type_of(sample.args[0]))
        outs += op.portable([given], step=False, **sample.params) or []
    found = BACKENDS[backend](builder.finish(outs), [s.args[0] for s in samples])
    for sample, out in zip(samples, found, strict=True):
        assert_close(out, op.evaluate(*sample.args, **sample.params), 0)


@pytest.mark.slow
@pytest.mark.parametrize("char", "efdbHlQ")
def test_places_in_sorted_vectors(char: str) -> None:
    """Of vectors that are counted through and of those that are searched, ties and NaNs included."""
    dtype = np.dtype(char)
    lines = [np.sort(_numbers(R, dtype, n, n % 3 == 0)) for n in (0, 1, 2, 8, 9, 10, 31, 63, 64)]
    points = [_numbers(R, dtype, 20, True), *lines, lines[-1][::9] + dtype.type(1)]
    points = np.concatenate(points)

    def places(x: Any, *tables: Any) -> list[Any]:
        return [np.searchsorted(t, x, side) for t in tables for side in ("left", "right")]

    with np.errstate(over="ignore"):
        for found, known in zip(
            wg.jit(places)(points, *lines), places(points, *lines), strict=True
        ):
            np.testing.assert_array_equal(found, known)


def test_places_in_a_batch_of_sorted_vectors() -> None:
    lines = np.sort(R.standard_normal((4, 40)), axis=1)
    points = R.standard_normal((4, 7))
    found = wg.vmap(np.searchsorted)(lines, points)
    for line, row, places in zip(lines, points, found, strict=True):
        np.testing.assert_array_equal(places, np.searchsorted(line, row))


@pytest.mark.parametrize("char", "efdbhlBHIQ")
def test_the_order_is_stable_for_all_lengths(char: str) -> None:
    """Of rows that are counted, merged, and sorted by digits: NaNs last, -0 equal to 0."""
    sizes = (33, 72, 73, 145, 1000, 1501, 3000)
    rows = [_numbers(R, np.dtype(char), n, special) for n in sizes for special in (False, True)]
    found = wg.jit(lambda *x: [np.argsort(row) for row in x])(*rows)
    for row, places in zip(rows, found, strict=True):
        np.testing.assert_array_equal(places, np.argsort(row, kind="stable"))


@pytest.mark.parametrize("bits", [16, 64])
def test_loops_of_words_in_python(bits: int) -> None:
    """The native code is made of these: digits that are the same in all words are left out."""
    for n, spread in ((40, 1 << (bits - 1)), (41, 1000), (1, 1), (30, 200)):
        words = R.integers(-spread, spread, n).tolist()
        expected = np.argsort(words, kind="stable")
        rooms = [[0] * n for _ in range(3)]
        places, others, other_places = rooms
        radix.order(list(words), places, others, other_places, [0] * radix.DIGITS, n, bits)
        np.testing.assert_array_equal(places, expected)
        places = list(range(n))
        radix.merged(list(words), places, others, other_places, 1, n)
        np.testing.assert_array_equal(places, expected)


@pytest.mark.parametrize("char", "efdbhlBHIQ")
def test_elements_of_ranks_are_where_a_sort_has_them(char: str) -> None:
    """Ranks in any order, of numbers that are apart, tied, all alike, NaN; in long and short rows."""
    dtype = np.dtype(char)
    rows = [_numbers(R, dtype, n, special) for n in (1, 24, 300, 5000) for special in (False, True)]
    rows += [np.full(100, 3, dtype), (np.arange(2000) % 50).astype(dtype)]
    ranks = [np.array([0, n // 2, n - 1, n // 2 + 1, n // 3]) % n for n in map(len, rows)]
    builder = Builder()
    given = [[builder.input(type_of(x)) for x in pair] for pair in zip(rows, ranks, strict=True)]
    program = builder.finish([x.selection(k) for x, k in given])
    arguments = [x for pair in zip(rows, ranks, strict=True) for x in pair]
    for row, wanted, places in zip(rows, ranks, BACKENDS["cpu"](program, arguments), strict=True):
        np.testing.assert_array_equal(places, np.argsort(row, kind="stable")[wanted])


def test_few_ranks_of_long_rows_are_found_without_sorting() -> None:
    x = R.standard_normal((3, 500))
    for f in (lambda v: np.median(v, 1), lambda v: np.percentile(v, [5, 50, 95], axis=1)):
        kernels = wg.jit(wg.jacrev(f)).lower(x).kernels
        assert "places " in kernels and "order " not in kernels
        agree(f, x)
    middle = wg.jit(wg.grad(lambda v: np.sum(np.median(v, 1))))(x)
    np.testing.assert_array_equal(np.count_nonzero(middle, axis=1), [2, 2, 2])
    np.testing.assert_array_equal(np.sum(middle, axis=1), 1)


def test_numbers_have_no_axis_to_sort_along() -> None:
    for f in (np.sort, lambda x: np.partition(x, 0)):
        with pytest.raises(ValueError, match="out of bounds for array of dimension 0"):
            wg.jit(lambda x, f=f: f(x[0]))(np.ones(2))
    assert wg.jit(lambda x: np.argsort(x[0]))(np.ones(2)) == np.argsort(np.float64(1.0))


def test_partition_in_place() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        row = y[1]
        row.partition(3)
        y.partition(2, axis=0)
        return y[2], np.sort(y, axis=None)

    x = R.standard_normal((5, 8))
    found, wanted = wg.jit(f)(x), f(x)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_lines_of_nan_alone_have_no_extremes() -> None:
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    for f in (np.nanargmax, np.nanargmin):
        compiled = wg.jit(lambda x, f=f: f(x, axis=1))
        with pytest.raises(ValueError, match="All-NaN slice"):
            compiled(x)
        np.testing.assert_array_equal(compiled(x[1:]), [0])
        assert wg.jit(lambda x, f=f: f(x))(x) == f(x)
