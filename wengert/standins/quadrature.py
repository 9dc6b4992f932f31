"""Integrals of functions: `scipy.integrate.quad` and its kin.

The rule of Gauss and Kronrod with 21 places on intervals that are halved where the error is largest
(R. Piessens, E. de Doncker-Kapenga, C. W. Überhuber, D. K. Kahaner, QUADPACK, 1983). Places are
moved so that the ends of the range are approached slowly, which takes singularities there, and so
that infinite ranges become finite (L. F. Shampine, "Vectorized adaptive quadrature in MATLAB",
Journal of Computational and Applied Mathematics 211, 2008).

Derivatives are Leibniz': integrals of the derivative of the function, with errors of their own
under the same tolerances, and the function at the ends of the range times what these move by.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.polynomial import legendre

from wengert.api.custom import Custom
from wengert.api.derivatives import jvp, vjp
from wengert.api.mapping import vmap
from wengert.api.ravel import ravel_pytree
from wengert.capture.convert import convert
from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.floats import kind_of
from wengert.plain.quadrature import halved
from wengert.standins.functions import Function, as_tuple, called_with, is_known, refused
from wengert.standins.tables import in_doubles, required, stands_in
from wengert.tracer.array import Tracer
from wengert.tracer.closures import Closed

ORDER = 10
TOLERANCE = 1.49e-8
MOST = 1000
"""Intervals at most, where SciPy has no memory of its own for them."""
ROUNDING = 50 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Range:
    """From where to where, how exactly, and where to begin: a function of t in [-1, 1] at most.

    `below` and `above` say which ends are infinite; `breaks` are places where the function is not
    smooth. `norm` is of arrays of values.
    """

    below: bool
    above: bool
    absolute: float
    relative: float
    limit: int
    breaks: tuple[Any, ...] = ()
    norm: str = "max"

    def placed(self, t: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """The place that t stands for, and the slope there."""
        if not (self.below or self.above):
            half = 0.5 * (high - low)
            return 0.5 * (low + high) + half * 0.5 * t * (3.0 - t * t), half * 1.5 * (1.0 - t * t)
        if self.below and self.above:
            rest = (1.0 - t) * (1.0 + t)
            return t / rest, (1.0 + t * t) / (rest * rest)
        share, rest = 0.5 * (1.0 + t), 0.5 * (1.0 - t)
        far, slope = (share / rest) ** 2, share / rest**3
        return (high - far if self.below else low + far), slope

    def edges(self, low: Any, high: Any) -> Any:
        """The ends of the first intervals in t."""
        if not self.breaks:
            return np.array([-1.0, 1.0])
        places = [in_doubles(x) for x in self.breaks]
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        shares = [np.clip((x - middle) / half, -1.0, 1.0) for x in places]
        inner = [np.where(abs(x) < 1, 2.0 * np.sin(np.arcsin(x) / 3.0), x) for x in shares]
        return np.sort(np.stack([in_doubles(x) for x in (-1.0, *inner, 1.0)]))


@functools.cache
def kronrod(n: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """2n + 1 places in [-1, 1], Kronrod's weights, and those of Gauss, which stand at every second.

    The places between those of Gauss are the zeros of Stieltjes' polynomial E of degree n + 1,
    which with the weight P_n is orthogonal to all polynomials up to degree n. W. Gautschi,
    "Gauss-Kronrod quadrature, a survey", Numerical Methods and Approximation Theory III, 1988.
    """
    fine, weights = legendre.leggauss(3 * n + 5)
    values = legendre.legvander(fine, n + 1)
    products = (weights * values[:, n] * values[:, : n + 1].T) @ values
    leading = np.linalg.solve(products[:, :-1], -products[:, -1])
    stieltjes = np.append(leading, 1.0)
    between = legendre.legroots(stieltjes)
    for _ in range(3):  # Newton's, for the last digits
        slopes = legendre.legval(between, legendre.legder(stieltjes))
        between = between - legendre.legval(between, stieltjes) / slopes
    gauss, gauss_weights = legendre.leggauss(n)
    places = np.sort(np.concatenate([between, gauss]))
    moments = np.zeros(2 * n + 1)
    moments[0] = 2.0
    found = np.linalg.solve(legendre.legvander(places, 2 * n).T, moments)
    return 0.5 * (places - places[::-1]), 0.5 * (found + found[::-1]), gauss_weights


def _rule(f: Function, low: Any, high: Any, over: Range) -> Function:
    """Values and errors of the integral of a vector over intervals of t, as QUADPACK's."""
    places, weights, gauss = kronrod(ORDER)

    def rule(start: Any, stop: Any) -> tuple[Any, Any]:
        half = 0.5 * (stop - start)[:, None]
        x, slope = over.placed(0.5 * (start + stop)[:, None] + half * places, low, high)
        found = vmap(f)(x.reshape(-1)).reshape((*x.shape, -1)) * (slope * half)[..., None]
        if over.breaks:  # at an end, or beyond one, nothing lies between, also of what is infinite
            found = np.where(half[..., None] == 0, 0.0, found)
        whole, rough = (
            np.einsum("ikp,k->ip", *x) for x in ((found, weights), (found[:, 1::2], gauss))
        )
        sizes = np.einsum("ikp,k->ip", np.abs(found), weights)
        spread = np.einsum("ikp,k->ip", np.abs(found - 0.5 * whole[:, None]), weights)
        error = np.abs(whole - rough)
        ratio = 200.0 * error / np.where(spread > 0, spread, 1.0)
        error = np.where(spread > 0, spread * np.minimum(1.0, ratio**1.5), error)
        return whole, _size(np.maximum(error, ROUNDING * sizes), over.norm)

    return rule


