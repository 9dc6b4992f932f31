"""What a turn of a loop puts on tape: values, and truth values eight to a byte.

Comparisons of arrays are often all that a reverse sweep needs of a turn (`minimum`, `where`), and
of a large array even single bytes of them fill the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.control_family import read_row, write_row
from wengert.ir.program import Atom, Var
from wengert.ir.types import BOOL, TensorType

_PACKED = 256
"""From this many elements on, arrays of truth values share bytes."""
_BITS = 8
_BYTE = np.dtype(np.uint8)

Group = tuple[Var, ...]


def groups(taped: Sequence[Var]) -> list[Group]:
    """The values to be stored, those together that share a tape."""
    alone: list[Group] = []
    shared: dict[TensorType, list[Var]] = {}
    for var in taped:
        if var.type.dtype == BOOL and var.type.is_static and var.type.size >= _PACKED:
            shared.setdefault(var.type, []).append(var)
        else:
            alone.append((var,))
    packs = [
        tuple(found[k : k + _BITS])
        for found in shared.values()
        for k in range(0, len(found), _BITS)
    ]
    return [*alone, *packs]


def row_type(group: Group) -> TensorType:
    """The type of what is stored at a turn."""
    first = group[0].type
    return first if len(group) == 1 else first.with_dtype(_BYTE)


def write(board: Value, group: Group, place: Value) -> Value:
    """The tape with the values of a turn."""
    builder = board.builder
    value = Value(builder, group[0])
    if len(group) > 1:
        value = _bit(value, 0)
        for k, var in enumerate(group[1:], 1):
            value = value.bitor(_bit(Value(builder, var), k))
    return write_row(board, value, place)


def _bit(value: Value, k: int) -> Value:
    literal = value.builder.literal
    return value.select(literal(1 << k, _BYTE), literal(0, _BYTE))


def read(board: Value, group: Group, place: Value) -> dict[Atom, Atom]:
    """What the values of a turn are called that was written to the tape."""
    row = read_row(board, row_type(group), place)
    if len(group) == 1:
        return {group[0]: row.atom}
    return {v: row.bitand(1 << k).ne(0).atom for k, v in enumerate(group)}


__all__ = ["Group", "groups", "read", "row_type", "write"]
