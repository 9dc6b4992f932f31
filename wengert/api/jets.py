"""jet: derivatives of high order along a path (Taylor mode)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.api.arguments import fail, same_structure, tangent, zero_tangent
from wengert.api.derivatives import traced_primals
from wengert.errors import ArgumentError, InputTypeError
from wengert.ir.transforms.taylor import taylor
from wengert.tracer.trace import run


def jet(fun: Callable[..., Any], primals: Sequence[Any], series: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `fun(*primals)` and its derivatives along a path through the primals.

    `series` has for each primal the list of the path's derivatives there, [x', x'', ...], all of
    the same length. The result is (value, terms), where `terms` are the derivatives of
    `fun(*path(t))` in t, in a list for each leaf of the value. As `jax.experimental.jet.jet`
    (J. Bettencourt, M. Johnson and D. Duvenaud, "Taylor-mode automatic differentiation for
    higher-order derivatives in JAX", 2019). The work grows with the square of the order; that of
    loops which are compiled as such grows exponentially.
    """
    order = _order(primals, series)
    chosen, active, traced = traced_primals("jet", fun, tuple(primals), False)
    types = traced.program.in_types
    moving: list[Any] = []
    for k in range(order):
        terms = same_structure(
            f"the terms of order {k + 1} in the series of jet",
            tuple([s[k] for s in series]),
            chosen.tree,
        )
        checked = [
            tangent(t, like, f"term {k + 1} of the series of {name}")
            for t, like, name in zip(terms, types, chosen.names, strict=False)
        ]
        moving += [t for t in checked if t is not None]
    pushed = taylor(traced.program, active, order)
    results = run(pushed.program, [*chosen.leaves, *traced.captured, *moving])
    count = len(traced.program.outputs)
    found = iter(results[count:])
    by_order = [
        [
            next(found) if on else zero_tangent(t)
            for on, t in zip(pushed.out_active, traced.program.out_types, strict=True)
        ]
        for _ in range(order)
    ]
    out_terms = [[terms[i] for terms in by_order] for i in range(count)]
    return traced.unflatten(results[:count]), traced.out_tree.unflatten(out_terms)


def _order(primals: Any, series: Any) -> int:
    """The length of the series, once they are found to fit the primals."""
    kinds = (tuple, list)
    if not (isinstance(primals, kinds) and isinstance(series, kinds)):
        fail(
            InputTypeError(
                "jet takes its primals and series as tuples, one entry for each argument of the "
                f"function; got {type(primals).__name__} and {type(series).__name__}"
            )
        )
    if len(primals) != len(series) or not primals:
        fail(
            ArgumentError(
                "jet needs a list of derivatives for each primal; got "
                f"{len(primals)} primals and {len(series)} series"
            )
        )
    lengths = {len(s) if isinstance(s, kinds) else None for s in series}
    if len(lengths) > 1 or None in lengths or 0 in lengths:
        fail(
            ArgumentError(
                "the series of jet are lists of the derivatives of a path, [x', x'', ...], not "
                "empty and all of the same length; fill the shorter ones up with zeros"
            )
        )
    return len(series[0])
