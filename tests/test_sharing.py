"""Variables that may hold one array, and variables that other functions assign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import MutationError, SharedArrayError

Function = Callable[..., Any]


def arguments() -> tuple[Any, ...]:
    return np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), 6, np.array([3, 0, 1, 2, 2, 1])


def outcome(f: Function) -> list[Any]:
    args = arguments()
    found = f(*args)
    return [*(found if isinstance(found, tuple) else (found,)), *args]


# programs whose values are right


def one_array_in_two_variables(x, y, n, k):
    u, v = x * 2, y * 2
    for _ in range(8):
        t = u * 0.5
        u = t
        v = t
    u[0] = 3.0
    return v


def a_view_of_the_last_turn(x, y, n, k):
    row = x
    for i in range(8):
        row = y[i % 2 :][:2]
        row *= 2
    first = y[:2]
    for _ in range(n):
        first = y[1:]
    first[0] = 7.0
    return first


def a_list_of_one_array(x, y, n, k):
    found = []
    u = x * 2
    for i in range(8):
        u[0] = i
        found.append(u)
    return np.stack(found)


def an_element_that_a_turn_changes(x, y, n, k):
    found = [x * 1]
    for _ in range(7):
        before = found[-1]
        before[0] = 9.0
        found.append(before * 2)
    return np.stack(found)


def an_appended_array_that_is_changed_later(x, y, n, k):
    found = []
    u = x * 1
    for i in range(7):
        u[i % 3] = 9.0
        u = u * 0.5
        found.append(u)
    return np.stack(found)


def two_arrays_exchanged_while(x, y, n, k):
    u, v = x.copy(), x * 0.5
    change = 1.0
    while change > 1e-3:
        v[1:] = u[:-1] * 0.5
        v[0] = u[0] * 0.25
        change = abs(v - u).max()
        u, v = v, u
    u[0] = 1.0
    return u, v


def the_same_in_a_loop(x, y, n, k):
    u, v = x.copy(), x * 0.5
    for _ in range(n):
        change = 1.0
        while change > 1e-3:
            v[1:] = u[:-1] * 0.5
            v[0] = u[0] * 0.25
            change = abs(v - u).max()
            u, v = v, u
        u[0] += 1.0
    return u, v


def the_array_of_another_variable_at_the_end_of_a_turn(x, y, n, k):
    u, v, s = x * 1, y * 1, 0.0
    for t in range(n):
        s += u[0]
        v[0] = t
        u = v
    return s, u, v


def an_item_assigned_in_the_second_part_alone(x, y, n, k):
    d = {"u": x}
    if x[0] > 0.5:
        pass
    else:
        d["u"] = y
    return d["u"] * 1


def an_item_changed_and_then_assigned(x, y, n, k):
    d = {"u": y}
    for _ in range(n):
        d["u"][2] = y[1]
        d["u"] = x
    return d["u"] * 1


def parameters_that_a_nested_function_exchanges(x, y, n, k):
    def exchange():
        nonlocal x, y
        x, y = y, x

    for i in range(8):
        exchange()
        x[i % 3] = y.sum()
    return x.sum()


def a_variable_that_two_nested_functions_share(x, y, n, k):
    s = 0.0

    def add(v):
        nonlocal s
        s = s + v

    def loop():
        for i in range(9):
            add(x[i % 3] * i)

    loop()
    return s


def a_closure_with_a_state(x, y, n, k):
    def counter():
        c = 0.0

        def up(v):
            nonlocal c
            c += v
            return c

        return up

    up = counter()
    t = 0.0
    for i in range(n):
        t = t + up(x[i % 3])
        if x[i % 3] > 1.5:
            up(10.0)
    return t + up(0.0)


def a_closure_of_every_turn(x, y, n, k):
    def inner(v):
        q = v * 2

        def more():
            nonlocal q
            q = q + 1

        for _ in range(6):
            more()
        return q

    t = 0.0
    for i in range(n):
        t += inner(x[i % 3])
    return t


TOTAL: Any = 0.0


def count(v):
    global TOTAL
    TOTAL = TOTAL + v


def a_global_variable(x, y, n, k):
    global TOTAL
    TOTAL = 0.0
    for i in range(8):
        count(x[i % 3])
    found = TOTAL * 1.0
    TOTAL = 0.0
    return found


def an_argument_if_there_is_no_turn(x, y, n, k):
    t = 0
    while t < k[1]:
        t += 1
        x = x * 0.9
    x[0] = 3.0
    return x


def another_variable_if_there_is_no_turn(x, y, n, k):
    u = y * 2
    w = u
    for _ in range(k[1]):
        u = u * 0.9
    u[0] = 3.0
    w[1] += u[0]
    u[2] = 10.0
    if x[0] > 0:
        w[0] += 1
        u[1] = w.sum()
    else:
        u[1] = 7.0
    return u, w


def no_turns_in_some_turns(x, y, n, k):
    for r in range(n):
        u = x
        t = 0
        while t < k[r]:
            t += 1
            u = u * 0.9
        u[0] += 3.0
    return x


RIGHT = [
    an_argument_if_there_is_no_turn,
    another_variable_if_there_is_no_turn,
    no_turns_in_some_turns,
    one_array_in_two_variables,
    a_view_of_the_last_turn,
    a_list_of_one_array,
    an_element_that_a_turn_changes,
    an_appended_array_that_is_changed_later,
    two_arrays_exchanged_while,
    the_same_in_a_loop,
    the_array_of_another_variable_at_the_end_of_a_turn,
    an_item_assigned_in_the_second_part_alone,
    an_item_changed_and_then_assigned,
    parameters_that_a_nested_function_exchanges,
    a_variable_that_two_nested_functions_share,
    a_closure_with_a_state,
    a_closure_of_every_turn,
    a_global_variable,
]


@pytest.mark.parametrize("f", RIGHT)
def test_values(f: Function) -> None:
    wanted, found = outcome(f), outcome(wg.jit(f, backend="reference"))
    for w, x in zip(wanted, found, strict=True):
        np.testing.assert_allclose(x, w, rtol=1e-12)


# programs in which it is known only at run time which array it is that is changed


def arguments_exchanged_by_an_inner_while(x, y, n, k):
    for i in range(n):
        j = 0
        while j < k[i]:
            x, y = y, x
            j += 1
        x[0] += 1.0 + i  # here
    return x.sum()


def arguments_exchanged_in_a_branch(x, y, n, k):
    for i in range(n):
        if k[i] > 1:
            x, y = y, x
        x[0] += 1  # here
    return x.sum()


def an_argument_if_there_is_a_turn(x, y, n, k):
    s = 0.0
    for i in range(n):
        row = x
        for _ in range(k[i]):
            row = y
        row[0] += 1  # here
        s += row.sum()
    return s


def an_argument_after_one_turn(x, y, n, k):
    now, before = x, y
    for _ in range(n):
        before = now
        now = now * 0.5
    before[0] = 7.0  # here
    return now


@pytest.mark.parametrize(
    "f",
    [
        arguments_exchanged_by_an_inner_while,
        arguments_exchanged_in_a_branch,
        an_argument_if_there_is_a_turn,
        an_argument_after_one_turn,
    ],
)
def test_arguments(f: Function) -> None:
    with pytest.raises(MutationError, match="may be an argument .*change a copy") as raised:
        wg.jit(f, backend="reference")(*arguments())
    assert raised.value.location is not None
    assert "# here" in lines(f, raised.value.location.line)


def lines(f: Function, number: int) -> str:
    with open(f.__code__.co_filename) as file:
        return file.readlines()[number - 1]


def another_name_of_an_exchanged_array(x, y, n, k):
    u, v = x * 1, y * 1
    w = u
    if k[0] > 1:
        u, v = v, u
    u[0] = 5.0  # here
    return w


def an_array_assigned_in_a_branch(x, y, n, k):
    u, v = x * 1, y * 1
    if k[0] > 0:
        u = v
    v[0] = 5.0  # here
    return u


def an_array_assigned_in_a_loop(x, y, n, k):
    u, v = x * 1, y * 1
    for _ in range(k[0]):
        u = v
    u[0] = 5.0  # here
    return v


def a_view_at_an_unknown_place(x, y, n, k):
    a = np.outer(x, y)
    for i in range(n):
        row = a[k[i]]
    row[0] = 5.0  # here
    return a


@pytest.mark.parametrize(
    "f",
    [
        another_name_of_an_exchanged_array,
        an_array_assigned_in_a_branch,
        an_array_assigned_in_a_loop,
        a_view_at_an_unknown_place,
    ],
)
def test_other_arrays(f: Function) -> None:
    with pytest.raises(SharedArrayError, match=r"assign a copy \(u = v.copy\(\)\)") as raised:
        wg.jit(f, backend="reference")(*arguments())
    assert raised.value.location is not None
    assert "# here" in lines(f, raised.value.location.line)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_rows_of_later_turns_are_read_in_a_loop_that_writes_all(backend: str) -> None:
    def f(x: Any, y: Any) -> Any:
        for j in range(5):
            y[j] = x.sum()
            x[1:] = y[:-1]
        return x[4]

    plain = [np.arange(5.0), np.full(5, 0.3)]
    changed = [x.copy() for x in plain]
    assert wg.jit(f, backend=backend)(*changed) == f(*plain)
    np.testing.assert_array_equal(changed, plain)


def changes_and_replaces_until(x: Any, limit: float, turns: int) -> Any:
    table, count = x * 1.0, 0
    for _ in range(turns):
        if np.sum(table) > limit:
            break
        table[-1] = table[0] * 1.5
        if table[0] < 3:
            for j in range(1, 4):
                table[j] = 0.5 * (table[0] + table[j])
        table = np.take(table, np.argsort(-table))
        count += 1
    return table, count


@pytest.mark.slow
@pytest.mark.parametrize("turns", [5, 30])
def test_an_array_that_a_loop_with_break_changes_and_replaces(turns: int) -> None:
    """The first turn changes an array from outside, the others one of the loop: it is taken out."""
    compiled = wg.jit(lambda x, limit: changes_and_replaces_until(x, limit, turns))
    x = np.array([1.0, 2.0, 0.5, 0.7])
    for limit in (4.0, 7.0, 50.0, 1e6):
        found, expected = compiled(x, limit), changes_and_replaces_until(x, limit, turns)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-13)
        assert found[1] == expected[1]
    text = str(compiled.lower(x, 50.0).ir)
    assert text.count("while_loop") == 1
