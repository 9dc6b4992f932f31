"""Structured control flow: for_loop, while_loop, branch, for_each.

Their params hold programs, the regions. What a region reads from outside is an operand: constants
come first, then what is carried from turn to turn. Arrays are values here as everywhere; the
lowering updates carried arrays in place where the old version is not needed any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.evaluate import binding, evaluate
from wengert.ir.forms import Region
from wengert.ir.op import Op, register
from wengert.ir.program import Program
from wengert.ir.types import BOOL, INT64, Symbol, TensorType

Array = np.ndarray[Any, Any]
Types = tuple[TensorType, ...]
INDEX = TensorType(INT64, ())


def _check_region(name: str, what: str, region: Program, takes: Types, gives: Types) -> None:
    """Raises ShapeError or DTypeError unless `region` has this signature."""
    for kind, found, wanted in (
        ("takes", region.in_types, takes),
        ("gives", region.out_types, gives),
    ):
        if tuple(found) != tuple(wanted):
            listed = [", ".join(map(str, types)) for types in (found, wanted)]
            error = ShapeError if len(found) != len(wanted) else DTypeError
            raise error(f"{name}: the {what} {kind} ({listed[0]}), but should ({listed[1]})")


def _check_index(name: str, what: str, found: TensorType) -> None:
    if found != INDEX:
        raise DTypeError(f"{name}: {what} must be int64[], got {found}")


# for_loop


def _for_infer(
    start: TensorType,
    stop: TensorType,
    *operands: TensorType,
    body: Program,
    consts: int,
    symbol: Symbol | None,
    reverse: bool,
    turns: int | None,
) -> Types:
    _check_index("for_loop", "the start", start)
    _check_index("for_loop", "the stop", stop)
    carry = operands[consts:]
    _check_region("for_loop", "body", body, (INDEX, *operands), carry)
    return carry


def _for_evaluate(
    start: Any,
    stop: Any,
    *operands: Any,
    body: Program,
    consts: int,
    symbol: Symbol | None,
    reverse: bool,
    turns: int | None,
) -> Any:
    known, carry = operands[:consts], list(operands[consts:])
    indices = range(int(start), int(stop))
    for i in reversed(indices) if reverse else indices:
        with binding(symbol, i):
            carry = evaluate(body, [np.int64(i), *known, *carry])
    return carry[0] if len(carry) == 1 else carry


for_loop = register(
    Op(
        name="for_loop",
        family="control",
        params=("symbol", "turns", "reverse", "consts", "body"),
        infer=_for_infer,
        evaluate=_for_evaluate,
        form=lambda types, **params: Region("for_loop"),
        doc="carry = body(i, *consts, *carry) for i = start, ..., stop-1, or down from there. "
        "Operands: start, stop, then `consts` constants, then the carry. `symbol` stands for i in "
        "dimensions; `turns` is an upper bound of stop - start, or None.",
    )
)


# while_loop


def _while_infer(*operands: TensorType, cond: Program, body: Program, consts: int) -> Types:
    carry = operands[consts:]
    _check_region("while_loop", "condition", cond, operands, (TensorType(BOOL, ()),))
    _check_region("while_loop", "body", body, operands, carry)
    return carry


def _while_evaluate(*operands: Any, cond: Program, body: Program, consts: int) -> Any:
    known, carry = operands[:consts], list(operands[consts:])
    while evaluate(cond, [*known, *carry])[0]:
        carry = evaluate(body, [*known, *carry])
    return carry[0] if len(carry) == 1 else carry


while_loop = register(
    Op(
        name="while_loop",
        family="control",
        params=("cond", "body", "consts"),
        infer=_while_infer,
        evaluate=_while_evaluate,
        form=lambda types, **params: Region("while_loop"),
        doc="carry = body(*consts, *carry) while cond(*consts, *carry). Operands: `consts` "
        "constants, then the carry.",
    )
)


# branch


def _branch_infer(index: TensorType, *operands: TensorType, branches: tuple[Program, ...]) -> Types:
    _check_index("branch", "the index", index)
    if not branches:
        raise ShapeError("branch: there are no branches")
    gives = branches[0].out_types
    for number, region in enumerate(branches):
        _check_region("branch", f"branch {number}", region, operands, gives)
    return gives


def _branch_evaluate(index: Any, *operands: Any, branches: tuple[Program, ...]) -> Any:
    outs = evaluate(branches[int(index)], operands)
    return outs[0] if len(outs) == 1 else outs


branch = register(
    Op(
        name="branch",
        family="control",
        params=("branches",),
        infer=_branch_infer,
        evaluate=_branch_evaluate,
        form=lambda types, **params: Region("branch"),
        doc="branches[index](*operands), where index is in range; an `if` has the branches "
        "(else, then).",
    )
)


# for_each


def _each_infer(*operands: TensorType, body: Program, consts: int, size: int) -> Types:
    mapped = operands[consts:]
    if any(not t.ndim or t.shape[0] != size for t in mapped):
        listed = ", ".join(map(str, mapped))
        raise ShapeError(f"for_each: mapped operands need a first axis of {size}, got {listed}")
    rows = tuple(t.with_shape(t.shape[1:]) for t in mapped)
    _check_region("for_each", "body", body, (*operands[:consts], *rows), body.out_types)
    return tuple(t.with_shape((size, *t.shape)) for t in body.out_types)


def _each_evaluate(*operands: Any, body: Program, consts: int, size: int) -> Any:
    known, mapped = operands[:consts], operands[consts:]
    rows = [evaluate(body, [*known, *(x[i] for x in mapped)]) for i in range(size)]
    outs: Sequence[Any] = [
        np.asarray([row[k] for row in rows], t.dtype).reshape(size, *np.shape(rows[0][k]))
        if rows
        else np.zeros((0, *t.shape), t.dtype)
        for k, t in enumerate(body.out_types)
    ]
    return outs[0] if len(outs) == 1 else outs


for_each = register(
    Op(
        name="for_each",
        family="control",
        params=("body", "consts", "size"),
        infer=_each_infer,
        evaluate=_each_evaluate,
        form=lambda types, **params: Region("for_each"),
        doc="body(*consts, *row) for each row of the mapped operands, independently of one "
        "another; results are stacked. Operands: `consts` constants, then the mapped ones, whose "
        "first axis has `size` rows.",
    )
)
