"""for_each that read one another become one."""

from __future__ import annotations

import numpy as np
import pytest
from loop_programs import for_loop

from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.op import REGISTRY
from wengert.ir.passes.rows import fuse_rows
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
