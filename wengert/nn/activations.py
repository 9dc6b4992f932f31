"""Activations. Derivatives at kinks are those of `docs/subgradients.md`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert import special
from wengert.ir.floats import finfo


def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0."""
    return np.where(x > 0, x, 0)


def relu6(x: Any) -> Any:
    """x between 0 and 6."""
    return np.clip(x, 0, 6)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x, or slope * x where it is negative."""
    return np.where(x >= 0, x, slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x, or alpha (exp(x) - 1) where it is negative."""
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x)))


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x, or alpha (exp(x / alpha) - 1) where it is negative."""
    return elu(x / alpha) * alpha


def selu(x: Any) -> Any:
    """The self-normalising scaled `elu` (Klambauer et al., NeurIPS 2017)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return special.expit(x)  # pyright: ignore[reportAttributeAccessIssue]


def log_sigmoid(x: Any) -> Any:
    """log(1 / (1 + exp(-x)))."""
    return -softplus(-x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return np.logaddexp(x, 0)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def silu(x: Any) -> Any:
    """x sigmoid(x), also called swish."""
    return x * sigmoid(x)


def mish(x: Any) -> Any:
    """x tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function at x, or its approximation by a tanh."""
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + np.tanh(inner))
    half = 1 + special.erf(x * math.sqrt(0.5))  # pyright: ignore[reportAttributeAccessIssue]
    return 0.5 * x * half


def hard_tanh(x: Any) -> Any:
    """x between -1 and 1."""
    return np.clip(x, -1, 1)


def hard_sigmoid(x: Any) -> Any:
    """x / 6 + 1/2 between 0 and 1."""
    return np.clip(x + 3, 0, 6) / 6


def hard_swish(x: Any) -> Any:
    """x times its `hard_sigmoid`."""
    return x * hard_sigmoid(x)


def softmax(x: Any, axis: int = -1, where: Any = None) -> Any:
    """exp(x) over its sum along an axis; entries where `where` is False count as -inf.

    If all of them do, the result is 0.
    """
    shifted = _shifted(x, axis, where)
    raised = np.exp(shifted)
    if where is None:
        return raised / np.sum(raised, axis=axis, keepdims=True)
    raised = np.where(where, raised, 0)
    total = np.sum(raised, axis=axis, keepdims=True)
    return raised / np.where(total == 0, 1, total)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of `softmax`."""
    shifted = _shifted(x, axis, None)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _shifted(x: Any, axis: int, where: Any) -> Any:
    """x less its maximum, which changes no softmax."""
    counted = x if where is None else np.where(where, x, finfo(np.result_type(x)).min)
    return counted - np.max(counted, axis=axis, keepdims=True)
