"""The gradient of a long short-term memory over a thousand steps, one sequence at a time."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Function, Workload

STEPS = 1000


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm(w_input, w_state, bias, inputs, wanted):
    """The mean squared distance between the states and those wanted."""
    n = w_state.shape[0]
    state, cell = np.zeros_like(wanted[0]), np.zeros_like(wanted[0])
    loss = 0.0
    for t in range(inputs.shape[0]):
        gates = inputs[t] @ w_input + state @ w_state + bias
        keep, write, show = sigmoid(gates[:n]), sigmoid(gates[n : 2 * n]), sigmoid(gates[3 * n :])
        cell = keep * cell + write * np.tanh(gates[2 * n : 3 * n])
        state = show * np.tanh(cell)
        loss += np.mean((state - wanted[t]) ** 2)
    return loss / inputs.shape[0]


def jax_lstm() -> Function:
    import jax
    import jax.numpy as jnp

    def f(w_input, w_state, bias, inputs, wanted):
        n = w_state.shape[0]

        def turn(carry, at):
            state, cell = carry
            x, goal = at
            gates = x @ w_input + state @ w_state + bias
            keep, write = jax.nn.sigmoid(gates[:n]), jax.nn.sigmoid(gates[n : 2 * n])
            show = jax.nn.sigmoid(gates[3 * n :])
            cell = keep * cell + write * jnp.tanh(gates[2 * n : 3 * n])
            state = show * jnp.tanh(cell)
            return (state, cell), jnp.mean((state - goal) ** 2)

        start = jnp.zeros(n, w_state.dtype), jnp.zeros(n, w_state.dtype)
        return jnp.mean(jax.lax.scan(turn, start, (inputs, wanted))[1])

    return f


def torch_lstm() -> Function:
    """PyTorch's own LSTM, which has the gates in another order."""
    import torch

    def f(w_input, w_state, bias, inputs, wanted):
        n = w_state.shape[0]
        order = torch.cat([torch.arange(n, 2 * n), torch.arange(n), torch.arange(2 * n, 4 * n)])
        parameters = (w_input.T[order], w_state.T[order], bias[order])
        module = torch.nn.LSTM(n, n, dtype=w_state.dtype)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        given = dict(zip(names, (*parameters, torch.zeros_like(bias)), strict=True))
        states, _ = torch.func.functional_call(module, given, (inputs,))
        return ((states - wanted) ** 2).mean()

    return f


def sequence(width: int, dtype: str):
    def make_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
        steps, n = (8, 4) if tiny else (STEPS, width)
        weights = rng.standard_normal((2, n, 4 * n)) / np.sqrt(n)
        bias = np.zeros(4 * n)
        series = rng.standard_normal((2, steps, n))
        return tuple(
            each.astype(dtype) for each in (weights[0], weights[1], bias, series[0], series[1])
        )

    return make_inputs


WORKLOADS = tuple(
    Workload(
        f"loops/lstm/gradient/{width}/{dtype}",
        {"plain": lambda: lstm, "jax": jax_lstm, "torch": torch_lstm},
        sequence(width, dtype),
        mode="grad",
        argnums=(0, 1, 2),
        targets={"jax": target},
        compile_targets={},
        tolerance=100.0,
    )
    for width, dtype, target in ((16, "float64", 4), (128, "float32", 1.5))
)
