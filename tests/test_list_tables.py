"""Lists that loops fill by indices known only at run time: arrays while the loop runs."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.program import equations

X = np.random.default_rng(3).standard_normal(12)


def sum_of_a_run(x):
    dp = [0] * len(x)
    dp[0] = x[0]
    for i in range(1, len(x)):
        dp[i] = max(dp[i - 1] + x[i], x[i])
    return max(dp), dp[3], dp[-1]


def alignment(x):
    n, m = len(x), 7
    dp = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in range(1, n + 1):
        row, above = dp[i], dp[i - 1]
        row[0] = i * 0.5
        for j in range(1, m + 1):
            cost = (x[i - 1] - x[j]) ** 2
            row[j] = min(above[j] + 1, dp[i][j - 1] + 1, dp[i - 1][j - 1] + cost)
            dp[i][j] += len(row) * 0.01
    return dp[-1][-1], np.array(dp).sum(axis=0), np.mean(dp[4])


def sorted_by_swaps(x):
    a = list(x)
    for i in range(len(a)):
        for j in range(len(a) - 1 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return a, a[2:4]


def known_by_several_names(x):
    dp = [0.0] * 12
    same, held = dp, {"t": (dp,)}

    def put(table, i, v):
        table[i] = v

    for i in range(12):
        put(dp, -i, x[i] * 2)
    same[3] += 1
    return held["t"][0][3], dp, sum(held["t"][0])


def histogram(x):
    bins = [0] * 5
    for v in x:
        bins[int(abs(v) * 3) % 5] += 1
    return bins


def walk_with_an_end(x):
    dp, i = [0.0] * 13, 0
    while i < 12 and dp[i] < 4.0:
        dp[i + 1] = dp[i] + abs(x[i])
        i += 1
    return dp[i], dp


def in_one_part_of_a_branch(x):
    dp = [1.0] * 12
    if x[0] > 0:
        for i in range(11):
            dp[i + 1] = dp[i] * x[i]
    else:
        dp[np.argmax(x)] = 5.0
    return dp


def made_in_each_turn(x):
    total = [0.0, 1.0] + [0.0] * 6
    for i in range(9):
        new = [0.0] * 8
        for j in range(8):
            new[j] = total[j] * 0.5 + x[j] * i
        total = new
    return total


CAPTURED = [
    *(sum_of_a_run, alignment, sorted_by_swaps, known_by_several_names, histogram),
    *(walk_with_an_end, in_one_part_of_a_branch, made_in_each_turn),
]


@pytest.mark.parametrize("x", [X, -X.astype(np.float32)], ids=["float64", "float32"])
@pytest.mark.parametrize("f", CAPTURED)
def test_a_list_is_an_array_while_a_loop_fills_it(f: Any, x: Any) -> None:
    traced = wg.make_ir(f)(x)
    assert {"for_loop", "while_loop"} & {e.op.name for e in equations(traced.program)}
    found, wanted = (wg.tree_leaves(v) for v in (wg.jit(f, backend="reference")(x), f(x)))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if x.dtype == np.float32 else 1e-12)
        assert np.asarray(a).itemsize <= np.asarray(b).itemsize  # numbers of Python stay weak


def test_tables_have_derivatives_on_every_way() -> None:
    def loss(x):
        return alignment(x)[0] + sum_of_a_run(x)[0]

    wg.testing.check_grads(loss, (X,), order=1)


def rows_that_are_one_list(x):
    dp = [[0.0] * 6] * 3
    for i in range(6):
        dp[i % 3][i] = x[i]
    return dp


def lengthened(x):
    dp = [0.0] * 6
    for i in range(6):
        dp[i] = x[i]
        dp.append(x[i] * 2)
    return dp


def looked_through(x):
    dp, seen = [0.0] * 6, 0.0
    for i in range(6):
        dp[i] = x[i]
        seen += sum(dp) + max(dp) + (1 if 0.0 in dp else 2)
        last = list(dp)
        part = dp[1:3]
    return dp, seen, last, part


def known_while_tracing(x):
    flags = [True] * 30
    for i in range(2, 30):
        if flags[i]:
            for j in range(i * i, 30, i):
                flags[j] = False
    primes = [i for i in range(2, 30) if flags[i]]
    return x[: len(primes)]


def two_rows_in_turn(x):
    before, now = [0.0] * 8, [0.0] * 8
    for i in range(6):
        for j in range(1, 8):
            now[j] = max(before[j], now[j - 1]) + x[j] * i
        before, now = now, before
    return before, now


def returned_from_the_loop(x):
    dp = [0.0] * 12
    for i in range(12):
        dp[i] = x[i]
        if sum(dp) > 3:
            return dp, i
    return dp, -1


def held_in_a_dict(x):
    dp, d = [0.0] * 6, {}
    for i in range(6):
        dp[i] = x[i]
        d["k"] = dp
    d["k"][0] = 9.0
    return dp


@pytest.mark.parametrize(
    "f",
    [
        two_rows_in_turn,
        returned_from_the_loop,
        held_in_a_dict,
        rows_that_are_one_list,
        lengthened,
        looked_through,
        known_while_tracing,
    ],
)
def test_other_loops_that_change_lists_run_in_python(f: Any) -> None:
    found = wg.jit(f, backend="reference")(X)
    for a, b in zip(wg.tree_leaves(found), wg.tree_leaves(f(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def stored_by_functions(x):
    dp = [0.0] * 6
    for i in range(6):
        dp[i] = x[i]
        dp.__setitem__(2, 9.0)
        operator.setitem(dp, i - 1, dp[2])
        dp[3] += dp[2]
    return dp


def basis_of_a_simplex(x):
    basis, n = [0, 1, 2, 3], 0
    while x[basis].sum() < 6 and n < 20:
        basis[np.argmin(x[basis])] = int(np.argmax(x))
        n += 1
    return basis, n


def handed_on(x):
    now, i = [0.0] * 5, 0
    while sum(now) < 20:
        new = list(now)
        new[int(abs(x[i % 12]) * 2) % 5] += 1.5
        now = new
        i += 1
    return now, i


def one_of_two(x):
    a, b = [0.0] * 4, [0.0] * 4
    for i in range(8):
        t = a if x[i] > 0 else b
        t[int(abs(x[i])) % 4] += x[i]
        t[i % 4] += 1
    return a, b


def test_a_list_that_each_attempt_makes_anew_is_refused() -> None:
    with pytest.raises(TypeError, match="index an array"):
        wg.jit(one_of_two)(X)


@pytest.mark.parametrize("f", [stored_by_functions, basis_of_a_simplex, handed_on])
def test_lists_that_are_no_tables_or_are_stored_to_otherwise(f: Any) -> None:
    for a, b in zip(wg.tree_leaves(wg.jit(f)(X)), wg.tree_leaves(f(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_store_by_an_index_from_data_takes_no_code_for_each_item() -> None:
    def counts(x, n):
        bins = [0] * n
        for v in x:
            bins[int(abs(v)) % n] += 1
        return np.array(bins)

    few, many = (len(list(equations(wg.make_ir(counts)(X, n).program))) for n in (4, 64))
    assert many < few + 4


def test_hidden_elements_are_not_compared() -> None:
    def f(x):
        a, b, same = [0.0] * 6, [0.0] * 6, 0
        for i in range(6):
            a[i], b[i] = x[i], x[i] * 2
            same += 1 if a == b else 0
        return same

    with pytest.raises(TypeError, match="known only when"):
        wg.jit(f)(X)


def test_an_index_out_of_range_names_the_line() -> None:
    def f(x, n):
        dp = [0.0] * 4
        for i in range(n):
            dp[i] = x[i]
        return dp

    assert wg.jit(f, backend="reference")(X, np.int64(3))[2] == X[2]
    with pytest.raises(IndexError, match=r"index 4 is out of bounds.*test_list_tables"):
        wg.jit(f, backend="reference")(X, np.int64(6))
