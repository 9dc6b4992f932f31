"""Loops that are printed as vectors: all lengths, dtypes and ways to combine, as NumPy has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cpu_programs import S, buffer, executable, loop, program

import wengert as wg
from wengert.backends.cpu import machine
from wengert.backends.cpu.llvm.program import SETTLED
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Kernel, Space, Store

R = np.random.default_rng(7)
ROWS = 600  # enough for chunks, in which rows are not too short to be worth vectors
DTYPES = (np.float32, np.float64, np.int32, np.int64)
VECTOR = machine.target().vector  # bytes
needs_vectors = pytest.mark.skipif(not VECTOR, reason="needs vectors of 256 bits")

ROW_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, axis=1),
    "product": lambda x: np.prod(1 + x / 100, axis=1),
    "max": lambda x: np.max(x, axis=1),
    "min": lambda x: np.min(x, axis=1),
    "any": lambda x: np.any(x > 2, axis=1),
    "all": lambda x: np.all(x > -3, axis=1),
    "scaled": lambda x: x - np.max(x, axis=1, keepdims=True),
    "chosen": lambda x: np.where(x == 0, x, np.abs(x) * 2) * (np.arange(x.shape[1]) > 3),
    "shares": lambda x: x * np.sum(x, axis=1, keepdims=True),
    "large": lambda x: x > 1,
}


def rows(length: int, dtype: Any) -> np.ndarray:
    return np.round(R.normal(size=(ROWS, length)) * 3).astype(dtype)


def all_of_rows(x: Any) -> dict[str, Any]:
    return {name: function(x) for name, function in ROW_FUNCTIONS.items()}


@pytest.mark.parametrize("length", [1, 3, 21, 64, 77])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_any_length(length: int, dtype: Any) -> None:
    x = rows(length, dtype)
    found, expected = wg.jit(all_of_rows)(x), all_of_rows(x)
    tolerance = 3e-5 if dtype == np.float32 else 1e-12
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_allclose(found[name], values, rtol=tolerance, err_msg=name)


STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "backwards": lambda x, k: x[:, ::-1] * 2,
    "every second": lambda x, k: x[:, ::2] + x[:, 1::2],
    "columns": lambda x, k: np.transpose(x.reshape(-1, 8, x.shape[1] // 8), (0, 2, 1)) + 1,
    "gathered": lambda x, k: x[:, k] * 0.5,
    "complex": lambda x, k: (x[:, ::2] + 1j * x[:, 1::2]) * (x[:, 1::2] - 2j),
    "pairs": lambda x, k: np.conj(x[:, ::2] - 1j * x[:, 1::2]),
}


def all_steps(x: Any, k: Any) -> dict[str, Any]:
    return {name: function(x, k) for name, function in STEPS.items()}


@pytest.mark.parametrize("length", [16, 72, 304])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_between_lanes(length: int, dtype: Any) -> None:
    x, k = R.normal(size=(40, length)).astype(dtype), R.permutation(length)
    found, expected = wg.jit(all_steps)(x, k), all_steps(x, k)
    for name, values in expected.items():
        tolerance = 1e-6 if dtype == np.float32 else 1e-14
        np.testing.assert_allclose(found[name], values, rtol=tolerance, err_msg=name)


def fed(x: Any) -> Any:
    """Neighbours, of which the second is made of the first."""
    y = np.zeros(2 * x.size)
    for i in range(x.size):
        y[2 * i] = x[i] + 1
        y[2 * i + 1] = y[2 * i] * x[i]
    return y


def tangled(x: Any) -> Any:
    """Pairs that overlap those of the turn before."""
    y = np.zeros(2 * x.size + 2)
    for i in range(x.size):
        y[2 * i + 2] = x[i]
        y[2 * i] = 2 * x[i]
        y[2 * i + 1] = 3 * x[i]
    return y


def black_box(x: Any, y: Any) -> Any:
    """A long body: two vectors at a time, or all of them masked."""
    z = np.exp(-np.abs(x)) * np.log1p(x * x) + np.tanh(y) / (1 + np.cosh(y))
    return z * np.sin(z) + np.arctan(x * y) ** 2 + np.sqrt(1 + z * z)


@pytest.mark.parametrize("length", [512, 1000, 4097])
def test_long_bodies(length: int) -> None:
    x, y = R.normal(size=(2, 40, length))
    np.testing.assert_allclose(wg.jit(black_box)(x, y), black_box(x, y), rtol=1e-12)


def triangle(x: Any) -> Any:
    """Loops whose length is known only at run time."""
    y = np.zeros_like(x)
    total = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        for j in range(i):
            y[i, j] = 2 * x[i, j] + 1
        for j in range(i):
            total[i] += x[i, j] * x[j, j]
    return y, total


def test_lengths_known_at_run_time() -> None:
    x = R.normal(size=(70, 70))
    for found, expected in zip(wg.jit(triangle)(x), triangle(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def substituted(l: Any, b: Any) -> Any:
    """A sum of what the turns before have written, its length known only at run time."""
    x = b.copy()
    for i in range(b.shape[0]):
        for j in range(i):
            x[i] -= l[i, j] * x[j]
        x[i] = x[i] / (2 + l[i, i] ** 2)
    return x


def eliminated(l: Any, b: Any) -> Any:
    """Rows of different length that are changed again and again."""
    a = l / 10 + np.diag(b * b + 1)
    for k in range(b.shape[0]):
        for i in range(k + 1, b.shape[0]):
            for j in range(k + 1, i + 1):
                a[i, j] -= 0.1 * a[i, k] * a[j, k]
    return a


@pytest.mark.parametrize("size", [1, 2, 6, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fun", [substituted, eliminated])
def test_rows_that_were_just_written(fun: Any, dtype: Any, size: int) -> None:
    l, b = R.normal(size=(size, size)).astype(dtype), R.normal(size=size).astype(dtype)
    found, expected = wg.jit(fun)(l, b), fun(l, b)
    tolerance = 2e-4 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@needs_vectors
def test_what_is_left_over_of_rows_just_written_is_not_masked() -> None:
    source = wg.jit(substituted).lower(np.ones((70, 70)), np.ones(70)).source
    assert source.startswith(SETTLED) and f"<{VECTOR // 8} x double>" in source
    assert "llvm.masked" not in source


def both_parts(x: Any, gap: int) -> Any:
    """Two stores whose places are `gap` elements apart; the later turn's stays."""
    y = np.zeros((x.shape[0], x.shape[1] + gap))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = 2 * x[i, j] + i
            y[i, j + gap] = x[i, j] * x[i, j] - i
    return y


