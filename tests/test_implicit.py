"""Roots, linear systems and fixed points that are differentiated by their equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DTypeError, ShapeError, TreeError

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


# arrays of the function around


def whole(operator: Any, b: Any) -> Any:
    return np.linalg.solve(wg.jacfwd(operator)(np.zeros_like(b)), b)


def of_closures(x: Any) -> Any:
    m = np.array([[3.0, 0.5], [0.5, 2.0]])
    found = wg.custom_linear_solve(lambda v: (m + np.outer(x, x)) @ v, np.cos(x), whole)
    m[0, 0] = 50.0
    return found


def of_numpy(x: Any) -> Any:
    return np.linalg.solve(np.array([[3.0, 0.5], [0.5, 2.0]]) + np.outer(x, x), np.cos(x))


@pytest.mark.parametrize(
    "transform",
    [lambda f: f, wg.jacrev, wg.jacfwd, lambda f: wg.jacrev(wg.jacfwd(f))],
    ids=["value", "reverse", "forward", "second"],
)
def test_arrays_of_the_function_around_it_may_be_read(transform: Any) -> None:
    x = np.array([0.1, 0.4])
    np.testing.assert_allclose(transform(of_closures)(x), transform(of_numpy)(x), rtol=1e-12)


def test_how_a_solver_depends_on_what_it_reads_does_not_matter() -> None:
    def found(x: Any) -> Any:
        scales, backward = 1 / (3 + x), np.array([0.3, 0.3])

        def relaxed(weights: Any) -> Any:
            def solve(operator: Any, b: Any) -> Any:
                y = weights * b
                for _ in range(60):
                    y = y + weights * (b - operator(y))
                return y

            return solve

        return wg.custom_linear_solve(
            lambda v: (3 + x) * v, np.cos(x), relaxed(scales), relaxed(backward * np.sin(1 + x))
        )

    x = np.array([0.1, 0.4])
    expected = wg.jacfwd(lambda y: np.cos(y) / (3 + y))(x)
    np.testing.assert_allclose(wg.jacrev(found)(x), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(wg.jacfwd(found)(x), expected, rtol=1e-9, atol=1e-12)


def test_variables_that_are_assigned_again_after_the_call() -> None:
    def found(x: Any) -> Any:
        y, m = x, np.array([3.0, 2.0])
        for _ in range(3):
            y = wg.custom_linear_solve(lambda v: (m + y * y) * v, np.cos(y), whole)  # noqa: B023
            m[0] += 1
        return y

    def plain(x: Any) -> Any:
        y, m = x, np.array([3.0, 2.0])
        for _ in range(3):
            y = np.cos(y) / (m + y * y)
            m[0] += 1
        return y

    x = np.array([0.1, 0.4])
    np.testing.assert_allclose(wg.jacrev(found)(x), wg.jacrev(plain)(x), rtol=1e-12)


def test_a_fixed_point_of_a_step_that_reads_an_array_made_beside_it() -> None:
    def found(x: Any) -> Any:
        w = np.array([0.3, 0.5])
        return wg.fixed_point(lambda y: 0.5 * np.cos(w * y) + x, np.zeros(2))

    x = np.array([0.1, 0.4])
    y, w = found(x), np.array([0.3, 0.5])
    expected = np.diag(1 / (1 + 0.5 * w * np.sin(w * y)))
    np.testing.assert_allclose(wg.jacrev(found)(x), expected, rtol=1e-8)


def test_batches() -> None:
    many = RNG.standard_normal((3, 4))
    found = wg.vmap(lambda b: root(A, b))(many)
    for k in range(3):
        np.testing.assert_allclose(found[k], root(A, many[k]), atol=1e-12)


def test_equations_and_unknowns_must_be_as_many() -> None:
    with pytest.raises(
        ValueError, match=r"has the shape \(3,\), and should have that of the unknowns, \(4,\)"
    ):
        wg.custom_root(lambda x: x[:3], np.zeros(4), lambda f, x: x)


def test_what_a_solver_tells_beside_its_solution() -> None:
    def halved(f: Any, x: Any) -> Any:
        count = 0
        while np.abs(f(x)) > 1e-12:
            x, count = x - f(x) / (2 * x), count + 1
        return x, {"steps": count, "rest": f(x)}

    def root(a: Any) -> Any:
        return wg.custom_root(lambda x: x**2 - a, 1.0, halved, has_aux=True)

    (x, told), (slope, moved) = wg.jvp(wg.jit(root), (2.0,), (1.0,))
    np.testing.assert_allclose([x, slope], [np.sqrt(2), 0.5 / np.sqrt(2)], rtol=1e-12)
    assert told["steps"] > 3
    assert moved["rest"] == 0
    np.testing.assert_allclose(wg.grad(lambda a: root(a)[0] + root(a)[1]["rest"])(2.0), slope)
    with pytest.raises(TreeError, match=r"has_aux=True, custom_root .* returned"):
        wg.jit(lambda a: wg.custom_root(lambda x: x - a, 1.0, lambda f, x: x, has_aux=True))(2.0)


def taken(x: Any) -> Any:
    return x[:2]


def same(f: Any, x: Any) -> Any:
    return x


def cut(operator: Any, right: Any) -> Any:
    return right[:2]


def paired(operator: Any, right: Any) -> Any:
    return right, right


def narrow(operator: Any, right: Any) -> Any:
    return right.astype(np.float32)


def of_root(*args: Any) -> Any:
    return wg.grad(lambda a: np.sum(wg.custom_root(lambda x: x - a, np.zeros(3), *args)))


def of_solve(matvec: Any, *args: Any) -> Any:
    return wg.grad(lambda b: np.sum(wg.custom_linear_solve(matvec, b, *args)))


def of_step(step: Any) -> Any:
    return wg.jit(lambda a: wg.fixed_point(lambda x: step(x * a), np.zeros(3)))


def doubled(x: Any) -> Any:
    return 2 * x


WRONG = [
    (
        lambda a: wg.custom_root(taken, a, same),
        ShapeError,
        r"custom_root's function 'taken' has the shape \(2,\), .* of the unknowns, \(3,\)",
    ),
    (
        wg.jit(lambda a: wg.custom_root(lambda x: (x, a), a, same)),
        TreeError,
        "custom_root's function '<lambda>' has the structure",
    ),
    (
        wg.jit(lambda a: wg.custom_root(lambda x: x.astype(np.float32), a, same)),
        DTypeError,
        r"custom_root's function .* is float32, .*astype\('float64'\)",
    ),
    (of_root(same, cut), ShapeError, r"tangent_solve 'cut' gives has the shape \(2,\)"),
    (of_root(same, paired), TreeError, "tangent_solve 'paired' gives has the structure"),
    (of_root(same, narrow), DTypeError, "tangent_solve 'narrow' gives is float32"),
    (of_solve(doubled, cut), ShapeError, "custom_linear_solve's solver 'cut'"),
    (of_solve(taken, same), ShapeError, "custom_linear_solve's matvec 'taken'"),
    (of_solve(doubled, same, cut), ShapeError, "custom_linear_solve's transpose_solve 'cut'"),
    (lambda b: wg.custom_linear_solve(doubled, b, cut), ShapeError, "solver 'cut'"),
    (of_step(taken), ShapeError, r"fixed_point's step '<lambda>' gives has the shape \(2,\)"),
    (of_step(lambda x: (x, x)), TreeError, "fixed_point's step"),
]


@pytest.mark.parametrize(("run", "error", "words"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_named_with_the_line(run: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        run(np.ones(3))
    assert caught.value.location.file == __file__
