"""for_each that read one another become one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from loop_programs import for_loop

import wengert as wg
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.op import REGISTRY
from wengert.ir.passes.rows import as_batches, fuse_rows
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, TensorType
from wengert.ir.verify import verify


def real(*shape: int) -> TensorType:
    return TensorType(FLOAT64, shape)


def rows(builder: Builder, consts: list[Value], mapped: list[Value]) -> list[Value]:
    """Two results of each row."""
    inner = Builder()
    known = [inner.input(v.type) for v in consts]
    own = [inner.input(v.type.with_shape(v.shape[1:])) for v in mapped]
    outs = for_loop(inner, 0, 3, known, own, lambda i, c, k: [(k[0] + c[0]).sin(), *k[1:]])
    body = inner.finish([outs[0], outs[0] + own[-1]])
    params = {"body": body, "consts": len(consts), "size": mapped[0].shape[0]}
    return builder.emit(REGISTRY["for_each"], [*consts, *mapped], params)


def check(program: Program, count: int) -> None:
    changed = fuse_rows(program)
    verify(changed)
    assert sum(e.op.name == "for_each" for e in changed.eqns) == count
    rng = np.random.default_rng(0)
    args = [rng.standard_normal(t.shape) for t in program.in_types]
    for x, y in zip(evaluate(program, args), evaluate(changed, args), strict=True):
        np.testing.assert_allclose(y, x)


def test_a_second_pass_over_rows_joins_the_first() -> None:
    builder = Builder()
    c, d, x, z = [builder.input(real(*s)) for s in ((3,), (3,), (5, 3), (5, 3))]
    one, two = rows(builder, [c], [x])
    other = two.sin()  # read by others, too
    late = z * d.broadcast(shape=(5, 3), dims=(1,))  # made between them
    three, four = rows(builder, [d], [one, late])
    check(builder.finish([three, four, other]), 1)


@pytest.mark.parametrize("mapped", [False, True])
def test_what_waits_for_all_rows_stays_behind(mapped: bool) -> None:
    builder = Builder()
    c, x = builder.input(real(3)), builder.input(real(5, 3))
    one, two = rows(builder, [c], [x])
    total = two.reduce_sum(axes=(0,))
    if mapped:
        results = rows(builder, [c], [one, total.broadcast(shape=(5, 3), dims=(1,))])
    else:
        results = rows(builder, [total], [one])
    check(builder.finish(results), 2)


@pytest.mark.slow
def test_examples_apart_are_rows() -> None:
    """vmap(apart=True) gives what vmap gives, in all modes, as a for_each."""

    def f(x: Any, w: Any) -> Any:
        return np.tanh(x @ w).sum(axis=0)

    x, w = np.random.default_rng(1).standard_normal((2, 3, 3, 3))
    for axes in ((0, None), (2, 0), (None, 1)):
        given = [a[0] if axis is None else a for a, axis in zip((x, w), axes, strict=True)]

        def loss(*xs: Any, apart: bool, axes: Any = axes) -> Any:
            return np.sum(wg.vmap(f, axes, out_axes=1, apart=apart)(*xs) ** 2)

        mine, plain = (
            wg.jit(wg.value_and_grad(partial(loss, apart=apart), (0, 1)))(*given)
            for apart in (True, False)
        )
        for found, wanted in zip(wg.tree_leaves(mine), wg.tree_leaves(plain), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)
        names = [e.op.name for e in wg.make_ir(partial(loss, apart=True))(*given).program.eqns]
        assert "for_each" in names and "tanh" not in names


def test_rows_of_plain_operations_become_a_batch() -> None:
    """For devices: all but a row with a loop in it."""

    def f(x: Any, w: Any) -> Any:
        plain = wg.vmap(lambda x, w: (np.tanh(x @ w), w), (0, None), apart=True)(x, w)
        looped = wg.vmap(lambda x: wg.fori_loop(0, 3, lambda i, s: np.sin(s), x), apart=True)(x)
        return plain, looped

    args = np.random.default_rng(2).standard_normal((2, 3, 3, 3))
    program = wg.make_ir(f)(args[0], args[1][0]).program
    changed = as_batches(program)
    verify(changed)
    assert sum(e.op.name == "for_each" for e in changed.eqns) == 1
    given = [args[0], args[1][0]]
    for x, y in zip(evaluate(program, given), evaluate(changed, given), strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-12)
