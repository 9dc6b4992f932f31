"""Who does what on a grid: threads with memory of their own, rows beside sums over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus_laws import Scalar
from law_backends import grid, lowered_for_grid
from program_laws import assert_same_results
from test_corpus import CASES

import wengert as wg
from wengert.api.compilation import real_pipeline
from wengert.ir.evaluate import evaluate
from wengert.ir.ops.control_batch import own_threads
from wengert.ir.program import Program
from wengert.kernels.grid import own_memory, partial, turns
from wengert.kernels.loops import Loop

RNG = np.random.default_rng(5)
STEPS = 9


def walk(x: Any) -> Any:
    for k in range(STEPS):
        x = x + 0.1 * np.sin(x) * k
    return x


def smoothed(x: Any) -> Any:
    """Each turn has an array of its own."""
    y = np.cumsum(x) * x
    for _ in range(STEPS):
        y = np.cumsum(np.sin(y))
    return y[-1]


def kinds(program: Program) -> list[str]:
    """How the outermost loop of each launch runs; "" where there is none."""
    first = [k.body[0] for k in lowered_for_grid(program).loops.steps]
    return [str(st.kind) if isinstance(st, Loop) else "" for st in first]


@pytest.mark.slow
@pytest.mark.parametrize("by_teams", [False, True])
@pytest.mark.parametrize("count", [33])
def test_threads_have_tapes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, by_teams: bool, count: int
) -> None:
    """Each takes several turns; all of them together have no more than so many tapes."""
    monkeypatch.setattr(turns, "PRIVATE_BYTES", 8)
    monkeypatch.setattr(own_memory, "PRIVATE_BYTES", 8)
    monkeypatch.setattr(own_memory, "THREADS", 8)
    monkeypatch.setattr(own_memory, "TEAMS", 8)
    monkeypatch.setattr(own_memory, "FEWEST", 2)
    shape = (count, 40) if by_teams else (count,)
    fun, x = smoothed if by_teams else walk, RNG.normal(size=shape)
    with own_threads():
        program = wg.make_ir(wg.vmap(wg.grad(fun)))(x).program
    real = real_pipeline(program)
    assert_same_results(grid(real, [x]), evaluate(program, [x]), program)
    assert set(kinds(real)) <= {"grid", "block"}


def test_each_of_a_batch_has_a_thread_on_a_gpu_alone() -> None:
    x = np.zeros(100)
    f = wg.jit(wg.vmap(walk), backend="cuda")
    assert "grid for i0 in 0 : 100" in f.lower(x).kernels
    g = wg.jit(lambda x: inner(x))
    inner = wg.jit(wg.vmap(walk))
    h = wg.jit(lambda x: inner(x) * 2, backend="cuda")
    h.lower(x)
    assert "size=100" in str(h.lower(x).ir) and "size=100" not in str(g.lower(x).ir)


def softmax_loss(x: Any, w: Any, gain: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True) * w).sum()


def norm_loss(x: Any, w: Any, gain: Any) -> Any:
    y = x - x.mean(1, keepdims=True)
    return (y / np.sqrt((y * y).mean(1, keepdims=True) + 1e-5) * gain * w).sum()


@pytest.mark.parametrize("loss", [softmax_loss, norm_loss])
def test_a_loss_beside_the_gradient_of_rows(monkeypatch: pytest.MonkeyPatch, loss: Any) -> None:
    monkeypatch.setattr(partial, "CHUNKS", 4)
    args = [*RNG.normal(size=(2, 12, 40)), RNG.normal(size=40)]
    program = real_pipeline(wg.make_ir(wg.value_and_grad(loss, (0, 2)))(*args).program)
    assert_same_results(grid(program, args), evaluate(program, args), program)
    steps = lowered_for_grid(program).loops.steps
    assert "block" in kinds(program) and not any(k.wide for k in steps)


def test_constants_count_but_for_multiples_of_rows() -> None:
    """x[(9 - k) * n + i] and x[k * n + i]: turns of i share nothing, though far apart."""

    def turned(x: Any) -> Any:
        y = x.copy()
        for k in range(5):
            y[9 - k] = y[9 - k] + np.sin(y[k])
        return y

    x = RNG.normal(size=(10, 40))
    program = real_pipeline(wg.make_ir(turned)(x).program)
    assert_same_results(grid(program, [x]), evaluate(program, [x]), program)


def test_arrays_near_by_are_no_turn_s_own() -> None:
    """A small array that all turns carry, with as many uses around the loop as in it."""
    (case,) = [c for c in CASES if c.name == "lu_by_outer_products"]
    scalar = Scalar.of(case, 0)
    slope = wg.grad(scalar.function())
    program = real_pipeline(wg.make_ir(lambda x: slope(x, scalar.rest))(scalar.point).program)
    args = wg.tree_leaves(scalar.point)
    assert_same_results(grid(program, args), evaluate(program, args), program)
