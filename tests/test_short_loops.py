"""Short loops in short loops: written out as long as that is no long program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64, INT64
from wengert.kernels.loops import Buffer, Check, Space, Stmt, Store
from wengert.kernels.scheduling.checks import together

RNG = np.random.default_rng(3)


def two_loops(x, y):
    for i in range(3):
        for j in range(4):
            y[i, j] += np.sin(x[i, j]) * x[j, i % 3]
    return y


def three_loops(x, y):
    total = 0.0
    for i in range(2):
        for j in range(2):
            for k in range(2):
                total += x[i, j] * y[j, k]
    return total


def six_loops_that_break(x, y):
    count = 0
    for a in range(3):
        for b in range(3):
            for c in range(4):
                for _ in range(3):
                    for e in range(3):
                        for f in range(4):
                            if x[e, f] > 1.2:
                                break
                            count += 1
                            y[a, b] += x[a, c] * x[e, f]
    return y, count


def equations(text: str) -> int:
    return sum(line.lstrip().startswith("%") for line in text.splitlines())


@pytest.mark.parametrize(
    ("f", "is_written_out"),
    [(two_loops, True), (three_loops, True), (six_loops_that_break, False)],
)
def test_nests_of_short_loops(f: Any, is_written_out: bool) -> None:
    x, y = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
    found, wanted = wg.jit(f)(x, y.copy()), f(x, y.copy())
    for a, b in zip(*[r if type(r) is tuple else (r,) for r in (found, wanted)], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    text = str(wg.jit(f).lower(x, y).ir)
    assert ("for_loop" not in text) == is_written_out
    assert equations(text) < 400


@pytest.mark.slow
def test_derivatives_of_a_deep_nest() -> None:
    def f(x: Any, y: Any) -> Any:
        for a in range(3):
            for b in range(3):
                for c in range(4):
                    for d in range(3):
                        if b - d >= 0:
                            y[a] += np.sin(x[b - d, c] * x[a, d]) * y[c]
        return y.sum()

    x, y = RNG.standard_normal((4, 4)), RNG.standard_normal(4)
    v = RNG.standard_normal((4, 4))
    slope = np.sum(wg.jit(wg.grad(f))(x, y) * v)
    h = 1e-6
    around = [f(x + s * v, y.copy()) for s in (h, -h)]
    np.testing.assert_allclose(slope, (around[0] - around[1]) / (2 * h), rtol=1e-6)


def test_a_while_loop_that_python_has_begun_keeps_what_its_turns_have_left() -> None:
    def halved(x: Any) -> Any:
        y, good, tries = x, False, 0
        while tries < 3 and not good:  # traced from the second turn on
            y = y[::-1] * 0.5
            z = y + 1.0
            good = y[0] < x[0]
            tries = tries + 1
        return y, z, tries

    def searched(x: Any) -> Any:
        for _ in range(2):
            new, good = x, False
            while not good:
                new = x * 0.5
                good = new[0] < x[0]
            x = np.where(good, new, x)
        return x

    x = np.array([0.3, -1.2, 2.5])
    for program, argument in ((halved, x), (halved, -x), (searched, x)):
        expected, got = program(argument), wg.jit(program)(argument)
        for one, other in zip(expected, got, strict=True):
            np.testing.assert_allclose(other, one)


def test_checks_in_a_row_are_made_at_once() -> None:
    """Behind what is computed meanwhile, unless they keep its addresses inside of arrays."""
    s = ScalarBuilder()
    x, y = (Buffer(FLOAT64, 8, space) for space in (Space.INPUT, Space.OUTPUT))

    def element(place: int) -> Expr:
        return s.load(x, s.int(place))

    def check(place: int, code: int = 0) -> Check:
        return Check(s.gt(element(place), s.const(0.0, FLOAT64)), code, s.int(0))

    def kinds(*body: Stmt) -> str:
        return " ".join(type(st).__name__ for st in together(s, body))

    plain, changes = Store(y, s.int(0), element(0)), Store(x, s.int(1), element(0))
    by_data = Store(y, s.cast(element(2), INT64), element(0))
    assert kinds(check(0), plain, check(1), plain) == "Store Store Check"
    assert kinds(check(0), plain, check(1, code=1)) == "Store Check Check"
    assert kinds(check(0), by_data, check(1)) == "Check Store Check"
    assert kinds(check(0), changes, check(1)) == "Check Store Check"
    _, found = together(s, (check(0), plain, check(1)))
    assert isinstance(found, Check) and found.condition.op is ScalarOp.AND


def test_what_one_run_found_of_dtypes_is_not_taken_for_another() -> None:
    def f(x):
        t = 0.0
        for k in range(9):
            t = t * 0.5 + x[0] * k
        return t

    compiled = wg.jit(f, backend="reference")
    for dtype in (np.float64, np.float32, np.float64):
        assert compiled(np.ones(2, dtype)).dtype == dtype
