"""Optimiser states shared out among processes: each updates a part of all parameters.

Gradients are summed up and scattered, each process updates its part with its part of the state, and
the updates are gathered (Rajbhandari et al., "ZeRO", SC 2020, stage 2). A state then takes 1/size
of the memory in each process, and what is sent is as much as in an all-reduce.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.api.ravel import ravel_pytree
from wengert.distributed.collectives import all_gather, axis_index, psum_scatter, size
from wengert.optim.optimizer import Optimizer, arrays, require_params
from wengert.world import WORLD


def sharded(optimizer: Optimizer, axis: str = WORLD) -> Optimizer:
    """`optimizer` with its state shared out among the processes along an axis.

    For rules that treat each parameter alone (sgd, adam, lion, ...): what looks at a gradient as a
    whole (norms, adafactor's rows) would see a part of one. It takes gradients that are weighted
    but not summed up: `wg.distributed.value_and_grad(loss, reduced=False)`. All parameters are one
    vector meanwhile, in the dtype that all of theirs promote to.
    """

    def parts(tree: Any) -> tuple[Any, Any, int]:
        """Rows for all processes, the way back, and how many numbers there are."""
        flat, back = ravel_pytree(tree)
        count = size(axis)
        width = -(-flat.shape[0] // count)
        padding = np.zeros(width * count - flat.shape[0], flat.dtype)
        return np.concatenate([flat, padding]).reshape((count, width)), back, flat.shape[0]

    def own(tree: Any) -> Any:
        return parts(tree)[0][axis_index(axis)]

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        require_params("sharded", params)
        rows, back, count = parts(gradients)
        mean = psum_scatter(rows, axis)
        updates, state = optimizer.update(mean, state, own(params), value)
        return back(all_gather(updates, axis, tiled=True)[:count].astype(rows.dtype)), state

    return Optimizer(lambda params: optimizer.init(own(arrays(params))), update)