def _size(x: Any, norm: str) -> Any:
    """The norms of rows."""
    return np.max(x, axis=-1) if norm == "max" else np.sqrt(np.sum(x * x, axis=-1))


def _adapted(f: Function, low: Any, high: Any, over: Range) -> tuple[Any, Any]:
    """The integral of a vector, and its error."""
    rule = _rule(f, low, high, over)
    edges = over.edges(low, high)
    first = len(over.breaks) + 1
    value, error = rule(edges[:-1], edges[1:])
    room = max(over.limit - first, 0)
    starts, stops = (np.concatenate([e, np.zeros(room)]) for e in (edges[:-1], edges[1:]))
    values = np.concatenate([value, np.zeros((room, value.shape[1]), value.dtype)])
    errors = np.concatenate([error, np.zeros(room)])

    def enough(total: Any) -> Any:
        size = _size(np.abs(total), over.norm)
        return np.maximum(over.absolute, over.relative * size)

    return convert(halved)(rule, starts, stops, values, errors, first, enough)


def integral(f: Function, low: Any, high: Any, over: Range) -> tuple[Any, Any]:
    """The integral of a function of one number, which gives a vector, and its error.

    The error is a constant for derivatives. Ends that are known are no arguments of the rules, so
    that the function is not asked for its value there, where it may be infinite.
    """
    moving = [isinstance(x, Tracer) for x in (low, high)]
    signs = [sign for sign, moves in zip((-1.0, 1.0), moving, strict=True) if moves]

    def ends(given: Sequence[Any]) -> tuple[Any, Any]:
        parts = iter(given)
        return next(parts) if moving[0] else low, next(parts) if moving[1] else high

    solved = Custom(lambda *given: _adapted(f, *ends(given), over), closes=True)

    def forward(closed: Closed, primals: Any, tangents: Any) -> Any:
        *given, values = primals
        *moves, changes = tangents
        found, error = solved(*given)

        def moved(x: Any) -> Any:
            return jvp(lambda v: closed.call(f, v, x), (values,), (changes,))[1]

        total = integral(moved, *ends(given), over)[0]
        for place, move, sign in zip(given, moves, signs, strict=True):
            total = total + f(place) * (move * sign)
        return (found, error), (total, np.zeros_like(error))

    def first(closed: Closed, *primals: Any) -> Any:
        return solved(*primals[:-1]), primals

    def second(closed: Closed, primals: Any, bars: Any) -> Any:
        *given, values = primals
        floats = [v for v in values if kind_of(v.dtype) in "fc"]

        def pulled(x: Any) -> Any:
            pull = vjp(lambda v: closed.call(f, _beside_integers(v, values), x), floats)[1]
            return ravel_pytree(pull(bars[0])[0])[0]

        back = ravel_pytree(floats)[1]
        found = back(integral(pulled, *ends(given), over)[0]) if floats else ()
        shares = _beside_integers(found, values)
        both = (_end_share(f, x, sign, bars[0]) for x, sign in zip(given, signs, strict=True))
        return *both, shares

    solved.defjvp(forward)
    solved.defvjp(first, second)
    return solved(*(x for x, moves in zip((low, high), moving, strict=True) if moves))


