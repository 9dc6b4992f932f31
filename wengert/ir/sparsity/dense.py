"""Dense Jacobians by way of colours: the entries are computed as for a sparse one, then placed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.ir.builder import Builder
from wengert.ir.program import Program
from wengert.ir.sparsity.analysis import Analysed
from wengert.ir.sparsity.pattern import Ints, row_numbers
from wengert.ir.types import TensorType


def dense_jacobian(
    program: Program, active: Sequence[bool], rows: int, found: Analysed, mode: str, colours: Ints
) -> Program:
    """As `ir.transforms.jacobian`: all outputs, then Jacobians of the first `rows` of them in each
    active input. `found` is the analysis of the program with these outputs alone."""
    recovery = found.recovery(mode, colours)
    count = int(colours.max(initial=-1)) + 1
    entries = found.program(mode, count, recovery, regular=False)
    builder = Builder()
    primals = [builder.input(t) for t in program.in_types]
    outputs = builder.inline(program, primals)
    fixed = [builder.constant(x) for x in found.fixed(mode, colours, recovery, regular=False)]
    (data,) = builder.inline(entries, [*primals, *fixed])
    pattern = recovery.pattern
    height, width = pattern.shape
    flat = row_numbers(pattern) * width + pattern.indices
    zeros = builder.zeros(TensorType(data.dtype, (height * width,)))
    whole = zeros.scatter_set(data, builder.constant(flat.astype(np.int64)))
    whole = whole.reshape(shape=(height, width))
    ins = [t for t, on in zip(program.in_types, active, strict=True) if on]
    blocks = []
    top = 0
    for out in program.out_types[:rows]:
        left = 0
        for t in ins:
            block = whole.slice(
                start=(top, left), stop=(top + out.size, left + t.size), step=(1, 1)
            )
            blocks.append(block.to(out.dtype).reshape(shape=out.shape + t.shape))
            left += t.size
        top += out.size
    return builder.finish([*outputs, *blocks])
