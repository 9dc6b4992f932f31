"""Derivatives of NumPy's functions: against differences, and finite where naive rules give NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
import wengert.special as wspecial

F = Callable[..., Any]
RNG = np.random.default_rng(11)
X = RNG.uniform(0.2, 0.9, (3, 4))
POSITIONS = np.array([[0, 2], [1, 1]])
ROWS = np.linspace(1.0, 2.0, 4)

SMOOTH: dict[str, F] = {
    "var": lambda x: np.var(x, axis=1, ddof=1),
    "std": lambda x: np.std(x, axis=0),
    "mean where": lambda x: np.mean(x, axis=1, where=x > 0.4),
    "average": lambda x: np.average(x, axis=1, weights=x[0]),
    "norm": lambda x: np.linalg.norm(x, axis=0),
    "norm 3": lambda x: np.linalg.norm(x, 3, axis=1),
    "norm inf": lambda x: np.linalg.norm(x, np.inf, axis=1),
    "fro": lambda x: np.linalg.norm(x, "fro", keepdims=True),
    "logsumexp": lambda x: wspecial.logsumexp(x, axis=1),
    "weighted logsumexp": lambda x: wspecial.logsumexp(x, axis=1, b=ROWS),
    "softmax": lambda x: wspecial.softmax(x, axis=0),
    "log_softmax": lambda x: wspecial.log_softmax(x, axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1) * np.cumprod(x, axis=0),
    "prod": lambda x: np.prod(x, axis=0),
    "powers": lambda x: x**3 + x**-2 + x**0.5 + x**1.7 + 2.0**x + x**x,
    "sinc": np.sinc,
    "hypot": lambda x: np.hypot(x, x.T[1:4, :1]) + np.arctan2(x, 1 - x),
    "modf": lambda x: np.modf(x * 3)[0] + np.fmod(x, 0.3) + x % 0.7,
    "frexp": lambda x: np.ldexp(x, 3),
    "rounding": lambda x: x + np.floor(x) + np.round(x, 1),
    "degrees": lambda x: np.deg2rad(x) + np.rad2deg(x),
    "logaddexp": lambda x: np.logaddexp(x, 0) + np.logaddexp2(x, 1),
    "where": lambda x: np.where(x > 0.5, np.log(x), x * x),
    "clip": lambda x: np.clip(x, 0.3, 0.7),
    "select": lambda x: np.select([x > 0.6, x > 0.4], [x * 2, np.sin(x)], x**2),
    "slices": lambda x: x[::-1, 1:] * x[:, :-1:1][::1],
    "gather": lambda x: x[POSITIONS, POSITIONS.T] * np.take(x, POSITIONS),
    "mask": lambda x: x[np.arange(3) != 1, ::2],
    "take_along_axis": lambda x: np.take_along_axis(x[:, :2], POSITIONS, 0),
    "pad": lambda x: np.pad(x, 2, "reflect") + np.pad(x, 2, "wrap") * np.pad(x, 2),
    "roll": lambda x: np.roll(x, (1, 2), (0, 1)) * np.flip(x) * np.tile(x, (1, 1)),
    "repeat": lambda x: np.repeat(x, [2, 0, 1], axis=0) * np.repeat(x, 3, axis=0)[:3],
    "diag": lambda x: np.diag(x[0]) * np.diagonal(x[:, :3]).sum() + np.trace(x) + np.tril(x.T @ x),
    "matmul": lambda x: x @ x.T @ x,
    "einsum": lambda x: np.einsum("ij,kj,kl->il", x, x, x) + np.einsum("ii->i", x[:, :3])[0],
    "kron": lambda x: np.kron(x, x[:2]),
    "tensordot": lambda x: np.tensordot(x, x, (0, 0)) + np.outer(x[0], x[1]),
    "cross": lambda x: np.cross(x[:, :3], x[:, 1:]),
    "matrix_power": lambda x: np.linalg.matrix_power(x[:, :3], 3),
    "joining": lambda x: np.concatenate([x, x * x]) + np.stack([x, x], 1).reshape(6, 4),
    "split": lambda x: np.split(x, 2, axis=1)[0] * np.array_split(x, 3, axis=1)[0][:, :1],
    "gradient": lambda x: np.gradient(x, axis=1) + np.diff(x, axis=1, append=1.0),
    "trapezoid": lambda x: np.trapezoid(x, x[0] * 2),
    "interp": lambda x: np.interp(x, [0.0, 0.31, 1.0], x[0, :3]),
    "convolve": lambda x: np.convolve(x[0], x[1]),
    "linspace": lambda x: np.linspace(x[0], x[1], 5),
    "special": lambda x: wspecial.erf(x) + wspecial.gammaln(x) + wspecial.expit(x),
    "logit": lambda x: wspecial.logit(x) + wspecial.log_expit(x) + wspecial.ndtr(x),
    "entropy": lambda x: wspecial.entr(x) + wspecial.rel_entr(x, 1 - x) + wspecial.kl_div(x, 0.5),
    "beta": lambda x: wspecial.betaln(x, 1 - x / 2) + wspecial.boxcox(x, 0.5) + wspecial.i0(x),
    "polyval": lambda x: np.polyval(x[0], x),
    "nan": lambda x: np.nansum(x) + np.nanmean(x) + np.fmax.reduce(x, axis=1),
    "cov": lambda x: np.cov(x),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_against_differences(name: str) -> None:
    f = SMOOTH[name]
    g = _summed(f)
    step = 1e-6
    gradient = wg.grad(g)(X)
    differences = np.zeros_like(X)
    for i in np.ndindex(X.shape):
        moved = np.zeros_like(X)
        moved[i] = step
        differences[i] = (g(X + moved) - g(X - moved)) / (2 * step)
    np.testing.assert_allclose(gradient, differences, rtol=2e-6, atol=2e-7, err_msg=name)


def _summed(f: F) -> F:
    def g(x: Any) -> Any:
        y = f(x)
        weights = np.cos(np.arange(np.size(y))).reshape(np.shape(y))
        return np.sum(y * weights)

    return g


ZERO = np.zeros(3)
SAFE: dict[str, tuple[F, Any, Any]] = {
    "norm at 0": (np.linalg.norm, ZERO, ZERO),
    "norm 3 at 0": (lambda x: np.linalg.norm(x, 3), ZERO, ZERO),
    "frobenius at 0": (np.linalg.norm, np.zeros((2, 2)), np.zeros((2, 2))),
    "std of equal numbers": (np.std, np.ones(3), ZERO),
    "log where": (lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), np.array([0.0, 2, -1]),
                  np.array([0, 0.5, 0])),
    "sqrt where": (lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), np.array([0.0, 4]),
                   np.array([0, 0.25])),
    "power of 0": (lambda x: np.sum(x**2.0 + x**3 + x**1), ZERO, np.ones(3)),
    "sinc at 0": (lambda x: np.sum(np.sinc(x)), ZERO, ZERO),
    "logsumexp of large": (wspecial.logsumexp, np.array([1000.0, 1000.0]), np.array([0.5, 0.5])),
    "logsumexp with -inf": (wspecial.logsumexp, np.array([-np.inf, 1.0]), np.array([0.0, 1.0])),
    "softmax of large": (lambda x: wspecial.softmax(x)[0], np.array([800.0, 800.0]),
                         np.array([0.25, -0.25])),
    "logaddexp of large": (lambda x: np.logaddexp(x, 0.0).sum(), np.array([-800.0, 800.0]),
                           np.array([0.0, 1.0])),
    "nansum": (np.nansum, np.array([1.0, np.nan]), np.array([1.0, 0.0])),
    "xlogy at 0": (lambda x: wspecial.xlogy(0.0, x).sum(), ZERO, ZERO),
}  # fmt: skip


@pytest.mark.parametrize("name", SAFE)
def test_no_nan_from_branches_not_taken(name: str) -> None:
    f, x, wanted = SAFE[name]
    np.testing.assert_allclose(wg.grad(f)(x), wanted, atol=1e-15)


def test_traced_positions() -> None:
    def f(x: Any, i: Any) -> Any:
        return np.sum(wnp.take(x, i, axis=1, mode="wrap") ** 2)

    gradient = wg.grad(f)(X, np.array([1, 5, -1]))
    wanted = np.zeros_like(X)
    wanted[:, 1], wanted[:, 3] = 4 * X[:, 1], 2 * X[:, 3]
    np.testing.assert_allclose(gradient, wanted)
