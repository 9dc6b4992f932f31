"""Handlers and context managers around conditions, loops and numbers that only the program knows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CaptureError, UndefinedVariableError

TURNS = 12


class Thing:
    pass


def first_turns_differ(x):
    o: Any = Thing()
    d: dict[str, Any] = {}
    t = 0.0
    for i in range(TURNS):
        try:
            t = t + z
        except NameError:
            t = t + 100.0
        z = x * i  # noqa: F841
        try:
            t = t + o.q
        except AttributeError:
            t = t + 10.0
        o.q = x * i
        try:
            d["c"] = d["c"] + x
        except KeyError:
            d["c"] = x
    return t, d["c"]


def handlers_do_not_take_our_errors(x):
    t = 0.0
    for i in range(TURNS):
        try:
            if x * i > 5:
                y = x
            t = t + y
        except Exception:
            t = t + 100.0
    return t


class Quiet:
    """Swallows all errors."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *error: object) -> bool:
        return True


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    try:
        yield
    except ValueError:
        np.zeros(1)


@contextlib.contextmanager
def tidy() -> Iterator[None]:
    try:
        yield
    finally:
        np.zeros(1)


@pytest.mark.parametrize(
    "manager",
    [Quiet, forgiving, lambda: contextlib.suppress(ValueError)],
    ids=["own", "gen", "std"],
)
def test_managers_that_swallow_errors(manager: Any) -> None:
    def f(x):
        y = 0.0
        with manager():
            if x < 0:
                raise ValueError("no")
            y = x + y
        return 2 * y

    with pytest.raises(CaptureError, match="in a try or with that would take it"):
        wg.jit(f, backend="reference")(1.0)


@pytest.mark.parametrize(
    "manager", [tidy, lambda: contextlib.suppress(KeyError), lambda: np.errstate(all="ignore")]
)
def test_managers_that_do_not(manager: Any) -> None:
    def f(x):
        with manager():
            if x < 0:
                raise ValueError("no")
        return 2 * x

    compiled = wg.jit(f, backend="reference")
    assert compiled(1.0) == 2.0
    with pytest.raises(ValueError, match="no"):
        compiled(-1.0)


@pytest.mark.parametrize("x", [0.8, 1.5])
def test_what_is_absent_in_the_first_turn_alone(x: float) -> None:
    found = wg.jit(first_turns_differ, backend="reference")(x)
    np.testing.assert_allclose(found, first_turns_differ(x), rtol=1e-12)


def test_errors_that_are_not_the_users_pass_by() -> None:
    with pytest.raises(UndefinedVariableError, match="variable 'y' has no value here"):
        wg.jit(handlers_do_not_take_our_errors, backend="reference")(1.0)


def quotient(x):
    try:
        return 1 / x
    except ZeroDivisionError:
        return 0.0


def logarithm(x):
    try:
        return math.log(x)
    except ValueError:
        return -1.0


@pytest.mark.parametrize(
    ("f", "text"), [(quotient, "divided by zero"), (logarithm, "math.log is outside")]
)
def test_numbers_for_which_a_handler_waits(f: Any, text: str) -> None:
    compiled = wg.jit(f, backend="reference")
    assert compiled(2.0) == f(2.0)
    with pytest.raises(CaptureError, match=text):
        compiled(0.0)


def power(x):
    try:
        return math.pow(x - 2, -9.0) + math.exp(x)
    except OverflowError:
        return -1.0


@pytest.mark.parametrize("x", [3.0, 1000.0, 2.0])
def test_only_the_error_that_a_handler_names_ends_the_program(x: float) -> None:
    """A power at its pole is a ValueError in Python, which nobody waits for."""
    compiled = wg.jit(power, backend="reference")
    if x in (3.0, 2.0):  # infinite at the pole, as in NumPy
        wanted = power(x) if x > 2 else np.inf
        np.testing.assert_allclose(compiled(x), wanted)
    else:
        with pytest.raises(CaptureError, match="outside of its range.*waits for OverflowError"):
            compiled(x)


def asserted(x):
    try:
        assert x > 0
    except AssertionError:
        return -x
    return x


def of_one_or_of_all(x):
    try:
        return float(x)
    except TypeError:
        return np.sum(x)


def truth_or_sum(x):
    try:
        return 1.0 if bool(x) else 0.0
    except ValueError:
        return np.sum(x)


def test_assertions_for_which_a_handler_waits() -> None:
    compiled = wg.jit(asserted, backend="reference")
    assert compiled(2.0) == 2.0
    with pytest.raises(CaptureError, match="handler waits for AssertionError"):
        compiled(-2.0)


@pytest.mark.parametrize("f", [of_one_or_of_all, truth_or_sum])
@pytest.mark.parametrize("x", [2.0, np.ones(3)])
def test_arrays_that_are_no_numbers_are_errors_of_the_users(f: Any, x: Any) -> None:
    assert wg.jit(f, backend="reference")(x) == f(x)


def returns_inside(x, log):
    with contextlib.ExitStack():
        if x > 1:
            if x > 5:
                return x, x
            y = x * 3
        else:
            y = -x
        z = y * 2
    return z, y


def returns_inside_a_try(x, log):
    try:
        if x > 1:
            return x * 2
        y = x * 3
    finally:
        log.append(1)
    return y


def looks_at_it_after_a_return(x, log):
    y = 1.0
    del y
    try:
        if x > 1:
            return x * 2
        y = x * 3
    finally:
        log.append(y)
    return y


@pytest.mark.parametrize("f", [returns_inside, returns_inside_a_try])
@pytest.mark.parametrize("x", [0.5, 2.0, 7.0])
def test_variables_behind_a_block_that_may_return(f: Any, x: float) -> None:
    compiled = wg.jit(lambda x: f(x, []), backend="reference")
    np.testing.assert_allclose(compiled(x), f(x, []), rtol=1e-15)


def test_variables_that_a_finally_reads_after_a_return() -> None:
    with pytest.raises(UndefinedVariableError, match="variable 'y' has no value here"):
        wg.jit(lambda x: looks_at_it_after_a_return(x, []), backend="reference")(0.5)
