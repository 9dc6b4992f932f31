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


# programs of several operations: both modes, second derivatives in either order, both precisions


def lse(x: Any) -> Any:
    return np.log(np.sum(np.exp(x)))


PROGRAMS: dict[str, tuple[Any, list[float], list[float]]] = {
    "norm by hand": (lambda x: np.sqrt(np.sum(x * x)), [0.0] * 3, [0.0] * 3),
    "norm by a dot product": (lambda x: np.sqrt(x @ x), [0.0] * 3, [0.0] * 3),
    "norm by powers": (lambda x: np.sum(np.abs(x) ** 3) ** (1 / 3), [0.0] * 2, [0.0] * 2),
    "rows by rows": (lambda x: np.sum(np.sqrt(np.vecdot(x[None], x[None]))), [0.0, 0.0], [0.0] * 2),
    "norm": (np.linalg.norm, [0.0] * 3, [0.0] * 3),
    "norm of order 1": (lambda x: np.linalg.norm(x, 1), [0.0] * 3, [0.0] * 3),
    "norm of order 2.5": (lambda x: np.linalg.norm(x, 2.5), [0.0] * 3, [0.0] * 3),
    "largest size": (lambda x: np.linalg.norm(x, np.inf), [0.0, 0.0], [0.0, 0.0]),
    "norm of a matrix": (lambda x: np.linalg.norm(np.outer(x, x)), [0.0, 0.0], [0.0, 0.0]),
    "std of zeros": (np.std, [0.0] * 3, [0.0] * 3),
    "std of a constant": (np.std, [0.1] * 3, [0.0] * 3),
    "std of infinities": (np.std, [INF] * 2, [NAN] * 2),
    "root of a product": (lambda x: np.sqrt(np.abs(np.prod(x))), [0.0] * 3, [0.0] * 3),
    "sum of exponentials": (lse, [-INF] * 3, [0.0] * 3),
    "logaddexp.reduce": (np.logaddexp.reduce, [-INF] * 2, [0.5, 0.5]),
    "logaddexp of one infinity": (lambda x: np.logaddexp(x[0], x[1]), [INF, 1.0], [1.0, 0.0]),
    "inner slope infinite": (lambda x: np.sum(np.sqrt(x) * x), [0.0, 4.0], [0.0, 3.0]),
    "max": (np.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
    "min of three": (np.min, [1.0, 1.0, 1.0], [1 / 3] * 3),
    "running maximum": (
        lambda x: np.sum(np.maximum.accumulate(x)),
        [1.0, 1.0, 0.0],
        [3.0, 0.0, 0.0],
    ),
    "sort": (lambda x: np.sort(x) @ np.arange(3.0), [2.0, 2.0, 1.0], [1.0, 2.0, 0.0]),
    "median": (np.median, [1.0, 2.0, 2.0, 2.0, 3.0], [0.0, 0.0, 1.0, 0.0, 0.0]),
    "clip": (lambda x: np.sum(np.clip(x, 0, 1)), [0.0, 1.0, 0.5, -1.0], [0.5, 0.5, 1.0, 0.0]),
    "edges of clip": (lambda x: np.sum(np.clip(np.arange(3), x[0], x[1])), [0.0, 2.0], [0.5, 0.5]),
    "where": (lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0)), [0.0, -1.0, 4.0], [0.0, 0.0, 0.25]),
    "one zero": (np.prod, [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    "two zeros": (np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    "running product": (lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    "angle": (lambda x: np.arctan2(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    "power 1.5": (lambda x: np.sum(x**1.5), [0.0, 4.0], [0.0, 3.0]),
    "power 2.0": (lambda x: np.sum(x**2.0), [0.0, 1.0], [0.0, 2.0]),
    "power 1.0": (lambda x: np.sum(x**1.0), [0.0, 1.0], [1.0, 1.0]),
    "power by a variable": (lambda x: x[0] ** x[1], [0.0, 2.0], [0.0, 0.0]),
    "cbrt": (lambda x: np.sum(np.cbrt(x)), [0.0, 8.0], [INF, 1 / 12]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_modes_agree_at_singular_points(name: str, dtype: Any) -> None:
    f, at, gradient = PROGRAMS[name]
    x = np.array(at, dtype)
    for slope in (wg.grad(f), wg.jit(wg.grad(f)), wg.jacfwd(f)):
        np.testing.assert_allclose(slope(x), gradient, rtol=1e-5, atol=1e-6)
    bent = [h(x) for h in (wg.hessian(f), wg.jacrev(wg.grad(f)), wg.jit(wg.hessian(f)))]
    for other in bent[1:]:
        np.testing.assert_allclose(other, bent[0], rtol=1e-5, atol=1e-6)


SECOND = [
    ("norm", np.zeros((3, 3))),
    ("std of a constant", np.zeros((3, 3))),
    ("one zero", [[0, 3, 0], [3, 0, 2], [0, 2, 0]]),
    ("two zeros", [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
    ("running product", [[0, 4, 0], [4, 0, 2], [0, 2, 0]]),
    ("power 2.0", 2 * np.eye(2)),
    ("power 1.5", np.diag([INF, 0.375])),
    ("cbrt", np.diag([0, -2 / 9 / 32])),
    ("max", np.zeros((3, 3))),
    ("where", np.diag([0, 0, -1 / 32])),
]


@pytest.mark.parametrize(("name", "expected"), SECOND, ids=lambda x: str(x)[:20])
def test_second_derivatives_at_singular_points(name: str, expected: Any) -> None:
    f, at, _ = PROGRAMS[name]
    np.testing.assert_allclose(wg.hessian(f)(np.array(at)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["norm", "norm by hand", "std of a constant", "max", "clip"])
def test_conventions_are_means_of_the_slopes_on_both_sides(name: str) -> None:
    """Where there are one-sided limits along a line, the convention is between them."""
    f, at, _ = PROGRAMS[name]
    x, step = np.array(at), 1e-7
    for v in np.random.default_rng(5).standard_normal((4, len(x))):
        after, before = (f(x + step * v) - f(x)) / step, (f(x) - f(x - step * v)) / step
        slope = wg.jvp(f, (x,), (v,))[1]
        assert min(before, after) - 1e-6 <= slope <= max(before, after) + 1e-6


def test_a_partial_of_zero_wins_over_an_infinite_tangent() -> None:
    """In the rules of scale, of row products and of products, compiled and evaluated."""
    t, p = np.array([INF, 0.0, NAN, 2.0]), np.array([0.0, NAN, 0.0, 3.0])
    np.testing.assert_array_equal(REGISTRY["scale"].evaluate(t, p), [0, 0, 0, 6])
    builder = Builder()
    operands = [builder.input(TensorType(FLOAT64, (4,))) for _ in range(2)]
    program = builder.finish([operands[0].scale(operands[1])])
    np.testing.assert_array_equal(run(program, [t, p])[0], [0, 0, 0, 6])
