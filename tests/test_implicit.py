"""Roots, linear systems and fixed points that are differentiated by their equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(2)
A = RNG.standard_normal((4, 4)) + 4 * np.eye(4)
B = RNG.standard_normal(4)
S = A @ A.T


def equation(x: Any, a: Any, b: Any) -> Any:
    return a @ x + 0.1 * x**3 - b


def newton(f: Any, x: Any) -> Any:
    for _ in range(30):
        x = x - np.linalg.solve(wg.jacfwd(f)(x), f(x))
    return x


def root(a: Any, b: Any) -> Any:
    return wg.custom_root(equation, np.zeros(4), newton, args=(a, b))


def conjugate_gradient(operator: Any, b: Any) -> Any:
    """Plain Python with a loop of unknown length, through which reverse mode would not be cheap."""
    x, r = np.zeros_like(b), b
    p, rr = r, r @ r
    while rr > 1e-24:
        q = operator(p)
        step = rr / (p @ q)
        x, r = x + step * p, r - step * q
        rr, old = r @ r, rr
        p = r + (rr / old) * p
    return x


def solution(s: Any, b: Any) -> Any:
    return wg.custom_linear_solve(
        lambda x, m: m @ x, b, conjugate_gradient, symmetric=True, args=(s,)
    )


@pytest.mark.slow
@pytest.mark.parametrize("transform", [lambda f: f, wg.jit], ids=["plain", "jit"])
def test_a_root_and_its_derivatives(transform: Any) -> None:
    x = transform(root)(A, B)
    np.testing.assert_allclose(equation(x, A, B), 0, atol=1e-12)
    inverse = np.linalg.inv(A + np.diag(0.3 * x**2))
    np.testing.assert_allclose(transform(wg.jacfwd(root, 1))(A, B), inverse, atol=1e-12)
    np.testing.assert_allclose(transform(wg.jacrev(root, 1))(A, B), inverse, atol=1e-12)


@pytest.mark.slow
def test_roots_to_second_order() -> None:
    wg.testing.check_grads(root, (A, B), order=2, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("transform", [lambda f: f, wg.jit], ids=["plain", "jit"])
def test_a_linear_solver_of_the_users_own(transform: Any) -> None:
    np.testing.assert_allclose(transform(solution)(S, B), np.linalg.solve(S, B), rtol=1e-9)
    for mode in (wg.jacfwd, wg.jacrev):
        by_b, by_s = transform(mode(solution, (1, 0)))(S, B)
        np.testing.assert_allclose(by_b, np.linalg.inv(S), rtol=1e-7, atol=1e-10)
        expected = -np.einsum("ij,k->ijk", np.linalg.inv(S), np.linalg.solve(S, B))
        np.testing.assert_allclose(by_s, expected, rtol=1e-7, atol=1e-10)


def test_what_solves_tangents_can_be_given() -> None:
    calls: list[str] = []

    def tangent_solve(operator: Any, right: Any) -> Any:
        calls.append("tangent")
        return np.linalg.solve(wg.jacfwd(operator)(np.zeros(4)), right)

    def of_b(b: Any) -> Any:
        return wg.custom_root(equation, np.zeros(4), newton, tangent_solve, args=(A, b))

    np.testing.assert_allclose(wg.jacrev(of_b)(B), wg.jacfwd(lambda b: root(A, b))(B), atol=1e-12)
    assert calls


def step(state: Any, a: Any) -> Any:
    return {"x": np.cos(a * state["x"]), "y": 0.5 * state["y"] + state["x"]}


def test_a_fixed_point_of_a_pytree() -> None:
    def found(a: Any) -> Any:
        return wg.fixed_point(step, {"x": np.ones(3), "y": np.zeros(3)}, args=(a,))

    a = np.array([0.3, 0.5, 0.9])
    state = wg.jit(found)(a)
    np.testing.assert_allclose(state["x"], np.cos(a * state["x"]), rtol=1e-9)
    np.testing.assert_allclose(state["y"], 2 * state["x"], rtol=1e-8)
    wg.testing.check_grads(lambda v: found(v)["y"], (a,), order=1)


def test_batches() -> None:
    many = RNG.standard_normal((3, 4))
    found = wg.vmap(lambda b: root(A, b))(many)
    for k in range(3):
        np.testing.assert_allclose(found[k], root(A, many[k]), atol=1e-12)


def test_equations_and_unknowns_must_be_as_many() -> None:
    with pytest.raises(
        ValueError, match=r"as many equations as unknowns: .*\[\(3,\)\].*\[\(4,\)\]"
    ):
        wg.custom_root(lambda x: x[:3], np.zeros(4), lambda f, x: x)
