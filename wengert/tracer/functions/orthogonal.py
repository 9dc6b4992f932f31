"""Orthogonal polynomials, Legendre's associated functions and spherical harmonics, traced.

Degrees, orders and parameters are known. P_v^m(x) is (-1)^m (1 - x^2)^(m/2) (2m - 1)!! times
Gegenbauer's polynomial of degree v - m and parameter m + 1/2 (DLMF 14.7.10, 18.9.19).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, MissingRuleError
from wengert.ir.builder import Value
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    expand,
    floating,
    values,
    wrapped,
)
from wengert.tracer.functions.orders import by_sets, known_parameter, of_known
from wengert.tracer.functions.special import scipy_function
from wengert.tracer.tables import UFUNCS

Known = dict[str, float]


def _of(op: str, scale: float = 1.0, shift: float = 0.0, **fixed: float) -> Callable[..., Value]:
    """A polynomial of another family at scale x + shift; others of its parameters are fixed."""

    def make(x: Value, **known: float) -> Value:
        at = x if (scale, shift) == (1.0, 0.0) else x * scale + shift
        return getattr(at, op)(**known, **fixed)

    return make


def _sh_jacobi(x: Value, n: float, p: float, q: float) -> Value:
    shifted = (x * 2.0 - 1.0).eval_jacobi(n=n, alpha=p - q, beta=q - 1.0)
    return shifted / float(scipy_function("binom")(2 * n + p - 1, n))


DEGREE = ("n",)
MADE: dict[str, tuple[tuple[str, ...], Callable[..., Value]]] = {
    "eval_jacobi": (("n", "alpha", "beta"), _of("eval_jacobi")),
    "eval_gegenbauer": (("n", "alpha"), _of("eval_gegenbauer")),
    "eval_genlaguerre": (("n", "alpha"), _of("eval_genlaguerre")),
    "eval_laguerre": (DEGREE, _of("eval_genlaguerre", alpha=0.0)),
    "eval_hermite": (DEGREE, _of("eval_hermite")),
    "eval_hermitenorm": (DEGREE, _of("eval_hermitenorm")),
    "eval_legendre": (DEGREE, _of("eval_gegenbauer", alpha=0.5)),
    "eval_sh_legendre": (DEGREE, _of("eval_gegenbauer", 2.0, -1.0, alpha=0.5)),
    "eval_chebyt": (DEGREE, _of("eval_chebyt")),
    "eval_sh_chebyt": (DEGREE, _of("eval_chebyt", 2.0, -1.0)),
    "eval_chebyc": (DEGREE, lambda x, n: (x * 0.5).eval_chebyt(n=n) * 2.0),
    "eval_chebyu": (DEGREE, _of("eval_gegenbauer", alpha=1.0)),
    "eval_sh_chebyu": (DEGREE, _of("eval_gegenbauer", 2.0, -1.0, alpha=1.0)),
    "eval_chebys": (DEGREE, _of("eval_gegenbauer", 0.5, alpha=1.0)),
    "eval_sh_jacobi": (("n", "p", "q"), _sh_jacobi),
}


def _legendre(x: Value, sine: Value, m: float, v: float) -> Value:
    """P_v^m without its sign (-1)^m, where sine is sqrt(1 - x^2)."""
    if v < 0:
        v = -v - 1.0
    order = abs(int(m))
    if float(v).is_integer() and order > v:
        return x.full_like(0.0)
    found = x.eval_gegenbauer(n=v - order, alpha=order + 0.5)
    found = found * float(math.prod(range(1, 2 * order, 2)))
    if order:
        found = found * sine.integer_pow(exponent=order)
    if m < 0:
        poch = scipy_function("poch")
        found = found * float((-1) ** order / poch(v - order + 1.0, 2.0 * order))
    return found


def _sign(m: float) -> float:
    return float((-1) ** abs(int(m)))


def _lpmv(x: Value, m: float, v: float) -> Value:
    if not float(m).is_integer():
        raise ArgumentError(f"lpmv needs a whole order m, got {m}")
    sine = ((1.0 - x) * (x + 1.0)).sqrt()
    return _legendre(x, sine, m, v) * _sign(m)


MADE["lpmv"] = (("m", "v"), _lpmv)
for _name, (_parameters, _make) in MADE.items():
    UFUNCS[_name] = of_known(_name, _parameters, _make)


# functions that are no ufuncs


def _norm(n: int, m: int) -> float:
    """That of the spherical harmonic of degree n and order m."""
    ratio = math.factorial(n - m) / math.factorial(n + m)
    return math.sqrt((2 * n + 1) / (4 * math.pi) * ratio)


def _no_orders(name: str, diff_n: int) -> None:
    if diff_n:
        raise ArgumentError(
            f"{name} of traced values takes no diff_n, got {diff_n}: take its derivative by wg.jvp"
        )


def _of_orders(found: Value) -> Any:
    """SciPy's result has an axis of derivatives first, of which there is the value alone."""
    return wrapped(expand(found, 0))


