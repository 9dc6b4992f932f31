"""Normalisations, embedding, dropout: functions of their parameters, which the caller keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert import random
from wengert.errors import ArgumentError


def layer_norm(
    x: Any, scale: Any = None, offset: Any = None, axis: Any = -1, eps: float = 1e-5
) -> Any:
    """x with mean 0 and variance 1 along `axis`, then scaled and moved."""
    mean = np.mean(x, axis=axis, keepdims=True)
    centred = x - mean
    variance = np.mean(centred * centred, axis=axis, keepdims=True)
    return _affine(centred / np.sqrt(variance + eps), scale, offset)


def rms_norm(x: Any, scale: Any = None, axis: Any = -1, eps: float = 1e-6) -> Any:
    """x over the root of its mean square along `axis`, then scaled."""
    return _affine(x / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + eps), scale, None)


def batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    scale: Any = None,
    offset: Any = None,
    *,
    train: bool,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Any, Any, Any]:
    """Channels (axis 1) with mean 0 and variance 1 over the batch and all other axes.

    With `train` the batch's own statistics are used; the second and third result are the running
    ones, `momentum` of which are kept. Without, the given ones are used, and given back.
    """
    axes = (0, *range(2, x.ndim))
    shape = (1, -1, *(1 for _ in range(2, x.ndim)))
    used_mean, used_variance = mean, variance
    if train:
        used_mean = np.mean(x, axis=axes)
        used_variance = np.mean((x - np.reshape(used_mean, shape)) ** 2, axis=axes)
        count = x.size // x.shape[1]
        unbiased = used_variance * (count / max(1, count - 1))
        mean = momentum * mean + (1 - momentum) * used_mean
        variance = momentum * variance + (1 - momentum) * unbiased
    scaled = 1 / np.sqrt(used_variance + eps)
    normal = (x - np.reshape(used_mean, shape)) * np.reshape(scaled, shape)
    wide = [None if p is None else np.reshape(p, shape) for p in (scale, offset)]
    return _affine(normal, *wide), mean, variance


def _affine(x: Any, scale: Any, offset: Any) -> Any:
    x = x if scale is None else x * scale
    return x if offset is None else x + offset


def one_hot(labels: Any, classes: int, dtype: Any = np.float32) -> Any:
    """1 at each label's place on a new last axis, 0 elsewhere."""
    return (np.expand_dims(labels, -1) == np.arange(classes)).astype(dtype)


def embedding(table: Any, indices: Any) -> Any:
    """The rows of `table` at `indices`; an index outside raises IndexError."""
    return np.take(table, indices, axis=0)


def dropout(key: Any, x: Any, rate: float) -> Any:
    """x with a share `rate` of its elements 0, and the others made larger to keep the mean."""
    if not 0 <= rate < 1:
        raise ArgumentError(f"the rate of dropout is in [0, 1), not {rate}")
    if rate == 0:
        return x
    kept = random.bernoulli(key, 1 - rate, np.shape(x))
    return np.where(kept, x / (1 - rate), 0)
