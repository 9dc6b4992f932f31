"""Derivative rules of the user's own: every mode, higher orders, transforms, and wrong rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share

import wengert as wg
from wengert.errors import (
    DifferentiationError,
    DTypeError,
    InputTypeError,
    ShapeError,
    TreeError,
    WengertError,
)

X = np.array([-2.0, 0.3, 1.5])


@wg.custom_jvp
def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


@softplus.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return softplus(x), dx / (1 + np.exp(-x))


@wg.custom_jvp
def scaled(params: Any, x: Any, power: int) -> Any:
    return params["a"] * x**power, x.sum()


@scaled.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (params, x, power), (slopes, dx, _) = primals, tangents
    value, total = scaled(params, x, power)
    slope = slopes["a"] * x**power + power * params["a"] * x ** (power - 1) * dx
    return (value, total), (slope, dx.sum())


@wg.custom_vjp
def product(x: Any, y: Any) -> Any:
    return x * y


product.defvjp(
    lambda x, y: (x * y, (x, y)), lambda saved, bar: (bar * saved[1], (bar * saved[0]).sum())
)


def plain_softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def plain_scaled(params: Any, x: Any, power: int) -> Any:
    return params["a"] * x**power, x.sum()


PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "forward": (lambda x: softplus(x).sum(), lambda x: plain_softplus(x).sum()),
    "pytrees": (
        lambda x: np.sin(scaled({"a": x[0]}, x, 3)[0]).sum() * scaled({"a": x[1]}, x, 2)[1],
        lambda x: np.sin(plain_scaled({"a": x[0]}, x, 3)[0]).sum() * x.sum(),
    ),
    "reverse": (
        lambda x: np.sin(product(x, x[0] * 2)).sum(),
        lambda x: np.sin(x * (x[0] * 2)).sum(),
    ),
    "some arguments": (lambda x: product(X, x[1]).sum(), lambda x: (X * x[1]).sum()),
    "loop": (
        lambda x: wg.fori_loop(0, 5, lambda i, y: softplus(y) * 0.5 + product(y, y[1]), x).sum(),
        lambda x: wg.fori_loop(0, 5, lambda i, y: plain_softplus(y) * 0.5 + y * y[1], x).sum(),
    ),
    "branch": (
        lambda x: wg.cond(x[0] < 0, lambda y: softplus(y).sum(), lambda y: y.sum(), x),
        lambda x: wg.cond(x[0] < 0, lambda y: plain_softplus(y).sum(), lambda y: y.sum(), x),
    ),
}
WRAPS = ("jit of vmap", "jit", "vmap", "grad of vmap")
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "value": lambda f: f,
    "grad": wg.grad,
    "jacfwd": wg.jacfwd,
    "hessian": wg.hessian,
    "reverse twice": lambda f: wg.jacrev(wg.grad(f)),
    "forward twice": lambda f: wg.jacfwd(wg.jacfwd(f)),
    "forward of reverse": lambda f: wg.jacfwd(wg.grad(f)),
    "third": lambda f: wg.jacfwd(wg.hessian(f)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("wrap", ["plain", *fast_share(WRAPS, 5)])
def test_right_rules_change_nothing(name: str, transform: str, wrap: str) -> None:
    f, g = (TRANSFORMS[transform](h) for h in PAIRS[name])
    x = X * 0.4
    rows = np.stack([x, 0.5 - x])
    if wrap == "plain":
        found, expected = f(x), g(x)
    elif wrap == "jit":
        found, expected = wg.jit(f)(x), g(x)
    elif wrap == "vmap":
        found, expected = wg.vmap(f)(rows), np.stack([g(r) for r in rows])
    elif wrap == "jit of vmap":
        found, expected = wg.jit(wg.vmap(f))(rows), np.stack([g(r) for r in rows])
    else:
        found = wg.grad(lambda r: (wg.vmap(f)(r) ** 2).sum())(rows)
        expected = np.stack([wg.grad(lambda y: (g(y) ** 2).sum())(r) for r in rows])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_rules_are_used() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x * x

    f.defjvp(lambda p, t: (f(*p), 10 * t[0]))
    assert wg.grad(f)(3.0) == 10
    assert wg.jvp(f, (3.0,), (2.0,)) == (9, 20)

    @wg.custom_vjp
    def g(x: Any) -> Any:
        return x * x

    g.defvjp(lambda x: (x * x, x), lambda x, bar: (7 * bar * x,))
    assert wg.grad(g)(3.0) == 21
    assert wg.jvp(g, (3.0,), (2.0,)) == (9, 42)
    np.testing.assert_array_equal(wg.jit(wg.vmap(wg.grad(g)))(X), 7 * X)


def test_each_mode_has_its_own_rule_if_both_are_given() -> None:
    f = wg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x * x, x), lambda x, bar: (7 * bar * x,))
    f.defjvp(lambda p, t: (p[0] ** 2, 5 * p[0] * t[0]))
    assert wg.grad(f)(3.0) == 21
    assert wg.jvp(f, (3.0,), (1.0,))[1] == 15
    np.testing.assert_array_equal(wg.vmap(lambda x: wg.jvp(f, (x,), (1.0,))[1])(X), 5 * X)
    assert wg.grad(wg.grad(f))(3.0) == 7  # of what reverse mode computed


def test_cotangents_may_be_clipped() -> None:
    """A rule that is not linear works in reverse mode alone."""
    clipped = wg.custom_vjp(lambda x: x)
    clipped.defvjp(lambda x: (x, None), lambda _, bar: (np.clip(bar, -1, 1),))
    found = wg.jit(wg.grad(lambda x: (clipped(x) ** 2).sum()))(X)
    np.testing.assert_array_equal(found, np.clip(2 * X, -1, 1))
    with pytest.raises(DifferentiationError, match="defjvp"):
        wg.jvp(clipped, (1.0,), (1.0,))


def test_integers_and_constants_pass_through() -> None:
    @wg.custom_jvp
    def pick(x: Any, i: Any, how: str) -> Any:
        assert how == "first"
        return x[i]

    def rule(primals: Any, tangents: Any) -> Any:
        x, i, how = primals
        dx, di, none = tangents
        assert di.dtype == wg.float0
        assert none is None
        return pick(x, i, how), dx[i] * 2

    pick.defjvp(rule)
    found = wg.jit(wg.grad(lambda x, i: pick(x, i, "first")))(X, np.int64(1))
    np.testing.assert_array_equal(found, [0, 2, 0])


def test_outside_of_transforms_the_function_runs() -> None:
    assert type(softplus(1.0)) is np.float64
    assert softplus.__name__ == "softplus"
    np.testing.assert_array_equal(wg.jit(softplus)(X), wg.jit(plain_softplus)(X))


def test_methods() -> None:
    class Model:
        scale = 3.0

        @wg.custom_jvp
        def apply(self, x: Any) -> Any:
            return x * self.scale

    Model.apply.defjvp(lambda p, t: (p[1] * p[0].scale, t[1] * 100))
    assert wg.grad(Model().apply)(2.0) == 100


# wrong rules


def of_forward(rule: Callable[..., Any]) -> Callable[[Any], Any]:
    f = wg.custom_jvp(lambda x: x * 2)
    f.defjvp(rule)
    return wg.grad(lambda x: f(x).sum())


def of_reverse(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[[Any], Any]:
    f = wg.custom_vjp(lambda x: x * 2)
    f.defvjp(forward, backward)
    return wg.grad(lambda x: f(x).sum())


def first(x: Any) -> Any:
    return x * 2, None


WRONG: list[tuple[Callable[[Any], Any], type[WengertError], str]] = [
    (of_forward(lambda p, t: p[0]), TreeError, r"forward rule .*should return \(result, tangent\)"),
    (of_forward(lambda p, t: (p[0] * 2, t)), TreeError, "forward rule .*gives a tangent of"),
    (of_forward(lambda p, t: (p[0] * 2, t[0].sum())), ShapeError, r"tangent of shape \(\)"),
    (
        of_forward(lambda p, t: (p[0] * 2, t[0].astype(np.float32))),
        DTypeError,
        "tangent of float32, which should be float64",
    ),
    (of_reverse(lambda x: x * 2, lambda s, b: (b,)), TreeError, "first half"),
    (of_reverse(first, lambda s, b: b), TreeError, "a tuple of 1 cotangents"),
    (of_reverse(first, lambda s, b: (b, b)), TreeError, "of length 2"),
    (of_reverse(first, lambda s, b: ([b],)), TreeError, "for argument 0"),
    (of_reverse(first, lambda s, b: (b[:2],)), ShapeError, r"cotangent of argument 0 of shape \(2"),
    (of_forward(lambda p, t: (p[0] * 2, "s")), InputTypeError, "tangent that is str 's'"),
    (
        of_forward(lambda p, t: (p[0] * 2, t[0] ** 2)),
        DifferentiationError,
        "linear in the tangents",
    ),
    (of_reverse(lambda x: (x * 2, "s"), lambda s, b: (b,)), InputTypeError, "residual that is str"),
    (of_reverse(first, lambda s, b: (1j * b,)), DTypeError, "argument 0 of complex128"),
]


@pytest.mark.parametrize(("run", "error", "words"), WRONG, ids=range(len(WRONG)))
def test_wrong_rules_are_named(
    run: Callable[[Any], Any], error: type[WengertError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        run(X)
    location = caught.value.location
    assert location is not None
    assert location.file == __file__
    assert "linear in" in words or f"'<lambda>' ({__file__}:" in str(caught.value)


def test_a_function_without_rules_says_so() -> None:
    with pytest.raises(DifferentiationError, match="defjvp or defvjp"):
        wg.grad(wg.custom_jvp(lambda x: x))(1.0)


def test_derivatives_by_traced_values_from_outside_are_refused() -> None:
    def outer(y: Any, z: Any) -> Any:
        f = wg.custom_jvp(lambda x: x * y)
        f.defjvp(lambda p, t: (f(*p), t[0] * y))
        return f(z)

    def reverse(y: Any, z: Any) -> Any:
        f = wg.custom_vjp(lambda x: x * 2)
        f.defvjp(lambda x: (x * 2, None), lambda _, bar: (bar * y,))
        return f(z)

    for fun in (outer, reverse):
        with pytest.raises(DifferentiationError, match="pass the value as an argument"):
            wg.grad(fun, (0, 1))(5.0, 3.0)
        assert wg.grad(fun, 1)(5.0, 3.0) == 5  # by the rule


def test_rules_read_arrays_made_beside_them() -> None:
    """They see them, and the variables, as they were when the function was called."""

    def outer(x: Any) -> Any:
        w, ones, order = np.array([1.0, 2.0, 3.0]), np.ones(3), np.array([2, 1, 0])
        f, g = wg.custom_jvp(lambda y: np.sin(w * y)), wg.custom_vjp(lambda y: y * w)
        f.defjvp(lambda p, t: (f(*p), np.cos(w * p[0]) * w * t[0] * ones[order]))
        g.defvjp(lambda y: (g(y), None), lambda _, bar: (bar * w * ones[order],))
        found = f(x) + g(x)
        ones[1] = 7.0
        w = w * 0
        return found + w

    w = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(outer(X), np.sin(w * X) + w * X)
    for mode in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(mode(outer)(X), np.diag(np.cos(w * X) * w + w), atol=1e-15)


def test_keywords_are_refused() -> None:
    with pytest.raises(InputTypeError, match="by position"):
        softplus(x=1.0)
