"""Updates of rows that the data name: one thread for each column of a run, whatever its length."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from law_backends import grid, lowered_for_grid, shim

import wengert as wg
from wengert.api.compilation import real_pipeline
from wengert.errors import OutOfBoundsError
from wengert.kernels.grid import grouped
from wengert.kernels.interpret import CheckFailed

RNG = np.random.default_rng(7)
N, PLACES, WIDTH = 30, 6, 3


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that reach over several chunks without many turns."""
    monkeypatch.setattr(grouped, "LEAST", 4)
    monkeypatch.setattr(grouped, "SHORTEST", grouped.AHEAD)


def add(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    np.add.at(x, i, rows)
    return x


def write(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    x[i] = rows * 2
    return x


def add_backwards(x: Any, i: Any, rows: Any) -> Any:
    """Rows that begin at a place from which their elements go down."""
    x = x.copy()
    np.add.at(x[::-1, ::-1], i, np.sin(rows))
    return x


def add_elements(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    np.add.at(x, (i, (i + 1) % WIDTH), rows[:, 0])
    return x


def by_loop(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    for k in range(N):
        x[i[k]] += rows[k] * k
    return x


def of_two(x: Any, i: Any, rows: Any) -> Any:
    """Two arrays that one loop changes."""
    x, counts = x.copy(), np.zeros(20 * N)
    for k in range(N):
        x[i[k]] += rows[k]
        counts[3 * i[k]] += 1.0
    return x, counts


FUNCTIONS = [add, write, add_backwards, add_elements, by_loop, of_two]
DRAWS: dict[str, Any] = {
    "even": RNG.integers(0, PLACES, N),
    "mostly one": np.where(RNG.random(N) < 0.8, 4, RNG.integers(0, PLACES, N)),
    "one": np.full(N, -1),
    "all different": RNG.permutation(N) % PLACES if N <= PLACES else np.arange(N) * PLACES // N,
}


def given(draw: str) -> list[Any]:
    return [RNG.normal(size=(PLACES, WIDTH)), DRAWS[draw], RNG.normal(size=(N, WIDTH))]


def program_of(fun: Callable[..., Any], args: list[Any]) -> Any:
    return real_pipeline(wg.make_ir(fun)(*args).program)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("fun", FUNCTIONS)
def test_launches(fun: Callable[..., Any], draw: str) -> None:
    """By the interpreter, with the turns of launches reversed."""
    args = given(draw)
    found = grid(program_of(fun, args), args)
    for a, b in zip(found, wg.tree_leaves(fun(*args)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("library", [False, True])
def test_kernels(monkeypatch: pytest.MonkeyPatch, library: bool) -> None:
    """The order is counted, or a library's; no thread goes through all turns."""
    monkeypatch.setattr(grouped, "COUNTED", 0 if library else N)
    args = given("mostly one")
    program = program_of(of_two, args)
    for a, b in zip(shim(program, args), of_two(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    steps = lowered_for_grid(program).loops.steps
    assert sum(k.name.endswith("_order") for k in steps) == 2
    assert all(k.threads > 1 or str(k.body[0].kind) == "grid" for k in steps if library is False)


def test_an_index_out_of_range_is_found() -> None:
    args = given("even")
    args[1] = np.where(np.arange(N) == 17, PLACES, args[1])
    with pytest.raises((OutOfBoundsError, CheckFailed)):
        grid(program_of(add, args), args)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, i, rows: _reading(x, i, rows),
        lambda x, i, rows: _overlapping(x.ravel(), i, rows),
    ],
)
def test_what_stays_in_order(fun: Callable[..., Any]) -> None:
    """Turns that read what others write, and rows that overlap."""
    args = given("mostly one")
    program = program_of(fun, args)
    np.testing.assert_allclose(grid(program, args)[0], fun(*args), rtol=1e-12)
    assert not any(k.name.endswith("_order") for k in lowered_for_grid(program).loops.steps)


def _reading(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    for k in range(N):
        x[i[k]] += rows[k] * x[0]
    return x


def _overlapping(x: Any, i: Any, rows: Any) -> Any:
    x = x.copy()
    for k in range(N):
        for j in range(WIDTH):
            x[i[k] + j] += rows[k, j]
    return x


def _row_by_row(x: Any, y: Any) -> Any:
    y, out = y.copy(), np.zeros((len(x), len(y)))
    for k in range(len(x)):
        for j in range(len(y)):
            y[j] += x[k] * 0.5
        for j in range(len(y)):
            out[k, j] = y[len(y) - 1 - j] * x[k]
    return y, out


def _named(x: Any, y: Any) -> Any:
    y, out, at = y.copy(), np.zeros(len(x)), np.arange(len(x)) * 7 % len(y)
    for k in range(len(x)):
        y[at[k]] += x[k] * 0.5
        out[k] = y[2] * x[k]
    return y, out


def _named_before(x: Any, y: Any) -> Any:
    y, out, at = y.copy(), np.zeros(len(x)), np.arange(len(x)) * 7 % len(y)
    for k in range(len(x)):
        out[k] = y[at[k]] * x[k]
        y[at[k]] += x[k] * 0.5
    return y, out


@pytest.mark.parametrize("fun", [_row_by_row, _named, _named_before])
def test_sums_that_another_statement_reads_stay_in_order(fun: Callable[..., Any]) -> None:
    """A chunk of turns has no part of its own of what it also reads."""
    args = [RNG.normal(size=200), RNG.normal(size=5)]
    for a, b in zip(grid(program_of(fun, args), args), fun(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
