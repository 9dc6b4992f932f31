"""The classifier: plain NumPy functions, differentiated and compiled by wengert.

Parameters are one flat list, weights and biases in turn: [w1, b1, w2, b2, ...].
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import wengert as wg

Array = NDArray[np.float32]
Parameters = list[Array]
DECAY = 0.01  # of the weights, beside the gradient, as in Loshchilov and Hutter's AdamW (2019)


class State(NamedTuple):
    """What a training step changes: the parameters and Adam's running means."""

    parameters: Parameters
    means: Parameters
    squares: Parameters


def initial_state(widths: tuple[int, ...], rng: np.random.Generator) -> State:
    """Random weights with variance 2/n (He et al. 2015), zero biases and zero means."""
    parameters: Parameters = []
    for inputs, outputs in pairwise(widths):
        weights = rng.standard_normal((inputs, outputs)) * np.sqrt(2.0 / inputs)
        parameters += [weights.astype(np.float32), np.zeros(outputs, np.float32)]
    zeros = [np.zeros_like(value) for value in parameters]
    return State(parameters, zeros, [value.copy() for value in zeros])


def scores(parameters: Parameters, images: Array) -> Array:
    """One score for each digit: dense layers with relu between them."""
    *inner, weights, biases = parameters
    for inner_weights, inner_biases in zip(inner[::2], inner[1::2], strict=True):
        images = np.maximum(images @ inner_weights + inner_biases, 0)
    return images @ weights + biases


def loss(parameters: Parameters, images: Array, labels: NDArray[np.int64]) -> Array:
    """The mean cross-entropy of the softmax of the scores."""
    found = scores(parameters, images)
    shifted = found - np.max(found, axis=1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(log_sum - shifted[np.arange(len(labels)), labels])


def train_step(
    state: State, rate: np.float32, images: Array, labels: NDArray[np.int64]
) -> tuple[Array, State]:
    """The loss of a batch, and the state after one step of Adam (Kingma and Ba 2015).

    `rate` holds Adam's correction for the first steps as well, see `digits.learning_rate`.
    """
    value, gradients = wg.value_and_grad(loss)(state.parameters, images, labels)
    parameters, means, squares = [], [], []
    for p, m, s, g in zip(*state, gradients, strict=True):
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * g * g
        parameters.append(p - rate * (m / (np.sqrt(s) + 1e-8) + DECAY * p))
        means.append(m)
        squares.append(s)
    return value, State(parameters, means, squares)
