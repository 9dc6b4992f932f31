"""The transforms as a user sees them: conventions, nesting, pytrees, closures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import VerificationError
from wengert.ir.verify import verify
from wengert.testing import check_grads

RNG = np.random.default_rng(7)
A = RNG.normal(size=(4, 3))
X = RNG.normal(size=3)
Y = RNG.normal(size=4)


def compiled(fun: Any) -> Any:
    return wg.jit(fun, backend="reference")


def scalar(x: Any) -> Any:
    return np.sum(np.tanh(A @ x) ** 2) + np.sum(np.sin(x) * x)


def vector(x: Any) -> Any:
    return np.exp(A @ x) * x[0]


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Params:
    w: Any
    b: Any


TREE = {"p": Params(A, Y), "q": Pair(X, [np.float64(2.0), None])}


def of_tree(t: Any) -> Any:
    inner = t["p"].w @ t["q"].first + t["p"].b
    return Pair(np.tanh(inner) * t["q"].second[0], {"sum": np.sum(inner**2)})


def scalar_of_tree(t: Any) -> Any:
    out = of_tree(t)
    return np.sum(out.first) + out.second["sum"]


def close(found: Any, expected: Any, **tolerance: Any) -> None:
    """Equal structures, shapes and dtypes, and close numbers."""
    leaves, structure = wg.tree_flatten(found)
    wanted, expected_structure = wg.tree_flatten(expected)
    assert structure == expected_structure
    for x, y in zip(leaves, wanted, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        assert_allclose(x, y, **({"rtol": 1e-9, "atol": 1e-12} | tolerance))


CASES = [
    pytest.param(scalar, (X,), id="scalar"),
    pytest.param(vector, (X,), id="vector"),
    pytest.param(of_tree, (TREE,), id="tree"),
    pytest.param(lambda x, y: (np.outer(x, y), x[0]), (X, Y), id="two"),
    pytest.param(lambda s: (s**3, np.sin(s)), (1.5,), id="number"),
    pytest.param(lambda x: {"c": np.ones(2), "x": x[::-2]}, (X,), id="constant"),
    pytest.param(lambda x, n: np.cumsum(x) * n, (X, np.arange(3)), id="integers"),
]


# the laws that tie the transforms together


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("fun", "args"), CASES)
def test_derivatives_agree_with_differences(fun: Any, args: Any, order: int) -> None:
    check_grads(fun, args, order=order)


@pytest.mark.parametrize(("fun", "args"), CASES)
def test_transforms_keep_the_value(fun: Any, args: Any) -> None:
    out = fun(*args)
    tangents = wg.tree_map(_tangent, args)
    found = wg.jvp(fun, args, tangents)[0], wg.vjp(fun, *args)[0], wg.linearize(fun, *args)[0]
    for value in found:
        assert wg.tree_structure(value) == wg.tree_structure(out)
        for x, y in zip(wg.tree_leaves(value), wg.tree_leaves(out), strict=True):
            assert_allclose(x, y)


def _tangent(x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return np.zeros(x.shape, wg.float0)
    return RNG.normal(size=x.shape) if x.shape else float(RNG.normal())


@pytest.mark.parametrize(("fun", "args"), CASES)
def test_linearize_is_jvp_and_transposes_to_vjp(fun: Any, args: Any) -> None:
    tangents = wg.tree_map(_tangent, args)
    _, slope = wg.jvp(fun, args, tangents)
    close(wg.linearize(fun, *args)[1](*tangents), slope)
    out, pullback = wg.vjp(fun, *args)
    cotangent = wg.tree_map(_tangent, out)
    back = pullback(cotangent)
    assert wg.tree_structure(back) == wg.tree_structure(args)
    assert _dot(back, tangents) == pytest.approx(_dot(cotangent, slope), rel=1e-9)


def _dot(x: Any, y: Any) -> float:
    pairs = zip(wg.tree_leaves(x), wg.tree_leaves(y), strict=True)
    return sum(float(np.sum(a * b)) for a, b in pairs if np.asarray(a).dtype != wg.float0)


@pytest.mark.parametrize(("fun", "args"), [c for c in CASES if c.id not in ("integers",)])
def test_jacobians_agree(fun: Any, args: Any) -> None:
    numbers = tuple(range(len(args)))
    forward = wg.jacfwd(fun, numbers)(*args)
    close(wg.jacrev(fun, numbers)(*args), forward)
    for mode in ("auto", "forward", "reverse"):
        close(compiled(wg.jacobian(fun, numbers, mode=mode))(*args), forward)
    tangents = wg.tree_map(_tangent, args)
    slope = wg.tree_leaves(wg.jvp(fun, args, tangents)[1])
    outs = wg.tree_structure(fun(*args)).num_leaves
    blocks = wg.tree_leaves(forward)
    moves = wg.tree_leaves(tangents)
    for i in range(outs):
        row = blocks[i * len(moves) : (i + 1) * len(moves)]
        total = sum(np.tensordot(b, t, np.ndim(t)) for b, t in zip(row, moves, strict=True))
        assert_allclose(total, slope[i], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("fun", "args"), CASES)
def test_everything_works_inside_jit(fun: Any, args: Any) -> None:
    tangents = wg.tree_map(_tangent, args)
    push = lambda *a: wg.jvp(fun, a, tangents)  # noqa: E731
    value, slope = push(*args)
    found_value, found = compiled(lambda *a: _floats(push(*a)))(*_arrays(args))
    for x, y in zip((found_value, found), _floats((value, slope)), strict=True):
        assert_allclose(wg.ravel_pytree(x)[0], wg.ravel_pytree(y)[0])


def _arrays(args: Any) -> Any:
    return wg.tree_map(lambda x: np.asarray(x) if isinstance(x, int) else x, args)


def _floats(tree: Any) -> Any:
    return tuple([x for x in wg.tree_leaves(t) if x.dtype != wg.float0] for t in tree)


# gradients


def test_gradients_of_pytrees() -> None:
    value, slopes = wg.value_and_grad(scalar_of_tree)(TREE)
    assert value == pytest.approx(scalar_of_tree(TREE))
    assert wg.tree_structure(slopes) == wg.tree_structure(TREE)
    inner = A @ X + Y
    bars = 2.0 / np.cosh(inner) ** 2 + 2 * inner
    assert_allclose(slopes["p"].w, np.outer(bars, X))
    assert_allclose(slopes["p"].b, bars)
    assert_allclose(slopes["q"].first, A.T @ bars)
    assert_allclose(slopes["q"].second[0], np.sum(np.tanh(inner)))
    close(wg.jit(wg.grad(scalar_of_tree))(TREE), slopes)


def test_argnums() -> None:
    fun = lambda x, y, scale: np.sum(x * x) * scale + np.sum(y)  # noqa: E731
    assert_allclose(wg.grad(fun)(X, Y, 3.0), 6 * X)
    assert_allclose(wg.grad(fun, argnums=-2)(X, Y, 3), np.ones(4))
    both = wg.grad(fun, argnums=(2, 0))(X, Y, 3.0)
    assert isinstance(both, tuple)
    assert_allclose(both[0], np.sum(X * X))
    assert_allclose(both[1], 6 * X)
    assert_allclose(wg.grad(fun)(X, y=Y, scale=2), 4 * X)
    one = wg.grad(fun, argnums=(0,))(X, Y, 1.0)
    assert isinstance(one, tuple)


def test_arguments_that_are_not_differentiated_stay_as_they_are() -> None:
    def fun(x: Any, n: int, mode: str, data: Any) -> Any:
        assert type(n) is int
        if mode == "power" and data[0] > 0:
            return np.sum(x**n)
        return np.sum(x)

    assert_allclose(wg.grad(fun)(X, 3, "power", np.ones(2)), 3 * X**2)
    assert_allclose(wg.grad(fun)(X, 3, "power", -np.ones(2)), np.ones(3))


def test_aux_passes_through() -> None:
    def fun(x: Any) -> Any:
        return np.sum(x**2), {"twice": x * 2, "name": "run", "count": 3, "index": np.argmax(x)}

    (value, aux), slopes = wg.value_and_grad(fun, has_aux=True)(X)
    assert value == pytest.approx(np.sum(X**2))
    assert_allclose(slopes, 2 * X)
    assert_allclose(aux["twice"], 2 * X)
    assert (aux["name"], aux["count"], aux["index"]) == ("run", 3, np.argmax(X))
    slopes, again = wg.grad(fun, has_aux=True)(X)
    assert again["name"] == "run"
    _, derivative, aux = wg.linearize(fun, X, has_aux=True)
    assert_allclose(derivative(np.ones(3)), 2 * np.sum(X))
    _, pullback, aux = wg.vjp(fun, X, has_aux=True)
    assert_allclose(pullback(1.0)[0], 2 * X)
    _, slope, aux = wg.jvp(fun, (X,), (X,), has_aux=True)
    assert_allclose(slope, 2 * np.sum(X**2))
    pair = lambda x: (vector(x), x * 2)  # noqa: E731
    for jacobian in (wg.jacfwd, wg.jacrev):
        found, aux = jacobian(pair, has_aux=True)(X)
        close(found, wg.jacfwd(vector)(X))
        assert_allclose(aux, 2 * X)


def test_python_floats_do_not_raise_the_precision() -> None:
    single = X.astype(np.float32)
    assert wg.grad(lambda x: np.sum(x * 2.0 + 1))(single).dtype == np.float32
    assert compiled(lambda x, s: x * s)(single, 2.0).dtype == np.float32
    assert compiled(lambda x, s: x * s)(single, np.float64(2.0)).dtype == np.float64
    assert compiled(lambda x, s: x * (s + 1) ** 2)(single, 2.0).dtype == np.float32
    assert compiled(lambda x, s: x * np.sin(s))(single, 2.0).dtype == np.float64
    assert compiled(lambda x, s: np.maximum(x, s))(single, 2.0).dtype == np.float32
    slopes = wg.grad(lambda x, s: np.sum(x * s), argnums=(0, 1))(single, 2.0)
    assert slopes[0].dtype == np.float32


def test_gradients_of_constants_are_zero() -> None:
    assert_array_equal(wg.grad(lambda x: 3.0)(X), np.zeros(3))
    assert_array_equal(wg.grad(lambda x: wg.stop_gradient(np.sum(x)))(X), np.zeros(3))
    assert_array_equal(wg.grad(lambda x: np.sum(np.floor(x)))(X), np.zeros(3))
    assert_array_equal(wg.jacfwd(lambda x: np.ones(2))(X), np.zeros((2, 3)))
    assert_array_equal(wg.jacrev(lambda x: np.ones(2))(X), np.zeros((2, 3)))


def test_stop_gradient_keeps_the_value() -> None:
    fun = lambda t: np.sum(wg.stop_gradient(t)["a"] * t["a"])  # noqa: E731
    value, slopes = wg.value_and_grad(fun)({"a": X})
    assert value == pytest.approx(np.sum(X * X))
    assert_allclose(slopes["a"], X)
    assert wg.stop_gradient({"n": 3})["n"] == 3


# higher orders


def test_third_derivatives() -> None:
    fun = lambda s: np.sin(s) * s**3  # noqa: E731
    s = 1.3
    first = 3 * s**2 * np.sin(s) + s**3 * np.cos(s)
    second = (6 * s - s**3) * np.sin(s) + 6 * s**2 * np.cos(s)
    third = (6 - 9 * s**2) * np.sin(s) + (18 * s - s**3) * np.cos(s)
    forward = lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1]  # noqa: E731
    for one in (wg.grad, forward):
        for two in (wg.grad, forward):
            for three in (wg.grad, forward):
                assert one(fun)(s) == pytest.approx(first)
                assert two(one(fun))(s) == pytest.approx(second)
                assert three(two(one(fun)))(s) == pytest.approx(third)
    assert compiled(wg.grad(compiled(wg.grad(compiled(wg.grad(fun))))))(s) == pytest.approx(third)


def test_third_derivatives_of_arrays() -> None:
    third = wg.jacfwd(wg.hessian(lambda x: np.sum(np.prod(x) * x)))(X)
    for axes in ((1, 0, 2), (0, 2, 1), (2, 1, 0)):
        assert_allclose(third, third.transpose(axes), atol=1e-12)
    assert_allclose(third, wg.jacrev(wg.jacrev(wg.grad(lambda x: np.sum(np.prod(x) * x))))(X))


def test_hessians() -> None:
    hessian = wg.hessian(scalar)(X)
    assert_allclose(hessian, hessian.T)
    assert_allclose(wg.jit(wg.hessian(scalar))(X), hessian)
    assert_allclose(wg.hvp(scalar, (X,), (Y[:3],)), hessian @ Y[:3])
    quadratic = lambda x, y: x @ A.T @ y + y @ y  # noqa: E731
    blocks = wg.hessian(quadratic, argnums=(0, 1))(X, Y)
    close(blocks, ((np.zeros((3, 3)), A.T), (A, 2 * np.eye(4))))
    product = wg.hvp(quadratic, (X, Y), (X, Y))
    assert_allclose(product[0], A.T @ Y)
    assert_allclose(product[1], A @ X + 2 * Y)
    nested = wg.hessian(lambda t: np.sum(t["a"] ** 2) * t["b"])({"a": X, "b": 2.0})
    assert_allclose(nested["a"]["b"], 2 * X)
    assert_allclose(nested["b"]["b"], 0)


# linear maps


def test_linear_transpose() -> None:
    assert_allclose(wg.linear_transpose(lambda x: A @ x, X)(Y)[0], A.T @ Y)
    shapes = wg.ShapeDtypeStruct((3,), np.float64), wg.ShapeDtypeStruct((4,), np.float64)
    transpose = wg.linear_transpose(lambda x, y: {"a": A @ x + 2 * y, "b": x[0]}, *shapes)
    back = transpose({"a": Y, "b": 1.0})
    assert_allclose(back[0], A.T @ Y + np.array([1.0, 0, 0]))
    assert_allclose(back[1], 2 * Y)
    inside = compiled(lambda m, y: wg.linear_transpose(lambda x: m @ x, X)(y)[0])
    assert_allclose(inside(A, Y), A.T @ Y)


def test_a_linearized_function_can_be_used_often() -> None:
    _, derivative = wg.linearize(vector, X)
    jacobian = wg.jacfwd(vector)(X)
    for row in np.eye(3):
        assert_allclose(derivative(row), jacobian @ row)
    assert_allclose(wg.vmap(derivative)(np.eye(3)), jacobian.T)
    assert_allclose(wg.jacrev(derivative)(X), jacobian)
    _, pullback = wg.vjp(vector, X)
    assert_allclose(wg.vmap(pullback)(np.eye(4))[0], jacobian)
    assert_allclose(compiled(lambda y: pullback(y)[0])(Y), jacobian.T @ Y)


# batches


BATCH = RNG.normal(size=(5, 3))


@pytest.mark.parametrize("fun", [scalar, vector, wg.grad(scalar), wg.hessian(scalar), np.sort])
def test_vmap_is_a_loop(fun: Any) -> None:
    if fun is np.sort:
        fun = lambda x: (np.max(x), np.argmax(x), np.cumsum(x)[::-1], x > 0)  # noqa: E731
    expected = [fun(x) for x in BATCH]
    found = wg.vmap(fun)(BATCH)
    stacked = wg.tree_map(lambda *leaves: np.stack(leaves), expected[0], *expected[1:])
    close(found, stacked)
    close(compiled(wg.vmap(fun))(BATCH), stacked)


def test_axes_of_vmap() -> None:
    fun = lambda x, y: x * y  # noqa: E731
    assert_allclose(wg.vmap(fun, in_axes=(1, None))(BATCH, np.ones(5)), BATCH.T)
    assert_allclose(wg.vmap(fun, in_axes=(-1, None), out_axes=1)(BATCH, np.ones(5)), BATCH)
    assert_allclose(wg.vmap(fun, in_axes=(0, None), out_axes=-1)(BATCH, 2), 2 * BATCH.T)
    tree = {"a": BATCH, "b": np.arange(3.0)}
    found = wg.vmap(lambda t: t["a"] + t["b"], in_axes=({"a": 0, "b": None},))(tree)
    assert_allclose(found, BATCH + np.arange(3.0))
    both = wg.vmap(lambda x: (x, np.sum(x)), out_axes=(1, 0))(BATCH)
    assert_allclose(both[0], BATCH.T)
    constant = wg.vmap(lambda x: (x, 7.0, np.ones(2)), out_axes=(0, None, 0))(BATCH)
    assert constant[1] == 7.0
    assert constant[2].shape == (5, 2)
    assert_allclose(wg.vmap(lambda x: X, in_axes=None, axis_size=2)(1.0), np.stack([X, X]))
    assert_allclose(wg.vmap(lambda x, *, y: x + y)(BATCH, y=BATCH), 2 * BATCH)
    assert wg.vmap(lambda x: x * 2)(np.zeros((0, 3))).shape == (0, 3)


def test_nested_vmap() -> None:
    outer = wg.vmap(wg.vmap(lambda x, y: x * y, in_axes=(None, 0)), in_axes=(0, None))
    assert_allclose(outer(X, Y), np.outer(X, Y))


# nesting and closures


def test_closures_over_values_being_traced() -> None:
    def energy(a: Any, b: Any) -> Any:
        inner = lambda z: np.sum(z * a * z)  # noqa: E731
        return np.sum(wg.grad(inner)(b) ** 2)

    expected = 8 * X * (2 * X) ** 2, 8 * X**2 * 2 * X
    for fun in (wg.grad(energy, (0, 1)), compiled(wg.grad(energy, (0, 1)))):
        found = fun(X, 2 * X)
        assert_allclose(found[0], expected[0])
        assert_allclose(found[1], expected[1])


def test_closures_through_several_levels() -> None:
    def level_one(a: Any) -> Any:
        def level_two(b: Any) -> Any:
            level_three = lambda c: np.sum(a * b * c) + np.sum(a)  # noqa: E731
            slopes = wg.vmap(lambda row: wg.grad(level_three)(row) @ row)(np.stack([b, a]))
            return np.sum(slopes)

        return level_two(a) + np.sum(wg.jacrev(level_two)(a))

    check_grads(level_one, (X,), order=2)
    assert_allclose(compiled(level_one)(X), level_one(X))
    assert_allclose(wg.jit(wg.grad(level_one))(X), wg.grad(level_one)(X))


def test_perturbations_are_not_confused() -> None:
    # d/dx x * d/dy (x + y) = d/dx x = 1, not 2 (Siskind and Pearlmutter, 2005)
    slope = lambda f, x: wg.jvp(f, (x,), (1.0,))[1]  # noqa: E731
    assert slope(lambda x: x * slope(lambda y: x + y, 1.0), 1.0) == 1.0
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert slope(lambda x: x * wg.grad(lambda y: x + y)(1.0), 1.0) == 1.0


def test_transforms_of_concrete_values_inside_a_trace() -> None:
    fun = lambda x: x * wg.grad(scalar)(X)  # noqa: E731
    assert_allclose(compiled(fun)(X), X * wg.grad(scalar)(X))


# looking inside


def test_make_ir() -> None:
    made = wg.make_ir(wg.grad(scalar))(X)
    verify(made.program)
    assert str(made).startswith("program(%0: float64[3])")
    assert repr(made) == str(made)
    assert "tanh" in str(made)
    shaped = wg.make_ir(wg.grad(scalar))(wg.ShapeDtypeStruct((3,), float))
    assert str(shaped) == str(made)
    power = wg.make_ir(lambda x, n: x**n)(X, 3)
    assert len(power.program.inputs) == 1, "an int is a constant"


@pytest.mark.parametrize(("fun", "args"), CASES)
def test_programs_of_transforms_are_valid(fun: Any, args: Any) -> None:
    arrays = _arrays(args)
    tangents = wg.tree_map(_tangent, args)
    pull = lambda *a: wg.vjp(fun, *a)[1](wg.tree_map(_tangent, fun(*args)))  # noqa: E731
    made = (
        wg.make_ir(fun)(*arrays),
        wg.make_ir(lambda *a: _floats(wg.jvp(fun, a, tangents)))(*arrays),
        wg.make_ir(lambda *a: _floats((pull(*a),)))(*arrays),
    )
    for each in made:
        try:
            verify(each.program)
        except VerificationError as error:
            pytest.fail(f"{error}\n{each}")


def test_eval_shape() -> None:
    found = wg.eval_shape(of_tree, TREE)
    assert found == wg.tree_map(lambda x: wg.ShapeDtypeStruct(x.shape, x.dtype), of_tree(TREE))
    huge = wg.ShapeDtypeStruct((10**6, 10**6), np.float32)
    assert wg.eval_shape(lambda x, y: (x @ y).sum(0), huge, huge).shape == (10**6,)


# check_grads itself


def test_check_grads_finds_wrong_derivatives() -> None:
    wrong = lambda x: np.sum(wg.stop_gradient(x) * x)  # noqa: E731
    with pytest.raises(AssertionError, match=r"order 1 \(fwd\) with respect to argument 0: "):
        check_grads(wrong, (X,), order=1)
    with pytest.raises(AssertionError, match=r"order 1 \(rev\)"):
        check_grads(wrong, (X,), order=1, modes="rev")
    second = lambda x: np.sum(x**2) / 2 + np.sum(wg.stop_gradient(x) * x)  # noqa: E731
    with pytest.raises(AssertionError, match="order 1"):
        check_grads(second, (X,), order=2)
    check_grads(lambda x: np.sum(x**2), (X.astype(np.float32),))
    with pytest.raises(wg.errors.InputTypeError, match="modes"):
        check_grads(scalar, (X,), modes=("forward",))
