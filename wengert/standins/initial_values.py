"""Initial value problems: `scipy.integrate.solve_ivp` by explicit methods, and `odeint`.

The coefficients are those of SciPy's classes, and so are the steps. Derivatives go through the
steps, whose lengths are constants for them: so they are those of the numbers that are computed. A
time moves as by a step more, of length 0, from the value at that time, or to it at the start.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.control import scan
from wengert.api.derivatives import stop_gradient
from wengert.api.mapping import vmap
from wengert.capture.convert import convert
from wengert.errors import ArgumentError, MissingRuleError, ShapeError
from wengert.plain.initial_values import first_length, followed
from wengert.standins.functions import Function, called_with, is_known, refused
from wengert.standins.tables import in_doubles, stands_in

EXPLICIT = ("RK23", "RK45", "DOP853")
ODEINT = 1.49012e-8


@dataclass(frozen=True)
class Method:
    """A method of Runge and Kutta with the function, and what error is allowed."""

    table: Any
    f: Function
    rtol: Any
    atol: Any

    def size(self, error: Any, scale: Any) -> Any:
        """The root of the mean square of errors in units of what is allowed."""
        return np.sqrt(np.mean(np.abs(error / scale) ** 2))

    def scale(self, *values: Any) -> Any:
        """The error that is allowed beside values."""
        sizes = [np.abs(v) for v in values]
        return self.atol + self.rtol * (sizes[0] if len(sizes) == 1 else np.maximum(*sizes))

    def step(self, t: Any, y: Any, slope: Any, h: Any) -> tuple[Any, Any, Any]:
        """New values, the slopes of all stages, and the error in units of what is allowed."""
        table = self.table
        stages = [slope]
        for row, place in zip(table.A[1:], table.C[1:], strict=True):
            moved = _combined(row[: len(stages)], stages)
            stages.append(self.f(t + place * h, y + h * moved))
        new = y + h * _combined(table.B, stages)
        stages.append(self.f(t + h, new))
        return new, np.stack(stages), stop_gradient(self._error(y, new, stages, h))

    def moved(self, t: Any, y: Any, h: Any) -> Any:
        """Values after a step of length 0, which has the derivatives of one that grows from there.

        A method of some order has the derivatives by its length up to that order.
        """
        return self.step(t, y, self.f(t, y), h)[0]

    def _error(self, y: Any, new: Any, stages: Sequence[Any], h: Any) -> Any:
        scale = self.scale(y, new)
        if not hasattr(self.table, "E5"):
            return self.size(h * _combined(self.table.E, stages), scale)
        fifth, third = (
            np.sum(np.abs(_combined(e, stages) / scale) ** 2)
            for e in (self.table.E5, self.table.E3)
        )
        both = (fifth + 0.01 * third) * y.shape[0]
        return np.where(both > 0, np.abs(h) * fifth / np.sqrt(np.where(both > 0, both, 1.0)), 0.0)

    def dense(self, t: Any, y: Any, new: Any, stages: Any, h: Any, share: Any) -> Any:
        """Values within a step that began at t, at a share of its length."""
        table = self.table
        if not hasattr(table, "D"):
            powers = share ** np.arange(1.0, table.P.shape[1] + 1.0)
            return y + h * ((table.P @ powers) @ stages)
        rows = [stages[k] for k in range(stages.shape[0])]
        for row, place in zip(table.A_EXTRA, table.C_EXTRA, strict=True):
            rows.append(self.f(t + place * h, y + h * _combined(row[: len(rows)], rows)))
        apart = new - y
        parts = [apart, h * rows[0] - apart, 2.0 * apart - h * (stages[-1] + rows[0])]
        parts += [h * _combined(row, rows) for row in table.D]
        total = np.zeros_like(y)
        for k, part in enumerate(reversed(parts)):
            total = (total + part) * (share if k % 2 == 0 else 1.0 - share)
        return y + total


def _combined(weights: Any, parts: Sequence[Any]) -> Any:
    found: Any = 0.0
    for weight, part in zip(weights, parts, strict=True):
        if weight:
            found = found + float(weight) * part
    return found


def _solved(
    f: Function, start: Any, y0: Any, times: Any, method: str, options: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """Values at times, one in a row; whether all were reached; the number of evaluations."""
    table = getattr(importlib.import_module("scipy.integrate"), method)
    given = {"rtol": 1e-3, "atol": 1e-6, "max_step": math.inf, "first_step": None, **options}
    unknown = set(given) - {"rtol", "atol", "max_step", "first_step"}
    if unknown:
        raise ArgumentError(
            f"solve_ivp of traced values takes rtol, atol, max_step and first_step for {method}, "
            f"not {', '.join(sorted(unknown))}"
        )
    rtol = np.maximum(given["rtol"], 100 * np.finfo(float).eps)
    with_times = not is_known([start, times])
    t, places = (stop_gradient(in_doubles(x)) for x in (start, times))
    used = Method(table, f, rtol, given["atol"])
    y = used.moved(in_doubles(start), y0, t - in_doubles(start)) if with_times else y0
    slope, span = f(t, y), places[-1] - t
    length = given["first_step"]
    if length is None:
        fixed = stop_gradient(y)
        scale = used.scale(fixed)
        first = (t, fixed, stop_gradient(slope))
        order = table.error_estimator_order
        norm = lambda x: used.size(x, scale)  # noqa: E731
        length = stop_gradient(
            convert(first_length)(f, first, span, given["max_step"], norm, order)
        )
    exponent = -1.0 / (table.error_estimator_order + 1)
    whole = convert(followed)
    limits = (places[-1], exponent, given["max_step"])

    def until(state: Any, time: Any) -> tuple[Any, Any]:
        state = whole(used.step, state, time, *limits)
        _, new, _, _, before, old, h, stages, going, _, _ = state
        share = (time - before) / np.where(h == 0, 1.0, h)
        return state, np.where(going, used.dense(before, old, new, stages, h, share), math.nan)

    stages = np.zeros_like(y, shape=(table.n_stages + 1, y.shape[0]))
    none = np.zeros_like(t)
    begin = (t, y, slope, in_doubles(length), t, y, none, stages, none == 0, none != 0, 0)
    (*_, reached, _, attempts), found = scan(until, begin, places)
    if with_times:
        wanted = in_doubles(times)
        found = vmap(used.moved)(places, found, wanted - places)
    return found, reached, attempts * table.n_stages + 2


def _slopes(f: Function, y0: Any, name: str) -> Function:
    """The function of time and values as one that gives vectors like these."""

    def slopes(t: Any, y: Any) -> Any:
        found = in_doubles(f(t, y))
        if found.size != y0.shape[0]:
            raise ShapeError(
                f"{name} needs slopes of the shape of y, {y0.shape}, and got {found.shape}"
            )
        return found.reshape(y0.shape).astype(y0.dtype)

    return slopes


def _vector(y0: Any, name: str) -> Any:
    found = in_doubles(y0)
    if found.ndim != 1:
        raise ShapeError(f"`y0` must be 1-dimensional: {name} got the shape {found.shape}")
    return found


def _checked_times(span: Any, t_eval: Any) -> Any:
    if t_eval is None:
        raise ArgumentError(
            "solve_ivp of traced values needs t_eval, as how many steps there are is known only "
            "when the program runs; with t_eval=[t1] it gives the values at the end"
        )
    if len(span) != 2:
        raise ArgumentError(f"t_span is the first and the last time, got {span!r}")
    times = in_doubles(t_eval)
    if times.ndim != 1:
        raise ArgumentError("`t_eval` must be 1-dimensional.")
    if is_known([*span, t_eval]):
        first, last = map(float, span)
        known = np.asarray(t_eval, float)
        if (known < min(first, last)).any() or (known > max(first, last)).any():
            raise ArgumentError("Values in `t_eval` are not within `t_span`.")
        if (np.diff(known) * np.sign(last - first) <= 0).any():
            raise ArgumentError("Values in `t_eval` are not properly sorted.")
    return times


@stands_in("integrate")
def solve_ivp(
    fun: Any,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    **options: Any,
) -> Any:
    """Values at the times `t_eval`, by SciPy's steps."""
    refused("solve_ivp", dense_output=dense_output, events=events)
    name = method if isinstance(method, str) else method.__name__
    if name not in EXPLICIT:
        raise MissingRuleError(
            f"solve_ivp of traced values has the methods {', '.join(EXPLICIT)}, not {name}"
        )
    y0, times = _vector(y0, "solve_ivp"), _checked_times(t_span, t_eval)
    given = called_with(fun) if args is None else called_with_time(fun, args)
    f = (lambda t, y: given(t, y[:, None])) if vectorized else given
    slopes = _slopes(f, y0, "solve_ivp")
    found, reached, count = _solved(slopes, t_span[0], y0, _ended(times, t_span[1]), name, options)
    kind = importlib.import_module("scipy.integrate._ivp.ivp").OdeResult
    return kind(
        t=times,
        y=found[: times.shape[0]].T,
        sol=None,
        t_events=None,
        y_events=None,
        nfev=count,
        njev=0,
        nlu=0,
        status=np.where(reached, 0, -1),
        message="The times in t_eval were reached where success is true, else values are NaN.",
        success=reached,
    )