def _beside_integers(floats: Sequence[Any], values: Sequence[Any]) -> tuple[Any, ...]:
    """`values` with these floats in them; integers, which have no cotangents, stay."""
    parts = iter(floats)
    return tuple(next(parts) if kind_of(v.dtype) in "fc" else v for v in values)


def _end_share(f: Function, x: Any, sign: float, bar: Any) -> Any:
    """The cotangent of an end: `sign` times the integrand there, with the result's cotangent."""
    return vjp(lambda scale: f(x) * (sign * scale), np.ones(()))[1](bar)[0]


def _infinite(x: Any) -> bool:
    return is_known(x) and bool(np.isinf(np.asarray(x)))


def _integrated(f: Function, low: Any, high: Any, over: Range) -> tuple[Any, Any]:
    """The integral of a function of any shape, and its error."""
    if any(np.ndim(x) for x in (low, high)):
        raise ShapeError(f"an integral is from a number to a number, got {low!r} and {high!r}")
    low, high = (np.asarray(x, float) if is_known(x) else in_doubles(x) for x in (low, high))
    for x in (low, high):
        required(
            _infinite(x) | (np.abs(x) != np.inf),
            "An end of an integral that is traced is infinite; write np.inf in the function.",
        )
    ends = [_infinite(x) for x in (low, high)]
    if any(ends):
        if all(ends) and low == high:
            return _integrated(lambda x: np.zeros_like(in_doubles(f(x))), 0.0, 0.0, over)
        if (ends[0] and low > 0) or (ends[1] and high < 0):
            total, error = _integrated(f, high, low, over)
            return -total, error
        over = replace(over, below=ends[0], above=ends[1])
    shape: list[Any] = []

    def flat(x: Any) -> Any:
        found = in_doubles(f(x))
        shape.append(found.shape)
        return found.reshape(-1)

    total, error = integral(flat, low, high, over)
    return total.reshape(shape[0]), error


def between(f: Function, low: Any, high: Any, over: Range) -> Any:
    """The integral of a function of any shape."""
    return _integrated(f, low, high, over)[0]


@stands_in("integrate")
def quad(
    func: Any,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: Any = 0,
    epsabs: float = TOLERANCE,
    epsrel: float = TOLERANCE,
    limit: int = 50,
    points: Any = None,
    weight: Any = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: int = 50,
    limlst: int = 50,
    complex_func: bool = False,
) -> Any:
    """The integral of a function, and an estimate of its error."""
    refused("quad", full_output=bool(full_output), weight=weight)
    f = called_with(func, args)
    breaks = () if points is None else tuple(points)
    over = Range(False, False, epsabs, epsrel, limit, breaks)
    if breaks and any(map(_infinite, (a, b))):
        raise ArgumentError("Infinity inputs cannot be used with break points.")

    return _integrated(_one_number("quad", f, complex_func), a, b, over)


