"""Functions of scipy.special that are no ufuncs, of known orders or branches, on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.types import FLOAT32, FLOAT64
from wengert.tracer.functions import orthogonal
from wengert.tracer.functions.factorials import binom, poch
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    floating,
    values,
    wrapped,
)
from wengert.tracer.functions.orders import by_sets, known_parameter
from wengert.tracer.functions.special import (
    log_softmax,
    logsumexp,
    multigammaln,
    polygamma,
    softmax,
)


def _known_whole(name: str, what: str, x: Any) -> Any:
    found = np.asarray(known_parameter(name, x))
    if not np.all(found == np.floor(found)):
        raise ArgumentError(f"{name} needs whole numbers {what}, got {x}")
    return found.astype(np.int64)


def _spherical(name: str) -> Callable[..., Any]:
    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        orders, x = _known_whole(name, "n", n), floating(z)
        if (orders < 0).any():
            raise ArgumentError(f"{name} needs orders n >= 0, got {n}")

        def make(x: Value, order: float) -> Value:
            at = getattr(x, name)
            if not derivative:
                return at(order=int(order))
            return _slope_of_spherical(name, at, int(order))

        shape = broadcast_shapes(x.shape, orders.shape, what=f"n and z of {name}")
        return wrapped(by_sets(name, ("order",), make, [orders], broadcast(x, shape)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `scipy.special.{name}`, of a known order and real z."
    return function


SIGNS = {
    "spherical_jn": (1.0, -1.0),
    "spherical_yn": (1.0, -1.0),
    "spherical_in": (1.0, 1.0),
    "spherical_kn": (-1.0, -1.0),
}
"""Of the orders below and above in the slopes, DLMF 10.51.2 and 10.51.5."""


def _slope_of_spherical(name: str, at: Callable[..., Value], n: int) -> Value:
    below, above = SIGNS[name]
    upper = at(order=n + 1) * (above * (n + 1) / (2 * n + 1))
    return upper + at(order=n - 1) * (below * n / (2 * n + 1)) if n else upper


def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """Lambert's W on known branches; complex, as SciPy's. It is exact whatever the tolerance."""
    branches, given = _known_whole("lambertw", "k", k), floating(z)
    shape = broadcast_shapes(given.shape, branches.shape, what="z and k of lambertw")
    given = broadcast(given, shape)
    if given.type.is_complex:
        x, y = given.real(), given.imag()
    else:
        x = given if given.dtype in (FLOAT32, FLOAT64) else given.to(FLOAT64)
        y = x.full_like(0.0)

    def make(x: Value, branch: float) -> Value:
        k = int(branch)
        return x.lambert_re(y, k=k).complex(x.lambert_im(y, k=k))

    return wrapped(by_sets("lambertw", ("branch",), make, [branches], x))


def _pairs(name: str, *given: Any) -> list[Value]:
    found = values(*(floating(g) for g in given))
    shape = broadcast_shapes(*(v.shape for v in found), what=f"the operands of {name}")
    return [broadcast(v, shape) for v in found]


def _counted(N: Value, k: Value) -> Value:
    return k.le(N).bitand(N.ge(0.0)).bitand(k.ge(0.0))


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """The number of choices of k of N, 0 where there are none."""
    _inexact("comb", exact)
    n, count = _pairs("comb", N, k)
    if repetition:
        none = count.eq(0.0).bitand(n.ge(0.0))
        return wrapped(none.select(1.0, binom(n + count - 1.0, count)))
    return wrapped(_counted(n, count).select(binom(n, count), 0.0))


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """The number of ordered choices of k of N, 0 where there are none."""
    _inexact("perm", exact)
    n, count = _pairs("perm", N, k)
    counted = _counted(n, count)
    start = counted.select(n - count + 1.0, 1.0)
    return wrapped(counted.select(poch(start, counted.select(count, 0.0)), 0.0))


def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """gamma(n + 1), and 0 below 0."""
    _inexact("factorial", exact)
    if extend != "zero":
        raise ArgumentError(f'factorial of traced values has extend="zero" alone, got {extend!r}')
    value = floating(n)
    below = value.lt(0.0)
    return wrapped(below.select(0.0, (below.select(0.0, value) + 1.0).gamma()))


def _inexact(name: str, exact: bool) -> None:
    if exact:
        raise ArgumentError(
            f"{name} of traced values has no exact=True: Python's integers have no bound"
        )


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(log_softmax, logsumexp, multigammaln, polygamma, softmax),
        *(lambertw, comb, perm, factorial),
        *map(_spherical, SIGNS),
        *orthogonal.FUNCTIONS,
    )
}
"""What takes the place of SciPy's function of the name in captured code."""
