"""L-BFGS as a link of a chain: gradients times an approximate inverse of the Hessian."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import ArgumentError
from wengert.ir import promotion
from wengert.ir.floats import finfo
from wengert.optim.optimizer import (
    Optimizer,
    Schedule,
    arrays,
    cast,
    chain,
    count_zero,
    require_params,
    wide,
    zeros,
)
from wengert.optim.transforms import scale_by_learning_rate
from wengert.tracer.pytree import tree_leaves, tree_map


class LbfgsState(NamedTuple):
    """The steps done, the last point and gradient, and pairs of their changes, the latest last.

    `weights` has 1 / (step . change) for each pair, and 0 for those that are not used.
    """

    count: Any
    params: Any
    gradients: Any
    steps: Any
    changes: Any
    weights: Any


def scale_by_lbfgs(memory_size: int = 10) -> Optimizer:
    """Gradients times the inverse Hessian of L-BFGS (Nocedal and Wright 2006, algorithm 7.4).

    It knows the last `memory_size` steps, without those along which the gradient did not grow.
    `update` needs the parameters. There is no line search; `wg.minimize` has one.
    """
    if memory_size < 1:
        fail(ArgumentError(f"L-BFGS remembers one step or more, and memory_size is {memory_size}"))

    def init(params: Any) -> LbfgsState:
        start = tree_map(lambda p: cast(p, wide(p.dtype)), arrays(params))
        none = tree_map(lambda p: np.zeros((memory_size, *p.shape), p.dtype), start)
        weights = np.zeros(memory_size, _dtype(start))
        return LbfgsState(count_zero(), start, zeros(params), none, none, weights)

    def update(gradients: Any, state: LbfgsState, params: Any = None, value: Any = None) -> Any:
        require_params("scale_by_lbfgs", params)
        point = tree_map(lambda p, old: cast(p, old.dtype), params, state.params)
        slope = tree_map(lambda g, old: cast(g, old.dtype), gradients, state.gradients)
        step = tree_map(lambda new, old: new - old, point, state.params)
        change = tree_map(lambda new, old: new - old, slope, state.gradients)
        product = _dot(step, change)
        known = (state.count > 0) & (product > finfo(product.dtype).eps * _dot(step, step))
        weight = np.where(known, 1.0 / np.where(known, product, 1.0), 0.0).astype(product.dtype)
        new = LbfgsState(
            state.count + 1,
            point,
            slope,
            tree_map(_appended, state.steps, step),
            tree_map(_appended, state.changes, change),
            _appended(state.weights, weight),
        )
        # as long as nothing is known, a step of length one at most
        length = np.sqrt(_dot(slope, slope))
        ahead = np.where(known, product / np.maximum(_dot(change, change), _least(product)), 0.0)
        guess = np.where(known, ahead, 1.0 / np.maximum(length, 1.0)).astype(product.dtype)
        direction = _two_loops(new, slope, guess, memory_size)
        return tree_map(lambda d, g: cast(d, g.dtype), direction, gradients), new

    return Optimizer(init, update)


def _two_loops(state: LbfgsState, gradients: Any, guess: Any, memory_size: int) -> Any:
    """The inverse Hessian that begins as a multiple of the identity, times the gradients."""
    pairs = [
        tuple(tree_map(lambda x, k=k: x[k], tree) for tree in (state.steps, state.changes))
        for k in range(memory_size)
    ]
    found, shares = gradients, []
    for k in reversed(range(memory_size)):
        step, change = pairs[k]
        share = state.weights[k] * _dot(step, found)
        found = tree_map(lambda q, y, a=share: q - cast(a, q.dtype) * y, found, change)
        shares.append(share)
    found = tree_map(lambda q: cast(guess, q.dtype) * q, found)
    for k in range(memory_size):
        step, change = pairs[k]
        share = shares.pop() - state.weights[k] * _dot(change, found)
        found = tree_map(lambda r, s, a=share: r + cast(a, r.dtype) * s, found, step)
    return found


def _dtype(tree: Any) -> np.dtype[Any]:
    return promotion.result_type(*(x.dtype for x in tree_leaves(tree)), np.float32)


def _dot(a: Any, b: Any) -> Any:
    """The inner product of two pytrees."""
    dtype = _dtype(a)
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return sum((cast(np.sum(x * y), dtype) for x, y in pairs), dtype.type(0))


def _least(x: Any) -> float:
    return float(finfo(x.dtype).tiny)


def _appended(stack: Any, new: Any) -> Any:
    return np.concatenate([stack[1:], new.reshape((1, *stack.shape[1:]))])


def lbfgs(learning_rate: float | Schedule = 1.0, memory_size: int = 10) -> Optimizer:
    """L-BFGS with fixed or scheduled steps, for gradients of the whole loss.

    `wg.minimize(..., method="lbfgs")` finds the steps by a line search.
    """
    return chain(scale_by_lbfgs(memory_size), scale_by_learning_rate(learning_rate))
