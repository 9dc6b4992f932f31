"""minimize: minima, counts and reasons to end, for all methods; SciPy's minima where it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from wengert import optim
from wengert.errors import ArgumentError, DifferentiationError, DTypeError

METHODS = ("lbfgs", "bfgs", "newton-cg", "gradient-descent")
FAST = METHODS[:3]
RNG = np.random.default_rng(12)
A = RNG.standard_normal((30, 5))
B = RNG.standard_normal(30)


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(x: Any) -> Any:
    return np.mean(np.log1p(np.exp(-np.sign(B) * (A @ x)))) + 0.05 * x @ x


def quartic(x: Any) -> Any:
    return np.sum((x - np.arange(4.0)) ** 4 + 0.5 * (x - np.arange(4.0)) ** 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("fun", "size"), [(logistic, 5), (quartic, 4)])
def test_minimum(method: str, fun: Any, size: int) -> None:
    found = wg.minimize(fun, np.zeros(size), method=method)
    expected = scipy.optimize.minimize(fun, np.zeros(size), tol=1e-9)
    assert found.success
    assert np.max(np.abs(found.jac)) <= 1e-5
    np.testing.assert_allclose(found.x, expected.x, atol=1e-4)
    np.testing.assert_allclose(found.fun, fun(found.x), rtol=1e-12)
    np.testing.assert_allclose(found.jac, wg.grad(fun)(found.x), atol=1e-12)


@pytest.mark.parametrize("method", FAST)
def test_valley(method: str) -> None:
    """As many iterations as SciPy's, give or take, on a function that is hard to descend."""
    start = np.tile([-1.2, 1.0], 10)
    found = wg.minimize(rosenbrock, start, method=method)
    np.testing.assert_allclose(found.x, np.ones(20), atol=1e-4)
    theirs = scipy.optimize.minimize(
        rosenbrock,
        start,
        method={"lbfgs": "L-BFGS-B", "bfgs": "BFGS", "newton-cg": "Newton-CG"}[method],
        jac=scipy.optimize.rosen_der,
    )
    assert found.nit < 1.5 * theirs.nit
    assert (found.nhev > 0) == (method == "newton-cg")


def test_values_fall() -> None:
    """At every iteration of the methods with a line search, by the Wolfe conditions."""
    for method in METHODS:
        found = wg.minimize(rosenbrock, np.array([-1.2, 1.0]), method=method, maxiter=200)
        values = found.history["fun"]
        assert len(values) == len(found.history["gradient"]) == found.nit + 1
        assert np.all(np.diff(values) <= 1e-12)
        assert found.nfev == found.njev >= found.nit + 1


@pytest.mark.parametrize("method", [*METHODS, optim.adam(0.05), optim.sgd(0.2, 0.5)])
def test_pytrees_and_arguments(method: Any) -> None:
    def loss(params: Any, target: Any, weight: Any) -> Any:
        return np.sum((params["a"] - target) ** 2) + weight * (params["b"][0] + 2.0) ** 2

    start = {"a": np.zeros((2, 3)), "b": [0.5]}
    target = np.arange(6.0).reshape(2, 3)
    found = wg.minimize(loss, start, (target, 0.5), method=method, tol=1e-4)
    assert found.success
    np.testing.assert_allclose(found.x["a"], target, atol=1e-3)
    np.testing.assert_allclose(found.x["b"][0], -2.0, atol=1e-3)


@pytest.mark.parametrize("method", [*METHODS, optim.sgd(0.01, 0.5)])
def test_dtype_stays(method: Any) -> None:
    found = wg.minimize(quartic, np.zeros(4, np.float32), method=method)
    assert found.x.dtype == np.float32
    assert found.success
    np.testing.assert_allclose(found.x, np.arange(4.0), atol=1e-2)


def written_out(x: Any) -> Any:
    """`quartic`, by a loop that fills an array."""
    parts = np.zeros(4)
    for k in range(4):
        parts[k] = (x[k] - k) ** 4 + 0.5 * (x[k] - k) ** 2
    return np.sum(parts)


