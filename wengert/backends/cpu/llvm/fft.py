"""Calls of Fourier transforms from kernels: wengert's own (`fourier_text.py`), or NumPy's.

Ours are for complex numbers, lengths of small factors, and transforms enough to fill vectors.
NumPy's transforms are generalised ufuncs, whose inner loops are plain C functions of (addresses,
sizes, strides, data): of an array of rows, a factor, and an array of rows for the results. They
need no Python, and take several rows at a time into vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.backends.cpu import fourier_plans
from wengert.backends.cpu.llvm.blas import fortran_constant
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.routines import fourier_halves, fourier_text
from wengert.ir.forms import Transform
from wengert.ir.scalar import Expr
from wengert.kernels.fourier import LANES, is_smooth
from wengert.kernels.loops import Factorise, Matrix

MOST = 1 << 16
"""The longest transforms of ours: vectors of longer ones leave all caches, and take much memory."""


def print_transform(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints one call, which transforms all rows of its source."""
    routine = Transform.named(call.routine)
    count = call.shapes[0][0] if _is_of_lines(routine, call) else routine.inner
    lanes = LANES[call.out.buffer.dtype.itemsize]
    many = 2 * count >= lanes and body.module.target.vector
    if routine.kind == "c2c" and many and is_smooth(routine.n) and routine.n <= MOST:
        _print_own(body, call, routine, count)
    else:
        _numpys(body, entry, call)
    body.forget((body.place(call.out.buffer),))


def _print_own(body: Body, call: Factorise, routine: Transform, count: int) -> None:
    """Calls the transform that is compiled for this machine."""
    rows = call.sources[0].row, call.out.row
    of_lines = _is_of_lines(routine, call)
    mode = fourier_text.LINES if of_lines else fourier_text.COLUMNS
    places = [
        f"i64 {mode}, ptr {_address(body, x)}, "
        + (f"i64 {row}, i64 2" if of_lines else f"i64 2, i64 {row}")
        for x, row in zip(call.matrices[::-1], rows, strict=True)
    ]
    _call(body, call, fourier_plans.name(call.out.buffer.dtype, routine.n), count, "0", places)


def print_step(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints one of the steps of long transforms."""
    kind, _, sizes = call.routine.partition("_")
    if kind in ("halves", "pairs"):
        _print_halves(body, call, int(sizes), kind == "pairs")
        return
    p, q = (int(x) for x in sizes.split("x"))
    assert call.first is not None
    dtype, first = call.out.buffer.dtype, body.value(call.first)
    given, wanted = (f"ptr {_address(body, x)}" for x in call.matrices[::-1])
    lanes = LANES[dtype.itemsize]
    if kind == "columns":
        given = f"i64 {fourier_text.COLUMNS}, {given}, i64 2, i64 {call.sources[0].row}"
        wanted = f"i64 {fourier_text.STRIPS}, {wanted}, i64 {2 * lanes}, i64 {call.out.row}"
        count, plan = call.shapes[0][1] // 2, fourier_plans.name(dtype, p, p * q)
    else:
        given = f"i64 {fourier_text.STRIPS}, {given}, i64 {2 * q}, i64 0"
        wanted = f"i64 {fourier_text.COLUMNS}, {wanted}, i64 2, i64 {call.out.row}"
        count, plan = call.out_shape[1] // 2, fourier_plans.name(dtype, q)
    _call(body, call, plan, count, first, [given, wanted])
    body.forget((body.place(call.out.buffer),))


def _print_halves(body: Body, call: Factorise, n: int, back: bool) -> None:
    """Prints what leads from pairs to the transform of real numbers, or back."""
    assert call.first is not None
    dtype, count = call.out.buffer.dtype, call.out_shape[1] // 2
    kind = fourier_halves.F64 if dtype.itemsize == 8 else fourier_halves.F32
    symbol = f"@{fourier_halves.name(kind)}"
    body.module.declare(symbol, "void", fourier_halves.PARAMETERS)
    first = body.value(call.first)
    source = _address(body, call.sources[0])
    # outputs are counted from the first one of the row
    start = replace(call.out, offset=body.module.builder.sub(call.out.offset, _floats(body, call)))
    target = _address(body, start)
    table = _plan(body, fourier_plans.name(dtype, 2, n))
    body.line(
        f"call void {symbol}(ptr {table}, i64 {n // 2}, i64 {first}, i64 {count}, "
        f"i1 {str(back).lower()}, ptr {source}, ptr {target})"
    )
    body.forget((body.place(call.out.buffer),))


def _floats(body: Body, call: Factorise) -> Expr:
    """How many come before the first one."""
    assert call.first is not None
    return body.module.builder.mul(call.first, 2)


def _plan(body: Body, name: str) -> str:
    """The address of a plan."""
    table = f"@fftplan.{name}"
    body.module.helpers[table] = f"{table} = external global i8"
    return table


def _call(
    body: Body, call: Factorise, plan: str, count: int, first: str, places: Sequence[str]
) -> None:
    kind = fourier_text.F64 if call.out.buffer.dtype.itemsize == 8 else fourier_text.F32
    symbol, table = f"@{fourier_text.name(kind)}", _plan(body, plan)
    body.module.declare(symbol, "void", fourier_text.PARAMETERS)
    body.line(f"call void {symbol}(ptr {table}, i64 {count}, i64 {first}, {', '.join(places)})")


def _address(body: Body, matrix: Matrix) -> str:
    return body.address(matrix.buffer, body.value(matrix.offset))


def _is_of_lines(routine: Transform, call: Factorise) -> bool:
    """Whether rows are transforms: a single column has the name of a row, but is not as long."""
    return routine.inner == 1 and call.shapes[0][1] == routine.row_before


def _numpys(body: Body, entry: list[str], call: Factorise) -> None:
    """Calls NumPy's transform."""
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


def _layout(routine: Transform, call: Factorise, width: int) -> tuple[list[int], list[int]]:
    """How many transforms there are, their lengths, and the strides in bytes.

    The strides are those from one transform to the next of source, factor and result, then from
    one number to the next of source and result.
    """
    numbers = (width * routine.pair_before, width * routine.pair_after)
    lines = (width * call.sources[0].row, width * call.out.row)
    if _is_of_lines(routine, call):
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
