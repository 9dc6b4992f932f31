"""Systems of equations, least squares and minima: `scipy.optimize`.

Derivatives are those of the equations that hold at the end (`custom_root`): of the system, or of
the slope being 0 where no bound is in the way. So they ask for second derivatives of a function
that is minimised, and the start has none.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.derivatives import grad, jvp, stop_gradient
from wengert.api.derivatives import value_and_grad as with_gradient
from wengert.api.implicit import custom_root
from wengert.api.jacobians import jacfwd
from wengert.capture.convert import convert
from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.plain.descent import downhill, lowest
from wengert.plain.descents import BFGS, descended
from wengert.plain.least_squares import fitted
from wengert.plain.roots import accelerated
from wengert.standins.functions import Function, as_tuple, called_with, refused
from wengert.standins.roots import divided
from wengert.standins.tables import in_doubles, in_floats, required, stands_in

CLOSE = 1e-14
ROOT_OF_EPSILON = math.sqrt(2.2e-16)
LIMITS = (-math.inf, math.inf)


def _damped(matrix: Any, right: Any, weight: Any) -> Any:
    """The p of least |matrix p + right|^2 + weight |p|^2, by an orthogonal factorisation."""
    n = matrix.shape[1]
    whole = np.concatenate([matrix, np.sqrt(weight) * np.eye(n)])
    q, r = np.linalg.qr(whole)
    return np.linalg.solve(r, -(right @ q[: matrix.shape[0]]))


def _least(residuals: Function, start: Any, bounds: Any, most: int, close: float) -> Any:
    jacobian = jacfwd(residuals)
    tolerances = (close, close, close)
    low, high = (np.broadcast_to(in_doubles(b), start.shape) for b in bounds)
    return convert(fitted)(residuals, jacobian, _damped, start, (low, high), tolerances, most)


def _result(**entries: Any) -> Any:
    return importlib.import_module("scipy.optimize").OptimizeResult(**entries)


def _system(name: str, f: Function, x0: Any) -> tuple[Any, Any]:
    """A system's unknowns, flat, and the system as a function of these."""
    start = in_doubles(x0)
    shape = start.shape

    def flat(x: Any) -> Any:
        found = in_doubles(f(x.reshape(shape))).reshape(-1)
        if found.shape != x.shape:
            raise InputTypeError(
                f"{name}: there is a mismatch between the input and output shape of the function: "
                f"{x.shape} and {found.shape}"
            )
        return found

    return flat, start.reshape(-1)


