"""Zeros of functions of one variable: `scipy.optimize`.

Derivatives are those of the equation (`custom_root`), however the zero was found.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.derivatives import jvp
from wengert.api.implicit import custom_root
from wengert.capture.convert import convert
from wengert.errors import ArgumentError
from wengert.plain.roots import bracketed, by_secants, by_slopes
from wengert.standins.functions import Function, called_with, refused
from wengert.standins.tables import in_floats, required, stands_in

XTOL, RTOL = 2e-12, 8.881784197001252e-16
BRACKETING = ("brentq", "brenth", "ridder", "bisect", "toms748")
NEWTON = 1.48e-8


def divided(operator: Callable[[Any], Any], right: Any) -> Any:
    """Solves a system in which each unknown has one equation of its own."""
    return right / operator(np.ones_like(right))


def root_between(
    f: Function, low: Any, high: Any, xtol: Any, rtol: Any, steps: int, values: Any = None
) -> Any:
    """The zeros between places where `f` has different signs; arrays are many equations.

    `values` are those of `f` at both places, where they are known.
    """
    low, high = np.broadcast_arrays(in_floats(low), in_floats(high))

    def solve(equation: Function, start: Any) -> Any:
        first, last = (equation(low), equation(high)) if values is None else values
        required(np.all(~(first * last > 0)), "f(a) and f(b) must have different signs")
        found, done = convert(bracketed)(equation, (low, high), (first, last), xtol, rtol, steps)
        _converged(done, steps)
        return found

    return custom_root(f, low, solve, divided)


def _converged(done: Any, steps: int) -> None:
    required(np.all(done), f"Failed to converge after {steps} iterations.", RuntimeError)


def _bracketing(name: str) -> Callable[..., Any]:
    def search(
        f: Any,
        a: Any,
        b: Any,
        args: Any = (),
        xtol: float = XTOL,
        rtol: float = RTOL,
        maxiter: int = 100,
        full_output: bool = False,
        disp: bool = True,
    ) -> Any:
        return _between(name, called_with(f, args), (a, b), xtol, rtol, maxiter, full_output)

    return search


def _toms748(
    f: Any,
    a: Any,
    b: Any,
    args: Any = (),
    k: int = 1,
    xtol: float = XTOL,
    rtol: float = RTOL,
    maxiter: int = 100,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    return _between("toms748", called_with(f, args), (a, b), xtol, rtol, maxiter, full_output)


for _name in BRACKETING[:-1]:
    stands_in("optimize", _name)(_bracketing(_name))
stands_in("optimize", "toms748")(_toms748)


def _between(
    name: str, f: Function, ends: Any, xtol: float, rtol: float, steps: int, full: bool
) -> Any:
    if xtol <= 0:
        raise ArgumentError(f"xtol too small ({xtol:g} <= 0)")
    if rtol < RTOL:
        raise ArgumentError(f"rtol too small ({rtol:g} < {RTOL:g})")
    if steps < 1:
        raise ArgumentError("maxiter must be greater than 0")
    if len(ends) != 2 or any(np.ndim(x) for x in ends):
        raise ArgumentError(f"{name} takes a bracket of two numbers, got {ends!r}")
    found = root_between(lambda x: _scalar(name, f(x)), ends[0], ends[1], xtol, rtol, steps)
    required(found == found, "The function value is NaN; solver cannot continue.")
    return (found, _report(found, name)) if full else found


def _scalar(name: str, value: Any) -> Any:
    """A function's value, of one element at most."""
    found = in_floats(value)
    if found.size != 1:
        raise ArgumentError(f"{name} takes a function with one value, got the shape {found.shape}")
    return found.reshape(())


def _report(root: Any, method: str) -> Any:
    """As SciPy's, but for the counts; what has not converged has raised an error."""
    kind = importlib.import_module("scipy.optimize").OptimizeResult
    return kind(root=root, converged=True, flag="converged", method=method)