def _ended(times: Any, last: Any) -> Any:
    """The times with the end of the span, beyond which no step goes."""
    return np.concatenate([times, in_doubles(last).reshape((1,))])


def called_with_time(f: Any, args: Any) -> Function:
    """A function of time and values, with more arguments behind them."""
    try:
        more = tuple(args)
    except TypeError:
        more = (args,)
    found = called_with(f)
    return lambda t, y: found(t, y, *more)


@stands_in("integrate")
def odeint(
    func: Any,
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Any = None,
    col_deriv: int = 0,
    full_output: int = 0,
    ml: Any = None,
    mu: Any = None,
    rtol: Any = None,
    atol: Any = None,
    tcrit: Any = None,
    h0: float = 0.0,
    hmax: float = 0.0,
    hmin: float = 0.0,
    ixpr: int = 0,
    mxstep: int = 0,
    mxhnil: int = 0,
    mxordn: int = 12,
    mxords: int = 5,
    printmessg: int = 0,
    tfirst: bool = False,
) -> Any:
    """Values at times, of which the first is that of y0; by the method of order 8."""
    refused("odeint", full_output=bool(full_output))
    y0, times = in_doubles(y0), in_doubles(t)
    y0 = y0.reshape((1,)) if y0.ndim == 0 else _vector(y0, "odeint")
    whole = called_with_time(func, args if isinstance(args, tuple) else (args,))
    f = whole if tfirst else _of_values_first(func, args)
    options = {
        "rtol": ODEINT if rtol is None else rtol,
        "atol": ODEINT if atol is None else atol,
        "first_step": h0 or None,
        "max_step": hmax or math.inf,
    }
    slopes = _slopes(f, y0, "odeint")
    return _solved(slopes, times[0], y0, times, "DOP853", options)[0]


def _of_values_first(func: Any, args: Any) -> Function:
    found, more = called_with(func), args if isinstance(args, tuple) else (args,)
    return lambda t, y: found(y, t, *more)