@stands_in("optimize")
def root(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """A zero of a system of equations, by Newton's method with damping."""
    found = called_with(fun, args)
    f = (lambda x: found(x)[0]) if jac is True else found
    whole = method in ("hybr", "lm")  # these know vectors alone
    flat, start = _system("root", f, in_doubles(x0).reshape(-1) if whole else x0)
    most = (options or {}).get("maxiter", (options or {}).get("maxfev", 0)) or 200
    x = custom_root(flat, start, lambda _, guess: _least(flat, guess, LIMITS, most, CLOSE)[0])
    rest = flat(x)
    size = np.max(np.abs(rest)) if rest.size else np.float64(0.0)
    scale = np.max(np.abs(flat(start))) if rest.size else np.float64(0.0)
    allowed = (1e-8 if tol is None else tol) * np.maximum(scale, 1.0)
    shape = x.shape if whole else np.shape(x0)
    return _result(
        x=x.reshape(shape),
        fun=rest.reshape(shape),
        success=size <= allowed,
        status=np.where(size <= allowed, 1, 5),
        message="The solution converged where success is true.",
        method=method,
    )


@stands_in("optimize")
def fsolve(
    func: Any,
    x0: Any,
    args: Any = (),
    fprime: Any = None,
    full_output: Any = 0,
    col_deriv: Any = 0,
    xtol: float = 1.49012e-08,
    maxfev: int = 0,
    band: Any = None,
    epsfcn: Any = None,
    factor: float = 100,
    diag: Any = None,
) -> Any:
    """A zero of a system of equations: a vector, also of one unknown."""
    refused("fsolve", full_output=bool(full_output))
    return root(func, x0, args, options={"maxiter": maxfev}).x


@stands_in("optimize")
def fixed_point(
    func: Any,
    x0: Any,
    args: Any = (),
    xtol: float = 1e-08,
    maxiter: int = 500,
    method: str = "del2",
) -> Any:
    """The places that a function leaves where they are, element by element."""
    if method not in ("del2", "iteration"):
        raise ArgumentError(f"method is 'del2' or 'iteration', not {method!r}")
    f = called_with(func, args)

    def solve(_: Function, start: Any) -> Any:
        found, done = convert(accelerated)(f, start, xtol, maxiter, method == "del2")
        required(np.all(done), f"Failed to converge after {maxiter} iterations.", RuntimeError)
        return found

    return custom_root(lambda x: x - f(x), in_doubles(x0), solve, divided)


# Least squares.


def _rho(name: str, scale: Any) -> Callable[[Any], Any]:
    """Residuals whose squares are the loss of those that are given, of this scale."""
    losses: dict[str, Callable[[Any], Any]] = {
        "soft_l1": lambda z: 2.0 * z / (np.sqrt(1.0 + z) + 1.0),
        "huber": lambda z: np.where(z <= 1.0, z, 2.0 * np.sqrt(np.where(z > 1.0, z, 1.0)) - 1.0),
        "cauchy": np.log1p,
        "arctan": np.arctan,
    }
    if name == "linear":
        return lambda r: r
    if name not in losses:
        raise ArgumentError(f"`loss` must be one of {['linear', *losses]} or a callable.")

    def changed(r: Any) -> Any:
        z = (r / scale) ** 2
        some = z > 1e-20
        safe = np.where(some, z, 1.0)
        return r * np.where(some, np.sqrt(losses[name](safe) / safe), 1.0)

    return changed


@dataclass(frozen=True)
class Fit:
    """Least squares: the unknowns, whether they were found, the slope of the cost there, and at
    which bounds unknowns are held (-1 the lower, 1 the upper one)."""

    x: Any
    found: Any
    slope: Any
    held: Any


def _at_least(residuals: Function, x0: Any, bounds: Any, most: Any) -> Fit:
    low, high = (np.broadcast_to(in_doubles(b), x0.shape) for b in bounds)
    required(np.all(low < high), "Each lower bound must be strictly less than each upper bound.")
    inside = np.all((x0 >= low) & (x0 <= high))
    required(inside, "Initial guess is outside of provided bounds")
    slope_at = grad(lambda v: 0.5 * np.sum(residuals(v) ** 2))

    def solve(_: Function, start: Any) -> Any:
        x, found, _ = _least(residuals, start[0], (low, high), most, CLOSE)
        return x, np.where(found, 1.0, 0.0)

    def equations(given: Any) -> Any:
        x, found = given  # whether it was found does not move
        slope = slope_at(x)
        at_low, at_high = (x <= low) & (slope > 0), (x >= high) & (slope < 0)
        return np.where(
            at_low,
            x - np.where(at_low, low, 0.0),
            np.where(at_high, x - np.where(at_high, high, 0.0), slope),
        ), found

    x, found = custom_root(equations, (x0, np.float64(1.0)), solve)
    slope = slope_at(x)
    held = np.where(x >= high, 1, np.where(x <= low, -1, 0))
    return Fit(x, found > 0, slope, held)


def _residuals(
    fun: Any, more: tuple[Any, ...], named: dict[str, Any], enough: bool
) -> Callable[[Any], Any]:
    """The residuals as a vector, of `enough` elements for the unknowns if a method needs them."""
    given = called_with(fun)

    def residuals(x: Any) -> Any:
        found = in_doubles(given(x, *more, **named)).reshape(-1)
        if enough and found.shape[0] < x.shape[0]:
            raise ArgumentError(
                "Method 'lm' doesn't work when the number of residuals is less "
                "than the number of variables."
            )
        return found

    return residuals


def _limits(bounds: Any) -> tuple[Any, Any]:
    if hasattr(bounds, "lb"):
        return bounds.lb, bounds.ub
    if len(bounds) != 2:
        raise ArgumentError("`bounds` must contain 2 elements.")
    return tuple(bounds)


@stands_in("optimize")
def least_squares(
    fun: Any,
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = LIMITS,
    method: str = "trf",
    ftol: Any = 1e-8,
    xtol: Any = 1e-8,
    gtol: Any = 1e-8,
    x_scale: Any = None,
    loss: str = "linear",
    f_scale: Any = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Any = None,
    jac_sparsity: Any = None,
    max_nfev: Any = None,
    verbose: int = 0,
    args: Any = (),
    kwargs: Any = None,
    callback: Any = None,
    workers: Any = None,
) -> Any:
    """The unknowns of the least sum of squared residuals, within bounds."""
    if method not in ("trf", "dogbox", "lm"):
        raise ArgumentError("`method` must be 'trf', 'dogbox' or 'lm'.")
    start = in_doubles(x0)
    if start.ndim > 1:
        raise ShapeError("`x0` must have at most 1 dimension.")
    start, changed = start.reshape(-1), _rho(loss, f_scale)
    residuals = _residuals(fun, as_tuple(args), dict(kwargs or {}), method == "lm")
    fit = _at_least(
        lambda v: changed(residuals(v)), start, _limits(bounds), max_nfev or 100 * start.size
    )
    fun_there = residuals(fit.x)
    return _result(
        x=fit.x,
        fun=fun_there,
        cost=0.5 * np.sum(changed(fun_there) ** 2),
        jac=jacfwd(residuals)(fit.x),
        grad=fit.slope,
        optimality=np.max(np.abs(np.where(fit.held, 0.0, fit.slope))),
        active_mask=fit.held,
        success=fit.found,
        status=np.where(fit.found, 2, 0),
        message="The unknowns of least squares, where success is true.",
    )


def _count_of(f: Any) -> int:
    """How many parameters a model has beside its places."""
    given = inspect.signature(f).parameters.values()
    positional = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2:
        raise ArgumentError("Unable to determine number of fit parameters.")
    return len(positional) - 1


def _begun(f: Any, p0: Any, bounds: Any) -> Any:
    """Where the parameters of a model start."""
    if p0 is not None:
        return in_doubles(p0).reshape(-1)
    limits = [np.asarray(b, float) for b in bounds]
    sizes = [b.size for b in limits if b.ndim]
    count = sizes[0] if sizes else _count_of(f)
    low, high = (np.broadcast_to(b, (count,)) for b in limits)
    below, above = np.isfinite(low), np.isfinite(high)
    start = np.ones(count)
    both = below & above
    start[both] = 0.5 * (low[both] + high[both])
    start[below & ~above] = low[below & ~above] + 1.0
    start[above & ~below] = high[above & ~below] - 1.0
    return in_doubles(start)


def _weighted(sigma: Any, count: int) -> Callable[[Any], Any]:
    """Residuals in units of their errors, which may go together."""
    if sigma is None:
        return lambda r: r
    errors = in_doubles(sigma)
    if errors.shape in ((count,), (1,), ()):
        return lambda r: r / errors
    if errors.shape != (count, count):
        raise ShapeError("`sigma` has incorrect shape.")
    factor = np.linalg.cholesky(errors)
    return lambda r: np.linalg.solve(factor, r)


@stands_in("optimize")
def curve_fit(
    f: Any,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: Any = None,
    bounds: Any = LIMITS,
    method: Any = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: Any = None,
    **kwargs: Any,
) -> Any:
    """The parameters of a model of least squares, and their covariance."""
    refused("curve_fit", full_output=full_output, nan_policy=nan_policy)
    limits = _limits(bounds)
    start, model = _begun(f, p0, limits), called_with(f)
    places = xdata if not isinstance(xdata, list | tuple) else in_floats(xdata)
    seen = in_doubles(ydata).reshape(-1)
    if check_finite is not False:
        required(np.all(np.isfinite(seen)), "array must not contain infs or NaNs")
    if start.size > seen.size:
        raise InputTypeError(
            f"The number of func parameters={start.size} must not exceed the number of data "
            f"points={seen.size}"
        )
    weighted = _weighted(sigma, seen.shape[0])

    def residuals(p: Any) -> Any:
        found = in_doubles(model(places, *(p[k] for k in range(start.shape[0]))))
        return weighted(np.broadcast_to(found.reshape(-1), seen.shape) - seen)

    most = kwargs.get("maxfev") or kwargs.get("max_nfev") or 200 * (start.size + 1)
    fit = _at_least(residuals, start, limits, most)
    required(fit.found, f"Optimal parameters not found: no end after {most} steps.", RuntimeError)
    popt = fit.x
    slopes = jacfwd(residuals)(popt)
    units = stop_gradient(np.sqrt(np.sum(slopes * slopes, axis=0)))
    units = np.where(units > 0, units, 1.0)
    inverse = np.linalg.pinv(slopes / units) / units[:, None]  # whatever is measured in what
    covariance = inverse @ inverse.T
    if not absolute_sigma:
        left = seen.size - start.size
        size = np.sum(residuals(popt) ** 2) / left if left else np.float64(math.inf)
        covariance = covariance * size if left else np.full(covariance.shape, math.inf)
    return popt, covariance


# Minima.


@stands_in("optimize")
def minimize_scalar(
    fun: Any,
    bracket: Any = None,
    bounds: Any = None,
    args: Any = (),
    method: Any = None,
    tol: Any = None,
    options: Any = None,
) -> Any:
    """The minimum of a function of one variable."""
    found = called_with(fun, args)
    f = lambda x: in_doubles(found(x)).reshape(())  # noqa: E731
    name = (method or ("bounded" if bounds is not None else "brent")).lower()
    if name not in ("brent", "golden", "bounded"):
        raise ArgumentError(f"Unknown solver {method}")
    if name != "bounded" and bounds is not None:
        raise ArgumentError(f"Use of `bounds` is incompatible with 'method={method}'.")
    if name == "bounded" and bounds is None:
        raise ArgumentError("The `bounds` parameter is mandatory for method `bounded`.")
    given = dict(options or {})
    most = given.get("maxiter", 500)
    x = (
        _between(f, bounds, given, tol, most)
        if name == "bounded"
        else _anywhere(f, bracket, given, tol, most)
    )
    return _result(
        x=x, fun=f(x), success=np.isfinite(f(x)), message="The minimum, where success is true."
    )


def _slope(f: Function, x: Any) -> Any:
    return jvp(f, (x,), (np.ones_like(x),))[1]


def _anywhere(f: Function, bracket: Any, options: Any, tol: Any, most: int) -> Any:
    close = options.get("xtol", 1.48e-8 if tol is None else tol)
    places = [in_doubles(x) for x in ((0.0, 1.0) if bracket is None else bracket)]
    if len(places) not in (2, 3):
        raise ArgumentError("Bracketing interval must be length 2 or 3 sequence.")

    def solve(_: Function, start: Any) -> Any:
        if len(places) == 2:
            low, middle, high = convert(downhill)(f, *places, 110.0, 1000)
        else:
            low, middle, high = np.minimum(*places[::2]), places[1], np.maximum(*places[::2])
            inside = (low < middle) & (middle < high)
            inside = inside & (f(middle) < f(low)) & (f(middle) < f(high))
            required(inside, "The bracketing values do not have a lower value between others")
        return convert(lowest)(f, low, middle, high, 1e-11, close, most)[0]

    return custom_root(lambda x: _slope(f, x), places[0], solve, divided)


def _between(f: Function, bounds: Any, options: Any, tol: Any, most: int) -> Any:
    close = options.get("xatol", 1e-5 if tol is None else tol)
    if len(bounds) != 2:
        raise ArgumentError("bounds must have two elements.")
    low, high = map(in_doubles, bounds)
    required(low <= high, "The lower bound exceeds the upper bound.")

    def solve(_: Function, start: Any) -> Any:
        inner = low + 0.3819660112501051 * (high - low)
        return convert(lowest)(f, low, inner, high, close / 3.0, ROOT_OF_EPSILON, most)[0]

    def equation(x: Any) -> Any:
        slope = _slope(f, x)
        near = 4.0 * (close + ROOT_OF_EPSILON * np.abs(x))
        at_low, at_high = (x - low < near) & (slope > 0), (high - x < near) & (slope < 0)
        return np.where(at_low, x - low, np.where(at_high, x - high, slope))

    return custom_root(equation, low, solve, divided)


@stands_in("optimize")
def minimize(
    fun: Any,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """The minimum of a function of a vector, by its gradient, whichever method is named."""
    refused("minimize", bounds=bounds, constraints=constraints or None)
    found = called_with(fun, args)
    value = (lambda x: found(x)[0]) if jac is True else found
    f = lambda x: in_doubles(value(x)).reshape(())  # noqa: E731
    start = in_doubles(x0)
    if start.ndim > 1:
        raise ShapeError("'x0' must only have one dimension.")
    start = start.reshape(-1)
    given = dict(options or {})
    wanted = given.get("gtol", 1e-5 if tol is None else tol)
    most = given.get("maxiter", 200 * max(start.size, 1))

    def solve(_: Function, guess: Any) -> Any:
        return convert(descended)(with_gradient(f), guess, min(wanted, 1e-9), most, BFGS)[0]

    x = custom_root(grad(f), start, solve)
    lowest_value, slope = with_gradient(f)(x)
    size = np.max(np.abs(slope))
    return _result(
        x=x,
        fun=lowest_value,
        jac=slope,
        success=size <= np.maximum(wanted, 1e-5),
        status=np.where(size <= np.maximum(wanted, 1e-5), 0, 2),
        message="The minimum, where success is true.",
    )
