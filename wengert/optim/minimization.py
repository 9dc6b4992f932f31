"""minimize: the minimum of a scalar function of a pytree."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail, function_name, is_true, require_callable
from wengert.api.derivatives import hvp, value_and_grad
from wengert.api.implicit import Solve
from wengert.api.jit import jit
from wengert.api.ravel import ravel_pytree
from wengert.capture.convert import convert
from wengert.errors import ArgumentError
from wengert.ir import promotion
from wengert.ir.floats import finfo
from wengert.optim.directions import Bfgs, Direction, Lbfgs, NewtonCg, Steepest, Vector
from wengert.optim.implicit_minimum import traced_minimum
from wengert.optim.line_search import Trial, strong_wolfe
from wengert.optim.minimum_result import Result
from wengert.optim.optimizer import Optimizer, apply_updates, arrays
from wengert.optim.prefix import Prefix
from wengert.tracer.pytree import tree_leaves, tree_map
from wengert.tracer.stack import current

METHODS = ("lbfgs", "bfgs", "newton-cg", "gradient-descent")
MAX_ITERATIONS = 1000
# status codes; SciPy's where it has one
CONVERGED, EXHAUSTED, STALLED, DIVERGED, STOPPED = 0, 1, 2, 3, 99


class Point(NamedTuple):
    """A point with the value and the gradient there, all as the method has them."""

    x: Any
    value: float
    gradient: Any


class End(NamedTuple):
    """Why a method ended."""

    status: int
    message: str


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    method: str | Optimizer = "lbfgs",
    tol: float | None = None,
    maxiter: int | None = None,
    callback: Callable[[Result], Any] | None = None,
    tangent_solve: Solve | None = None,
) -> Result:
    """The local minimum of `fun(x, *args)` near the pytree `x0` of floats; integers become floats.

    `method` is "lbfgs", "bfgs", "newton-cg" or "gradient-descent", all with a line search (strong
    Wolfe conditions), or an `Optimizer` of `wg.optim`, which takes its steps as they come. The
    value, its gradient and what else a method needs are compiled. `args` are arguments like x,
    arrays say, with respect to which nothing is minimised.

    The end is where no component of the gradient is larger than `tol` (1e-5; for float32 3e-4),
    after `maxiter` iterations (1000), where no lower value is found, where values fall without end,
    or when `callback(result)`, called after each iteration, returns True or raises StopIteration.
    If values or gradients stop being finite, the result is the best point before that.

    In a function that is compiled, differentiated or mapped, all of this is part of the program:
    the numbers in the result are arrays, there is no `history`, and no `callback`. Derivatives of
    `x`, in `args` and in what `fun` reads of the function around it, are those of the equation
    gradient = 0 (`custom_root`); its linear systems are solved by `tangent_solve(operator,
    right_hand_side)`. They are as exact as `tol` makes the minimum.

    Raises ArgumentError for an unknown method or a value at `x0` that is not finite, and
    DifferentiationError if the function's result is no scalar.
    """
    require_callable("minimize", fun)
    _require_method(method)
    start = arrays(tree_map(_as_float, x0))
    dtype = promotion.result_type(*(x.dtype for x in tree_leaves(start)))
    least = tol if tol is not None else max(1e-5, math.sqrt(finfo(dtype).eps))
    limit = MAX_ITERATIONS if maxiter is None else maxiter
    if current() is not None:
        if callback is not None:
            fail(ArgumentError(_NO_CALLBACK))
        return traced_minimum(fun, start, args, method, least, limit, tangent_solve)
    if isinstance(method, Optimizer):
        run: Any = _Stepping(fun, args, method)
    else:
        run = _Searching(fun, args, method, start)
    watch = _Watch(run, least, limit, callback)
    return watch.follow(run.points(start), function_name(fun))


def _require_method(method: str | Optimizer) -> None:
    if not isinstance(method, Optimizer) and method not in METHODS:
        listed = ", ".join(map(repr, METHODS))
        fail(
            ArgumentError(
                f"minimize has no method {method!r}; it has {listed}, and takes any optimiser of "
                "wg.optim"
            )
        )


_NO_CALLBACK = (
    "minimize calls a callback between its iterations, and here they are part of a compiled "
    "function; leave it out, or print by wg.debug.print in the function that is minimised"
)


def _as_float(x: Any) -> Any:
    """An integer of the start as a float, as SciPy does it."""
    if type(x) is int:
        return float(x)
    whole = getattr(getattr(x, "dtype", None), "kind", "") in ("i", "u")
    return x.astype(np.float64) if whole else x


@dataclass(slots=True)
class _Watch:
    """Follows the points of a method until there is a reason to end."""

    run: Any
    tol: float
    limit: int
    callback: Callable[[Result], Any] | None

    def follow(self, points: Iterator[Point | End], name: str) -> Result:
        history: dict[str, list[float]] = {"fun": [], "gradient": []}
        last = best = _first(points, name)
        found: Point | End = last
        end: End | None = None
        iterations = 0
        while end is None:
            if isinstance(found, End):
                end = found
                break
            size = _largest(found.gradient)
            if not (math.isfinite(found.value) and math.isfinite(size)):
                last, end = best, End(DIVERGED, self.run.diverged)
                break
            last = found
            best = found if found.value < best.value else best
            history["fun"].append(found.value)
            history["gradient"].append(size)
            iterations = len(history["fun"]) - 1
            end = self.reason(size, iterations)
            if iterations and self.stopped(last, history):
                end = end or End(STOPPED, "the callback asked to stop")
            if end is None:
                found = next(points)
        return self.result(last, history, end)

    def reason(self, size: float, iterations: int) -> End | None:
        """Why to end after so many iterations with such a gradient, if there is a reason."""
        if size <= self.tol:
            return End(CONVERGED, f"no component of the gradient is larger than {self.tol:.3g}")
        if iterations >= self.limit:
            return End(EXHAUSTED, f"the limit of {self.limit} iterations was reached")
        return None

    def stopped(self, point: Point, history: dict[str, list[float]]) -> bool:
        if self.callback is None:
            return False
        try:
            running = End(EXHAUSTED, "running")
            so_far = {name: Prefix(numbers) for name, numbers in history.items()}
            return is_true(self.callback(self.result(point, so_far, running)))
        except StopIteration:
            return True

    def result(self, point: Point, history: Mapping[str, Sequence[float]], end: End) -> Result:
        run = self.run
        return Result(
            x=run.restored(point.x),
            fun=point.value,
            jac=run.restored(point.gradient),
            nit=len(history["fun"]) - 1,
            nfev=run.evaluations,
            njev=run.evaluations,
            nhev=run.products,
            success=end.status == CONVERGED,
            status=end.status,
            message=end.message,
            history=history,
        )


def _first(points: Iterator[Any], name: str) -> Point:
    first = next(points)
    if not (math.isfinite(first.value) and math.isfinite(_largest(first.gradient))):
        what = "value" if not math.isfinite(first.value) else "gradient"
        fail(
            ArgumentError(
                f"minimize needs a start where the function is finite, and the {what} of '{name}' "
                f"at x0 is not (its value is {first.value}); start from another point"
            )
        )
    return first


def _largest(gradient: Any) -> float:
    sizes = [float(np.max(np.abs(g), initial=0.0)) for g in tree_leaves(gradient)]
    return math.nan if any(map(math.isnan, sizes)) else max(sizes, default=0.0)


class _Searching:
    """The methods with a line search, on vectors."""

    diverged = "the function is not finite at any step along the direction"
    endless = (
        "the function falls along the direction of descent as far as was tried, so it seems to "
        "have no minimum"
    )

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...], method: str, start: Any
    ) -> None:
        self.evaluations = self.products = 0
        self.args = args
        self.restored = ravel_pytree(start)[1]
        restored, captured = self.restored, convert(fun)

        @functools.wraps(fun)
        def of_vector(vector: Any, *args: Any) -> Any:
            return captured(restored(vector), *args)

        self._both = jit(value_and_grad(of_vector))
        self._product = jit(
            lambda vector, direction, *args: hvp(
                lambda v: of_vector(v, *args), (vector,), (direction,)
            )
        )
        kinds: dict[str, Callable[[], Direction]] = {
            "lbfgs": Lbfgs,
            "bfgs": Bfgs,
            "newton-cg": lambda: NewtonCg(self.product),
            "gradient-descent": Steepest,
        }
        self.direction = kinds[method]()

    def at(self, x: Vector) -> Point:
        """The value and gradient at x."""
        self.evaluations += 1
        value, gradient = self._both(x, *self.args)
        return Point(x, float(value), gradient)

    def product(self, x: Vector, direction: Vector) -> Vector:
        """The Hessian times a direction."""
        self.products += 1
        return self._product(x, direction, *self.args)

    def points(self, start: Any) -> Iterator[Point | End]:
        """The start, and a point for each iteration."""
        point = self.at(ravel_pytree(start)[0])
        yield point
        while True:
            trial = self.step(point)
            if trial is None and self.direction.informed:
                self.direction.forget()
                trial = self.step(point)
            if trial is None:
                yield End(STALLED, "no lower value was found along the direction of descent")
                return
            found: Point = trial.point
            if trial.endless:
                yield found
                yield End(DIVERGED, self.endless)
                return
            self.direction.learn(found.x - point.x, found.gradient - point.gradient)
            point = found
            yield point

    def step(self, point: Point) -> Trial | None:
        """The next point, as a trial; None if there is no lower one."""
        with np.errstate(over="ignore", invalid="ignore"):  # far out, where it was worth a try
            return self._step(point)

    def _step(self, point: Point) -> Trial | None:
        direction = self.direction.at(point.x, point.gradient)
        slope = float(direction @ point.gradient)
        if not slope < 0:
            return None

        def at(step: float) -> Trial:
            there = self.at(point.x + point.x.dtype.type(step) * direction)
            return Trial(step, there.value, float(there.gradient @ direction), there)

        first = 1.0 if self.direction.informed else min(1.0, 1.0 / math.sqrt(-slope))
        noise = 4.0 * float(finfo(point.x.dtype).eps) * abs(point.value)
        start = Trial(0.0, point.value, slope, point)
        return strong_wolfe(at, start, first, noise)


class _Stepping:
    """An optimiser's steps, each one compiled program."""

    diverged = (
        "the function or its gradient stopped being finite, so the best point before is the "
        "result; try a lower learning rate"
    )
    products = 0

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...], optimizer: Optimizer
    ) -> None:
        self.evaluations = 0
        self.args = args
        self.optimizer = optimizer

        def step(x: Any, state: Any, *args: Any) -> Any:
            value, gradient = value_and_grad(fun)(x, *args)
            updates, state = optimizer.update(gradient, state, x, value)
            return value, gradient, apply_updates(x, updates), state

        self._step = jit(step)

    def restored(self, x: Any) -> Any:
        """Points are pytrees already."""
        return x

    def points(self, start: Any) -> Iterator[Point | End]:
        """The start, and a point for each step."""
        x, state = start, self.optimizer.init(start)
        while True:
            self.evaluations += 1
            value, gradient, moved, state = self._step(x, state, *self.args)
            yield Point(x, float(value), gradient)
            x = moved
