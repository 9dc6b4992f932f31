"""Loops in three parts around the turn that changes what all turns read, and loops freed of ifs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from benchmarks.loops.tables import floyd_warshall, floyd_warshall_sum
from wengert.ir.evaluate import evaluate
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.loops import If, Kind, Loop
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk

SIZE = 17
PLACES = (
    lambda k, i, j, n: (i, j),
    lambda k, i, j, n: (i, j),
    lambda k, i, j, n: (i, k),
    lambda k, i, j, n: (k, j),
    lambda k, i, j, n: (k, i),
    lambda k, i, j, n: (j, i),
    lambda k, i, j, n: (k, k),
    lambda k, i, j, n: (i, n - 1 - j),
    lambda k, i, j, n: (n - 1 - i, j),
)
WRITES = PLACES[:4]


def inner_loops(fun: Callable[..., Any], *args: Any) -> list[Loop]:
    """The loops without loops inside, of the kernel that has the deepest ones."""
    steps = lower(default_pipeline(wg.make_ir(fun)(*args).program)).loops.steps
    return [
        loop
        for step in steps[1:]
        for loop in walk(step.body)
        if isinstance(loop, Loop) and not any(isinstance(st, Loop) for st in walk(loop.body))
    ]


def test_shortest_paths_wait_for_no_turn() -> None:
    d = np.random.default_rng(0).uniform(1, 9, (20, 20))
    loops = inner_loops(floyd_warshall, d)
    assert [loop.kind for loop in loops] == [Kind.FREE] * 3  # all turns, or those before and after
    assert not any(isinstance(st, If) for loop in loops for st in loop.body)
    np.testing.assert_array_equal(wg.jit(floyd_warshall)(d), floyd_warshall(d))


def floyd_warshall_by_minimum(d: Any) -> Any:
    d = d.copy()
    for k in range(len(d)):
        for i in range(len(d)):
            for j in range(len(d)):
                d[i, j] = min(d[i, j], d[i, k] + d[k, j])
    return d


@pytest.mark.parametrize("fun", [floyd_warshall, floyd_warshall_by_minimum])
def test_a_negative_cycle_changes_what_all_turns_read(fun: Callable[[Any], Any]) -> None:
    """In some rows only, beside those that have no road yet."""
    d = np.random.default_rng(1).uniform(-0.1, 1, (18, 18))
    d[3] = d[:, 5] = np.inf
    d[9, 4] = np.nan
    np.testing.assert_array_equal(wg.jit(fun)(d), fun(d))


def test_the_gradient_where_a_turn_changes_what_all_turns_read() -> None:
    rng = np.random.default_rng(6)
    args = rng.uniform(-0.05, 1, (18, 18)), rng.uniform(1, 2, (18, 18))
    gradient = wg.grad(floyd_warshall_sum)
    kinds = [loop.kind for loop in inner_loops(gradient, *args)]
    assert kinds.count(Kind.FREE) == len(kinds) >= 6
    expected = evaluate(default_pipeline(wg.make_ir(gradient)(*args).program), args)[0]
    np.testing.assert_allclose(wg.jit(gradient)(*args), expected, rtol=1e-12)


def test_the_gradient_of_shortest_paths() -> None:
    rng = np.random.default_rng(2)
    d, weights = rng.uniform(1, 9, (18, 18)), rng.uniform(1, 2, (18, 18))
    found = wg.jit(wg.grad(floyd_warshall_sum))(d, weights)
    for at in [(0, 1), (3, 3), (17, 2), (9, 16)]:
        step = np.zeros_like(d)
        step[at] = 1e-6
        high, low = (floyd_warshall_sum(d + x, weights) for x in (step, -step))
        np.testing.assert_allclose(found[at], (high - low) / 2e-6, rtol=1e-6, atol=1e-6)


def best_paths(scores: Any) -> Any:
    """Viterbi's table, row by row: all that an inner loop reads of it is in the row before."""
    table = np.full(scores.shape, -1e9)
    table[0] = scores[0]
    for t in range(1, scores.shape[0]):
        for i in range(scores.shape[1]):
            for j in range(scores.shape[1]):
                score = table[t - 1, i] + scores[t, j] * scores[0, i]
                if score > table[t, j]:
                    table[t, j] = score
    return np.sum(table[-1])


