"""The table of docs/subgradients.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import program_of, run

import wengert as wg
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.transpose import vjp
from wengert.ir.types import FLOAT64, TensorType

INF, NAN = np.inf, np.nan

TABLE = [
    ("abs", [0.0], [0.0]),
    ("abs", [-0.0], [0.0]),
    ("heaviside", [0.0, 0.5], [0.0, 1.0]),
    ("heaviside", [2.0, 0.5], [0.0, 0.0]),
    *((name, [2.0, 2.0], [0.5, 0.5]) for name in ("max", "min", "fmax", "fmin")),
    *((name, [NAN, 2.0], [0.0, 0.0]) for name in ("max", "min")),
    *((name, [NAN, 2.0], [0.0, 1.0]) for name in ("fmax", "fmin")),
    *((name, [2.0, NAN], [1.0, 0.0]) for name in ("fmax", "fmin")),
    ("mod", [-7.0, 2.0], [1.0, 4.0]),
    ("fmod", [-7.0, 2.0], [1.0, 3.0]),
    ("copysign", [0.0, -2.0], [-1.0, 0.0]),
    ("nextafter", [1.0, 2.0], [1.0, 0.0]),
    ("sqrt", [0.0], [INF]),
    ("cbrt", [0.0], [INF]),
    ("hypot", [0.0, 0.0], [0.0, 0.0]),
    ("hypot", [-3.0, 0.0], [-1.0, 0.0]),
    ("atan2", [0.0, 0.0], [0.0, 0.0]),
    ("pow", [0.0, 0.0], [0.0, 0.0]),
    ("pow", [0.0, 1.0], [1.0, 0.0]),
    ("pow", [0.0, 2.0], [0.0, 0.0]),
    ("pow", [-2.0, 3.0], [12.0, NAN]),
    ("pow", [-2.0, 0.0], [0.0, NAN]),
    ("logaddexp", [INF, INF], [0.5, 0.5]),
    ("logaddexp", [-INF, -INF], [0.5, 0.5]),
    ("logaddexp", [-INF, 1.0], [0.0, 1.0]),
    ("logaddexp2", [3.0, 3.0], [0.5, 0.5]),
    ("xlogy", [0.0, 0.0], [-INF, 0.0]),
    ("xlog1py", [0.0, -1.0], [-INF, 0.0]),
    ("i1", [0.0], [0.5]),
    ("i1e", [0.0], [0.5]),
    ("j1", [0.0], [0.5]),
    ("i0e", [0.0], [0.0]),
]


@pytest.mark.parametrize(("name", "at", "gradient"), TABLE, ids=lambda x: str(x))
def test_convention(name: str, at: list[float], gradient: list[float]) -> None:
    args = [np.array(x) for x in at]
    pulled = vjp(program_of(REGISTRY[name], args, {}), [True] * len(args))
    if pulled.out_active == (False,):
        assert not any(gradient)
        return
    _, *bars = run(pulled.program, [*args, np.array(1.0)])
    np.testing.assert_allclose(bars, gradient)


def where_gradient(x: np.ndarray, function: str, *others: float) -> np.ndarray:
    """The gradient of sum(where(x > 0, function(x, *others), 0))."""
    builder = Builder()
    value = builder.input(TensorType(FLOAT64, x.shape))
    taken: Value = getattr(value, function)(*others)
    chosen = value.gt(0.0).select(taken, value.full_like(0.0))
    pulled = vjp(builder.finish([chosen.reduce_sum(axes=(0,))]), [True])
    return run(pulled.program, [x, np.array(1.0)])[1]


@pytest.mark.parametrize(
    "function", ["log", "sqrt", "log2", "log1p", "acosh", "gammaln", "cbrt", "asin", "exp"]
)
@pytest.mark.parametrize("bad", [0.0, -1.0, -INF])
def test_branch_not_taken_gives_no_nan(function: str, bad: float) -> None:
    good = 2.0 if function == "acosh" else 0.9
    gradient = where_gradient(np.array([bad, good]), function)
    assert gradient[0] == 0
    assert np.isfinite(gradient[1])
    assert gradient[1] != 0


@pytest.mark.parametrize(("function", "other"), [("div", 0.0), ("pow", -1.5), ("hypot", 0.0)])
def test_branch_not_taken_of_two_operands(function: str, other: float) -> None:
    gradient = where_gradient(np.array([0.0, -2.0]), function, other)
    np.testing.assert_array_equal(gradient, [0.0, 0.0])


def test_product_in_the_branch_not_taken() -> None:
    """x log x at 0: the cotangent of x is 0 times log 0."""
    builder = Builder()
    x = builder.input(TensorType(FLOAT64, (2,)))
    out = x.gt(0.0).select(x * x.log(), x.full_like(0.0))
    pulled = vjp(builder.finish([out]), [True])
    gradient = run(pulled.program, [np.array([0.0, 1.0]), np.ones(2)])[1]
    np.testing.assert_array_equal(gradient, [0.0, 1.0])


def test_second_derivative_through_where() -> None:
    builder = Builder()
    x = builder.input(TensorType(FLOAT64, (2,)))
    program = builder.finish([x.gt(0.0).select(x.sqrt(), x.full_like(0.0))])
    first = vjp(program, [True]).program
    second = vjp(first, [True, True])
    point, ones = np.array([0.0, 1.0]), np.ones(2)
    cotangents = [np.ones(t.shape) for t in second.program.in_types[2:]]
    bars = run(second.program, [point, ones, *cotangents])[len(first.outputs) :]
    assert all(np.isfinite(bar).all() for bar in bars)
    assert bars[0][0] == 0


@pytest.mark.parametrize(
    "function", ["sqrt(x)", "log(x)", "x**1.5", "sqrt(sqrt(x))", "log(x) * x", "1 / x"]
)
@pytest.mark.parametrize("bad", [0.0, -2.0])
def test_second_derivative_of_a_branch_not_taken_gives_no_nan(function: str, bad: float) -> None:
    """The move of an infinite partial meets a tangent of 0, which wins over it too."""
    inner = eval(f"lambda x: {function}", {**vars(np)})
    f = lambda x: np.sum(np.where(x > 0, inner(x), 0.0) ** 2)  # noqa: E731
    x, v = np.array([bad, 0.7]), np.array([0.3, 0.4])
    for slopes in (wg.hvp(f, (x,), (v,)), wg.hessian(f)(x) @ v, wg.jvp(wg.grad(f), (x,), (v,))[1]):
        assert slopes[0] == 0
        np.testing.assert_allclose(slopes[1], wg.hessian(f)(x[1:])[0, 0] * v[1], rtol=1e-12)


def test_mixed_derivative_of_a_power_at_exponent_zero() -> None:
    """d/dy d/dx x**y = 1/x at y = 0, although the first derivative is 0 by convention."""
    args = [np.array(3.0), np.array(0.0)]
    first = vjp(program_of(REGISTRY["pow"], args, {}), [True, False]).program
    second = jvp(first, [False, True, False]).program
    *_, mixed = run(second, [*args, np.array(1.0), np.array(1.0)])
    np.testing.assert_allclose(mixed, 1 / 3)


@pytest.mark.parametrize("choice", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_infinite_slopes_go_no_further_than_the_choice(choice: Any) -> None:
    """What follows has an infinite slope where the other operand is chosen."""
    x, other = np.array([-1.0, 0.0, 1.0]), np.array([0.0, 0.5, 0.0])
    sign = 1 if choice in (np.maximum, np.fmax) else -1
    slope = wg.grad(lambda x: np.sum(np.sqrt(sign * choice(sign * x, sign * other))))
    for run_as in (slope, wg.jit(slope)):
        np.testing.assert_allclose(run_as(x), [0, 0, 0.5])
    square = wg.jit(wg.hessian(lambda x: np.sum(np.sqrt(sign * choice(sign * x, sign * other)))))
    np.testing.assert_allclose(square(x), np.diag([0, 0, -0.25]))
