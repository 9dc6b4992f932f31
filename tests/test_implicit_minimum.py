"""minimize in compiled, differentiated and mapped functions: against itself outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from wengert import optim
from wengert.errors import ArgumentError, DifferentiationError

METHODS: tuple[Any, ...] = ("lbfgs", "bfgs", "newton-cg", "gradient-descent", optim.adam(0.05))
NAMES = ["lbfgs", "bfgs", "newton-cg", "gradient-descent", "adam"]
A = np.array([1.0, -2.0, 0.5])
RNG = np.random.default_rng(3)
DATA, LABELS = RNG.standard_normal((40, 4)), np.sign(RNG.standard_normal(40))


def coupled(x: Any, a: Any) -> Any:
    return np.sum(1.3 * (x - a) ** 2) + np.sum(x**4) + x[0] * x[1]


def solution(a: Any) -> Any:
    """The minimum by Newton's method, exact to rounding."""
    x = scipy.optimize.minimize(coupled, np.zeros(3), args=(a,)).x
    for _ in range(10):
        hessian = np.diag(2.6 + 12 * x**2)
        hessian[0, 1] = hessian[1, 0] = 1
        slope = 2.6 * (x - a) + 4 * x**3 + np.array([x[1], x[0], 0])
        x = x - np.linalg.solve(hessian, slope)
    return x


def rate(a: Any) -> Any:
    """H dx = 2.6 da."""
    x = solution(a)
    hessian = np.diag(2.6 + 12 * x**2)
    hessian[0, 1] = hessian[1, 0] = 1
    return 2.6 * np.linalg.inv(hessian)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_the_minimum_and_its_derivatives(method: Any) -> None:
    def found(a: Any) -> Any:
        return wg.minimize(coupled, np.zeros(3), args=(a,), method=method, tol=1e-9).x

    np.testing.assert_allclose(wg.jit(found)(A), solution(A), atol=1e-8)
    np.testing.assert_allclose(wg.jacrev(found)(A), rate(A), atol=1e-7)
    np.testing.assert_allclose(wg.jacfwd(found)(A), rate(A), atol=1e-7)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_the_result_is_the_one_outside(method: Any) -> None:
    """Reasons to end, and about as many steps; counts are numbers of what was done."""

    def whole(a: Any) -> Any:
        return wg.minimize(coupled, {"x": np.zeros(3)}, (a,), method, 1e-6, 300)

    def coupled(x: Any, a: Any) -> Any:
        return np.sum(1.3 * (x["x"] - a) ** 2) + np.sum(x["x"] ** 4)

    inside, outside = wg.jit(whole)(A), whole(A)
    assert isinstance(inside, scipy.optimize.OptimizeResult)
    np.testing.assert_allclose(inside.x["x"], outside.x["x"], atol=1e-6)
    np.testing.assert_allclose(inside.fun, outside.fun, atol=1e-9)
    assert np.max(np.abs(inside.jac["x"])) <= 1e-6 or not inside.success
    assert (inside.success, inside.status) == (outside.success, outside.status)
    assert abs(inside.nit - outside.nit) <= 2
    assert inside.nfev == inside.njev >= inside.nit + 1
    assert (inside.nhev > 0) == (method == "newton-cg")
    assert "status" in inside.message


@pytest.mark.parametrize("method", METHODS[:3], ids=NAMES[:3])
def test_a_valley(method: str) -> None:
    start = np.tile([-1.2, 1.0], 5)

    @wg.jit
    def found(a: Any) -> Any:
        return wg.minimize(
            lambda x: np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2),
            start,
            (),
            method,
        )

    result = found(100.0)
    np.testing.assert_allclose(result.x, 1, atol=1e-4)
    outside = wg.minimize(scipy.optimize.rosen, start, method=method)
    assert result.success
    assert result.nit < 1.5 * outside.nit


def test_second_derivatives_and_batches() -> None:
    def found(a: Any) -> Any:
        return wg.minimize(coupled, np.zeros(3), args=(a,), tol=1e-10).x

    wg.testing.check_grads(found, (A,), order=2, atol=1e-4, rtol=1e-4)
    points = np.stack([A, 2 * A, -A])
    np.testing.assert_allclose(wg.vmap(found)(points), [solution(a) for a in points], atol=1e-8)
    slopes = wg.vmap(wg.jacrev(found))(points)
    np.testing.assert_allclose(slopes, [rate(a) for a in points], atol=1e-7)


def test_the_value_at_the_minimum_moves_with_the_function_alone() -> None:
    """The envelope theorem: dx has no part in it."""
    slope = wg.grad(lambda a: wg.minimize(coupled, np.zeros(3), (a,), tol=1e-10).fun)(A)
    np.testing.assert_allclose(slope, 2.6 * (A - solution(A)), rtol=1e-8)