def _one_number(name: str, f: Function, complex_func: bool = False) -> Function:
    def scalar(*x: Any) -> Any:
        found = in_doubles(f(*x))
        if found.size != 1:
            raise ShapeError(f"{name} takes functions with one value, got the shape {found.shape}")
        if kind_of(found.dtype) == "c" and not complex_func:
            raise DTypeError(f"{name} takes real functions; complex ones need complex_func=True")
        return found.reshape(())

    return scalar


@stands_in("integrate")
def quad_vec(
    f: Any,
    a: Any,
    b: Any,
    epsabs: float = 1e-200,
    epsrel: float = 1e-8,
    norm: str = "2",
    cache_size: float = 100e6,
    limit: int = 10000,
    workers: Any = 1,
    points: Any = None,
    quadrature: Any = None,
    full_output: bool = False,
    *,
    args: Any = (),
) -> Any:
    """The integral of a function whose values are arrays, and an estimate of its error."""
    refused("quad_vec", full_output=full_output)
    if norm not in ("2", "max"):
        raise ArgumentError(f"unknown norm {norm!r}; it is '2' or 'max'")
    breaks = () if points is None else tuple(points)
    room = min(limit, MOST)
    return _integrated(
        called_with(f, args), a, b, Range(False, False, epsabs, epsrel, room, breaks, norm)
    )


def _limits(x: Any, given: Sequence[Any]) -> Any:
    return called_with(x)(*given) if callable(x) else x


@stands_in("integrate")
def nquad(
    func: Any, ranges: Any, args: Any = None, opts: Any = None, full_output: bool = False
) -> Any:
    """The integral over several variables, the first of them innermost; and an error estimate."""
    refused("nquad", full_output=full_output)
    f, more = _one_number("nquad", called_with(func)), as_tuple(args)
    count = len(ranges)
    given = [opts] * count if opts is None or isinstance(opts, dict) or callable(opts) else opts

    def over(level: int, outer: tuple[Any, ...]) -> tuple[Any, Any]:
        """From the last variable, of level `count - 1`, to the first."""
        low, high = _limits(ranges[level], (*outer, *more))
        options = _limits(given[level], (*outer, *more)) or {}
        if not level:
            return quad(lambda x: f(x, *outer, *more), low, high, **options)
        return quad(lambda x: over(level - 1, (x, *outer))[0], low, high, **options)

    return over(count - 1, ())


@stands_in("integrate")
def dblquad(
    func: Any,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    args: Any = (),
    epsabs: float = TOLERANCE,
    epsrel: float = TOLERANCE,
) -> Any:
    """The integral of func(y, x) over y from gfun(x) to hfun(x) and x from a to b."""
    inner = lambda *x: (_limits(gfun, x[:1]), _limits(hfun, x[:1]))  # noqa: E731
    return nquad(func, [inner, (a, b)], args, {"epsabs": epsabs, "epsrel": epsrel})


@stands_in("integrate")
def tplquad(
    func: Any,
    a: Any,
    b: Any,
    gfun: Any,
    hfun: Any,
    qfun: Any,
    rfun: Any,
    args: Any = (),
    epsabs: float = TOLERANCE,
    epsrel: float = TOLERANCE,
) -> Any:
    """The integral of func(z, y, x), over z from qfun(x, y) to rfun(x, y) first."""

    def innermost(y: Any, x: Any, *_: Any) -> tuple[Any, Any]:
        return _limits(qfun, (x, y)), _limits(rfun, (x, y))

    def middle(x: Any, *_: Any) -> tuple[Any, Any]:
        return _limits(gfun, (x,)), _limits(hfun, (x,))

    return nquad(func, [innermost, middle, (a, b)], args, {"epsabs": epsabs, "epsrel": epsrel})