@stands_in("optimize")
def newton(
    func: Any,
    x0: Any,
    fprime: Any = None,
    args: Any = (),
    tol: float = NEWTON,
    maxiter: int = 50,
    fprime2: Any = None,
    x1: Any = None,
    rtol: float = 0.0,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    """A zero near a place, or one near each of an array's: by slopes if given, else by secants."""
    refused("newton", full_output=full_output)
    if tol <= 0:
        raise ArgumentError(f"tol too small ({tol:g} <= 0)")
    if maxiter < 1:
        raise ArgumentError("maxiter must be greater than 0")
    f = called_with(func, args)
    slopes = [None if g is None else called_with(g, args) for g in (fprime, fprime2)]
    return _near(f, slopes, x0, x1, tol, rtol, maxiter)


def _near(f: Function, slopes: Any, x0: Any, x1: Any, tol: float, rtol: float, steps: int) -> Any:
    start = in_floats(x0)
    first, second = slopes

    def solve(equation: Function, guess: Any) -> Any:
        if first is None:
            away = guess * (1.0 + 1e-4) + np.where(guess.real >= 0, 1e-4, -1e-4)
            other = away if x1 is None else in_floats(x1) + np.zeros_like(guess)
            found, done = convert(by_secants)(equation, guess, other, tol, rtol, steps)
        else:

            def values(x: Any) -> Any:
                curve = np.zeros_like(x) if second is None else 0.5 * second(x)
                return equation(x), first(x), curve

            found, done = convert(by_slopes)(values, guess, tol, rtol, steps)
        _converged(done, steps)
        return found

    return custom_root(lambda x: in_floats(f(x)), start, solve, divided)


@stands_in("optimize")
def root_scalar(
    f: Any,
    args: Any = (),
    method: str | None = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    xtol: float | None = None,
    rtol: float | None = None,
    maxiter: int | None = None,
    options: Any = None,
) -> Any:
    """A zero of a function of one variable, by the method that the arguments are for."""
    given = {"xtol": xtol, "rtol": rtol, "maxiter": maxiter, **(options or {})}
    given = {k: v for k, v in given.items() if v is not None and k != "disp"}
    g = called_with(f, args)
    whole = g
    if fprime is True or fprime2 is True:
        g = lambda x: whole(x)[0]  # noqa: E731
    first = _part(whole, 1) if fprime is True else fprime and called_with(fprime, args)
    second = _part(whole, 2) if fprime2 is True else fprime2 and called_with(fprime2, args)
    name = (method or _fitting(bracket, x0, first, second, x1)).lower()
    steps = given.get("maxiter", 100 if name in BRACKETING else 50)
    if name in BRACKETING:
        if bracket is None:
            raise ArgumentError(f"Bracket needed for {name}")
        tolerances = given.get("xtol", XTOL), given.get("rtol", RTOL)
        return _report(_between(name, g, bracket, *tolerances, steps, False), name)
    if name not in ("newton", "halley", "secant"):
        raise ArgumentError(f"Unknown solver {name}")
    if x0 is None:
        raise ArgumentError(f"x0 must not be None for {name}")
    if name != "secant" and first is None:
        first = lambda x: jvp(g, (x,), (np.ones_like(x),))[1]  # noqa: E731
    if name == "halley" and second is None:
        raise ArgumentError(f"fprime2 must be specified for {name}")
    slopes = (first if name != "secant" else None, second if name == "halley" else None)
    tolerances = given.get("xtol", NEWTON), given.get("rtol", 0.0)
    return _report(_near(g, slopes, x0, x1, *tolerances, steps), name)


def _part(f: Function, k: int) -> Function:
    return lambda x: f(x)[k]


def _fitting(bracket: Any, x0: Any, first: Any, second: Any, x1: Any) -> str:
    """The method that is made for what is given."""
    if bracket is not None:
        return "brentq"
    if x0 is None:
        raise ArgumentError(
            "Unable to select a solver as neither bracket nor starting point provided."
        )
    if first is not None:
        return "halley" if second is not None else "newton"
    return "secant" if x1 is not None else "newton"
