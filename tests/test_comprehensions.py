"""List comprehensions: compiled where they do much, with what Python gives in every case."""

from __future__ import annotations

import io
import itertools
from collections import deque
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CaptureError

RNG = np.random.default_rng(7)
X, Y = RNG.standard_normal((60, 5)), RNG.standard_normal((12, 5))


def distances(x, y):
    return np.array([[np.sum((a - b) ** 2) for a in x] for b in y])


def rows(x, y):
    return np.stack([np.sin(a) * a.sum() / (1 + np.abs(a).max()) for a in x])


def pairs_and_what_lists_can(x, y):
    found = [np.cumsum(a)[-1] * k + np.prod(a) - a[k % 5] for k, a in enumerate(x)]
    found.append(2.0)
    found[3] = 1.0
    return np.array(found), sum(found), len(found), max(found)


def variables_of_their_own(x, y):
    a = 3.0
    more = [np.sum(a * np.exp(a)) - np.tanh(a).min() for a in x]
    return a + more[1] * more[-1]


def lengths_that_move(x, y):
    return np.array(
        [x[i, : i % 5 + 1].sum() * np.exp(x[i, 0]) + x[i, 1] ** 3 for i in range(len(x))]
    )


COMPILED = [distances, rows, pairs_and_what_lists_can, variables_of_their_own]


def views(x, y):
    parts = [row[1:] for row in x]
    parts[0][:] = 1.0
    return x.sum() + parts[3][0]


def views_after_much(x, y):
    def part(k):
        x[k] += np.sin(x[k]) * x[k].sum() * np.exp(x[k].min())
        return x[k]

    parts = [part(k) for k in range(len(x))]
    parts[0][:] = 1.0
    return x.sum() + parts[3][0]


def tuples(x, y):
    found = [(a.sum() + np.sin(a).max(), np.exp(a).min() * a[0]) for a in x]
    return sum(p for p, _ in found) + found[7][1]


def functions_that_see_the_last(x, y):
    functions = [lambda t: t * i for i in range(8)]  # noqa: B023
    return functions[0](x[0, 0])


