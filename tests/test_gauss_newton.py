"""Products with the (generalised) Gauss-Newton matrix, against the matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DifferentiationError, ShapeError

RNG = np.random.default_rng(9)
W, B, V, U = (RNG.standard_normal(s) for s in ((3, 4), 3, (3, 4), 3))
X, T = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 3))


def network(w: Any, b: Any) -> Any:
    out = np.tanh(X @ w.T + b)
    for k in range(2):
        out = np.sin(out) + 0.1 * out**2 * (k + 1)
    return out


def squares(out: Any) -> Any:
    return 0.5 * np.sum((out - T) ** 2)


def entropy(out: Any) -> Any:
    return np.sum(np.log(np.sum(np.exp(out), 1))) - np.sum(out[:, 0])


def dense(loss: Any) -> np.ndarray[Any, Any]:
    """J' H J by whole matrices."""
    by_w, by_b = wg.jacobian(network, (0, 1))(W, B)
    j = np.concatenate([by_w.reshape(18, 12), by_b.reshape(18, 3)], 1)
    h = wg.hessian(loss)(network(W, B)).reshape(18, 18)
    return j.T @ h @ j


@pytest.mark.parametrize("loss", [None, squares, entropy])
@pytest.mark.parametrize("transform", [lambda f: f, wg.jit], ids=["plain", "jit"])
def test_against_the_matrix(loss: Any, transform: Any) -> None:
    expected = dense(loss or squares) @ np.concatenate([V.reshape(-1), U])
    product = transform(lambda v, u: wg.gauss_newton_product(network, (W, B), (v, u), loss))
    by_w, by_b = product(V, U)
    np.testing.assert_allclose(by_w, expected[:12].reshape(3, 4), rtol=1e-12)
    np.testing.assert_allclose(by_b, expected[12:], rtol=1e-12)
    rows = wg.vmap(product)(np.stack([V, 2 * V]), np.stack([U, 2 * U]))
    np.testing.assert_allclose(rows[0], [by_w, 2 * by_w], rtol=1e-12)


def test_it_is_the_hessian_where_residuals_are_linear_or_zero() -> None:
    line = lambda w: X @ w  # noqa: E731
    loss = lambda r: np.sum(np.cosh(r))  # noqa: E731
    w, v = W[0], V[0]
    found = wg.gauss_newton_product(line, (w,), (v,), loss)
    np.testing.assert_allclose(found, wg.hvp(lambda w: loss(line(w)), (w,), (v,)), rtol=1e-12)
    exact = network(W, B)
    bent = lambda w: network(w, B) - exact  # noqa: E731
    whole = wg.hvp(lambda w: 0.5 * np.sum(bent(w) ** 2), (W,), (V,))
    np.testing.assert_allclose(wg.gauss_newton_product(bent, (W,), (V,)), whole, rtol=1e-10)


def test_pytrees_complex_residuals_and_derivatives() -> None:
    def waves(p: Any) -> Any:
        return {"z": np.exp(1j * p["k"] * X[:, 0]) * p["a"], "n": p["a"] * p["k"], "i": 3}

    p, v = {"a": 1.5, "k": 0.3}, {"a": 0.2, "k": -1.0}
    flat = lambda p: np.concatenate([waves(p)["z"].real, waves(p)["z"].imag, waves(p)["n"][None]])  # noqa: E731
    found = wg.gauss_newton_product(waves, (p,), (v,))
    j = np.stack([wg.jacobian(flat)(p)[k] for k in ("a", "k")], 1)
    np.testing.assert_allclose([found["a"], found["k"]], j.T @ j @ [0.2, -1.0], rtol=1e-12)
    size = lambda a: wg.gauss_newton_product(waves, ({**p, "a": a},), (v,))["k"]  # noqa: E731
    slope = (size(1.5 + 1e-6) - size(1.5 - 1e-6)) / 2e-6
    np.testing.assert_allclose(wg.grad(size)(1.5), slope, rtol=1e-7)


def test_a_newton_step_of_least_squares() -> None:
    """Gauss-Newton by conjugate gradients on products reaches the minimum of a curve fit."""
    t = np.linspace(0, 2, 30)
    y = 2.0 * np.exp(-1.3 * t)
    residuals = lambda p: p[0] * np.exp(-p[1] * t) - y  # noqa: E731

    @wg.jit
    def step(p: Any) -> Any:
        slope = wg.grad(lambda p: 0.5 * np.sum(residuals(p) ** 2))(p)
        product = lambda v: wg.gauss_newton_product(residuals, (p,), (v,))  # noqa: E731
        return p - np.linalg.solve(wg.jacfwd(product)(p), slope)

    p = np.array([1.0, 1.0])
    for _ in range(8):
        p = step(p)
    np.testing.assert_allclose(p, [2.0, 1.3], rtol=1e-12)


def test_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        wg.gauss_newton_product(network, (W, B), (V.T, U))
    with pytest.raises(DifferentiationError, match="scalar"):
        wg.gauss_newton_product(network, (W, B), (V, U), lambda out: out)