def ridge(weight: Any) -> Any:
    """The loss on new data of what was fitted with a penalty, which the fit reads from here."""
    penalty = np.exp(weight)

    def training(w: Any) -> Any:
        return np.mean(np.log1p(np.exp(-LABELS[:20] * (DATA[:20] @ w)))) + penalty * w @ w

    w = wg.minimize(training, np.zeros(4), tol=1e-9).x
    return np.mean(np.log1p(np.exp(-LABELS[20:] * (DATA[20:] @ w))))


def test_a_penalty_is_chosen_by_its_gradient() -> None:
    slope = wg.jit(wg.grad(ridge))(-2.0)
    np.testing.assert_allclose(slope, (ridge(-2.0 + 1e-4) - ridge(-2.0 - 1e-4)) / 2e-4, rtol=1e-5)


def test_a_minimum_of_minima() -> None:
    """min over a of f(x(a)) with x(a) the minimum of another function, which closes over a."""

    def outer(a: Any) -> Any:
        x = wg.minimize(
            lambda x: np.sum((x - np.sin(a)) ** 2 + 0.1 * x**4), np.zeros(2), tol=1e-10
        ).x
        return np.sum((x - 0.3) ** 2)

    found = wg.minimize(outer, np.array([0.1, 0.5]), tol=1e-8)
    assert found.success
    np.testing.assert_allclose(np.sin(found.x), 0.3 + 0.2 * 0.3**3, atol=1e-7)


def test_many_unknowns_are_solved_for_by_products() -> None:
    """A chain: the Hessian, of 900 rows, is never made."""
    n = 900

    def energy(x: Any, a: Any) -> Any:
        return np.sum((x[1:] - x[:-1]) ** 2) + np.sum((x - a) ** 2 + 0.1 * (x - a) ** 4)

    a = np.sin(np.arange(n) / 30.0)
    weights = np.cos(np.arange(n) / 7.0)

    def functional(a: Any) -> Any:
        return weights @ wg.minimize(energy, np.zeros(n), (a,), tol=1e-10).x

    slope = wg.grad(functional)(a)
    x = wg.minimize(energy, np.zeros(n), (a,), tol=1e-10).x
    bend = 2 + 1.2 * (x - a) ** 2
    chain = 2 * (np.eye(n) * 2 - np.eye(n, k=1) - np.eye(n, k=-1))
    chain[0, 0] = chain[-1, -1] = 2
    expected = bend * np.linalg.solve(chain + np.diag(bend), weights)
    np.testing.assert_allclose(slope, expected, atol=1e-8)


def test_single_precision_and_a_solver_of_the_users_own() -> None:
    calls: list[Any] = []

    def tangent_solve(operator: Any, right: Any) -> Any:
        calls.append(right.dtype)
        return np.linalg.solve(wg.jacfwd(operator)(np.zeros_like(right)), right)

    def found(a: Any) -> Any:
        start = np.zeros(3, np.float32)
        return wg.minimize(coupled, start, (a,), tangent_solve=tangent_solve).x

    slope = wg.jacrev(found)(A.astype(np.float32))
    assert slope.dtype == np.float32
    np.testing.assert_allclose(slope, rate(A), atol=1e-3)
    assert calls
    assert set(calls) == {np.dtype(np.float32)}


def test_ends_that_are_no_minimum() -> None:
    @wg.jit
    def of(a: Any) -> Any:
        falls = wg.minimize(lambda x: a * np.sum(x), np.zeros(2))
        short = wg.minimize(lambda x: np.sum((x - a) ** 4), np.zeros(2), maxiter=2)
        kink = wg.minimize(lambda x: np.maximum(x[0] - a / 7, 2 * (a / 7 - x[0])), np.zeros(1))
        blows = wg.minimize(lambda x: np.sum(a * x**4), np.ones(2), method=optim.sgd(1e3))
        return [(r.status, r.success, r.nit, r.x, r.fun) for r in (falls, short, kink, blows)]

    falls, short, kink, blows = of(1.5)
    assert [r[0] for r in (falls, short, kink, blows)] == [3, 1, 2, 3]
    assert not any(r[1] for r in (falls, short, kink, blows))
    assert falls[4] < -1e6
    assert short[2] == 2
    np.testing.assert_allclose(kink[3], 1.5 / 7, atol=1e-6)
    assert np.isfinite(blows[4])


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="start where the function is finite"):
        wg.jit(lambda a: wg.minimize(lambda x: np.sum(np.log(x + a)), -np.ones(2)).x)(0.0)
    with pytest.raises(ArgumentError, match=r"callback .* compiled"):
        wg.jit(lambda a: wg.minimize(coupled, np.zeros(3), (a,), callback=print).x)(A)
    with pytest.raises(DifferentiationError, match="scalar"):
        wg.jit(lambda a: wg.minimize(lambda x: x - a, np.zeros(3)).x)(A)
