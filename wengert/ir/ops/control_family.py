"""What the ops with regions share: checks of signatures, and regions put together from others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Builder, Value
from wengert.ir.op import Linear
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.transforms.jvp import jvp
from wengert.ir.types import INT64, TensorType

Types = tuple[TensorType, ...]
Tangents = Sequence[Value | None]
INDEX = TensorType(INT64, ())


def check_region(name: str, what: str, region: Program, takes: Types, gives: Types) -> None:
    """Raises ShapeError or DTypeError unless `region` has this signature."""
    for kind, found, wanted in (
        ("takes", region.in_types, takes),
        ("gives", region.out_types, gives),
    ):
        if tuple(found) != tuple(wanted):
            listed = [", ".join(map(str, types)) for types in (found, wanted)]
            error = ShapeError if len(found) != len(wanted) else DTypeError
            raise error(f"{name}: the {what} {kind} ({listed[0]}), but should ({listed[1]})")


def check_index_type(name: str, what: str, found: TensorType) -> None:
    """Raises DTypeError unless `found` is int64[]."""
    if found != INDEX:
        raise DTypeError(f"{name}: {what} must be int64[], got {found}")


def chosen(items: Iterable[Any], flags: Iterable[bool], on: bool = True) -> list[Any]:
    """Those items whose flag is `on`."""
    return [item for item, flag in zip(items, flags, strict=True) if flag is on]


def with_tangents(region: Program, marks: Sequence[bool], outs: Sequence[bool]) -> Program:
    """(inputs, tangents of the marked ones) -> (outputs, tangents of the outputs in `outs`)."""
    pushed = jvp(region, marks)
    builder = Builder(list(pushed.program.inputs), list(pushed.program.eqns))
    count = len(region.outputs)
    found = iter(pushed.program.outputs[count:])
    values = [Value(builder, a) for a in pushed.program.outputs[:count]]
    for atom, has, wanted in zip(region.outputs, pushed.out_active, outs, strict=True):
        tangent = Value(builder, next(found)) if has else None
        if wanted:
            values.append(builder.zeros(atom.type) if tangent is None else tangent)
    return builder.finish(values)


def with_inputs(program: Program, order: Sequence[int]) -> Program:
    """`program` with its inputs in another order, or only some if it does not read the others."""
    return Program(tuple([program.inputs[i] for i in order]), program.eqns, program.outputs)


def or_zeros(builder: Builder, value: Value | None, type_: TensorType) -> Value:
    """`value`, or zeros if it is None."""
    return builder.zeros(type_) if value is None else value


def values_of(builder: Builder, atoms: Iterable[Atom]) -> list[Value]:
    """Handles on atoms."""
    return [Value(builder, a) for a in atoms]


def is_linear(operand: Value | Linear) -> bool:
    """Whether an operand of an equation that is transposed is one that it is linear in."""
    return isinstance(operand, Linear)


def reads(eqns: Iterable[Eqn], outputs: Iterable[Atom]) -> set[Atom]:
    """All that equations and outputs read."""
    return {a for e in eqns for a in e.inputs} | set(outputs)


def fresh(types: Iterable[TensorType]) -> list[Var]:
    """New values of these types."""
    return [Var(t) for t in types]
