"""Calls of NumPy's Fourier transforms from kernels.

NumPy's transforms are generalised ufuncs, whose inner loops are plain C functions of (addresses,
sizes, strides, data): of an array of rows, a factor, and an array of rows for the results. They
need no Python, and take several rows at a time into vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.cpu.llvm.blas import fortran_constant
from wengert.backends.cpu.llvm.expr import Body
from wengert.ir.forms import Transform
from wengert.kernels.loops import Factorise


def print_transform(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints one call, which transforms all rows of its source."""
    routine, width = Transform.named(call.routine), call.out.buffer.dtype.itemsize
    source = call.sources[0]
    sizes, steps = _layout(routine, call, width)
    parity = routine.n % 2 if routine.kind == "r2c" else ""
    loop = f"{routine.kind}{parity}{'d' if width == 8 else 's'}"
    kind = "double" if width == 8 else "float"
    module = body.module
    data = f"@fftdata.{loop}"
    module.helpers[data] = f"{data} = external global i8"
    module.declare(f"@fft.{loop}", "void", "ptr, ptr, ptr, ptr")
    addresses = _table(
        body,
        entry,
        "ptr",
        [
            body.address(source.buffer, body.value(source.offset)),
            fortran_constant(module, kind, "1.0"),
            body.address(call.out.buffer, body.value(call.out.offset)),
        ],
    )
    numbers = _table(body, entry, "i64", sizes)
    strides = _table(body, entry, "i64", steps)
    given = f"ptr {addresses}, ptr {numbers}, ptr {strides}, ptr {data}"
    body.line(f"call void @fft.{loop}({given})")
    body.forget((body.place(call.out.buffer),))


def _layout(routine: Transform, call: Factorise, width: int) -> tuple[list[int], list[int]]:
    """How many transforms there are, their lengths, and the strides in bytes.

    The strides are those from one transform to the next of source, factor and result, then from
    one number to the next of source and result.
    """
    numbers = (width * routine.pair_before, width * routine.pair_after)
    lines = (width * call.sources[0].row, width * call.out.row)
    # a single column has the name of a row, but is not as long as one
    if routine.inner == 1 and call.shapes[0][1] == routine.row_before:
        sizes = [call.shapes[0][0], routine.before, routine.after]
        return sizes, [lines[0], 0, lines[1], *numbers]
    sizes = [routine.inner, routine.before, routine.after]
    return sizes, [numbers[0], 0, numbers[1], *lines]


def _table(body: Body, entry: list[str], kind: str, values: Sequence[object]) -> str:
    """The address of an array of these values on the stack."""
    name = body.fresh("%table")
    entry.append(f"  {name} = alloca [{len(values)} x {kind}]")
    for k, value in enumerate(values):
        place = body.op(f"getelementptr inbounds {kind}, ptr {name}, i64 {k}")
        body.line(f"store {kind} {value}, ptr {place}")
    return name
