"""Bad input: NumPy's result, or a typed error whose text names the user's line and the fix."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import threading
import types
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from scipy import linalg

import wengert as wg
from wengert import errors

X = np.array([0.5, 1.0, 2.0])
MATRIX = np.arange(6.0).reshape(2, 3)
SQUARE = MATRIX[:, :2] + np.eye(2)
EVERY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.WengertError)
]


def fails(error: type[Exception], fun: Callable[..., Any], *args: Any, says: str) -> str:
    """Checks that a call fails as expected, in a message that names a line of this file."""
    before = [np.array(x) if isinstance(x, np.ndarray) else x for x in args]
    with pytest.raises(error, match=says) as found:
        fun(*args)
    assert isinstance(found.value, errors.WengertError)
    message = str(found.value)
    assert f"{Path(__file__).name}:" in message, "the message names no line of the user's"
    for x, old in zip(args, before, strict=True):
        if isinstance(x, np.ndarray) and x.dtype != object:
            np.testing.assert_array_equal(x, old)
    return message


def compiled(fun: Callable[..., Any]) -> Callable[..., Any]:
    return wg.jit(fun, backend="reference")


def unread(fun: Any) -> Callable[..., Any]:
    """The function without source: under another name, its source is not found."""
    code = fun.__code__.replace(co_name="unread")
    return types.FunctionType(code, fun.__globals__, "unread", fun.__defaults__, fun.__closure__)


# what the function does with its arguments


@pytest.mark.parametrize(
    ("error", "says", "fun", "args"),
    [
        (ValueError, r"\(3,\), \(4,\)", lambda x, y: x + y, (X, np.ones(4))),
        (ValueError, r"\(2, 3\) and \(2, 3\)", lambda x, y: x @ y, (MATRIX, MATRIX)),
        (IndexError, "axis 2 is out of bounds", lambda x: np.sum(x, axis=2), (X,)),
        (ValueError, "axis -3 is out of bounds", lambda x: np.flip(x, -3), (MATRIX,)),
        (ValueError, "reshape", lambda x: x.reshape(2, 2), (X,)),
        (ValueError, "shape", lambda x, y: np.concatenate([x, y]), (X, MATRIX)),
        (ValueError, "'ij,jk->q'", lambda x: np.einsum("ij,jk->q", x, x), (MATRIX,)),
        (ValueError, "'i->'", lambda x: np.einsum("i->", x), (MATRIX,)),
        (IndexError, "index 3 is out of bounds", lambda x: x[3], (X,)),
        (IndexError, "index -4 is out of bounds", lambda x: x[-4], (X,)),
        (IndexError, "too many indices", lambda x: x[0, 0], (X,)),
        (TypeError, "np.floor does not take .complex128", lambda x: np.floor(x * 1j), (X,)),
        (TypeError, "imaginary part would be lost", lambda x: (x * 1j).astype(float), (X,)),
        (TypeError, "does not take|not take", lambda x: x & 1, (X,)),
        (NotImplementedError, r"numpy\.real_if_close", lambda x: np.real_if_close(x), (X,)),
        (TypeError, r"scipy\.linalg\.hessenberg, which", lambda x: linalg.hessenberg(x), (SQUARE,)),
        (
            TypeError,
            r"use wengert\.linalg\.cholesky",
            lambda x: methodcaller("cholesky", x)(linalg),
            (SQUARE,),
        ),
        (
            TypeError,
            r"use wengert\.linalg\.expm",
            lambda x: methodcaller("expm", x)(linalg),
            (SQUARE,),
        ),
        (TypeError, r"scipy\.linalg\.polar.* no traced form", linalg.polar, (X,)),
        (NotImplementedError, "pbdv", lambda x: scipy.special.pbdv(1.0, x), (X,)),
    ],
)
def test_operations(error: Any, says: str, fun: Any, args: Any) -> None:
    fails(error, compiled(fun), *args, says=says)


def test_an_index_that_is_known_at_run_time_only() -> None:
    at = compiled(lambda x, i: x[i])
    assert at(X, np.int64(-1)) == X[-1]
    fails(IndexError, at, X, np.int64(3), says="index 3 is out of bounds for axis 0 with size 3")
    assert at(X, np.int64(2)) == X[2]


# traced values that Python or NumPy need concrete


@pytest.mark.parametrize(
    ("says", "fun"),
    [
        (r"bool\[\].*np\.where", lambda x: x if x[0] > 0 else -x),
        (r"bool\[3\].*np\.logical_and", lambda x: (x > 0) and x),
        (r"bool\[\].*np\.minimum", lambda x: min(x[0], x[1])),
        (r"math.*float64\[\].*in np", lambda x: math.sin(x[0])),
        (r"float\(\).*astype", lambda x: float(x[0])),
        (r"int\(\).*astype", lambda x: int(x[0])),
        (r"complex\(\)", lambda x: complex(x[0])),
        (r"range.*static_argnums", lambda x: list(range(x[0].astype(int)))),
        (r"wg\.numpy\.take", lambda x: [1, 2, 3][x[0].astype(int)]),
        (r"wg\.numpy\.take", lambda x: X[x.astype(int)]),
        (r"np\.stack", lambda x: np.array([x, x])),
        (r"wg\.numpy", lambda x: np.asarray(x)),
        (r"array\[i\] = x", lambda x: np.zeros(3).__setitem__(0, x[0])),
        (r"array\[i\] = x", lambda x: np.zeros(3).__setitem__(slice(None), x)),
        (r"tolist\(\)", lambda x: (x[0] + np.zeros((40, 40))).tolist()),
        (r"formatting", lambda x: f"{x[0]:.3f}"),
        (r"pickle", lambda x: pickle.dumps(x)),
        (r"np\.any", lambda x: 1.0 in x),
        (r"where=mask", lambda x: np.sqrt(x, where=x > 0)),
    ],
)
def test_conversions(says: str, fun: Any) -> None:
    fails(errors.TracerConversionError, compiled(unread(fun)), X, says=says)
    assert issubclass(errors.TracerConversionError, TypeError)


@pytest.mark.parametrize(
    ("says", "fun"),
    [
        (r"out=", lambda x: np.add(x, 1, out=np.zeros(3))),
        (r"out=", lambda x: np.zeros(3).__iadd__(x)),
        (r"np\.add\.at", lambda x: np.add.at(np.zeros(3), [0], x)),
        (r"np\.copyto", lambda x: np.copyto(np.zeros(3), x)),
        (r"copy of it", lambda x: np.full_like(np.zeros(3), x[0])),
        (r"scalar", lambda x: x[0].fill(1.0)),
        (r"scalar", lambda x: x.sum().__setitem__((), 1.0)),
    ],
)
def test_what_must_not_change(says: str, fun: Any) -> None:
    fails(errors.MutationError, compiled(unread(fun)), X, says=says)


def test_read_only_views() -> None:
    fails(ValueError, compiled(lambda x: np.broadcast_to(x, (2, 3)).fill(0)), X, says="read-only")
    fails(ValueError, compiled(lambda x: x.diagonal().fill(0)), MATRIX, says="read-only")


def test_in_place_operators_keep_shape_and_dtype() -> None:
    def add(x: Any, y: Any) -> Any:
        x += y
        return x

    assert compiled(add)(np.ones(2, np.float32), np.ones(2)).dtype == np.float32
    fails(ValueError, compiled(add), X, MATRIX, says="cannot change the shape")
    fails(
        TypeError, compiled(add), np.arange(3), X, says="cannot store float64 in an array of int64"
    )


def test_copies_of_a_traced_value_are_the_value() -> None:
    np.testing.assert_array_equal(compiled(lambda x: copy.copy(x) + copy.deepcopy(x))(X), 2 * X)


# traced values outside their trace

kept: list[Any] = []


def _keep(x: Any) -> Any:
    kept.append(types.SimpleNamespace(inside=x * 2))  # a list of arrays would be an error at once
    return x


def test_a_leaked_value_says_where_it_was_made() -> None:
    kept.clear()
    np.testing.assert_array_equal(compiled(_keep)(X), X)
    value = kept[0].inside
    assert "finished" in repr(value)
    for use in (lambda: value + 1, lambda: bool(value), lambda: np.sin(value), lambda: value[0]):
        message = fails(errors.LeakedTracerError, use, says="outside the trace of '_keep'")
        assert "in _keep" in message, "where it was made"
    fails(errors.LeakedTracerError, compiled(lambda x: x + value), X, says="return it")
    fails(errors.LeakedTracerError, wg.grad(lambda x: np.sum(x * value)), X, says="global")


def test_an_inner_value_does_not_escape_to_the_outer_trace() -> None:
    def outer(x: Any) -> Any:
        kept.clear()
        wg.grad(lambda y: np.sum(_keep(y)))(x)
        return x + kept[0].inside

    fails(errors.LeakedTracerError, compiled(outer), X, says="outside the trace")


def test_a_traced_value_stays_in_its_thread() -> None:
    caught: list[Exception] = []

    def other(x: Any) -> None:
        try:
            x + 1
        except errors.LeakedTracerError as error:
            caught.append(error)

    def fun(x: Any) -> Any:
        thread = threading.Thread(target=other, args=(x,))
        thread.start()
        thread.join()
        return x

    compiled(fun)(X)
    assert "another thread" in str(caught[0])


def test_no_trace_stays_open_after_an_error() -> None:
    def broken(x: Any) -> Any:
        return 1 / 0

    for transform in (wg.grad, compiled, wg.vmap, wg.jacrev):
        with pytest.raises(ZeroDivisionError):
            transform(broken)(X)
    assert isinstance(np.sum(X), np.float64)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(x**2))(X), 2 * X)


# arguments that are no arrays


class Thing:
    pass


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (Thing(), errors.InputTypeError, r"argument 'x' is Thing.*static_argnums"),
        ({"k": [Thing()]}, errors.InputTypeError, r"argument 'x'\['k'\]\[0\] is Thing"),
        (np.array([1, "a"], dtype=object), errors.DTypeError, "Python objects.*astype"),
        (np.array(["a", "b"]), errors.DTypeError, "<U1 is not supported"),
        (np.array(["2020-01-01"], dtype="M8[D]"), errors.DTypeError, "datetime64"),
        (np.ones(2, np.longdouble), errors.DTypeError, "is not supported"),
        (np.ma.array([1.0], mask=[True]), errors.InputTypeError, "MaskedArray.*filled"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_arguments(value: Any, error: Any, says: str) -> None:
    fails(error, compiled(lambda x: x), value, says=says)
    with pytest.raises(error):
        wg.vmap(lambda x: x)(value)


def test_ragged_lists() -> None:
    fails(ValueError, compiled(lambda x: np.add(x, [[1, 2], [3]])), X, says="inhomogeneous")
    # as an argument, a list is a pytree of its items
    total = compiled(lambda parts: sum(np.sum(p) for p in parts))
    assert total([np.ones(2), np.ones(3)]) == 5


def test_results() -> None:
    fails(
        errors.InputTypeError,
        compiled(lambda x: {"k": Thing()}),
        X,
        says=r"the result\['k'\] of '<lambda>' is no array",
    )


# derivatives that do not exist


@pytest.mark.parametrize(
    ("fun", "args", "says"),
    [
        (lambda x: np.sum(x), (np.arange(3),), r"argument 0 is int64\[3\].*astype"),
        (lambda x: np.sum(x), ([X, np.array([True])],), r"argument 0\[1\] is bool\[1\]"),
        (lambda x: x * x, (3,), "the Python int 3.*1.0 instead of 1"),
        (lambda x: x * 2, (X,), r"returned float64\[3\].*jacrev"),
        (lambda x: (np.sum(x), x), (X,), "returned tuple with 2 leaves.*has_aux"),
        (lambda x: None, (X,), "returned NoneType"),
        (lambda x: np.argmax(x), (X,), r"returned int64\[\].*astype"),
    ],
)
def test_gradients(fun: Any, args: Any, says: str) -> None:
    fails(errors.DifferentiationError, wg.grad(fun), *args, says=says)
    fails(errors.DifferentiationError, compiled(wg.grad(fun)), *map(_arrays, args), says="grad")


def _arrays(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, int) else x


def test_integer_inputs_where_they_are_allowed() -> None:
    slopes = wg.grad(lambda p: np.sum(p["x"] * p["n"]), allow_int=True)({"x": X, "n": np.arange(3)})
    np.testing.assert_array_equal(slopes["x"], np.arange(3))
    assert slopes["n"].dtype == wg.float0
    assert slopes["n"].shape == (3,)


def test_arguments_of_transforms() -> None:
    total = np.sum
    fails(
        errors.InputTypeError, wg.grad(total, argnums=1), X, says="argument 1, and the call has 1"
    )
    fails(errors.InputTypeError, wg.grad(total, argnums=(0, 0)), X, says="twice")
    fails(errors.InputTypeError, wg.grad(total, has_aux=True), X, says=r"\(value, aux\)")
    fails(errors.InputTypeError, wg.grad, 3, says="needs a function")
    fails(errors.DifferentiationError, wg.grad(total, holomorphic=True), X, says="complex inputs")
    fails(
        errors.InputTypeError,
        lambda: wg.jit(total, backend="tpu"),
        says="'cpu', 'cuda', 'reference'",
    )
    fails(errors.InputTypeError, lambda: wg.jacobian(total, mode="best"), says="auto")
    static = wg.jit(lambda x, n: x, static_argnums=1, backend="reference")
    fails(errors.InputTypeError, static, X, [1], says="static argument 1.*hashable")


def test_tangents_and_cotangents() -> None:
    push = lambda *tangents: wg.jvp(np.sin, (X,), tangents)  # noqa: E731
    fails(errors.ShapeError, push, np.ones(4), says=r"must have shape \(3,\), and has \(4,\)")
    fails(errors.DTypeError, push, np.ones(3, np.float32), says="must be float64, and is float32")
    fails(errors.TreeError, push, X, X, says="structure")
    fails(errors.InputTypeError, lambda: wg.jvp(np.sin, X, X), says="as tuples")
    _, pullback = wg.vjp(lambda x: {"y": np.sin(x)}, X)
    fails(errors.ShapeError, lambda: pullback({"y": np.ones(2)}), says="cotangent")
    fails(errors.TreeError, lambda: pullback(X), says="structure")
    _, derivative = wg.linearize(np.sin, X)
    fails(errors.ShapeError, lambda: derivative(1.0), says="shape")
    fails(
        errors.DifferentiationError,
        lambda: wg.linear_transpose(lambda x: x * x, X),
        says="needs a linear function",
    )


def test_mapping() -> None:
    add = wg.vmap(np.add)
    fails(errors.ShapeError, add, X, np.ones(4), says="3 for argument 0, 4 for argument 1")
    fails(errors.AxisRangeError, add, X, 3.0, says="axis 0 of argument 1.*in_axes=None")
    fails(errors.TreeError, wg.vmap(np.add, in_axes=(0, 0, 0)), X, X, says="prefix")
    fails(errors.InputTypeError, wg.vmap(np.add, in_axes=None), X, X, says="axis_size")
    fails(errors.ShapeError, wg.vmap(np.sin, out_axes=None), X, says="out_axes None")
    fails(errors.AxisRangeError, wg.vmap(np.sin, out_axes=2), X, says="out_axes")


# data that is unusual, but not bad


def test_special_values_pass_through() -> None:
    data = np.array([np.nan, np.inf, -np.inf, -0.0])
    found = wg.jit(lambda x: (x * 2, np.sum(x), np.maximum(x, 0)))(data)
    for result, expected in zip(found, (data * 2, np.sum(data), np.maximum(data, 0)), strict=True):
        np.testing.assert_array_equal(result, expected)
    assert np.signbit(found[0][3])


def test_empty_pytrees() -> None:
    assert wg.jit(lambda t: t)({}) == {}
    assert wg.jit(lambda: 1.5)() == 1.5
    assert wg.grad(lambda t: 1.5)({}) == {}
    assert wg.jit(lambda t, x: (t, x * 2))((), 1.0) == ((), 2.0)
    assert wg.vjp(lambda t: t, ())[0] == ()


def test_one_array_as_two_arguments() -> None:
    slopes = wg.jit(wg.grad(lambda x, y: np.sum(x * y * y), argnums=(0, 1)))(X, X)
    np.testing.assert_allclose(slopes, [X**2, 2 * X**2])
    assert not np.shares_memory(*slopes)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_results_share_no_memory(backend: str) -> None:
    same = wg.jit(lambda x, y: (x, x, x.T, y, y + 0), backend=backend)
    found = same(MATRIX, X)
    everything = [MATRIX, X, *found]
    for i, x in enumerate(everything):
        for y in everything[i + 1 :]:
            assert not np.shares_memory(x, y)
    found[0][0, 0] = 100.0
    assert MATRIX[0, 0] == 0.0
    np.testing.assert_array_equal(same(MATRIX, X)[0], MATRIX)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_earlier_results_survive_a_failed_call(backend: str) -> None:
    at = wg.jit(lambda x, i: (x * 2)[i], backend=backend)
    x = X.copy()
    index = np.array([0, 1])
    first = at(x, index)
    index[1] = 7
    with pytest.raises(IndexError):
        at(x, index)
    np.testing.assert_array_equal(first, 2 * X[:2])
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(index, [0, 7])


@pytest.mark.parametrize(
    ("says", "options"),
    [
        ("static_argnums has 2, and .*: x, n$", {"static_argnums": 2}),
        ("static_argnames has 'm', and .* it has x, n", {"static_argnames": ("n", "m")}),
    ],
)
def test_static_arguments_that_are_none(says: str, options: dict[str, Any]) -> None:
    fails(errors.InputTypeError, lambda: wg.jit(lambda x, n: x, **options), says=says.rstrip("$"))
    wg.jit(lambda *args, **kwargs: args[0], **options)


@pytest.mark.parametrize("fun", [np.zeros, lambda n: np.ones((n, 2)), lambda n: np.eye(n)])
def test_shapes_from_traced_values(fun: Callable[..., Any]) -> None:
    message = fails(TypeError, compiled(lambda n: fun(n)), np.int64(3), says="static_argnums")
    assert "traced" in message


# the types themselves


@pytest.mark.parametrize("kind", EVERY, ids=lambda k: k.__name__)
def test_each_error_is_documented(kind: type) -> None:
    page = (Path(__file__).parent.parent / "docs" / "errors.md").read_text()
    assert f"`{kind.__name__}`" in page
    if kind is not errors.WengertError:
        assert len(kind.__mro__) > 4, "derives from a built-in error too"