def known_numbers(x, y):
    places = [2 * i for i in range(400)]
    return x.ravel()[places[:10]].reshape(places[5] // 2, -1)


def several_shapes(x, y):
    return [np.sin(x[0, : i % 3 + 1]) * x[i, 0] + np.exp(x[i, 1]) for i in range(len(x))][4]


def nonlocal_state(x, y):
    count = 0.0

    def weighed(a):
        nonlocal count
        count = count + np.sin(a).sum()
        return a.sum() * count + np.exp(a).max()

    found = [weighed(a) for a in x]
    return found[5] + count


IN_PYTHON = [
    *(views, views_after_much, tuples, functions_that_see_the_last, known_numbers),
    *(several_shapes, nonlocal_state, lengths_that_move),
]


@pytest.mark.parametrize("f", [*COMPILED, *IN_PYTHON])
def test_as_python(f: Any) -> None:
    x = X if f in COMPILED else X[: 40 if f is views_after_much else 12]
    mine, others = (x.copy(), Y.copy()), (x.copy(), Y.copy())
    found, wanted = wg.jit(f)(*mine), f(*others)
    pairs = [r if type(r) is tuple else (r,) for r in (found, wanted)]
    for a, b in zip((*pairs[0], *mine), (*pairs[1], *others), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


@pytest.mark.parametrize("f", COMPILED)
def test_much_is_a_loop(f: Any) -> None:
    text = str(wg.jit(f).lower(X, Y).ir)
    assert "for_loop" in text
    assert text.count(" sin[") + text.count(" exp[") + text.count("reduce_sum") < 40


@pytest.mark.slow
def test_derivatives() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.sin(distances(x, Y))) + np.sum(rows(x, Y) ** 2)

    v = RNG.standard_normal(X.shape)
    around = [loss(X + h * v) for h in (1e-6, -1e-6)]
    slope = np.sum(wg.jit(wg.grad(loss))(X) * v)
    np.testing.assert_allclose(slope, (around[0] - around[1]) / 2e-6, rtol=1e-6)


# what gives another value each time


def numbers_from_an_iterator(x):
    more = iter(range(100))
    for _ in range(8):
        x = x + x[0] * next(more)
    return x


def numbers_counted_elsewhere(x):
    count = itertools.count()

    def weight():
        return next(count)

    return np.array([np.sum(np.sin(x * a)) * weight() for a in np.concatenate([x, x])])


def iterators_of_a_turn(x):
    total = 0.0
    for _ in range(30):
        pair = iter((x[0], x[1]))
        total = total + next(pair) * next(pair) + next(pair, 1.0)
    return total


def numbers_drawn(x):
    rng = np.random.default_rng(3)
    for _ in range(8):
        x = x + x[0] * rng.random()
    return np.array([np.sum(np.sin(x * a)) * rng.random() for a in np.concatenate([x] * 8)])


def numbers_from_a_queue_and_a_file(x):
    queue, file = deque(range(9)), io.StringIO("1\n2\n3\n4\n5\n6\n7\n8\n")
    for _ in range(8):
        x = x + x[0] * queue.popleft() + float(file.readline())
    return x


PLAIN = [
    numbers_from_an_iterator,
    numbers_counted_elsewhere,
    numbers_drawn,
    numbers_from_a_queue_and_a_file,
]


@pytest.mark.parametrize("f", [*PLAIN, iterators_of_a_turn])
def test_iterators(f: Any) -> None:
    np.testing.assert_allclose(wg.jit(f)(X[0]), f(X[0]), rtol=1e-12)
    assert ("for_loop" in str(wg.jit(f).lower(X[0]).ir)) == (f is iterators_of_a_turn)


def test_too_many_turns_that_draw() -> None:
    def walk(x):
        rng = np.random.default_rng(3)
        for _ in range(100_000):
            x = x + rng.standard_normal()
        return x

    with pytest.raises(CaptureError, match=r"standard_normal\(\) takes the next of a Generator"):
        wg.jit(walk)(X[0])


# np.ndindex


def places_of_an_array(x):
    y, found = np.zeros_like(x), 0
    for place in np.ndindex(x.shape):
        y[place] = x[place] * x[0, place[1]] + place[0]
        found += place[0] < place[1]
    return y, found


def places_beside_others(x):
    total = 0.0
    for k, (i, j, _) in enumerate(np.ndindex(*x.shape, 1)):
        for (m,) in np.ndindex(x.shape[1]):
            total += k * x[i, m] * x[i, j]
    return total


def places_one_by_one(x):
    places = np.ndindex(2, 2)
    first = next(places)
    return x[first] + sum(x[p] for p in list(np.ndindex(2, 3))) + len(list(np.ndindex(())))


@pytest.mark.parametrize("f", [places_of_an_array, places_beside_others, places_one_by_one])
def test_ndindex(f: Any) -> None:
    x = np.arange(30.0).reshape(5, 6) ** 0.5
    results = [r if isinstance(r, tuple) else (r,) for r in (wg.jit(f)(x), f(x))]
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    if f is not places_one_by_one:
        assert "for_loop" in str(wg.jit(f).lower(x).ir)


# sums of generators


def sums_in_one_another(x):
    pairs = sum(np.cos(a - b) for a in x for b in x)
    return pairs, sum((x[i] - x[j]) ** 2 for i in range(len(x)) for j in range(i))


def sums_of_sums(x):
    return sum(sum(v * w for v in x) for w in x), sum(sum(v * k for v in x) for k in range(3))


def filtered_sums(x):
    both = sum(v for v in x if v > 0 if v < 1)
    return (
        both,
        sum([v * 2 for v in x if v < 0]),
        len([v for v in x if v > 0]),
        sum(v > 0 for v in x),
    )


def sums_of_rows(x):
    a = x.reshape(-1, 4)
    return (
        sum(r * i for i, r in enumerate(a)),
        sum(a[:, j] for j in range(4)),
        sum(r for r in a[:0]),
    )


def sums_that_act(x):
    count = 0

    def numbered(v):
        nonlocal count
        count = count + 1
        return v * count

    return sum(numbered(v) for v in x), count, sum(2 for _ in range(9)), sum([])


def other_functions_called_sum(x):
    def sum(terms):  # noqa: A001
        return list(terms)[1]

    return sum(v * 2 for v in x)


@pytest.mark.parametrize(
    "f",
    [
        *(sums_in_one_another, sums_of_sums, filtered_sums),
        *(sums_of_rows, sums_that_act, other_functions_called_sum),
    ],
    ids=lambda f: f.__name__,
)
def test_sums(f: Any) -> None:
    x = np.linspace(-1.0, 2.0, 24)
    found, wanted = wg.jit(f, backend="reference")(x), f(x)
    for a, b in zip(wg.tree_leaves(found), wg.tree_leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_sums_of_many_terms_are_loops() -> None:
    def energy(x: Any) -> Any:
        return sum((a - b) ** 2 for a in x for b in x if a > b)

    assert str(wg.jit(energy).lower(np.arange(200.0)).ir).count("\n") < 60


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (2, 2)])
def test_lists_that_loops_fill_are_joined(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        rows = []
        for k in range(20):
            rows.append(x[k] * 2)
        found = [np.vstack(rows), np.hstack(rows), np.stack(rows, axis=-1), np.array(rows)]
        if shape:
            found += [np.concatenate(rows), np.concatenate(rows, axis=-1)]
        return found

    x = np.random.default_rng(0).random((20, *shape))
    for mine, wanted in zip(wg.jit(f)(x), f(x), strict=True):
        np.testing.assert_array_equal(mine, wanted, strict=True)
