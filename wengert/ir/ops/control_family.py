"""What the ops with regions share: checks of signatures, and regions put together from others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY, Linear
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


def is_linear(operand: Value | Linear) -> bool:
    """Whether an operand of an equation that is transposed is one that it is linear in."""
    return isinstance(operand, Linear)


def reads(eqns: Iterable[Eqn], outputs: Iterable[Atom]) -> set[Atom]:
    """All that equations and outputs read."""
    return {a for e in eqns for a in e.inputs} | set(outputs)


def fresh(types: Iterable[TensorType]) -> list[Var]:
    """New values of these types."""
    return [Var(t) for t in types]


def emit_loop(
    builder: Builder,
    bounds: tuple[Value, Value],
    consts: Sequence[Value],
    carry: Sequence[Value],
    body: Callable[[Value, list[Value], list[Value]], Sequence[Value]],
    *,
    turns: int | None = None,
    reverse: bool = False,
) -> list[Value]:
    """A for_loop whose body is written by a function of (i, constants, carry)."""
    inner = Builder(location=builder.location)
    index = inner.input(INDEX)
    inputs = [inner.input(v.type) for v in (*consts, *carry)]
    outs = body(index, inputs[: len(consts)], inputs[len(consts) :])
    params: dict[str, Any] = {"symbol": None, "turns": turns, "reverse": reverse}
    params |= {"consts": len(consts), "body": inner.finish(outs)}
    return builder.emit(REGISTRY["for_loop"], [*bounds, *consts, *carry], params)


def write_row(board: Value, value: Value, place: Value) -> Value:
    """`board` with `value` as its row number `place`; the row may be longer than the value."""
    row = value.reshape(shape=(1, *value.shape))
    zeros = [board.builder.literal(0, INT64) for _ in value.shape]
    return board.window_set(row, place, *zeros, steps=(1,) * row.ndim)


def read_row(board: Value, type_: TensorType, place: Value) -> Value:
    """Row number `place` of `board`, a value of this type."""
    zeros = [board.builder.literal(0, INT64) for _ in type_.shape]
    row = board.window(place, *zeros, sizes=(1, *type_.shape), steps=(1,) * board.ndim)
    return row.reshape(shape=type_.shape)


def board_type(turns: int, type_: TensorType) -> TensorType:
    """The type of an array with room for so many values."""
    return TensorType(type_.dtype, (turns, *map(int, type_.shape)))
