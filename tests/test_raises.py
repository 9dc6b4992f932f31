"""`raise` under conditions that are known only at run time: the program raises the error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg


class TooLarge(Exception):
    def __init__(self, value: Any, limit: float) -> None:
        super().__init__(f"above {limit}")
        self.value = value


def checks(x):
    if x < 0:
        raise ValueError("negative")
    if x > 100:
        raise TooLarge(x, 100)
    if x == 50:
        raise RuntimeError(f"it is {x:.1f}")
    if x < 52:
        y = x * x
    else:
        raise KeyError
    return y


def pivots(x):
    total = 0.0
    for i in range(3000):
        if x == i:
            raise ZeroDivisionError(f"pivot {i:d}")
        total += 1 / (i - x)
    return total


def converges(x):
    turns = 0
    while abs(x) > 1:
        x = x * 0.5 if x < 1000 else x + 1
        turns += 1
        if turns > 5000:
            raise RuntimeError("no convergence")
    return x + turns


def finds(x):
    for i in range(10):
        if i * i == x:
            return i
    raise LookupError("no square")


def positive(x):
    if x <= 0:
        raise ValueError("not positive")
    return np.log(x)


def of_helpers(x):
    return positive(x) if x < 10 else positive(20 - x)


@pytest.mark.parametrize(
    ("f", "points"),
    [
        (checks, (3.0, -1.0, 101.0, 50.0, 60.0)),
        (pivots, (0.5, 2999.0)),
        (converges, (300.0, 2000.0)),
        (finds, (49.0, 50.0)),
        (of_helpers, (9.0, 11.0, -1.0, 20.0)),
    ],
)
def test_errors_are_those_of_python(f: Any, points: tuple[float, ...]) -> None:
    compiled = wg.jit(f)
    for x in points:
        try:
            expected = f(x)
        except Exception as error:
            with pytest.raises(type(error), match="test_raises.py") as found:
                compiled(x)
            shown = f is not pivots and x != 50
            assert not shown or str(found.value).startswith(str(error).strip("'"))
        else:
            assert np.isclose(compiled(x), expected)


def test_derivatives_and_batches_raise_too() -> None:
    slope = wg.jit(wg.grad(checks))
    assert slope(3.0) == 6.0
    with pytest.raises(ValueError, match="negative"):
        slope(-3.0)
    with pytest.raises(TooLarge):
        wg.jit(wg.vmap(checks))(np.array([1.0, 101.0]))


def test_handlers_do_not_see_what_only_the_program_raises() -> None:
    def handles(x):
        try:
            return positive(x)
        except ValueError:
            return 0.0

    with pytest.raises(wg.errors.CaptureError, match="in a try"):
        wg.jit(handles)(2.0)


def raises_in_both(x):
    if x < 10:
        if x < 0:
            raise ValueError("neg")
        if x < 1.5:
            raise KeyError("small")
        assert x < 9, "below 9"
        raise RuntimeError("mid")
    return x


def both_of_an_expression(x):
    return (positive(x - 5) if x < 0 else positive(-x - 1)) if x < 1.5 else x


@pytest.mark.parametrize("f", [raises_in_both, both_of_an_expression])
def test_the_first_of_several_errors_is_raised(f: Any) -> None:
    compiled = wg.jit(f)
    assert compiled(11.0) == 11.0
    for x in (-1.0, 1.0, 2.0, 9.5):
        try:
            wanted = f(x)
        except Exception as error:
            with pytest.raises(type(error)) as found:
                compiled(x)
            assert str(error).split("\n")[0] in str(found.value)
        else:
            assert compiled(x) == wanted


def test_code_that_always_raises_has_no_compiled_form() -> None:
    def f(x):
        if x < 0:
            raise ValueError("neg")
        raise KeyError("pos")

    with pytest.raises(wg.errors.CaptureError, match=r"'ValueError: neg' \(line \d+\), or else"):
        wg.jit(f)(1.0)


def test_the_key_of_a_key_error_is_what_was_raised() -> None:
    def f(x):
        if x < 0:
            raise KeyError("small")
        return x

    with pytest.raises(KeyError) as found:
        wg.jit(f)(-1.0)
    assert found.value.args == ("small",)
    assert "test_raises.py" in found.value.__notes__[0]
