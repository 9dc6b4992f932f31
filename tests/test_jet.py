"""wg.jet: Taylor mode against polynomials, closed forms, nested forward mode and mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.polynomial import polynomial

import wengert as wg
from wengert.errors import ArgumentError, InputTypeError

ORDER = 6
FACTORIALS = np.array([math.factorial(k) for k in range(ORDER + 1)], float)


def line(f: Callable[[Any], Any], x: Any, order: int = ORDER) -> list[Any]:
    """f and its derivatives at x."""
    first = np.ones_like(np.asarray(x, float))
    value, terms = wg.jet(f, (x,), ([first] + [0.0 * first] * (order - 1),))
    return [value, *terms]


SCALAR: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (np.exp, mpmath.exp),
    "sin": (np.sin, mpmath.sin),
    "cos": (np.cos, mpmath.cos),
    "tanh": (np.tanh, mpmath.tanh),
    "log": (np.log, mpmath.log),
    "log1p": (np.log1p, lambda x: mpmath.log(1 + x)),
    "sqrt": (np.sqrt, mpmath.sqrt),
    "arctan": (np.arctan, mpmath.atan),
    "arcsin": (np.arcsin, mpmath.asin),
    "tan": (np.tan, mpmath.tan),
    "power": (lambda x: x**2.5, lambda x: mpmath.power(x, 2.5)),
    "cube": (lambda x: x**3, lambda x: x**3),
    "exponent": (lambda x: 1.5**x, lambda x: mpmath.power(1.5, x)),
    "x**x": (lambda x: x**x, lambda x: mpmath.power(x, x)),
    "quotient": (lambda x: np.sin(x) / (1 + x * x), lambda x: mpmath.sin(x) / (1 + x * x)),
    "composed": (
        lambda x: np.exp(np.sin(np.tanh(x) * 2)),
        lambda x: mpmath.exp(mpmath.sin(mpmath.tanh(x) * 2)),
    ),
    "gelu": (
        lambda x: x * wg.special.ndtr(x),
        lambda x: x * mpmath.ncdf(x),
    ),
    "gammaln": (wg.special.gammaln, mpmath.loggamma),
}


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("compiled", [False, True])
def test_derivatives_of_a_function_of_one_number(name: str, compiled: bool) -> None:
    f, exact = SCALAR[name]
    with mpmath.workdps(40):
        wanted = [float(d) for d in mpmath.taylor(exact, 0.7, ORDER)] * FACTORIALS
    run = wg.jit(lambda x: line(f, x)) if compiled else lambda x: line(f, x)
    np.testing.assert_allclose(run(0.7), wanted, rtol=1e-11, atol=1e-12)


def test_a_product_of_paths_is_the_product_of_polynomials() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.standard_normal((2, ORDER + 1, 3))
    f, g = p * FACTORIALS[:, None], q * FACTORIALS[:, None]
    value, terms = wg.jet(lambda x, y: x * y, (f[0], g[0]), (list(f[1:]), list(g[1:])))
    for i in range(3):
        wanted = polynomial.polymul(p[:, i], q[:, i])[: ORDER + 1] * FACTORIALS
        np.testing.assert_allclose([value[i], *[t[i] for t in terms]], wanted, atol=1e-12)


def nested(f: Callable[[Any], Any], path: Callable[[Any], Any]) -> list[Any]:
    """The same by forward mode of forward mode."""

    def slope(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda t: wg.jvp(g, (t,), (1.0,))[1]

    found: list[Any] = []
    h: Callable[[Any], Any] = lambda t: f(path(t))  # noqa: E731
    for _ in range(4):
        found.append(h(0.0))
        h = slope(h)
    return found


def _turns(x: Any) -> Any:
    for _ in range(40):
        x = np.sin(x) * 1.1
    return x


def _while(x: Any) -> Any:
    while np.sum(x * x) > 0.5:
        x = x * np.cos(x)
    return x


@wg.custom_jvp
def _custom(x: Any) -> Any:
    return np.sin(x)


@_custom.defjvp
def _custom_rule(primals: Any, tangents: Any) -> Any:
    return _custom(primals[0]), np.cos(primals[0]) * tangents[0]


M = np.array([[2.0, 0.3, 0.1], [0.2, 3.0, 0.4], [0.5, 0.1, 1.5]])
ARRAY: dict[str, Callable[[Any], Any]] = {
    "matrix product": lambda x: np.outer(x, x) @ np.sin(x),
    "solve": lambda x: np.linalg.solve(M + np.diag(x), x),
    "determinant": lambda x: np.linalg.slogdet(M + np.outer(x, x))[1],
    "eigenvalues": lambda x: np.linalg.eigvalsh(M + M.T + np.outer(x, x)),
    "softmax": lambda x: wg.special.softmax(3 * x),
    "logsumexp": lambda x: wg.special.logsumexp(x),
    "where": lambda x: np.where(x > 0.4, np.exp(x), x * x),
    "kinks": lambda x: np.abs(x - 0.4) * np.maximum(x, 0.3) + np.max(x**2),
    "sorted": lambda x: np.sort(np.cos(5 * x))[:2],
    "indices": lambda x: x[[0, 2, 2]] * x[::-1],
    "products": lambda x: np.cumprod(np.exp(x)) + np.prod(x),
    "float32": lambda x: np.sum(x.astype(np.float32) ** 2),
    "complex": lambda x: np.abs(np.fft.fft(np.exp(1j * x) * x)),
    "loop": _turns,
    "while": _while,
    "custom": lambda x: _custom(x) * x,
    "integers": lambda x: np.floor(x * 3) * x,
    "constant": lambda x: np.ones(2),
}


@pytest.mark.parametrize("name", ARRAY)
def test_curved_paths_agree_with_nested_forward_mode(name: str) -> None:
    f = ARRAY[name]
    rng = np.random.default_rng(1)
    x = np.array([0.9, 0.5, 1.3])
    terms = [rng.standard_normal(3) for _ in range(3)]

    def path(t: Any) -> Any:
        return x + t * terms[0] + t**2 / 2 * terms[1] + t**3 / 6 * terms[2]

    value, found = wg.jet(f, (x,), (terms,))
    scale = 1e-4 if name == "float32" else 1e-9
    for got, wanted in zip([value, *found], nested(f, path), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=scale, atol=scale)


def test_the_program_grows_with_the_square_of_the_order() -> None:
    def size(order: int) -> int:
        f = wg.jit(lambda x: line(lambda x: np.tanh(np.exp(np.sin(x)) / x), x, order))
        return str(f.lower(0.5).ir).count(" = ")

    assert size(12) < 5 * size(6)


def test_structures_and_integers() -> None:
    def f(tree: Any, n: Any) -> Any:
        return {"product": tree["a"] * tree["b"], "power": tree["a"] ** n, "count": n}

    tree = {"a": 2.0, "b": 3.0}
    zero = np.zeros((), wg.float0)
    path = [{"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 0.0}]
    value, terms = wg.jet(f, (tree, 3), (path, [zero, zero]))
    assert value == {"product": 6.0, "power": 8.0, "count": 3}
    assert terms["product"] == [5.0, 2.0]
    assert terms["power"] == [12.0, 12.0]
    assert [t.dtype for t in terms["count"]] == [wg.float0] * 2


def test_batches_and_gradients_of_jets() -> None:
    x = np.linspace(0.1, 1.0, 5)
    third = wg.vmap(lambda x: line(np.sin, x, 3)[3])
    np.testing.assert_allclose(third(x), -np.cos(x))
    fourth = wg.grad(lambda x: np.sum(line(np.sin, x, 3)[3]))
    np.testing.assert_allclose(fourth(x), np.sin(x))


def test_values_of_an_enclosing_trace_are_constants() -> None:
    f = wg.jit(lambda a, x: line(lambda x: np.exp(a * x), x, 3)[3])
    np.testing.assert_allclose(f(2.0, 0.5), 8 * math.e)


@pytest.mark.parametrize(
    ("primals", "series", "error", "words"),
    [
        (1.0, [1.0], InputTypeError, "tuples"),
        ((1.0,), ([1.0], [1.0]), ArgumentError, "1 primals and 2 series"),
        ((1.0, 2.0), ([1.0], [1.0, 0.0]), ArgumentError, "same length"),
        ((1.0,), (1.0,), ArgumentError, "lists"),
        ((1.0,), ([],), ArgumentError, "not empty"),
    ],
)
def test_errors(primals: Any, series: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        wg.jet(lambda *x: x[0], primals, series)
