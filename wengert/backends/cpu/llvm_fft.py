"""Calls of NumPy's Fourier transforms from kernels.

NumPy's transforms are generalised ufuncs, whose inner loops are plain C functions of (addresses,
sizes, strides, data): of an array of rows, a factor, and an array of rows for the results. They
need no Python, and take several rows at a time into vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.cpu.llvm_blas import fortran_constant
from wengert.backends.cpu.llvm_expr import Body
from wengert.kernels.loops import Factorise


def print_transform(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints one call, which transforms all rows of its source."""
    (rows, before), width = call.shapes[0], call.out.buffer.dtype.itemsize
    after = call.count // rows
    name, _, length = call.routine.partition("_")
    pair = 2 * width
    lengths = {
        "c2c": (before // 2, after // 2, pair, pair),
        "r2c": (before, after // 2, width, pair),
        "c2r": (before // 2, after, pair, width),
    }
    inside, outside, step_in, step_out = lengths[name]
    loop = f"{name}{int(length) % 2 if name == 'r2c' else ''}{'d' if width == 8 else 's'}"
    kind = "double" if width == 8 else "float"
    module, source = body.module, call.sources[0]
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
    sizes = _table(body, entry, "i64", [rows, inside, outside])
    steps = [before * width, 0, after * width, step_in, step_out]
    strides = _table(body, entry, "i64", steps)
    given = f"ptr {addresses}, ptr {sizes}, ptr {strides}, ptr {data}"
    body.line(f"call void @fft.{loop}({given})")
    body.forget((body.place(call.out.buffer),))


def _table(body: Body, entry: list[str], kind: str, values: Sequence[object]) -> str:
    """The address of an array of these values on the stack."""
    name = body.fresh("%table")
    entry.append(f"  {name} = alloca [{len(values)} x {kind}]")
    for k, value in enumerate(values):
        place = body.op(f"getelementptr inbounds {kind}, ptr {name}, i64 {k}")
        body.line(f"store {kind} {value}, ptr {place}")
    return name
