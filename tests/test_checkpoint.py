"""checkpoint and scan's budget: the same derivatives, from less memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import policies
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.program import equations
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


@pytest.mark.slow
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


POLICIES = {
    "nothing": policies.nothing,
    "dots": policies.dots,
    "names": policies.names("activation"),
    "dear": policies.dear(),
    "everything": policies.everything,
    "either": policies.any_of(policies.dots, policies.names("activation")),
}


def residual(x: Any, w: Any) -> Any:
    for _ in (1, 2):
        hidden = wg.checkpoint_name(np.tanh(x @ w), "activation")
        x = np.sin(hidden) @ w + x
    return x


def operations(fun: Callable[..., Any], *args: Any) -> dict[str, int]:
    """How often each operation is in a program after all passes."""
    program = default_pipeline(wg.make_ir(fun)(*args).program)
    return dict(Counter(e.op.name for e in equations(program)))


def test_a_checkpoint_without_derivatives_is_no_loop() -> None:
    x, w = np.ones((4, 4)), np.eye(4)
    kept = losses(wg.checkpoint(layer))
    assert "for_loop" not in operations(kept, x, w)
    assert "for_loop" not in operations(lambda x, w: wg.jvp(kept, (x, w), (x, w)), x, w)
    assert operations(wg.grad(kept), x, w)["for_loop"] >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_policies_do_not_change_derivatives(name: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((40, 30)), rng.standard_normal((30, 30)) / 5
    kept = losses(wg.checkpoint(residual, policy=POLICIES[name]))
    plain = wg.grad(losses(residual), (0, 1))(x, w)
    for slope in (wg.grad(kept, (0, 1)), wg.jit(wg.grad(kept, (0, 1)))):
        for a, b in zip(slope(x, w), plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    small = (x[:2, :3], w[:3, :3])
    second = [wg.hvp(f, small, small)[0] for f in (kept, losses(residual))]
    np.testing.assert_allclose(second[0], second[1], rtol=1e-9, atol=1e-9)


def test_policies_say_what_is_computed_again() -> None:
    """Of two layers: their products and tanh once more, or what is named not at all."""
    x, w = np.ones((40, 30)), np.ones((30, 30)) / 30

    def counts(policy: Any) -> tuple[int, int]:
        def loss(x: Any, w: Any) -> Any:
            return np.sum(wg.checkpoint(residual, policy=policy)(x, w) ** 2)

        found = operations(wg.grad(loss, (0, 1)), x, w)
        return found["dot_general"], found["tanh"]

    derivatives = 8  # of each product two
    assert counts(policies.everything) == (4 + derivatives, 2)
    assert counts(policies.dots) == (4 + derivatives, 4)
    # the first layer's second product is needed for the second layer's input
    assert counts(policies.names("activation")) == (5 + derivatives, 2)
    assert counts(policies.nothing) == counts(None) == (7 + derivatives, 4)
    assert operations(wg.checkpoint(residual, policy=policies.dots), x, w)["dot_general"] == 4


def test_policies_see_operations() -> None:
    seen: list[policies.Operation] = []

    def policy(operation: policies.Operation) -> bool:
        seen.append(operation)
        return policies.dots_without_batch(operation)

    def f(x: Any) -> Any:
        return np.sum(wg.checkpoint_name(np.exp(x @ x), "e") @ np.stack([x, x]))

    wg.testing.check_grads(wg.checkpoint(f, policy=policy), (np.eye(2) + 0.1,), order=1)
    wanted = {"dot_general", "exp", "named", "reduce_sum"}
    assert wanted <= {o.name for o in seen}
    assert {o.label for o in seen} == {None, "e"}
    assert all(o.nbytes == 32 for o in seen if o.name == "exp" and o.shapes == ((2, 2),))


def test_a_policy_that_answers_something_else_is_an_error() -> None:
    for policy, words in ((policies.names, "says True or False"), ("dots", "needs a function")):
        with pytest.raises(TypeError, match=words):
            wg.grad(wg.checkpoint(np.sin, policy=policy))(1.0)  # type: ignore[arg-type]


def test_what_acts_acts_once(capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        wg.debug.print("x is {x}", x=x)
        return np.sin(x) * x

    slope = wg.jit(wg.grad(wg.checkpoint(f, policy=policies.dear())))
    np.testing.assert_allclose(slope(2.0), np.cos(2.0) * 2 + np.sin(2.0))
    assert capfd.readouterr().out.count("x is") == 1
