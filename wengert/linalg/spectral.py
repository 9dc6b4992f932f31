"""Functions of symmetric matrices, with derivatives of any order at any spectrum.

For A = V diag(w) V' and f of one variable, f(A) = V diag(f(w)) V'. Its derivative in directions
E_1, ..., E_k is the sum over all orders of the directions of

    V S V',   S[i_0, i_k] = sum over i_1, ..., i_(k-1) of
                            f[w_i0, ..., w_ik] (V' E_1 V)[i_0, i_1] ... (V' E_k V)[i_(k-1), i_k],

with divided differences of f. They are as smooth as f where eigenvalues meet, which derivatives of
eigenvectors are not. Such sums are closed under differentiation: a direction more is a difference
of one order more. Yu. Daleckii, S. Krein, "Integration and differentiation of functions of
Hermitian operators", 1951; R. Bhatia, Matrix Analysis, Springer 1997, sections V.3 and X.4.
"""

from __future__ import annotations

import functools
import operator
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.arguments import fail, float0, function_name, require_callable
from wengert.api.custom import Custom
from wengert.api.derivatives import jvp
from wengert.errors import ShapeError
from wengert.ir.floats import kind_of
from wengert.linalg.differences import Function, divided_differences
from wengert.linalg.square import WIDE, square, transposed
from wengert.tracer.array import Tracer

Directions = tuple[Any, ...]


def funm_symmetric(a: Any, func: Callable[..., Any], *args: Any) -> Any:
    """f(A) for the symmetric part A = (a + a') / 2 of each matrix; `scipy.linalg.funm` of these.

    `func(w, *args)` takes an array of numbers and gives f of each, in any shape; it is
    differentiated as often as the result. Traced numbers that it depends on are passed as `args`.
    `a` has shape (..., n, n), and so has the result; integers become float64. Raises
    `numpy.linalg.LinAlgError` if matrices are not square, ShapeError where f changes the shape or
    one of `args` is no single number.

    Equal eigenvalues are no exception. A step function f gives the projector onto a space of
    eigenvectors; the trace of f(A) is sum(f(w)), and has second derivatives at equal w too.
    """
    require_callable("funm_symmetric", func)
    matrix = square("funm_symmetric", a, WIDE)
    for x in args:
        if np.shape(x):
            fail(ShapeError(f"funm_symmetric: args of func are numbers, got shape {np.shape(x)}"))
    traced = tuple(x for x in args if isinstance(x, Tracer))
    return _Sums(_elementwise(func, args)).all((matrix + transposed(matrix)) / 2, (), traced)


def _elementwise(func: Callable[..., Any], args: tuple[Any, ...]) -> Function:
    """`func` as a function of x and the traced ones of `args`, with results of the type of x."""

    def of_each(x: Any, *traced: Any) -> Any:
        given = iter(traced)
        found = func(x, *(next(given) if isinstance(y, Tracer) else y for y in args))
        if np.shape(found) != x.shape:
            fail(
                ShapeError(
                    f"funm_symmetric: '{function_name(func)}' of an array of shape {x.shape} has "
                    f"the shape {np.shape(found)}; it should give one number for each"
                )
            )
        return found.astype(x.dtype)

    return of_each


@dataclass(frozen=True)
class _Sums:
    """The sums V S V' of the module's text for a function of one variable and its args."""

    func: Function

    @functools.cached_property
    def all(self) -> Custom:
        """The sum over (matrix, directions in their order, args), with its rules."""
        found = Custom(self.value)
        found.defjvp(self.forward)
        found.defvjp(self.kept, self.backward)
        return found

    def value(self, a: Any, directions: Directions, args: tuple[Any, ...]) -> Any:
        values, vectors = np.linalg.eigh(a)
        if not directions:
            return (vectors * self.func(values, *args)[..., None, :]) @ transposed(vectors)
        count = len(directions)
        points = [_along(values, axis, count + 1) for axis in range(count + 1)]
        differences = divided_differences(self.func, points, args)
        turned = [transposed(vectors) @ e @ vectors for e in directions]
        summed = np.einsum(_subscripts(count), differences, *turned)
        return vectors @ summed @ transposed(vectors)

    def forward(self, primals: Any, tangents: Any) -> Any:
        """A's direction goes to every place among the others; each of those may move too."""
        a, directions, args = primals
        moved, turning, changing = tangents
        count = len(directions)
        terms = [
            self.all(a, (*directions[:k], moved, *directions[k:]), args) for k in range(count + 1)
        ]
        for k in range(count):
            terms.append(self.all(a, (*directions[:k], turning[k], *directions[k + 1 :]), args))
        for k, change in enumerate(changing):
            if change.dtype != float0:
                terms.append(change * self.partial(k).all(a, directions, args))
        return self.all(a, directions, args), functools.reduce(operator.add, terms)

    def kept(self, a: Any, directions: Directions, args: tuple[Any, ...]) -> Any:
        return self.all(a, directions, args), (a, directions, args)

    def backward(self, saved: Any, bar: Any) -> Any:
        """The factors of a trace may be turned round: the directions after a place, the cotangent,
        and those before it give the cotangent of that place, transposed."""
        a, directions, args = saved
        count = len(directions)

        def pulled(before: int, after: int) -> Any:
            around = (*directions[after:], transposed(bar), *directions[:before])
            return transposed(self.all(a, around, args))

        of_a = functools.reduce(operator.add, [pulled(k, k) for k in range(count + 1)])
        of_directions = tuple(pulled(k, k + 1) for k in range(count))
        of_args = [
            np.sum(bar * self.partial(k).all(a, directions, args)) if is_float else None
            for k, is_float in enumerate(kind_of(x.dtype) == "f" for x in args)
        ]
        return of_a, of_directions, tuple(of_args)

    def partial(self, k: int) -> _Sums:
        """The sums for the derivative of f in the k-th of its args."""

        def changing(x: Any, *args: Any) -> Any:
            def of_one(y: Any) -> Any:
                return self.func(x, *args[:k], y, *args[k + 1 :])

            return jvp(of_one, (args[k],), (np.ones_like(args[k]),))[1]

        return _Sums(changing)


def _along(values: Any, axis: int, count: int) -> Any:
    """Each vector along one of `count` axes, to be broadcast over the others."""
    shape = [1] * count
    shape[axis] = values.shape[-1]
    return values.reshape(*values.shape[:-1], *shape)


def _subscripts(count: int) -> str:
    """For two directions "...abc,...ab,...bc->...ac"."""
    axes = string.ascii_lowercase[: count + 1]
    pairs = ",".join(f"...{axes[k : k + 2]}" for k in range(count))
    return f"...{axes},{pairs}->...{axes[0]}{axes[-1]}"
