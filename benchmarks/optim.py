"""Optimisers: the update of many parameters in place, and an epoch of training.

Each tool does it as its users would: PyTorch by torch.optim on lists of tensors, JAX by optax in
one jitted function with donated buffers, wengert by wg.optim in one, likewise. Parameters and state
stay with the tool from call to call, so a call is one update, or one epoch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.workload import Function, Workload

RATE = 1e-3
ARRAYS, SIZE = 100, 100_000
ROWS, WIDTHS, BATCH = 1437, (64, 128, 64, 10), 64  # scikit-learn's digits, less a fifth


@dataclass
class InPlace:
    """A function that keeps what it changes: `start(*inputs)` gives one without arguments."""

    start: Callable[..., Any]
    running: Any = field(default=None)

    def __call__(self, *inputs: Any) -> Any:
        if self.running is None:
            self.running = self.start(*inputs)
        return self.running()


@dataclass
class Updates:
    """Repeated updates by a compiled function (params, state, gradients) -> (params, state)."""

    update: Any
    params: Any
    state: Any
    gradients: Any

    def __call__(self) -> Any:
        self.params, self.state = self.update(self.params, self.state, self.gradients)
        return self.params

    def lower(self) -> Any:
        return self.update.lower(self.params, self.state, self.gradients)


def halves(inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The parameters and their gradients."""
    count = len(inputs) // 2
    return list(inputs[:count]), list(inputs[count:])