@pytest.mark.parametrize("gap", [5, 23, 24])
def test_places_that_meet_in_later_turns_or_never(gap: int) -> None:
    x = R.normal(size=(30, 24))
    found = wg.jit(both_parts, static_argnums=1)(x, gap)
    np.testing.assert_allclose(found, both_parts(x, gap), rtol=1e-14)


def test_the_second_and_the_third_place_of_a_turn_may_meet_too() -> None:
    """The first one is apart from both."""
    n = 200
    x, y = buffer(np.float64, n), buffer(np.float64, 2 * n + 1, Space.OUTPUT)

    def stores(i: Any) -> list[Store]:
        places, value = (i, S.add(i, n), S.add(i, n + 1)), S.load(x, i)
        return [Store(y, at, S.mul(value, k + 2.0)) for k, at in enumerate(places)]

    clear = loop(2 * n + 1, lambda i: [Store(y, i, S.const(0, np.float64))])
    made = program([Kernel("k", (clear, loop(n, stores)))], [x], [y])
    a = R.normal(size=n)
    np.testing.assert_array_equal(executable(made)(a)[0], interpret(made, [a])[0])


def nothing_kept(x: Any) -> Any:
    """The loop's value is used by nobody."""
    for i in range(x.shape[0]):
        for j in range(2, x.shape[1]):
            _ = x[i, j] * 2 if x[i, 0] != x[i, j] else np.abs(x[i, j])
    return x


