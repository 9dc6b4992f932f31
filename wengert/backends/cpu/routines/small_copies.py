"""Copies between matrices and vectors with one element of several, for loops over small matrices.

What the loops call in native code is written here as text; run by Python, they call the functions.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.gemm_kernels import (
    VECTORS,
    Kind,
    lane_mask,
    masked_load,
    masked_store,
)
from wengert.backends.cpu.routines.gemm_packing import pack_lines
from wengert.backends.cpu.routines.plain_text import Scalars

_LINES, _ROWS = "wg.small.lines", "wg.small.rows"

GIVEN = {"lines": _LINES, "rows": _ROWS}
"""The symbols of the functions, for `plain_text.module`."""


def lines(
    source: Scalars, stride: int, valid: int, depth: int, to: Scalars, width: int, step: int
) -> None:
    """Copies across: `gemm_packing.pack_lines` in Python."""
    for p in range(depth):
        for i in range(width):
            to[p * step + i] = source[i * stride + p] if i < valid else 0.0


def rows(
    source: Scalars, stride: int, valid: int, depth: int, to: Scalars, width: int, step: int
) -> None:
    """Copies the beginnings of rows: `_copy_rows` in Python."""
    for p in range(depth):
        for i in range(width):
            to[p * step + i] = source[p * stride + i] if i < valid else 0.0


def texts(kind: Kind) -> list[str]:
    """The functions for a kind of numbers."""
    return [pack_lines(kind, f"@{_LINES}"), _copy_rows(kind)]


def _copy_rows(kind: Kind) -> str:
    """to[p * step + i] = from[p * stride + i] for `depth` rows p and `valid` columns i, with zeros
    up to `width`."""
    given = "ptr noalias %from, i64 %stride, i64 %valid, i64 %depth, ptr noalias %to, i64 %width"
    f = Function(f"void @{_ROWS}({given}, i64 %step)", "internal", f"nounwind {VECTORS}")
    with f.loop("%width", kind.lanes) as i:
        here = lane_mask(f, kind, f.op(f"sub i64 %valid, {i}"))
        room = lane_mask(f, kind, f.op(f"sub i64 %width, {i}"))
        with f.loop("%depth") as p:
            source = f.op(f"add i64 {f.op(f'mul i64 {p}, %stride')}, {i}")
            target = f.op(f"add i64 {f.op(f'mul i64 {p}, %step')}, {i}")
            vector = masked_load(f, kind, f.at(kind.scalar, "%from", source), here)
            masked_store(f, kind, vector, f.at(kind.scalar, "%to", target), room)
    f.line("ret void")
    return f.text()