def compiled_update(module: Any, optimizer: Any, apply_updates: Function) -> Function:
    def update(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = optimizer.update(gradients, state, params)
        return apply_updates(params, updates), state

    return module.jit(update, donate_argnums=(0, 1))


def adam_wengert() -> Function:
    import wengert as wg

    def start(*inputs: Any) -> Updates:
        params, gradients = halves(inputs)
        optimizer = wg.optim.adam(RATE)
        update = compiled_update(wg, optimizer, wg.optim.apply_updates)
        return Updates(update, [p.copy() for p in params], optimizer.init(params), gradients)

    return InPlace(start)


def adam_optax() -> Function:
    import jax
    import optax

    def start(*inputs: Any) -> Updates:
        params, gradients = halves(inputs)
        optimizer = optax.adam(RATE)
        update = compiled_update(jax, optimizer, optax.apply_updates)
        own = [jax.numpy.array(p) for p in params]
        return Updates(update, own, optimizer.init(own), gradients)

    return InPlace(start)


def adam_torch() -> Function:
    import torch

    def start(*inputs: Any) -> Function:
        params, gradients = halves(inputs)
        own = [p.clone() for p in params]
        for p, g in zip(own, gradients, strict=True):
            p.grad = g
        optimizer = torch.optim.Adam(own, RATE, foreach=True)

        def update() -> Any:
            optimizer.step()
            return own

        return update

    return InPlace(start)


def adam_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    count, size = (3, 50) if tiny else (ARRAYS, SIZE)
    return tuple(rng.standard_normal(size).astype(np.float32) for _ in range(2 * count))


def copy_bandwidth(nbytes: int) -> float:
    """Bytes per second that two threads read and write when they copy so many."""
    source = np.ones(nbytes // 8)
    target = np.ones_like(source)
    best = float("inf")
    for _ in range(7):
        parts = zip(np.array_split(source, 2), np.array_split(target, 2), strict=True)
        threads = [threading.Thread(target=np.copyto, args=(t, s)) for s, t in parts]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = min(best, time.perf_counter() - start)
    return 2 * nbytes / best


def share_of_copy(make: Callable[[], Function], inputs: Sequence[Any]) -> float:
    """The bandwidth of the update, 4 arrays read and 3 written, in % of that of a copy."""
    update = make()
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        update(*inputs)
        taken.append(time.perf_counter() - start)
    moved = 7 * sum(x.nbytes for x in inputs[: len(inputs) // 2])
    whole = 2 * sum(x.nbytes for x in inputs)  # with the moments: as much memory as the copy's
    return 100 * moved / min(taken[2:]) / copy_bandwidth(whole // 2)


def compile_seconds(make: Callable[[], Function], inputs: Sequence[Any]) -> float:
    """The seconds from a new Python function to native code."""
    update = make()
    assert isinstance(update, InPlace)
    start = time.perf_counter()
    update.start(*inputs).lower().compile()
    return time.perf_counter() - start


# an epoch of training


def network(ns: Any) -> Function:
    def loss(params: Any, images: Any, labels: Any) -> Any:
        *inner, weights, biases = params
        for w, b in zip(inner[::2], inner[1::2], strict=True):
            images = ns.maximum(images @ w + b, 0.0)
        logits = images @ weights + biases
        shifted = logits - ns.max(logits, axis=1, keepdims=True)
        total = ns.log(ns.sum(ns.exp(shifted), axis=1))
        return ns.mean(total - shifted[ns.arange(labels.shape[0]), labels])

    return loss


def batches(images: Any, labels: Any) -> list[tuple[Any, Any]]:
    order = np.random.default_rng(0).permutation(len(labels))
    parts = [order[k : k + BATCH] for k in range(0, len(order) - BATCH + 1, BATCH)]
    return [(images[p], labels[p]) for p in parts]


def compiled_epoch(module: Any, loss: Function, optimizer: Any, apply_updates: Function) -> Any:
    def step(params: Any, state: Any, images: Any, labels: Any) -> Any:
        value, gradients = module.value_and_grad(loss)(params, images, labels)
        updates, state = optimizer.update(gradients, state, params)
        return apply_updates(params, updates), state, value

    return module.jit(step, donate_argnums=(0, 1))


@dataclass
class Epochs:
    """Epochs by a compiled step; an epoch gives the mean loss, as one number."""

    step: Any
    params: Any
    state: Any
    images: Any
    labels: Any

    def __call__(self) -> Any:
        total = 0.0
        parts = batches(self.images, self.labels)
        for images, labels in parts:
            self.params, self.state, value = self.step(self.params, self.state, images, labels)
            total += float(value)
        return np.float32(total / len(parts))


def epoch_wengert() -> Function:
    import wengert as wg

    def start(images: Any, labels: Any, *params: Any) -> Epochs:
        optimizer = wg.optim.adam(RATE)
        step = compiled_epoch(wg, network(np), optimizer, wg.optim.apply_updates)
        own = [p.copy() for p in params]
        return Epochs(step, own, optimizer.init(own), images, labels)

    return InPlace(start)


def epoch_optax() -> Function:
    import jax
    import optax

    def start(images: Any, labels: Any, *params: Any) -> Epochs:
        optimizer = optax.adam(RATE)
        step = compiled_epoch(jax, network(jax.numpy), optimizer, optax.apply_updates)
        own = [jax.numpy.array(p) for p in params]
        # batches are drawn in NumPy, as loaders do
        return Epochs(step, own, optimizer.init(own), np.asarray(images), np.asarray(labels))

    return InPlace(start)


def epoch_torch() -> Function:
    import torch

    def loss(params: Any, images: Any, labels: Any) -> Any:
        *inner, weights, biases = params
        for w, b in zip(inner[::2], inner[1::2], strict=True):
            images = torch.relu(images @ w + b)
        return torch.nn.functional.cross_entropy(images @ weights + biases, labels)

    def start(images: Any, labels: Any, *params: Any) -> Function:
        own = [p.clone().requires_grad_() for p in params]
        optimizer = torch.optim.Adam(own, RATE)

        def epoch() -> Any:
            total = 0.0
            parts = batches(images, labels)
            for x, y in parts:
                optimizer.zero_grad()
                value = loss(own, x, y)
                value.backward()
                optimizer.step()
                total += float(value.detach())
            return np.float32(total / len(parts))

        return epoch

    return InPlace(start)


def epoch_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    rows = 2 * BATCH if tiny else ROWS
    images = rng.uniform(0, 1, (rows, WIDTHS[0])).astype(np.float32)
    params: list[np.ndarray] = []
    for fan_in, fan_out in pairwise(WIDTHS):
        weights = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2.0 / fan_in)
        params += [weights.astype(np.float32), np.zeros(fan_out, np.float32)]
    return (images, rng.integers(0, WIDTHS[-1], rows), *params)


WORKLOADS = (
    Workload(
        "adam/100x100000",
        {"plain": adam_wengert, "optax": adam_optax, "torch": adam_torch},
        adam_inputs,
        mode="as_is",
        targets={"optax": 2.0, "torch": 2.0},
        extras={"bandwidth, % of a copy's": share_of_copy, "compile, s": compile_seconds},
    ),
    Workload(
        "digits/epoch",
        {"plain": epoch_wengert, "optax": epoch_optax, "torch": epoch_torch},
        epoch_inputs,
        mode="as_is",
        targets={"optax": 2.0, "torch": 3.0},
        tolerance=100.0,
    ),
)
