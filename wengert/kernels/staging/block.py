"""What is handed from a program to the regions inside it, and back, while they are lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.ir.program import Program, Var
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import Symbol
from wengert.kernels.loops import Buffer, Failure, Space, Stmt
from wengert.kernels.staging.pull import Reader

Array = np.ndarray[Any, Any]

# Values inside loops that are no larger than this, in bytes, live on the stack.
LOCAL_SIZE = 4_096


@dataclass(slots=True)
class Context:
    """What all blocks of one program share.

    `block` lowers the region of a loop or branch to statements. With `grid` the program is for a
    grid of threads: loops stay whole, maths functions are the device's own, and regions that call a
    library are run by the host.
    """

    s: ScalarBuilder
    block: Callable[[Context, Program, Inputs], Block]
    grid: bool = False
    failures: list[Failure] = field(default_factory=list[Failure])
    constants: list[tuple[Buffer, Array]] = field(default_factory=list[tuple[Buffer, Array]])


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the inputs of a block are, and where its values are to live.

    Each input is in `buffers`, or `bound` says how to read its elements. Those in `mutable` may be
    overwritten. `symbols` are the loop indices that dimensions depend on. Values larger than
    `LOCAL_SIZE` bytes go to `space`. Loops may be spread over `threads` unless one around them is.
    On a grid, the statements of a block whose `steps` is set may be launches of their own.
    """

    buffers: Mapping[Var, Buffer]
    bound: Mapping[Var, Reader]
    mutable: frozenset[Var]
    symbols: Mapping[Symbol, Expr]
    space: Space
    threads: bool = True
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """The statements of a region, and the buffers that then hold its outputs."""

    body: tuple[Stmt, ...]
    outputs: tuple[Buffer, ...]