def test_loops_that_do_nothing() -> None:
    made = program([Kernel("k", (loop(5, lambda i: []),))], [], [])
    executable(made)()
    x = R.normal(size=(5, 8))
    np.testing.assert_array_equal(wg.jit(nothing_kept)(x), x)


def turned(x: Any) -> Any:
    """Eigenvectors: the derivative has products of small matrices, written out but for one loop."""
    values, vectors = np.linalg.eigh((x + np.swapaxes(x, -1, -2)) * 0.5)
    return np.sum(values * values) + np.sum(vectors[..., 0] ** 4)


@pytest.mark.slow
@needs_vectors
def test_places_further_apart_than_a_loop_has_turns_are_vectors() -> None:
    x = R.normal(size=(200, 8, 8))
    slope = wg.jit(wg.grad(turned))
    assert slope.lower(x).source.startswith(SETTLED)
    np.testing.assert_allclose(slope(x), wg.grad(turned)(x), rtol=1e-9, atol=1e-9)


def carried(x: Any) -> Any:
    """A small array that a loop carries."""
    y = x.copy()
    for _ in range(30):
        y = 0.5 * y + np.tanh(y[::-1]) * np.sum(y) / y.size
    return y


@pytest.mark.parametrize("length", [2, 4, 8, 9, 12, 16, 17])
def test_small_arrays_that_loops_carry(length: int) -> None:
    x = R.normal(size=length)
    np.testing.assert_allclose(wg.jit(carried)(x), carried(x), rtol=1e-10)


def recurrence(x: Any) -> Any:
    """Each turn reads what the one before has written: no vectors."""
    y = x.copy()
    for i in range(1, x.shape[0]):
        y[i] = y[i - 1] * 0.5 + y[i]
    return y


def shifted(x: Any) -> Any:
    """Reads of other places than those written, in an array of its own."""
    y = np.zeros_like(x)
    y[1:-1] = x[2:] - 2 * x[1:-1] + x[:-2]
    return y


@pytest.mark.parametrize("function", [recurrence, shifted, fed, tangled])
def test_turns_that_meet_keep_their_order(function: Any) -> None:
    x = R.normal(size=203)
    np.testing.assert_allclose(wg.jit(function)(x), function(x), rtol=1e-12)


@needs_vectors
def test_sums_and_maps_are_vectors_as_they_are_printed() -> None:
    x = rows(64, np.float32)
    for name in ("sum", "scaled", "chosen"):
        source = wg.jit(ROW_FUNCTIONS[name]).lower(x).source
        assert source.startswith(SETTLED) and f"<{VECTOR // 4} x float>" in source
    assert not wg.jit(recurrence).lower(x[0]).source.startswith(SETTLED)


def test_vectors_do_not_depend_on_the_machine_code_of_others() -> None:
    """Masked or not, in pieces or not: infinities and NaN of lanes that are left out stay out."""
    x = np.full((ROWS, 21), 2.0)
    x[0, 20], x[1, 0] = np.inf, np.nan
    found = wg.jit(lambda x: np.sum(1 / (x - 2.5), axis=1))(x)
    np.testing.assert_allclose(found, np.sum(1 / (x - 2.5), axis=1))


def moments(g: Any, m: Any, v: Any) -> Any:
    return g / np.sqrt(0.9 * v + g * g), 0.5 * m + g


@needs_vectors
@pytest.mark.parametrize("size, fetched", [(200_003, 3), (20_000, 0)])
def test_loops_over_many_large_arrays_fetch_ahead(size: int, fetched: int) -> None:
    """Past the ends of arrays too, which changes nothing; small arrays are in the caches."""
    f, inputs = wg.jit(moments), [R.uniform(1, 2, size) for _ in range(3)]
    assert f.lower(*inputs).source.count("call void @llvm.prefetch") == fetched
    for found, expected in zip(f(*inputs), moments(*inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@needs_vectors
def test_an_array_read_at_several_places_is_not_fetched_ahead() -> None:
    x = R.normal(size=500_000)
    text = wg.jit(lambda x: x[2:] * x[1:-1] + x[:-2]).lower(x).source
    assert "prefetch" not in text
