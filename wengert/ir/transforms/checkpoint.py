"""Checkpoints: a program whose values are computed again in the reverse sweep, not kept."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Literal, Program, Var
from wengert.ir.types import INT64, TensorType


def checkpointed(builder: Builder, program: Program, inputs: Sequence[Value]) -> list[Value]:
    """Appends `program` applied to `inputs`; its derivatives keep nothing but the inputs.

    It becomes a loop of one turn that may keep no byte (`checkpoint`), whose constants are the
    inputs; what it carries is only there to be replaced by the outputs.
    """
    index = Var(TensorType(INT64, ()))
    unread = [Var(t) for t in program.out_types]
    body = Program((index, *program.inputs, *unread), program.eqns, program.outputs)
    params = {
        "symbol": None,
        "turns": 1,
        "reverse": False,
        "checkpoint": 0,
        "consts": len(inputs),
        "body": body,
    }
    bounds = [Value(builder, Literal(k, INT64)) for k in (0, 1)]
    blank = [builder.zeros(t) for t in program.out_types]
    return builder.emit(REGISTRY["for_loop"], [*bounds, *inputs, *blank], params)
