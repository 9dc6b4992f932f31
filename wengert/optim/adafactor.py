"""Adafactor: second moments of matrices as sums of their rows and columns.

Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.optim.adaptive import ema
from wengert.optim.optimizer import (
    Optimizer,
    Schedule,
    arrays,
    cast,
    chain,
    count_zero,
    map_parts,
    plain_number,
    require_params,
    wide,
)
from wengert.optim.transforms import (
    Mask,
    add_decayed_weights,
    clip_by_block_rms,
    scale,
    scale_by_learning_rate,
)
from wengert.tracer.pytree import tree_map


class FactoredState(NamedTuple):
    """The steps done; per array the moments `(rows, columns)`, or `(moments,)` for small ones."""

    count: Any
    moments: Any


def factored_axes(shape: tuple[int, ...], least: int) -> tuple[int, int] | None:
    """The axes of the second largest and the largest size, if both are `least` or more."""
    if len(shape) < 2:
        return None
    *_, second, first = np.argsort(shape, kind="stable")
    return (int(second), int(first)) if shape[second] >= least else None


def scale_by_factored_rms(
    decay_rate: float = 0.8, min_dim_size_to_factor: int = 128, eps: float = 1e-30
) -> Optimizer:
    """Gradients over the root of their mean square, kept by rows and columns (algorithm 4).

    The mean's decay at step t is 1 - t^-decay_rate.
    """

    def start(p: Any) -> tuple[Any, ...]:
        axes = factored_axes(p.shape, min_dim_size_to_factor)
        shapes = [np.delete(p.shape, a) for a in axes[::-1]] if axes else [p.shape]
        sizes = [tuple(map(int, s)) for s in shapes]
        return tuple(plain_number(np.zeros(s, wide(p.dtype))) for s in sizes)

    def update(gradients: Any, state: FactoredState, params: Any = None, value: Any = None) -> Any:
        count = state.count + 1
        fresh = count.astype(np.float64) ** -decay_rate

        def rule(g: Any, moments: tuple[Any, ...]) -> tuple[Any, ...]:
            dtype = wide(g.dtype)
            h, new = cast(g, dtype), cast(fresh, dtype)
            square = np.square(h) + eps
            axes = factored_axes(g.shape, min_dim_size_to_factor)
            if axes is None:
                mean = moments[0] + new * (square - moments[0])
                return cast(h / np.sqrt(mean), g.dtype), (mean,)
            second, first = axes
            rows = moments[0] + new * (np.mean(square, axis=first) - moments[0])
            columns = moments[1] + new * (np.mean(square, axis=second) - moments[1])
            among = second - 1 if second > first else second
            share = rows / np.mean(rows, axis=among, keepdims=True)
            scaled = h / np.sqrt(np.expand_dims(share, first))
            return cast(scaled / np.sqrt(np.expand_dims(columns, second)), g.dtype), (rows, columns)

        updates, moments = map_parts(rule, 2, gradients, state.moments)
        return updates, FactoredState(count, moments)

    return Optimizer(
        lambda params: FactoredState(count_zero(), tree_map(start, arrays(params))), update
    )


def scale_by_param_block_rms(min_scale: float = 1e-3) -> Optimizer:
    """Each update times the root mean square of its parameters, or `min_scale` if that is more."""

    def rule(g: Any, p: Any) -> Any:
        rms = np.sqrt(np.mean(np.square(cast(p, wide(p.dtype)))))
        return g * cast(np.maximum(rms, min_scale), g.dtype)

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        require_params("scale_by_param_block_rms", params)
        return tree_map(rule, gradients, params), state

    return Optimizer(lambda params: (), update)


def adafactor(
    learning_rate: float | Schedule | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: float = 0.8,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: float | None = 1.0,
    momentum: float | None = None,
    weight_decay_rate: float | None = None,
    eps: float = 1e-30,
    weight_decay_mask: Mask = None,
) -> Optimizer:
    """Adafactor (Shazeer and Stern 2018): for a matrix, as much state as a row and a column.

    Needs the parameters in `update` for its default options.
    """
    links = [scale_by_factored_rms(decay_rate, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        links.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        links.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        links.append(scale_by_param_block_rms())
    if momentum is not None:
        links.append(ema(momentum, debias=False))
    if weight_decay_rate is not None:
        links.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*links, scale(-1.0))
