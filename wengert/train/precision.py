"""Mixed precision: the loss in few bits, parameters and updates in many, gradients scaled.

Gradients in float16 vanish below 6e-8 and overflow above 65504, so the loss is multiplied with a
number and the gradients divided by it (Micikevicius et al. 2018). The number doubles after some
steps without overflow; a step whose gradients are not finite halves it and changes nothing else.
bfloat16 has the range of float32: its gradients need no such number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail, function_name
from wengert.capture.convert import convert
from wengert.errors import DTypeError
from wengert.ir.floats import dtype_of, is_bfloat16, kind_of
from wengert.optim.optimizer import Optimizer, apply_updates, cast, updated
from wengert.tracer.pytree import tree_leaves, tree_map

FIRST_SCALE, INTERVAL = 2.0**15, 2000
LARGEST = 2.0**24


class Scaled(NamedTuple):
    """The optimiser's state, the number that multiplies the loss, and the steps since a change."""

    inner: Any
    scale: Any
    steps: Any


def with_scale(state: Any) -> Scaled:
    """An optimiser's state at the start of mixed precision."""
    return Scaled(state, np.float32(FIRST_SCALE), np.int64(0))


def is_scaled(precision: Any) -> bool:
    """Whether the gradients of a loss in this dtype are scaled; not if it is None."""
    return precision is not None and not is_bfloat16(low_precision(precision))


def low_precision(dtype: Any) -> np.dtype[Any]:
    """The dtype of the loss; raises DTypeError for what is no float dtype."""
    found = dtype_of(dtype)
    if kind_of(found) != "f":
        fail(
            DTypeError(
                f"precision is a float dtype, wg.bfloat16 or np.float16 say, and got {found}"
            )
        )
    return found


def lowered(loss: Callable[..., Any], dtype: Any) -> Callable[..., Any]:
    """The loss of parameters and batches in `dtype`, as a float32."""
    captured = convert(loss)

    def cast_floats(tree: Any) -> Any:
        return tree_map(lambda x: cast(x, dtype) if kind_of(x.dtype) == "f" else x, tree)

    def in_low_precision(params: Any, *batch: Any, **extra: Any) -> Any:
        return captured(cast_floats(params), *cast_floats(batch), **extra).astype(np.float32)

    in_low_precision.__name__ = function_name(loss)
    return in_low_precision


def scaled_update(
    optimizer: Optimizer,
    value_and_grad: Callable[..., Any],
    loss: Callable[..., Any],
    everywhere: Callable[[Any], Any],
) -> Callable[..., Any]:
    """(params, state, batch, extra) -> loss, new params, new state, for a `lowered` loss.

    `everywhere` gives whether something is so in all processes that train together: gradients that
    are not summed up yet can overflow in one of them alone.
    """

    def update(params: Any, state: Scaled, batch: Any, extra: dict[str, Any]) -> Any:
        def scaled_loss(p: Any, *b: Any, **e: Any) -> Any:
            return loss(p, *b, **e) * state.scale

        product, gradients = value_and_grad(scaled_loss)(params, *batch, **extra)
        value = product / state.scale  # powers of two: exact
        gradients = tree_map(lambda g: g / cast(state.scale, g.dtype), gradients)
        fine = np.isfinite(product)
        for g in tree_leaves(gradients):
            fine = fine & np.all(np.isfinite(g))
        fine = everywhere(fine)
        updates, inner = updated(optimizer, gradients, state.inner, params, value)
        moved = (apply_updates(params, updates), inner)
        kept = tree_map(lambda new, old: np.where(fine, new, old), moved, (params, state.inner))
        return value, kept[0], Scaled(kept[1], *_next(state, fine))

    return update


def _next(state: Scaled, fine: Any) -> tuple[Any, Any]:
    """The scale and the count after a step that was `fine` or overflowed."""
    grown = state.steps + 1 >= INTERVAL
    up = np.where(grown, np.minimum(state.scale * 2.0, LARGEST), state.scale)
    scale = np.where(fine, up, np.maximum(state.scale * 0.5, 1.0))
    return cast(scale, np.float32), np.where(fine & ~grown, state.steps + 1, 0)
