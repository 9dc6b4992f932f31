"""Bad input to captured loops and branches: typed errors that name the user's line, and no harm.

Every error derives from the built-in one that Python or NumPy would raise, and after it nothing
that the caller owns has changed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_calls import TABLE, X, fails, line_of

import wengert as wg
from wengert import errors

COUNTS = {"calls": 0}
ROOT = Path(__file__).resolve().parent.parent


# indices


def sum_too_far(x, n):
    total = 0.0
    for i in range(n):
        x[0] = 7.0
        total += x[i]  # here
    return total


def store_too_far(x, places):
    for i in range(len(places)):
        x[places[i]] = 1.0  # here


def column_too_far(a, j):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i, j]  # here
    return total


def too_far_below(x, n):
    i = n
    total = 0.0
    while i > -7:
        total += x[i]  # here
        i -= 1
    return total


def too_far_in_a_branch(x, i):
    if x[0] > 0:
        y = x[i]  # here
    else:
        y = x[0]
    return y


def too_far_in_a_helper(x, places):
    total = 0.0
    for p in places:
        total += pick(x, p)
    return total


def pick(x, p):
    return x[p] * 2.0  # here


@pytest.mark.parametrize(
    ("fun", "args", "says", "where"),
    [
        (sum_too_far, (X, np.int64(6)), "index 5 is out of bounds.*size 5", sum_too_far),
        (sum_too_far, (X, np.int64(60)), "index 5 is out of bounds.*size 5", sum_too_far),
        (store_too_far, (X, np.array([0, -6, 2])), "index -6 is out of bounds", store_too_far),
        (
            column_too_far,
            (np.ones((3, 4)), np.int64(4)),
            "index 4 is out of bounds for axis 1 with size 4",
            column_too_far,
        ),
        (too_far_below, (X, np.int64(2)), "index -6 is out of bounds", too_far_below),
        (too_far_in_a_branch, (X, np.int64(8)), "index 8 is out of bounds", too_far_in_a_branch),
        (too_far_in_a_helper, (X, np.array([0, 9])), "index 9 is out of bounds", pick),
    ],
)
def test_an_index_out_of_bounds(fun: Any, args: Any, says: str, where: Any) -> None:
    message = fails(IndexError, fun, *args, says=says)
    assert f"{Path(__file__).name}:{line_of(where, '# here')}" in message
    with pytest.raises(IndexError, match=f"index {says.split()[1]} "):
        fun(*[x.copy() for x in args])  # as Python says it


def test_an_index_in_the_branch_not_taken_is_no_error() -> None:
    compiled = wg.jit(too_far_in_a_branch)
    assert compiled(-X, np.int64(8)) == -1.0
    assert compiled(X, np.int64(-5)) == 1.0


def test_a_program_goes_on_after_an_index_error() -> None:
    compiled = wg.jit(sum_too_far)
    x = X.copy()
    with pytest.raises(IndexError):
        compiled(x, np.int64(6))
    np.testing.assert_array_equal(x, X)
    assert compiled(x, np.int64(5)) == 21.0
    assert x[0] == 7.0


def test_the_gradient_checks_indices_too() -> None:
    gradient = wg.jit(wg.grad(lambda x, places: sum_of_places(x, places)))
    np.testing.assert_array_equal(gradient(X, np.array([0, 0, 4])), [4.0, 0, 0, 0, 10.0])
    with pytest.raises(errors.OutOfBoundsError, match="index 5 is out of bounds"):
        gradient(X, np.array([0, 5, 4]))


def sum_of_places(x, places):
    total = 0.0
    for i in range(len(places)):
        total += x[places[i]] ** 2
    return total


# variables that are not always defined


def defined_in_one_branch(x):
    if x > 0:
        y = x * 2.0
    return y  # here


def defined_in_an_else(x):
    if x > 0:
        z = 1.0
    else:
        y = x
        z = y
    return y + z  # here


def defined_in_a_loop_that_may_not_run(x, n):
    for i in range(n):
        last = x[i]
    return last  # here


def loop_variable_of_a_loop_that_may_not_run(x, n):
    total = 0.0
    for i in range(n):
        total += x[i]
    return total * i  # here


def defined_in_while(x):
    while x < 1.0:
        y = x
        x = x * 2.0
    return x + y  # here


def deleted_in_one_branch(x):
    y = x
    if x > 0:
        del y
    return y  # here


@pytest.mark.parametrize(
    ("fun", "args", "name"),
    [
        (defined_in_one_branch, (1.5,), "y"),
        (defined_in_an_else, (1.5,), "y"),
        (defined_in_a_loop_that_may_not_run, (X, np.int64(2)), "last"),
        (loop_variable_of_a_loop_that_may_not_run, (X, np.int64(2)), "i"),
        (defined_in_while, (0.5,), "y"),
        (deleted_in_one_branch, (1.5,), "y"),
    ],
)
def test_a_variable_that_is_perhaps_undefined(fun: Any, args: Any, name: str) -> None:
    fails(UnboundLocalError, fun, *args, says=f"'{name}'", line="# here")


def test_an_undefined_variable_that_is_not_used_is_no_error() -> None:
    def fun(x):
        if x > 0:
            y = x * 2.0
            z = y + 1.0
        else:
            z = x
        return z

    compiled = wg.jit(fun)
    assert compiled(1.0) == 3.0
    assert compiled(-1.0) == -1.0


# what does not fit together


def shapes_differ_between_branches(x):
    if x[0] > 0:
        y = x
    else:
        y = x[:2]
    return y


def shapes_differ_between_expressions(x):
    return x if x[0] > 0 else x.sum()


def results_differ_in_shape(x):
    if x[0] > 0:
        return x[1:]
    return x


def structures_differ_between_branches(x):
    if x[0] > 0:
        y = (x[0], x[1])
    else:
        y = (x[0], x[1], x[2])
    return y


def array_or_none(x):
    if x[0] > 0:
        y = x
    else:
        y = None
    return y


def array_or_text(x):
    if x[0] > 0:
        y = "positive"
    else:
        y = "negative"
    return y


def state_grows(x, n):
    y = x[:1]
    for _ in range(n):
        y = np.concatenate([y, x[:1]])
    return y


def state_becomes_an_array(x, n):
    y = 0.0
    for _ in range(n):
        y = y + x
    return y


def tuple_grows(x, n):
    y = (x[0],)
    for i in range(n):
        y = (*y, x[i])
    return y


@pytest.mark.parametrize(
    ("error", "fun", "args", "says"),
    [
        (ValueError, shapes_differ_between_branches, (X,), r"'y'.*5.*2"),
        (ValueError, shapes_differ_between_expressions, (X,), r"5"),
        (ValueError, results_differ_in_shape, (X,), r"4.*5|5.*4"),
        ((TypeError, ValueError), structures_differ_between_branches, (X,), "'y'"),
        ((TypeError, ValueError), array_or_none, (X,), "'y'.*None"),
        ((TypeError, ValueError), array_or_text, (X,), "'y'"),
        ((TypeError, ValueError), state_grows, (X, np.int64(3)), r"'y'.*1.*2"),
        ((TypeError, ValueError), state_becomes_an_array, (X, np.int64(3)), r"'y'.*5"),
        ((TypeError, ValueError), tuple_grows, (X, np.int64(3)), "'y'"),
    ],
)
def test_types_that_do_not_fit(error: Any, fun: Any, args: Any, says: str) -> None:
    fails(error, fun, *args, says=says)


@pytest.mark.parametrize("x", [1.5, -1.5])
def test_dtypes_of_branches_are_promoted(x: float) -> None:
    def fun(x):
        y = 1
        if x > 0:
            y = x
        z = np.float32(2) if x > 1 else 3
        return y, z, 1 if x > 0 else True

    y, z, flag = wg.jit(fun)(x)
    assert (y.dtype, z.dtype, flag.dtype) == (np.float64, np.float32, np.int64)
    assert (y, z, flag) == fun(x)


def test_a_state_that_grows_a_known_number_of_times_is_unrolled() -> None:
    def fun(x):
        y = x[:1]
        for k in range(6):
            y = np.concatenate([y, x[:1] * k])
        return y

    np.testing.assert_array_equal(wg.jit(fun)(X), fun(X))


# arrays that cannot be written


def writes(x):
    for i in range(len(x)):
        x[i] = x[i] * 2.0  # here


def test_a_read_only_argument() -> None:
    x = X.copy()
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        writes(x)
    with pytest.raises(ValueError, match="changes argument 'x' in place, and it is read-only"):
        wg.jit(writes)(x)
    np.testing.assert_array_equal(x, X)


def test_a_read_only_argument_that_is_only_read() -> None:
    x = X.copy()
    x.flags.writeable = False
    assert wg.jit(lambda x: x.sum())(x) == 15.0


def test_a_view_that_numpy_does_not_let_write() -> None:
    def fun(a):
        np.diagonal(a)[0] = 1.0  # here

    fails(ValueError, fun, np.ones((3, 3)), says="read-only", line="# here")


def stores_in_a_global(x):
    for i in range(3):
        TABLE[i] = x[i]  # here


def adds_to_a_global(x):
    TABLE[:] += x[:3]  # here
    return x


def sorts_a_global(x):
    TABLE.sort()  # here
    return x + TABLE[0]


def out_is_a_global(x):
    np.add(x[:3], 1.0, out=TABLE)  # here


def operator_on_a_global(x):
    table = TABLE
    table *= x[:3]  # here
    return table


def view_of_a_global(x):
    row = TABLE[1:]
    row[0] = x[0]  # here


@pytest.mark.parametrize(
    "fun",
    [
        stores_in_a_global,
        adds_to_a_global,
        sorts_a_global,
        out_is_a_global,
        operator_on_a_global,
        view_of_a_global,
    ],
)
def test_a_global_array_is_not_changed(fun: Any) -> None:
    fails(errors.WengertError, fun, X, says="TABLE|constant|captured|global", line="# here")


def counts_its_calls(x):
    for i in range(len(x)):
        if x[i] > 1.0:
            COUNTS["calls"] += 1  # here
    return x


def test_a_global_dict_changed_under_a_traced_condition() -> None:
    calls = COUNTS["calls"]
    fails(errors.WengertError, counts_its_calls, X, says="calls|COUNTS|dict|item", line="# here")
    assert COUNTS["calls"] == calls


# recursion, loops without end


def endless(x):
    return endless(x + 1.0) * 2.0


def endless_under_a_traced_condition(x):
    if x < 100.0:
        return endless_under_a_traced_condition(x + 1.0)
    return x


@pytest.mark.parametrize("fun", [endless, endless_under_a_traced_condition])
def test_recursion_without_end(fun: Any) -> None:
    fails(RecursionError, fun, 1.0, says=fun.__name__)
    assert wg.jit(lambda x: x + 1.0)(1.0) == 2.0, "no trace stays open"


ENDLESS = """
import signal, sys, time
import numpy as np
import wengert as wg

signal.alarm(120)  # if nobody is left to stop it

def f(x):
    y = x[0]
    while y > 0:
        y = y + {change}
        x[1] = y
    return y

compiled = wg.jit(f)
x = np.ones(3)
compiled(-x)
print("ready", flush=True)
try:
    compiled(x)
except KeyboardInterrupt:
    print("interrupted", x.tolist(), flush=True)
    assert compiled(-np.ones(3)) == -1.0
    print("alive", flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_interrupts_a_loop_without_end(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(textwrap.dedent(ENDLESS.format(change="1.0")))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert out.split("\n")[:2] == ["interrupted [1.0, 1.0, 1.0]", "alive"]
