"""Products that leave loops: the same results, fewer and larger products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_programs import for_loop, integer

import wengert as wg
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.passes.products import products
from wengert.ir.program import Program, equations
from wengert.ir.types import FLOAT64, TensorType
from wengert.ir.verify import verify

TURNS, M, K = 7, 40, 30
PLAIN: dict[str, Any] = {"contract": ((1,), (0,)), "batch": ((), ())}
OUTER: dict[str, Any] = {"contract": ((), ()), "batch": ((), ())}


def real(*shape: int) -> TensorType:
    return TensorType(FLOAT64, shape)


def recurrence(reverse: bool, reads_sum: bool = False) -> Program:
    """h = sin(W @ x[i] + h); A += outer(h, x[i])."""

    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        row = c[1].window(i, integer(i, 0), sizes=(1, K), steps=(1, 1)).reshape(shape=(K,))
        h = (c[0].dot_general(row, **PLAIN) + k[0]).sin()
        if reads_sum:
            h = h + k[1].reduce_sum(axes=(1,))
        return [h, k[1] + h.dot_general(row, **OUTER)]

    builder = Builder()
    types = (real(M, K), real(TURNS + 2, K), real(M), real(M, K))
    w, x, h, a = [builder.input(t) for t in types]
    loop = for_loop(builder, 1, TURNS + 1, [w, x], [h, a], turn, reverse=reverse)
    return builder.finish(loop)


def inside(program: Program) -> int:
    """How many products stand in loops."""
    everywhere = sum(e.op.name == "dot_general" for e in equations(program))
    return everywhere - sum(e.op.name == "dot_general" for e in program.eqns)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("reads_sum", [False, True])
def test_the_same_results(reverse: bool, reads_sum: bool) -> None:
    program = recurrence(reverse, reads_sum)
    changed = products(program)
    verify(changed)
    rng = np.random.default_rng(0)
    args = [rng.standard_normal(t.shape) for t in program.in_types]
    for x, y in zip(evaluate(program, args), evaluate(changed, args), strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-12, atol=1e-12)
    assert inside(program) == 2
    assert inside(changed) == (1 if reads_sum else 0), "a sum that turns read stays"


def test_sums_of_outer_products_written_as_broadcasts() -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        row = c[0].window(i, integer(i, 0), sizes=(1, K), steps=(1, 1)).reshape(shape=(K,))
        h = (k[0] + row.reduce_sum(axes=(0,)).broadcast(shape=(M,), dims=())).sin()
        across, down = row.broadcast(shape=(K, M), dims=(0,)), h.broadcast(shape=(K, M), dims=(1,))
        return [h, k[1] + across * down]

    builder = Builder()
    x, h, a = [builder.input(t) for t in (real(TURNS, K), real(M), real(K, M))]
    program = builder.finish(for_loop(builder, 0, TURNS, [x], [h, a], turn))
    changed = products(program)
    verify(changed)
    rng = np.random.default_rng(0)
    args = [rng.standard_normal(t.shape) for t in program.in_types]
    for before, after in zip(evaluate(program, args), evaluate(changed, args), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12)
    assert any(e.op.name == "dot_general" for e in changed.eqns)


def test_small_products_stay() -> None:
    def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
        row = c[1].window(i, integer(i, 0), sizes=(1, 3), steps=(1, 1)).reshape(shape=(3,))
        return [k[0] + c[0].dot_general(row, **PLAIN)]

    builder = Builder()
    w, x, h = [builder.input(t) for t in (real(3, 3), real(9, 3), real(3))]
    program = builder.finish(for_loop(builder, 0, 9, [w, x], [h], turn))
    assert inside(products(program)) == 1


def test_full_products_of_rows_stay_in_their_loops() -> None:
    """Blocks of scores of a for_each; those of one row alone still come before the loop."""

    def rows(x: Any) -> Any:
        def turn(j: Any, total: Any) -> Any:
            return total + np.exp(x[:64] @ x[64 * j : 64 * j + 64].T)

        return wg.fori_loop(0, 16, turn, np.zeros((64, 64)))

    x = np.zeros((2, 1024, 32))
    for function, stay in ((wg.vmap(rows), 1), (lambda x: rows(x[0]), 0)):
        program = products(wg.make_ir(function)(x).program)
        assert inside(program) == stay


def halves(x: Any) -> Any:
    return np.swapaxes(x.reshape(80, 2, 40), 0, 1)


PARTS: dict[str, Any] = {
    "columns": (lambda x: (x[:, 5:35], x[:30, 40:75]), 0),
    "transposed": (lambda x: (x[3:33].T, x[40:70]), 0),
    "every other": (lambda x: (x[::2, :30], x[10:40, ::2]), 1),
    "reversed": (lambda x: (x[::-1, :30], x[:30, :40]), 1),
    "halves as a batch": (lambda x: (halves(x), np.swapaxes(halves(x), 1, 2)), 0),
    "halves in a row": (lambda x: (halves(x), x[:40, :50]), 1),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_arrays_are_operands_where_they_stand(name: str) -> None:
    """The library reads them there if one of their strides is 1, and else gets a copy."""
    operands, copies = PARTS[name]
    x = np.random.default_rng(1).standard_normal((80, 80))

    def f(x: Any) -> Any:
        a, b = operands(x)
        return a @ b

    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-12, atol=1e-12)
    assert wg.jit(f).lower(x).kernels.count("kernel map") == copies


def test_operands_are_read_before_they_are_written_over() -> None:
    def f(x: Any) -> Any:
        x = x.copy()
        before = x[:40, :40]
        product = before @ x[:40, 40:]
        x[:40, :40] = 1.0
        return product @ x[:40, :40], before.sum()

    x = np.random.default_rng(2).standard_normal((80, 80))
    product = x[:40, :40] @ x[:40, 40:] @ np.ones((40, 40))
    np.testing.assert_allclose(wg.jit(f)(x)[0], product, rtol=1e-12)
