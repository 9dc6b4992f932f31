"""Checkpoints: a program whose values are computed again in the reverse sweep, not kept.

With a policy some values are kept after all. Then the program is there twice: once as it is,
without derivatives, giving its outputs and the chosen values; and once for derivatives alone, where
each chosen value is `recalled` from the first. What only leads to it is not computed again, and
nothing else of the second is computed where there are no derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import INT64, TensorType

Choice = Callable[[Eqn], bool]

COMPUTED_AGAIN = -1
"""The budget of a loop of which there is another one that computes the same again, for derivatives:
the two must share nothing. Any other loop of one turn may be written out."""


def checkpointed(
    builder: Builder, program: Program, inputs: Sequence[Value], budget: int = 0
) -> list[Value]:
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
        "checkpoint": budget,
        "consts": len(inputs),
        "body": body,
    }
    bounds = [Value(builder, Literal(k, INT64)) for k in (0, 1)]
    blank = [builder.zeros(t) for t in program.out_types]
    return builder.emit(REGISTRY["for_loop"], [*bounds, *inputs, *blank], params)


def selectively_checkpointed(
    builder: Builder, program: Program, inputs: Sequence[Value], choice: Choice
) -> list[Value]:
    """The same, where the outputs of equations of `choice` are kept too.

    Equations that act (`debug.print`) do so once, and their results are kept. Of a name its operand
    is kept, as what made it may need it for its own derivative.
    """
    saved = _saved(program, choice)
    first = Program(program.inputs, program.eqns, (*program.outputs, *saved))
    # a loop without derivatives is not taken apart, so nothing is shared with what is made again
    stopped = [v.stop_gradient() if v.type.is_float else v for v in inputs]
    results = checkpointed(builder, first, stopped, COMPUTED_AGAIN)
    count = len(program.outputs)
    again = checkpointed(builder, _resumed(program, saved), [*inputs, *results[count:]])
    return [x.kept(y) for x, y in zip(results[:count], again, strict=True)]


def _saved(program: Program, choice: Choice) -> tuple[Var, ...]:
    made: dict[Atom, Eqn] = {v: e for e in program.eqns for v in e.outputs}
    found: dict[Var, None] = {}
    for eqn in program.eqns:
        if eqn.op.effect or choice(eqn):
            source = made.get(eqn.inputs[0]) if eqn.op.name == "named" else eqn
            found |= dict.fromkeys(source.outputs if source is not None else ())
    return tuple(found)


def _alone(eqn: Eqn) -> Program:
    """The program of one equation, with an input for each operand."""
    inputs = tuple([Var(a.type) for a in eqn.inputs])
    outputs = tuple([Var(v.type) for v in eqn.outputs])
    return Program(inputs, (Eqn(eqn.op, inputs, outputs, eqn.params, eqn.location),), outputs)


def _resumed(program: Program, saved: Sequence[Var]) -> Program:
    """The program, its last inputs being the values that are saved."""
    builder = Builder(inputs=list(program.inputs))
    given = {v: builder.input(v.type) for v in saved}
    env: dict[Atom, Atom] = {}
    for eqn in program.eqns:
        if eqn.op.effect:
            env |= {v: given[v].atom for v in eqn.outputs}
            continue
        operands = [Value(builder, env.get(a, a)) for a in eqn.inputs]
        builder.location = eqn.location
        if eqn.outputs[0] in given:
            known = [given[v] for v in eqn.outputs]
            made = builder.emit(REGISTRY["recalled"], [*known, *operands], {"body": _alone(eqn)})
        else:
            made = builder.emit(eqn.op, operands, eqn.params)
        env |= {v: value.atom for v, value in zip(eqn.outputs, made, strict=True)}
    return builder.finish([Value(builder, env.get(a, a)) for a in program.outputs])
