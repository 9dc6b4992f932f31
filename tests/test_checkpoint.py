"""checkpoint and scan's budget: the same derivatives, from less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.lower import lower


def layer(x: Any, w: Any) -> Any:
    for _ in range(3):
        x = np.sin(x @ w) + np.exp(-x * x)
    return x


def memory(fun: Callable[..., Any], *args: Any) -> int:
    """The bytes of temporaries of a compiled function."""
    program = wg.make_ir(fun)(*args).program
    return lower(default_pipeline(program)).loops.arena


def losses(step: Callable[..., Any]) -> Callable[..., Any]:
    def loss(x: Any, w: Any) -> Any:
        for _ in (1, 2, 3, 4):  # a tuple, whose loop stays Python
            x = step(x, w)
        return np.sum(x * x)

    return loss


@pytest.mark.slow
def test_the_same_value_and_derivatives() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 4)), 0.3 * rng.standard_normal((4, 4))
    plain, kept = losses(layer), losses(wg.checkpoint(layer))
    np.testing.assert_allclose(wg.jit(kept)(x, w), plain(x, w))
    for transform in (lambda f: wg.grad(f, (0, 1)), lambda f: wg.hvp(f, (x, w), (x, w))):
        one, two = transform(plain), transform(kept)
        if callable(one):
            one, two = wg.jit(one)(x, w), wg.jit(two)(x, w)
        for a, b in zip(wg.tree_leaves(one), wg.tree_leaves(two), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


def test_closures_and_concrete_arguments() -> None:
    scale = np.float64(2.0)

    def outer(y: float) -> Any:
        inner = wg.checkpoint(lambda x, n: np.sin(x * y) * n)
        return inner(y, 3) * scale

    wg.testing.check_grads(outer, (0.7,), order=2)
    assert wg.checkpoint(outer)(0.7) == outer(0.7)


def test_a_checkpoint_keeps_less() -> None:
    x, w = np.ones((200, 50)), np.ones((50, 50)) / 50
    plain = memory(wg.grad(losses(layer)), x, w)
    assert memory(wg.grad(losses(wg.checkpoint(layer))), x, w) < 0.7 * plain


@pytest.mark.parametrize("turns", [30, 97])
def test_a_budget_bounds_the_tape_of_a_scan(turns: int) -> None:
    x = np.linspace(0.0, 1.0, 500)

    def loss(x: Any, budget: int | None = None) -> Any:
        def step(c: Any, _: None) -> Any:
            c = np.sin(c) + 0.1 * c * c
            return c, None

        return np.sum(wg.scan(step, x, None, length=turns, checkpoint=budget)[0])

    budget = 10 * x.nbytes
    plain = wg.jit(wg.grad(loss))(x)
    np.testing.assert_allclose(wg.jit(wg.grad(lambda x: loss(x, budget)))(x), plain, rtol=1e-12)
    assert memory(wg.grad(lambda x: loss(x, budget)), x) < 2 * budget
    assert memory(wg.grad(loss), x) > turns * x.nbytes
