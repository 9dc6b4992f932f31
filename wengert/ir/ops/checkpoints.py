"""The ops that checkpoints with policies are made of: named, kept and recalled.

`named` is its operand under a name that a policy looks for.

`recalled` is an equation whose results are known: its operands are the results, then what the
equation takes. Its derivative is the equation's own, with the known results for those that a rule
reads, so neither it nor what only leads to it is computed again. It is a program's equation as any
other, so derivatives of any order follow.

`kept(saved, made)` are two ways to the same value: it is `saved`, with the derivative of `made`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY, Op, Sample, linear_in_all, register
from wengert.ir.ops.control_batch import batched_region
from wengert.ir.ops.families import elementwise
from wengert.ir.ops.samples import draw, operands
from wengert.ir.ops.structural_family import in_front
from wengert.ir.program import Atom, Program
from wengert.ir.transforms.jvp import push
from wengert.ir.types import FLOAT32, FLOAT64, ORDERED, TensorType

Tangents = Sequence[Value | None]


def _kept_samples() -> list[Sample]:
    """Their operands would have to be moved together, so derivatives have tests of their own."""
    shapes = ((FLOAT64, (3, 2)), (FLOAT32, (4,)), (FLOAT64, ()))
    arrays = [draw(dtype, shape, -3, 3, 1) for dtype, shape in shapes]
    return [Sample((a, a), {}, differentiable=False) for a in arrays]


def _kept_jvp(
    primals: Sequence[Value], tangents: Tangents, outs: Sequence[Value]
) -> list[Value | None]:
    return [tangents[1]]


def _named_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], **params: Any
) -> list[Value]:
    return [tangents[0]]


elementwise(
    "kept",
    2,
    ORDERED,
    lambda saved, made: np.broadcast_arrays(saved, made)[0],
    lambda s, saved, made: saved,
    jvp=_kept_jvp,
    storage=True,
    samples=_kept_samples,
    parts=lambda saved, made: saved,
    doc="the first operand, with the derivative of the second, which is the same value",
)
elementwise(
    "named",
    1,
    ORDERED,
    lambda x, label: np.asarray(x),
    lambda s, x, label: x,
    params=("label",),
    jvp=_named_jvp,
    linear=linear_in_all,
    transpose=lambda cotangents, inputs, label: [cotangents[0]],
    storage=True,
    samples=operands((-3, 3), dtypes=ORDERED, label="a"),
    parts=lambda x, label: x,
    doc="x, under a name for policies of checkpoints",
)


# recalled


def _infer(*types: TensorType, body: Program) -> tuple[TensorType, ...]:
    return body.out_types


def _evaluate(*arrays: Any, body: Program) -> Any:
    saved = arrays[: len(body.outputs)]
    return saved[0] if len(saved) == 1 else saved


def _jvp(
    primals: Sequence[Value], tangents: Tangents, outs: Sequence[Value], *, body: Program
) -> Sequence[Value | None]:
    count = len(body.outputs)
    given, moving = primals[count:], tangents[count:]
    if all(t is None for t in moving):
        return [None] * count
    if len(body.eqns) != 1 or body.eqns[0].op.joint or body.outputs != body.eqns[0].outputs:
        return push(given[0].builder, body, given, moving)[1]
    (eqn,) = body.eqns
    builder = given[0].builder
    values: dict[Atom, Value] = dict(zip(body.inputs, given, strict=True))
    dots: dict[Atom, Value | None] = dict(zip(body.inputs, moving, strict=True))
    read = [values.get(a) or Value(builder, a) for a in eqn.inputs]
    return eqn.op.rule("jvp")(read, [dots.get(a) for a in eqn.inputs], outs, **eqn.params)


def _batch(values: Sequence[Value], batched: Sequence[bool], size: int, *, body: Program) -> Any:
    count = len(body.outputs)
    region = batched_region(body, batched[count:], [True] * count, size)
    pairs = zip(values, batched, strict=True)
    given = [in_front(v, on, size) if k < count else v for k, (v, on) in enumerate(pairs)]
    return given[0].builder.emit(REGISTRY["recalled"], given, {"body": region}), [True] * count


def _samples() -> list[Sample]:
    builder = Builder()
    x = builder.input(TensorType(FLOAT64, (3,)))
    body = builder.finish([x.tanh()])
    given = draw(FLOAT64, (3,), -3, 3, 1)
    return [Sample((np.tanh(given), given), {"body": body}, differentiable=False)]


register(
    Op(
        name="recalled",
        family="custom",
        params=("body",),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        batch=_batch,
        expand=lambda values, body: values[: len(body.outputs)],
        samples=_samples,
        doc="the results of a program's equation, which are known, with its derivative",
    )
)
