"""Transposition: runs a linear program backwards, and reverse mode built from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.config import config
from wengert.errors import DifferentiationError, located
from wengert.ir.builder import Builder, Value, add_tangents
from wengert.ir.op import Linear
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.transforms.linearize import linearize
from wengert.ir.verify import verify_linear


def transpose(program: Program, residuals: int) -> Program:
    """The transpose of a program that is linear in all inputs after the first `residuals`.

    What the program computes from the residuals alone is computed as it is.

    Inputs: the residuals, then a cotangent for each output. Outputs: a cotangent for each
    linear input.
    """
    builder = Builder()
    known = [builder.input(t) for t in program.in_types[:residuals]]
    cotangents: list[Value | None] = [builder.input(t) for t in program.out_types]
    return builder.finish(pull(builder, program, known, cotangents))


def pull(
    builder: Builder, program: Program, known: Sequence[Value], cotangents: Sequence[Value | None]
) -> list[Value]:
    """Appends the transpose of `program` to `builder`; gives the linear inputs' cotangents."""
    bars = pull_onto(builder, program, known, cotangents, ())
    return [
        builder.zeros(v.type) if bar is None else bar
        for v, bar in zip(program.inputs[len(known) :], bars, strict=True)
    ]


def pull_onto(
    builder: Builder,
    program: Program,
    known: Sequence[Value],
    cotangents: Sequence[Value | None],
    seeds: Sequence[Value | None],
) -> list[Value | None]:
    """As `pull`, on top of `seeds`: what the cotangents of the linear inputs are added to.

    A result is None where it is zero.
    """
    env: dict[Atom, Atom] = dict(zip(program.inputs, [v.atom for v in known], strict=False))
    linear_inputs = program.inputs[len(known) :]
    linear: set[Atom] = set(linear_inputs)
    bar: dict[Atom, Value] = {
        v: seed for v, seed in zip(linear_inputs, seeds, strict=False) if seed is not None
    }
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        if linear.isdisjoint(eqn.inputs):
            _copy_known(builder, eqn, env)
        else:
            linear.update(eqn.outputs)
            eqns.append(eqn)
    for atom, cotangent in zip(program.outputs, cotangents, strict=True):
        _accumulate(bar, linear, atom, cotangent)
    for eqn in reversed(eqns):
        out_bars = [bar.pop(v, None) for v in eqn.outputs]
        if out_bars.count(None) < len(out_bars):
            builder.location = eqn.location
            _pull_eqn(builder, eqn, out_bars, env, linear, bar)
    return [bar.get(v) for v in linear_inputs]


def _accumulate(
    bar: dict[Atom, Value], linear: set[Atom], atom: Atom, cotangent: Value | None
) -> None:
    if cotangent is not None and atom in linear:
        total = add_tangents(bar.get(atom), cotangent)
        assert total is not None
        bar[atom] = total


def _copy_known(builder: Builder, eqn: Eqn, env: dict[Atom, Atom]) -> None:
    fresh = tuple([Var(v.type) for v in eqn.outputs])
    inputs = tuple([env.get(a, a) for a in eqn.inputs])
    builder.eqns.append(Eqn(eqn.op, inputs, fresh, eqn.params, eqn.location))
    env.update(zip(eqn.outputs, fresh, strict=True))


def _pull_eqn(
    builder: Builder,
    eqn: Eqn,
    out_bars: list[Value | None],
    env: dict[Atom, Atom],
    linear: set[Atom],
    bar: dict[Atom, Value],
) -> None:
    unknown = [a in linear for a in eqn.inputs]
    positions = frozenset([i for i, on in enumerate(unknown) if on])
    if not eqn.op.linear(positions):
        error = DifferentiationError(
            f"op '{eqn.op.name}' is not linear in operands {sorted(positions)}, so it cannot be "
            "transposed; what a derivative rule does (defjvp) must be linear in the tangents for "
            "reverse mode"
        )
        raise located(error, eqn.location)
    inputs = [
        Linear(a.type) if on else Value(builder, env.get(a, a))
        for a, on in zip(eqn.inputs, unknown, strict=True)
    ]
    transpose_rule = eqn.op.rule("transpose")
    if eqn.op.accumulates:
        seeds = [
            bar.pop(a, None) if on else None for a, on in zip(eqn.inputs, unknown, strict=True)
        ]
        bars = transpose_rule(out_bars, inputs, seeds=seeds, **eqn.params)
    else:
        bars = transpose_rule(out_bars, inputs, **eqn.params)
    for atom, cotangent in zip(eqn.inputs, bars, strict=True):
        _accumulate(bar, linear, atom, cotangent)


@dataclass(frozen=True, slots=True)
class Vjp:
    """A program of primals and cotangents.

    Inputs: the primals, then cotangents of the active outputs (`out_active`). Outputs: the
    primal outputs, then the cotangents of the active inputs.
    """

    program: Program
    out_active: tuple[bool, ...]


def vjp(program: Program, active: Sequence[bool]) -> Vjp:
    """Reverse mode in one program: linearise, then transpose."""
    split = linearize(program, active)
    if config().verify:
        verify_linear(split.linear, split.residuals)
    builder = Builder(inputs=list(program.inputs), eqns=list(split.primal.eqns))
    results = [Value(builder, a) for a in split.primal.outputs]
    outs, residuals = results[: len(program.outputs)], results[len(program.outputs) :]
    bars: list[Value | None] = [builder.input(t) for t in split.linear.out_types]
    return Vjp(
        builder.finish([*outs, *pull(builder, split.linear, residuals, bars)]), split.out_active
    )