def rows_of_one_array(x: Any) -> Any:
    """Rows begin so far apart that a loop along part of one never comes to the next one."""
    x = x.copy()
    for i in range(1, x.shape[0]):
        for j in range(1, x.shape[1]):
            x[i, j] = x[i - 1, j] * x[i, j]
    return np.sum(x)


@pytest.mark.slow
@pytest.mark.parametrize("fun", [best_paths, rows_of_one_array])
def test_turns_that_never_meet_are_free(fun: Callable[[Any], Any]) -> None:
    x = np.random.default_rng(3).uniform(0.2, 1.0, (7, SIZE))
    inner = inner_loops(fun, x)
    assert any(loop.kind is Kind.FREE for loop in inner)
    assert all(loop.kind in (Kind.FREE, Kind.SERIAL) for loop in inner)
    np.testing.assert_allclose(wg.jit(fun)(x), fun(x), rtol=1e-12)
    program = default_pipeline(wg.make_ir(wg.grad(fun))(x).program)
    np.testing.assert_allclose(wg.jit(wg.grad(fun))(x), evaluate(program, [x])[0], rtol=1e-12)


@pytest.mark.slow
def test_places_that_loops_hand_on_are_told_apart() -> None:
    """In reverse, the row before is an index that is computed in the loop around."""

    def last(scores: Any, moves: Any) -> Any:
        table = np.full(scores.shape, -1e9)
        table[0] = scores[0]
        for t in range(1, scores.shape[0]):
            for i in range(scores.shape[1]):
                for j in range(scores.shape[1]):
                    score = table[t - 1, i] + moves[i, j] + scores[t, j]
                    if score > table[t, j]:
                        table[t, j] = score
        return np.max(table[-1])

    rng = np.random.default_rng(4)
    args = rng.standard_normal((7, SIZE)), rng.standard_normal((SIZE, SIZE))
    assert all(loop.kind in (Kind.FREE, Kind.SERIAL) for loop in inner_loops(wg.grad(last), *args))
    program = default_pipeline(wg.make_ir(wg.grad(last, argnums=(0, 1)))(*args).program)
    found = wg.jit(wg.grad(last, argnums=(0, 1)))(*args)
    for got, expected in zip(found, evaluate(program, args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def drawn(seed: int) -> Callable[[Any], Any]:  # noqa: C901
    """A table that three loops change at random places, in each turn or in some."""
    rng = np.random.default_rng(seed)

    def place() -> Any:
        return PLACES[rng.integers(len(PLACES))]

    p1, p2, p3, p4 = (place() for _ in range(4))
    w1, w2 = (WRITES[rng.integers(len(WRITES))] for _ in range(2))
    kind = rng.integers(4)
    upper = bool(rng.integers(2))

    def f(a: Any) -> Any:
        d = a.copy()
        n = d.shape[0]
        for k in range(n):
            for i in range(n):
                for j in range(k if upper else 0, n):
                    if kind == 0:
                        d[w1(k, i, j, n)] = 0.5 * d[p1(k, i, j, n)] + 0.4 * d[p2(k, i, j, n)]
                    elif kind == 1:
                        over = 0.6 * d[p1(k, i, j, n)] + 0.3 * d[p2(k, i, j, n)]
                        if over < d[w1(k, i, j, n)]:
                            d[w1(k, i, j, n)] = over
                    elif kind == 2:
                        part = 0.01 * d[p1(k, i, j, n)]
                        d[w1(k, i, j, n)] -= part
                        d[w2(k, i, j, n)] += part
                    else:
                        if d[p1(k, i, j, n)] > d[p2(k, i, j, n)]:
                            part = 0.1 * d[p3(k, i, j, n)]
                            d[p3(k, i, j, n)] = 0.2
                            d[w1(k, i, j, n)] += part
                            d[w2(k, i, j, n)] += part
                        else:
                            d[p4(k, i, j, n)] -= 0.001
        return d

    return f


@pytest.mark.parametrize("seed", fast_share(range(120), 6))
def test_random_tables_are_those_of_python(seed: int) -> None:
    fun = drawn(seed)
    a = np.random.default_rng(seed).uniform(0.5, 1.5, (SIZE, SIZE))
    np.testing.assert_allclose(wg.jit(fun)(a), fun(a), rtol=1e-11, atol=1e-12)
