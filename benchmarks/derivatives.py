"""Gradients and Hessians of the functions that papers on differentiation measure."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.workload import Function, Namespace, Workload


def rosenbrock(ns: Namespace) -> Function:
    np = ns.np

    def f(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return f


def rosenbrock_gradient_numpy() -> Function:
    def gradient(x):
        out = np.zeros_like(x)
        inner = x[1:] - x[:-1] ** 2
        out[:-1] = -400.0 * x[:-1] * inner - 2.0 * (1.0 - x[:-1])
        out[1:] += 200.0 * inner
        return out

    return gradient


def rosenbrock_gradient_numba() -> Function:
    import numba

    @numba.njit
    def gradient(x):
        out = np.empty_like(x)
        carry = 0.0
        for i in range(x.size - 1):
            inner = x[i + 1] - x[i] * x[i]
            out[i] = carry - 400.0 * x[i] * inner - 2.0 * (1.0 - x[i])
            carry = 200.0 * inner
        out[x.size - 1] = carry
        return out

    return gradient


def rosenbrock_hessian_numba() -> Function:
    import numba

    @numba.njit
    def hessian(x):
        n = x.size
        out = np.zeros((n, n))
        for i in range(n - 1):
            out[i, i] += 1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 2.0
            out[i, i + 1] = out[i + 1, i] = -400.0 * x[i]
            out[i + 1, i + 1] += 200.0
        return out

    return hessian


def gaussian_mixture(ns: Namespace) -> Function:
    """The log-likelihood of ADBench's Gaussian mixture, with its Wishart prior.

    Formula: F. Srajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic
    differentiation tools", Optimization Methods and Software 33 (2018), section 4.1. A component's
    inverse covariance is Q'Q with Q lower triangular: `icf` holds the logarithms of Q's diagonal,
    then the entries below it.
    """
    np = ns.np

    def log_sum_exp(x):
        top = np.max(x, axis=1, keepdims=True)
        return np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0]

    def f(alphas, means, icf, x, places, below):
        # places[i, j]: where Q's entry (i, j) stands in icf[:, d:]; below: 1 under the diagonal
        count, d = x.shape
        log_diagonal = icf[:, :d]
        diagonal = np.exp(log_diagonal)
        strict = icf[:, d:][:, places] * below
        centred = x[:, None, :] - means[None, :, :]
        q_x = np.einsum("kij,nkj->nki", strict, centred) + diagonal * centred
        exponents = alphas + np.sum(log_diagonal, axis=1) - 0.5 * np.sum(q_x * q_x, axis=2)
        likelihood = np.sum(log_sum_exp(exponents)) - count * log_sum_exp(alphas[None, :])[0]
        squares = np.sum(diagonal * diagonal) + np.sum(strict * strict)
        prior = 0.5 * squares  # the Wishart prior with gamma = 1, m = 0, but for constants
        return likelihood - 0.5 * count * d * math.log(2.0 * math.pi) - prior

    return f


def mixture_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    d, components, count = (3, 4, 20) if tiny else (20, 25, 1000)
    places = np.zeros((d, d), np.int64)
    rows, columns = np.tril_indices(d, -1)
    places[rows, columns] = np.arange(rows.size)
    return (
        rng.standard_normal(components),
        rng.standard_normal((components, d)),
        0.1 * rng.standard_normal((components, d * (d + 1) // 2)),
        rng.standard_normal((count, d)),
        places,
        np.tril(np.ones((d, d)), -1),
    )


def logistic(np: Any) -> Function:
    """The regularised mean loss of logistic regression; labels are -1 and 1."""

    def loss(w, x, labels):
        margins = labels * (x @ w)
        return np.mean(np.logaddexp(0.0, -margins)) + 0.005 * np.sum(w * w)

    return loss


def newton(loss: Function, grad: Any, hessian: Any, solve: Any) -> Function:
    def step(w, x, labels):
        return w - solve(hessian(loss)(w, x, labels), grad(loss)(w, x, labels))

    return step


def newton_wengert() -> Function:
    import wengert as wg

    return wg.jit(newton(logistic(np), wg.grad, wg.hessian, np.linalg.solve))


def newton_jax() -> Function:
    import jax

    return jax.jit(newton(logistic(jax.numpy), jax.grad, jax.hessian, jax.numpy.linalg.solve))


def newton_torch() -> Function:
    import torch
    from torch import func

    named = SimpleNamespace(
        mean=torch.mean, sum=torch.sum, logaddexp=lambda a, b: torch.nn.functional.softplus(b)
    )
    return newton(logistic(named), func.grad, func.hessian, torch.linalg.solve)


def newton_by_hand() -> Function:
    def step(w, x, labels):
        p = 1.0 / (1.0 + np.exp(labels * (x @ w)))
        gradient = 0.01 * w - x.T @ (labels * p) / len(x)
        curvature = (x * (p * (1.0 - p) / len(x))[:, None]).T @ x + 0.01 * np.eye(w.size)
        return w - np.linalg.solve(curvature, gradient)

    return step


def logistic_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n, d = (40, 4) if tiny else (10_000, 50)
    x = rng.standard_normal((n, d))
    labels = np.sign(x @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n))
    return 0.1 * rng.standard_normal(d), x, labels


WORKLOADS = (
    *(
        Workload(
            f"rosenbrock/gradient/{n}",
            rosenbrock,
            lambda rng, tiny, n=n: (rng.uniform(-1.5, 1.5, min(n, 100) if tiny else n),),
            mode="grad",
            by_hand={
                "numba": rosenbrock_gradient_numba,
                "numpy by hand": rosenbrock_gradient_numpy,
            },
            targets={"best": 2 if n == 1_000_000 else 10},
        )
        for n in (10, 1_000, 1_000_000)
    ),
    Workload(
        "rosenbrock/hessian/100",
        rosenbrock,
        lambda rng, tiny: (rng.uniform(-1.5, 1.5, 8 if tiny else 100),),
        mode="hessian",
        by_hand={"numba": rosenbrock_hessian_numba},
        targets={"best": 5},
    ),
    Workload(
        "gmm/gradient",
        gaussian_mixture,
        mixture_inputs,
        mode="value_and_grad",
        argnums=(0, 1, 2),
        targets={"best": 2},
        tolerance=10.0,
    ),
    Workload(
        "newton/logistic/10000x50",
        {"plain": newton_wengert, "jax": newton_jax, "torch": newton_torch},
        logistic_inputs,
        mode="as_is",
        by_hand={"numpy by hand": newton_by_hand},
        targets={"best": 2},
        skip={"numpy": "has no derivatives"},
        tolerance=100.0,
    ),
)
