"""Optimisers by optax's convention: `init`, `update`, `apply_updates`, chains and schedules.

All are functions of pytrees of arrays, which run as they are or become part of a compiled step.
"""

from __future__ import annotations

from wengert.optim.accumulate import accumulate, with_average
from wengert.optim.adafactor import adafactor, scale_by_factored_rms, scale_by_param_block_rms
from wengert.optim.adaptive import ema, scale_by_adam, scale_by_lion, scale_by_rms, scale_by_rss
from wengert.optim.curvature import lbfgs, scale_by_lbfgs
from wengert.optim.optimizer import Optimizer, Schedule, apply_updates, chain
from wengert.optim.plateau import reduce_on_plateau
from wengert.optim.recipes import adagrad, adam, adamw, lion, rmsprop, sgd
from wengert.optim.schedules import (
    constant_schedule,
    cosine_decay_schedule,
    cosine_onecycle_schedule,
    exponential_decay,
    join_schedules,
    linear_onecycle_schedule,
    linear_schedule,
    piecewise_constant_schedule,
    polynomial_schedule,
    warmup_cosine_decay_schedule,
)
from wengert.optim.transforms import (
    add_decayed_weights,
    clip,
    clip_by_block_rms,
    clip_by_global_norm,
    global_norm,
    l1,
    l2,
    scale,
    scale_by_learning_rate,
    scale_by_schedule,
    trace,
)

__all__ = [
    "Optimizer",
    "Schedule",
    "accumulate",
    "adafactor",
    "adagrad",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip",
    "clip_by_block_rms",
    "clip_by_global_norm",
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "ema",
    "exponential_decay",
    "global_norm",
    "join_schedules",
    "l1",
    "l2",
    "lbfgs",
    "linear_onecycle_schedule",
    "linear_schedule",
    "lion",
    "piecewise_constant_schedule",
    "polynomial_schedule",
    "reduce_on_plateau",
    "rmsprop",
    "scale",
    "scale_by_adam",
    "scale_by_factored_rms",
    "scale_by_lbfgs",
    "scale_by_learning_rate",
    "scale_by_lion",
    "scale_by_param_block_rms",
    "scale_by_rms",
    "scale_by_rss",
    "scale_by_schedule",
    "sgd",
    "trace",
    "warmup_cosine_decay_schedule",
    "with_average",
]