@pytest.mark.parametrize("method", [*METHODS, optim.adam(0.1)], ids=[*METHODS, "adam"])
def test_functions_with_loops(method: Any) -> None:
    found = wg.minimize(written_out, np.zeros(4), method=method)
    np.testing.assert_allclose(found.x, np.arange(4.0), atol=1e-4)


def test_saddle() -> None:
    """Newton's method leaves the neighbourhood of a maximum, where the Hessian is negative."""
    found = wg.minimize(lambda x: np.sum(x**4 - x**2), np.array([0.1, -0.1]), method="newton-cg")
    np.testing.assert_allclose(np.abs(found.x), np.sqrt(0.5), atol=1e-5)


def test_steps_out_of_the_domain() -> None:
    """The line search comes back from where the function is not a number."""
    for method in METHODS:
        found = wg.minimize(lambda x: x - 3.0 * np.log(x), np.float64(0.01), method=method)
        np.testing.assert_allclose(found.x, 3.0, rtol=1e-4)


def test_ends() -> None:
    start = np.array([-1.2, 1.0])
    found = wg.minimize(rosenbrock, start, maxiter=3)
    assert (found.status, found.nit, found.success) == (1, 3, False)
    assert "3 iterations" in found.message
    assert wg.minimize(rosenbrock, np.ones(2)).nit == 0
    loose = wg.minimize(rosenbrock, start, tol=1.0)
    assert loose.nit < wg.minimize(rosenbrock, start).nit
    flat = wg.minimize(rosenbrock, start, tol=0.0)
    assert flat.status in (0, 2)
    assert flat.fun < 1e-20


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_falls_without_end(method: str) -> None:
    found = wg.minimize(lambda x: np.sum(x), np.array([1, 2]), method=method)  # of integers
    assert (found.status, found.success) == (3, False)
    assert found.nfev < 100
    assert "no minimum" in found.message
    far = wg.minimize(lambda x: np.sum(np.abs(x - 1e15) ** 1.5), np.zeros(1), method=method)
    assert far.success
    np.testing.assert_allclose(far.x, 1e15)


def test_callback() -> None:
    seen: list[float] = []
    results: list[Any] = []

    def stop_at_five(result: Any) -> bool:
        seen.append(result.fun)
        results.append(result)
        return result.nit == 5

    found = wg.minimize(rosenbrock, np.array([-1.2, 1.0]), callback=stop_at_five)
    assert (found.status, found.nit) == (99, 5)
    assert seen == found.history["fun"][1:]
    assert [r.history["fun"] for r in results] == [
        [*found.history["fun"][: k + 2]] for k in range(5)
    ]

    def stop(result: Any) -> None:
        raise StopIteration

    assert wg.minimize(rosenbrock, np.array([-1.2, 1.0]), callback=stop).nit == 1


def test_a_learning_rate_that_diverges() -> None:
    """The best point before values overflowed is kept, and the message says what to do."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = wg.minimize(quartic, np.full(4, 9.0), method=optim.sgd(0.1))
    assert found.status == 3
    assert "lower learning rate" in found.message
    assert found.fun == min(found.history["fun"])
    assert np.all(np.isfinite(found.x))
    np.testing.assert_allclose(quartic(found.x), found.fun)


def test_result_is_scipys() -> None:
    found = wg.minimize(quartic, np.zeros(4))
    assert isinstance(found, scipy.optimize.OptimizeResult)
    assert found["x"] is found.x
    assert "history" not in repr(found)


def test_bad_input() -> None:
    with pytest.raises(DifferentiationError, match="scalar"):
        wg.minimize(lambda x: x, np.ones(3))
    with pytest.raises(ArgumentError, match="at x0 is not"), np.errstate(invalid="ignore"):
        wg.minimize(lambda x: np.log(-x), 1.0)
    with pytest.raises(ArgumentError, match="no method 'simplex'"):
        wg.minimize(quartic, np.zeros(4), method="simplex")
    with pytest.raises(DTypeError, match="complex128"):
        wg.minimize(quartic, np.ones(4, complex))
