"""Structured control flow with pytrees for the state: scan, while_loop, cond and friends.

They follow JAX's conventions. Functions may read traced values around them, which become constants
of the loop, and may change arrays of the function around them. Outside of any trace the loop is
traced as a program of its own and evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import fail, function_name, require_callable
from wengert.capture.branching import Labels, branch, trace_arm
from wengert.capture.convert import convert
from wengert.capture.forms import Stepped, for_state, while_state
from wengert.capture.kinds import is_numeric, kind_of
from wengert.errors import CaptureError, InputTypeError, ShapeError
from wengert.ir.types import INT64
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import flatten, paths
from wengert.tracer.stack import current
from wengert.tracer.trace import run, trace


def _evaluated(form: Callable[..., Any], operands: Any) -> Any:
    """Runs a form outside of any trace: as a program of the numeric leaves of its operands."""
    leaves, tree = flatten(operands)
    places = [i for i, x in enumerate(leaves) if is_numeric(x)]

    def whole(*values: Any) -> Any:
        filled = list(leaves)
        for place, value in zip(places, values, strict=True):
            filled[place] = value
        return form(*tree.unflatten(filled))

    given = [leaves[i] for i in places]
    traced = trace(whole, [kind_of(x) for x in given], keep_static=True)
    return traced.unflatten(run(traced.program, [*given, *traced.captured]))


def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: Any = None,
) -> Any:
    """`carry, y = f(carry, x)` for each x along the first axis of `xs`; gives (carry, ys).

    `xs` may be a pytree of arrays, or None with a `length`. With `reverse` the last x comes first;
    the ys keep the places of their xs. `unroll` turns are made one (all if True). `checkpoint` says
    how the reverse sweep gets the states back: see docs/control-flow.md.
    """
    require_callable("scan", f)
    count = _length(xs, length)
    if current() is None:
        return _evaluated(
            lambda *both: scan(f, *both, length=count, reverse=reverse, unroll=unroll), (init, xs)
        )
    step = convert(f)
    arrays = _arrays(xs)
    chunk = count if unroll is True else max(int(unroll), 1)
    if chunk > 1 and count % chunk:
        chunk = 1
    return for_state(
        Stepped(count, chunk, reverse, checkpoint), function_name(f), init, arrays, step
    )


def _length(xs: Any, length: int | None) -> int:
    found: dict[str, int] = {}
    for x, path in zip(flatten(xs)[0], paths(xs), strict=True):
        shape = np.shape(x) if not isinstance(x, Tracer) else x.shape
        if not shape:
            fail(ShapeError(f"scan runs along the first axis of xs, and xs{path} has none"))
        found[f"xs{path}"] = shape[0]
    if length is not None:
        found["length"] = int(length)
    if not found:
        fail(InputTypeError("scan needs xs or a length"))
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{n} for {name}" for name, n in found.items())
        fail(ShapeError(f"scan needs first axes of one length, and got {listed}"))
    return next(iter(found.values()))


def _arrays(xs: Any) -> Any:
    """`xs` with concrete arrays made values of the trace."""
    leaves, tree = flatten(xs)
    return tree.unflatten(
        [x if isinstance(x, Tracer) else wrap(lift(np.asarray(x))) for x in leaves]
    )


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """`state = body(i, state)` for i from `lower` to `upper - 1`, which may be traced."""
    require_callable("fori_loop", body)
    if current() is None:
        return _evaluated(
            lambda low, high, state: fori_loop(low, high, body, state),
            (_bound(lower), _bound(upper), init),
        )
    bounds = [_known(_bound(b)) for b in (lower, upper)]
    step = convert(body)
    stepped = Stepped(bounds[1], 1, False, None, start=bounds[0])
    carry, _ = for_state(
        stepped, function_name(body), init, None, lambda state, i: (step(i, state), None)
    )
    return carry


def _bound(x: Any) -> Any:
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int(x)
    if isinstance(x, (Tracer, np.ndarray)) and not x.shape and x.dtype.kind in "iu":
        return x
    return fail(InputTypeError(f"the bounds of fori_loop must be integers, and one is {x!r}"))


def _known(x: Any) -> Any:
    return int(x) if isinstance(x, np.ndarray) else x


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """`state = body(state)` as long as `cond(state)` is true."""
    require_callable("while_loop", cond)
    require_callable("while_loop", body)
    if current() is None:
        return _evaluated(lambda state: while_loop(cond, body, state), (init,))
    return while_state(function_name(body), init, convert(cond), convert(body))


def cond(
    pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """`true_fun(*operands)` if `pred` is true, else `false_fun(*operands)`; one of them runs."""
    require_callable("cond", true_fun)
    require_callable("cond", false_fun)
    if not isinstance(pred, Tracer):
        return convert(true_fun if pred else false_fun)(*operands)
    if pred.shape:
        fail(ShapeError(f"cond needs a scalar condition, and got one of shape {pred.shape}"))
    truth = pred if pred.dtype.kind == "b" else pred != 0
    labels = Labels(("the result of cond",), ("in false_fun", "in true_fun"), ordered=False)
    return _choose(lift(truth, INT64), (false_fun, true_fun), operands, labels)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, with the index clipped into range; one of them runs."""
    if not branches:
        fail(InputTypeError("switch needs at least one branch"))
    for function in branches:
        require_callable("switch", function)
    last = len(branches) - 1
    if not isinstance(index, Tracer):
        return convert(branches[min(max(int(index), 0), last)])(*operands)
    if index.shape or index.dtype.kind not in "iu":
        fail(CaptureError(f"switch needs an integer scalar as index, and got {index.type}"))
    place = lift(index, INT64).max(0).min(last)
    names = [f"in branch {k}" for k in range(len(branches))]
    labels = Labels(("the result of switch",), names, ordered=False)
    return _choose(place, branches, operands, labels)


def _choose(
    index: Any, branches: Sequence[Callable[..., Any]], operands: Any, labels: Labels
) -> Any:
    arms = [trace_arm(lambda f=f: [convert(f)(*operands)], function_name(f)) for f in branches]
    return branch(index, arms, labels)[0]


def map(f: Callable[[Any], Any], xs: Any) -> Any:  # noqa: A001
    """`f(x)` for each x along the first axis of `xs`, one after another; results are stacked."""
    require_callable("map", f)
    step = convert(f)
    return scan(lambda state, x: (None, step(x)), None, xs)[1]
