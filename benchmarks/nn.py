"""Parts of neural networks that each tool has functions for: attention, a convolutional network.

Each is given its own functions (PyTorch its fused attention), and all the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.workload import Function, Workload

THREADS = 2
MEBI = float(1 << 20)

# attention: the sum of the results times given weights, so that its gradient is a reverse sweep


def wengert_attention(causal: bool) -> Function:
    from wengert import nn

    def f(query, key, value, weights):
        return np.sum(nn.dot_product_attention(query, key, value, causal=causal) * weights)

    return f


def jax_attention(causal: bool) -> Function:
    import jax

    def f(query, key, value, weights):
        heads_inside = (jax.numpy.swapaxes(x, -2, -3) for x in (query, key, value))
        out = jax.nn.dot_product_attention(*heads_inside, is_causal=causal)
        return jax.numpy.sum(jax.numpy.swapaxes(out, -2, -3) * weights)

    return f


def torch_attention(causal: bool) -> Function:
    import torch

    def f(query, key, value, weights):
        attend = torch.nn.functional.scaled_dot_product_attention
        # the fused kernel takes a batch of heads; all other arrays get the slow form
        out = attend(query[None], key[None], value[None], is_causal=causal)[0]
        return torch.sum(out * weights)

    return f


def attention_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    shape = (2, 6, 4) if tiny else (8, 1024, 64)
    return tuple(rng.standard_normal(shape).astype(np.float32) for _ in range(4))


def temporaries(function: Function, arguments: Sequence[Any]) -> float:
    """MiB of all temporaries of a compiled function, those of each thread's own included."""
    import wengert as wg
    from wengert.ir.passes.pipeline import default_pipeline
    from wengert.kernels.loops import Space
    from wengert.kernels.lower import lower
    from wengert.kernels.statements import buffers

    loops = lower(default_pipeline(wg.make_ir(function)(*arguments).program)).loops
    own = [
        sum(b.nbytes for b in buffers(step.body) if b.space is Space.LOCAL) for step in loops.steps
    ]
    return (loops.arena + THREADS * max(own)) / MEBI


def of_length(length: int) -> Callable[[Callable[[], Function], Sequence[Any]], float]:
    """The temporaries of attention's gradient for sequences of a length."""

    def number(make: Callable[[], Function], arguments: Sequence[Any]) -> float:
        import wengert as wg

        arrays = [np.ones((8, length, 64), np.float32)] * 4
        return temporaries(wg.grad(wengert_attention(False), (0, 1, 2)), arrays)

    return number


# LeNet (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
# recognition", Proceedings of the IEEE 86, 1998), with rectifiers and maxima of windows


def wengert_lenet() -> Function:
    from wengert import nn

    def loss(c1, b1, c2, b2, w3, b3, w4, b4, w5, b5, images, labels):
        h = np.maximum(nn.conv(images, c1, padding=2) + b1[:, None, None], 0.0)
        h = nn.max_pool(h, 2)
        h = np.maximum(nn.conv(h, c2) + b2[:, None, None], 0.0)
        h = nn.max_pool(h, 2).reshape(images.shape[0], -1)
        h = np.maximum(h @ w3 + b3, 0.0)
        h = np.maximum(h @ w4 + b4, 0.0)
        return np.mean(nn.cross_entropy(h @ w5 + b5, labels))

    return loss


def jax_lenet() -> Function:
    import jax
    import jax.numpy as jnp

    def conv(x, w, pad):
        return jax.lax.conv_general_dilated(x, w, (1, 1), [(pad, pad)] * 2)

    def pool(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss(c1, b1, c2, b2, w3, b3, w4, b4, w5, b5, images, labels):
        h = pool(jnp.maximum(conv(images, c1, 2) + b1[:, None, None], 0.0))
        h = pool(jnp.maximum(conv(h, c2, 0) + b2[:, None, None], 0.0))
        h = h.reshape(images.shape[0], -1)
        h = jnp.maximum(h @ w3 + b3, 0.0)
        h = jnp.maximum(h @ w4 + b4, 0.0)
        logs = jax.nn.log_softmax(h @ w5 + b5)
        return -jnp.mean(logs[jnp.arange(labels.shape[0]), labels])

    return loss


def torch_lenet() -> Function:
    from torch.nn import functional as fun

    def loss(c1, b1, c2, b2, w3, b3, w4, b4, w5, b5, images, labels):
        h = fun.max_pool2d(fun.relu(fun.conv2d(images, c1, b1, padding=2)), 2)
        h = fun.max_pool2d(fun.relu(fun.conv2d(h, c2, b2)), 2).reshape(images.shape[0], -1)
        h = fun.relu(h @ w3 + b3)
        h = fun.relu(h @ w4 + b4)
        return fun.cross_entropy(h @ w5 + b5, labels)

    return loss


def lenet_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    batch, side = (3, 12) if tiny else (128, 28)
    shapes = ((6, 1, 5, 5), (16, 6, 5, 5), (16 * ((side // 2 - 4) // 2) ** 2, 120), (120, 84))
    parameters: list[np.ndarray] = []
    for shape in (*shapes, (84, 10)):
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        parameters.append((rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))
        parameters.append(np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32))
    images = rng.uniform(0.0, 1.0, (batch, 1, side, side)).astype(np.float32)
    return (*parameters, images, rng.integers(0, 10, batch))


WORKLOADS = (
    *(
        Workload(
            f"nn/attention/1024x8x64{'/causal' if causal else ''}",
            {
                "plain": lambda causal=causal: wengert_attention(causal),
                "jax": lambda causal=causal: jax_attention(causal),
                "torch": lambda causal=causal: torch_attention(causal),
                "torch.compile": lambda causal=causal: torch_attention(causal),
            },
            attention_inputs,
            mode="grad",
            argnums=(0, 1, 2),
            targets={"torch": 1.0},
            compile_targets={},
            extras={}
            if causal
            else {f"temporaries, sequence {n}, MiB": of_length(n) for n in (1024, 4096, 16384)},
            tolerance=100.0,
        )
        for causal in (False, True)
    ),
    Workload(
        "nn/lenet/step",
        {
            "plain": wengert_lenet,
            "jax": jax_lenet,
            "torch": torch_lenet,
            "torch.compile": torch_lenet,
        },
        lenet_inputs,
        mode="step",
        argnums=tuple(range(10)),
        targets={"torch": 1.0},
        compile_targets={},
        tolerance=10.0,
    ),
)
