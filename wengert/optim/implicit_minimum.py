"""minimize in a function that is traced: compiled loops, differentiated at the minimum.

At a minimum x of f(x, a) the slope g = ∂f/∂x is 0, whatever a is. So  H ẋ = -(∂g/∂a) ȧ  with the
Hessian H, which is symmetric: in reverse mode the same system is solved (`custom_root`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.arguments import function_name
from wengert.api.derivatives import grad, hvp, value_and_grad
from wengert.api.implicit import Solve, custom_root, eliminated
from wengert.api.ravel import ravel_pytree
from wengert.capture.convert import convert
from wengert.errors import ArgumentError
from wengert.ir.floats import finfo
from wengert.optim.minimum_result import Result
from wengert.optim.optimizer import Optimizer, apply_updates, updated
from wengert.plain.descents import (
    BFGS,
    CONVERGED,
    LBFGS,
    STEEPEST,
    descended,
    followed,
    newton,
)
from wengert.plain.iteration import conjugated
from wengert.tracer.lift import lift

MESSAGE = (
    "status 0: the gradient is small enough; 1: the limit of iterations was reached; 2: no lower "
    "value was found; 3: values fall without end or stopped being finite"
)
WHOLE = 500
"""Up to so many unknowns the Hessian's system is solved by elimination, then by iteration."""
WAYS = {"bfgs": BFGS, "lbfgs": LBFGS, "gradient-descent": STEEPEST}


def traced_minimum(
    fun: Callable[..., Any],
    start: Any,
    args: tuple[Any, ...],
    method: str | Optimizer,
    tol: float,
    limit: int,
    tangent_solve: Solve | None,
) -> Result:
    """As `minimize`; `start` is a pytree of floats."""
    vector, back = ravel_pytree(start)
    captured = convert(fun)

    def value(x: Any) -> Any:
        return captured(back(x), *args)

    value.__name__ = function_name(fun)

    def solve(_: Any, guess: Any) -> Any:
        if isinstance(method, Optimizer):
            x, least, slope, *ended = _stepping(value, guess, back, method, tol, limit)
        else:
            x, least, slope, *ended = _searching(value, guess, method, tol, limit)
        _require_finite(least + np.sum(slope), function_name(fun))
        return x.astype(vector.dtype), tuple(ended)

    linear = tangent_solve or (eliminated if vector.shape[0] <= WHOLE else by_products)
    x, (status, counts) = custom_root(grad(value), vector, solve, linear, has_aux=True)
    least, slope = value_and_grad(value)(x)
    return Result(
        x=back(x),
        fun=least,
        jac=back(slope),
        nit=counts[0],
        nfev=counts[1],
        njev=counts[1],
        nhev=counts[2],
        success=status == CONVERGED,
        status=status,
        message=MESSAGE,
    )


def _searching(value: Any, guess: Any, method: str, tol: float, limit: int) -> Any:
    """By a method with a line search, in float64 between the evaluations."""
    dtype = guess.dtype

    def evaluated(x: Any) -> Any:
        found, slope = value_and_grad(value)(x.astype(dtype))
        return found.astype(np.float64), slope.astype(np.float64)

    def curvature(x: Any, d: Any) -> Any:
        return hvp(value, (x.astype(dtype),), (d.astype(dtype),)).astype(np.float64)

    way = newton(curvature) if method == "newton-cg" else WAYS[method]
    noise = 4.0 * float(finfo(dtype).eps)
    return convert(descended)(evaluated, guess.astype(np.float64), tol, limit, way, noise)


def _stepping(
    value: Any, guess: Any, back: Any, optimizer: Optimizer, tol: float, limit: int
) -> Any:
    """By the steps of an optimiser, which sees the pytree."""

    def evaluated(x: Any) -> Any:
        found, slope = value_and_grad(value)(x)
        return found, slope, np.max(np.abs(slope), initial=0.0)

    def advance(slope: Any, state: Any, x: Any, found: Any) -> Any:
        point = back(x)
        updates, state = updated(optimizer, back(slope), state, point, found)
        return ravel_pytree(apply_updates(point, updates))[0], state

    state = optimizer.init(back(guess))
    return convert(followed)(evaluated, guess, tol, limit, advance, state)


def by_products(operator: Callable[[Any], Any], right: Any) -> Any:
    """The solution of the Hessian's system from its products with vectors alone."""
    n = right.shape[0]
    return convert(conjugated)(operator, right, 4.0 * float(finfo(right.dtype).eps), 2 * n)


def _require_finite(number: Any, name: str) -> None:
    lift(np.isfinite(number)).require(
        message=f"minimize needs a start where the function is finite, and the value or the "
        f"gradient of '{name}' at x0 is not; start from another point",
        error=ArgumentError.__name__,
    )
