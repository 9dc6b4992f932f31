"""Training steps: loss, gradient and the new parameters, in one function."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.workload import Function, Namespace, Workload


def multilayer_perceptron(ns: Namespace) -> Function:
    """Three dense layers and the mean cross-entropy of softmax."""
    np = ns.np

    def loss(w1, b1, w2, b2, w3, b3, images, labels):
        hidden = np.maximum(images @ w1 + b1, 0.0)
        hidden = np.maximum(hidden @ w2 + b2, 0.0)
        logits = hidden @ w3 + b3
        shifted = logits - np.max(logits, axis=1, keepdims=True)
        log_total = np.log(np.sum(np.exp(shifted), axis=1))
        correct = shifted[np.arange(labels.shape[0]), labels]
        return np.mean(log_total - correct)

    return loss


def perceptron_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    batch, widths = (6, (8, 7, 5, 4)) if tiny else (128, (784, 256, 128, 10))
    parameters = []
    for fan_in, fan_out in pairwise(widths):
        scale = np.sqrt(2.0 / fan_in)
        parameters.append((scale * rng.standard_normal((fan_in, fan_out))).astype(np.float32))
        parameters.append(np.zeros(fan_out, np.float32))
    images = rng.uniform(0.0, 1.0, (batch, widths[0])).astype(np.float32)
    return (*parameters, images, rng.integers(0, widths[-1], batch))


def transformer_block(ns: Namespace, heads: int = 4) -> Function:
    """One pre-norm block (attention, then two dense layers with GELU), mean squared error."""
    np = ns.np

    def normalised(x, scale, offset):
        centred = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        return centred / np.sqrt(variance + 1e-5) * scale + offset

    def gelu(x):
        return 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))

    def attention(x, w_qkv, w_out):
        batch, length, width = x.shape
        qkv = (x @ w_qkv).reshape(batch, length, 3, heads, width // heads)
        q, k, v = (np.swapaxes(qkv[:, :, n], 1, 2) for n in range(3))
        scores = q @ np.swapaxes(k, 2, 3) * (width // heads) ** -0.5
        weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        weights = weights / np.sum(weights, axis=-1, keepdims=True)
        mixed = np.swapaxes(weights @ v, 1, 2).reshape(batch, length, width)
        return mixed @ w_out

    def loss(g1, c1, w_qkv, w_out, g2, c2, w1, b1, w2, b2, x, target):
        x = x + attention(normalised(x, g1, c1), w_qkv, w_out)
        x = x + gelu(normalised(x, g2, c2) @ w1 + b1) @ w2 + b2
        error = x - target
        return np.mean(error * error)

    return loss


def transformer_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    batch, length, width = (2, 6, 16) if tiny else (8, 64, 128)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    def constant(value: float, size: int) -> np.ndarray:
        return np.full(size, value, np.float32)

    return (
        constant(1.0, width),
        constant(0.0, width),
        weights(width, 3 * width),
        weights(width, width),
        constant(1.0, width),
        constant(0.0, width),
        weights(width, 4 * width),
        constant(0.0, 4 * width),
        weights(4 * width, width),
        constant(0.0, width),
        rng.standard_normal((batch, length, width)).astype(np.float32),
        rng.standard_normal((batch, length, width)).astype(np.float32),
    )


WORKLOADS = (
    Workload(
        "mlp/step",
        multilayer_perceptron,
        perceptron_inputs,
        mode="step",
        argnums=tuple(range(6)),
        targets={"best": 1.2},
        tolerance=10.0,
    ),
    Workload(
        "transformer/step",
        transformer_block,
        transformer_inputs,
        mode="step",
        argnums=tuple(range(10)),
        targets={"best": 1.2},
        tolerance=10.0,
    ),
)