def _whole(name: str, x: Any) -> Any:
    return np.asarray(known_parameter(name, x), dtype=np.int64)


def _harmonic(theta: Value, n: float, m: float) -> Value:
    """The spherical harmonic at longitude 0."""
    n, m = int(n), int(m)
    if abs(m) > n:
        return theta.full_like(0.0)
    found = _legendre(theta.cos(), theta.sin(), abs(m), n) * _norm(n, abs(m))
    return found * _sign(m) if m > 0 else found


def _at(name: str, x: Value, make: Callable[..., Value], **known: Any) -> Value:
    parameters = [_whole(name, v) for v in known.values()]
    shape = broadcast_shapes(x.shape, *(p.shape for p in parameters), what=f"operands of {name}")
    return by_sets(name, tuple(known), make, parameters, broadcast(x, shape))


def sph_legendre_p(n: Any, m: Any, theta: Any, *, diff_n: int = 0) -> Any:
    """Spherical Legendre functions of known degree and order."""
    _no_orders("sph_legendre_p", diff_n)
    return _of_orders(_at("sph_legendre_p", floating(theta), _harmonic, n=n, m=m))


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: int = 0) -> Any:
    """Spherical harmonics of known degree and order, of polar angle theta and azimuth phi."""
    _no_orders("sph_harm_y", diff_n)
    polar, azimuth = values(floating(theta), floating(phi))
    size = _at("sph_harm_y", polar, _harmonic, n=n, m=m)
    turns = _at("sph_harm_y", azimuth, lambda x, n, m: x * m, n=n, m=m)
    shape = broadcast_shapes(size.shape, turns.shape, what="theta and phi")
    size, turns = broadcast(size, shape), broadcast(turns, shape)
    return wrapped((size * turns.cos()).complex(size * turns.sin()))


def legendre_p(n: Any, z: Any, *, diff_n: int = 0) -> Any:
    """Legendre's polynomials of known degree, of real z."""
    _no_orders("legendre_p", diff_n)
    return _of_orders(_at("legendre_p", floating(z), _of("eval_gegenbauer", alpha=0.5), n=n))


def assoc_legendre_p(
    n: Any, m: Any, z: Any, *, branch_cut: int = 2, norm: bool = False, diff_n: int = 0
) -> Any:
    """Associated Legendre functions of known degree and order, of real z in [-1, 1]."""
    _no_orders("assoc_legendre_p", diff_n)
    if branch_cut != 2:
        raise MissingRuleError("assoc_legendre_p of traced values has branch_cut=2 alone")

    def make(x: Value, n: float, m: float) -> Value:
        found = _lpmv(x, m, n)
        if not norm or abs(m) > n:
            return found
        ratio = math.factorial(int(n - m)) / math.factorial(int(n + m))
        return found * math.sqrt((n + 0.5) * ratio)

    return _of_orders(_at("assoc_legendre_p", floating(z), make, n=n, m=m))


def diric(x: Any, n: int) -> Any:
    """Dirichlet's function, U_(n-1)(cos(x/2)) / n with Chebyshev's polynomial U."""
    value = floating(x)
    count = float(known_parameter("diric", n))
    if count <= 0 or not count.is_integer():
        return wrapped(value.full_like(math.nan))
    half = (value * 0.5).cos()
    return wrapped(half.eval_gegenbauer(n=count - 1.0, alpha=1.0) * (1.0 / count))


NAMES = tuple(MADE)
FUNCTIONS = (sph_legendre_p, sph_harm_y, legendre_p, assoc_legendre_p, diric)
