"""Kernels over one batch, strip by strip: which are put together, and that nothing changes."""

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.api.compilation import lower_program
from wengert.ir.evaluate import evaluate
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import LoopProgram, Space
from wengert.kernels.scheduling import schedule
from wengert.kernels.staging import gemm
from wengert.kernels.statements import buffers
from wengert.kernels.verify import verify


@pytest.fixture(autouse=True)
def chunks_of_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((schedule, "CHUNK_WORK"), (gemm, "SHARE_WORK"), (gemm, "LARGE_WORK")):
        monkeypatch.setattr(module, name, 1)


def definite(count: int, n: int = 7) -> Any:
    a = np.random.default_rng(n).standard_normal((count, n, n))
    return a @ np.swapaxes(a, 1, 2) + n * np.eye(n)


def lowered(f: Any, *args: Any) -> LoopProgram:
    """The loops of a function, which mean what it means in whatever order strips run."""
    program = wg.jit(f).lower(*args).program
    made = lower_program(program, False)
    verify(made.loops)
    wanted = evaluate(program, args)
    for order in (iter, reversed):
        found = interpret(made.loops, args, made.constants, order)
        for flat, array in zip(found, wanted, strict=True):
            np.testing.assert_allclose(flat, np.ravel(array), rtol=1e-9, atol=1e-9)
    return made.loops


def chain(a: Any) -> Any:
    """A factor, its inverse, and a product, with loops between them."""
    root = np.linalg.cholesky((a + np.swapaxes(a, 1, 2)) * 0.5)
    return np.linalg.solve(root * root, a) @ root


@pytest.mark.slow
@pytest.mark.parametrize("count", [24, 25, 31])
def test_a_chain_over_a_batch_is_one_kernel_and_needs_no_memory(count: int) -> None:
    loops = lowered(lambda a: np.linalg.cholesky(a * 0.5) @ a, definite(count))
    assert len(loops.steps) == 1
    assert loops.arena == 0


@pytest.mark.slow
def test_gradients_of_factors_and_solutions() -> None:
    a = definite(25)
    assert len(lowered(wg.grad(lambda a: np.sum(np.linalg.cholesky(a) ** 3)), a).steps) == 1
    system = wg.grad(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2))
    assert len(lowered(system, a, np.ones((25, 7, 2))).steps) == 1
    # each of the two checks something: the second must not come before all of the first
    assert len(lowered(chain, a).steps) > 1


REACHING = {
    "the batch turned round": lambda x: x[::-1] + x,
    "the next matrix": lambda x: np.roll(x, 1, axis=0) * 2,
    "a sum over the batch": lambda x: x - x.sum(0),
    "a running sum": lambda x: x * np.cumsum(x[:, 0, 0])[:, None, None],
    "the first matrix": lambda x: x * x[:1],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REACHING)
def test_what_reaches_into_other_parts_of_the_batch_waits_for_all_of_it(name: str) -> None:
    loops = lowered(lambda a: REACHING[name](np.linalg.cholesky(a * 2)) @ a, definite(24))
    assert len(loops.steps) > 1


@pytest.mark.slow
def test_results_that_are_also_read_later_keep_their_memory() -> None:
    def f(a: Any) -> Any:
        root = np.linalg.cholesky(a * 2)
        return root, root @ root, np.sum(root * 2)

    loops = lowered(f, definite(24))
    assert {b.space for b in loops.outputs} == {Space.OUTPUT}
    assert any(loops.outputs[0] in buffers(k.body) for k in loops.steps)
