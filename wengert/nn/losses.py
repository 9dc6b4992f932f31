"""Losses, one for each row; the mean of them is the caller's to take."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.nn.activations import log_softmax, softplus


def mean_squared_error(x: Any, target: Any) -> Any:
    """The mean of (x - target)² over all elements."""
    return np.mean((x - target) ** 2)


def mean_absolute_error(x: Any, target: Any) -> Any:
    """The mean of |x - target| over all elements."""
    return np.mean(np.abs(x - target))


def huber(x: Any, target: Any, delta: float = 1.0) -> Any:
    """(x - target)² / 2, or delta (|x - target| - delta / 2) where that is larger than delta."""
    size = np.abs(x - target)
    square = np.minimum(size, delta)
    return 0.5 * square * square + delta * (size - square)


def cross_entropy(logits: Any, labels: Any, smoothing: float = 0.0) -> Any:
    """-log softmax(logits) at each label, the classes on the last axis; labels are integers, or
    probabilities of the logits' shape. With `smoothing`, that share goes to all classes alike."""
    logs = log_softmax(logits)
    if np.ndim(labels) == np.ndim(logits):
        chosen = np.sum(labels * logs, axis=-1)
    else:
        chosen = np.squeeze(np.take_along_axis(logs, np.expand_dims(labels, -1), axis=-1), -1)
    return -(1 - smoothing) * chosen - smoothing * np.mean(logs, axis=-1)


def binary_cross_entropy(logits: Any, labels: Any) -> Any:
    """-log of the probability sigmoid(logits) or 1 - sigmoid(logits) that the label asks for."""
    return softplus(logits) - labels * logits


def kl_divergence(log_probabilities: Any, target: Any) -> Any:
    """The sum of target (log target - log_probabilities) over the last axis; 0 log 0 is 0."""
    positive = target > 0
    logs = np.log(np.where(positive, target, 1))
    return np.sum(np.where(positive, target * (logs - log_probabilities), 0), axis=-1)


def hinge(scores: Any, labels: Any) -> Any:
    """max(0, 1 - scores * labels), labels being -1 and 1."""
    return np.maximum(0, 1 - scores * labels)


def cosine_similarity(x: Any, y: Any, axis: int = -1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between x and y along an axis."""
    norms = np.linalg.norm(x, axis=axis) * np.linalg.norm(y, axis=axis)
    return np.sum(x * y, axis=axis) / np.maximum(norms, eps)
