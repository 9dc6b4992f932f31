"""Matrix products: calls from kernels of wengert's own (`gemm_text.py`), or of a BLAS.

Ours needs vectors of 512 bits with masks. A BLAS runs on our threads instead of its own: with
threads of its own it would fight ours for the cores, since both wait by spinning. So while a
program that calls a BLAS runs, the BLAS is told to use one thread (`runtime_text.py`), and the
loops around the calls are spread over ours.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.expr import Body, Module
from wengert.backends.cpu.routines import gemm_text
from wengert.kernels.loops import Gemm, Matrix


def print_gemm(body: Body, entry: list[str], call: Gemm) -> None:
    """Prints one product."""
    if body.module.target.masks and call.k:
        _own(body, call)
    else:
        _blas(body, entry, call)
    body.forget((body.place(call.out.buffer),))


def _own(body: Body, call: Gemm) -> None:
    """Calls the product that is compiled for this machine."""
    kind = gemm_text.F64 if call.out.buffer.dtype.itemsize == 8 else gemm_text.F32
    name = f"@{gemm_text.name(kind)}"
    body.module.declare(name, "void", gemm_text.PARAMETERS)
    operands = [f"i64 {body.value(call.m)}", f"i64 {call.n}", f"i64 {call.k}"]
    for matrix in (call.lhs, call.rhs):
        strides = f"i64 {matrix.row}, i64 {matrix.column}"
        operands.append(f"ptr {_address(body, matrix)}, {strides}")
    operands.append(f"ptr {_address(body, call.out)}, i64 {call.out.row}")
    body.line(f"call void {name}({', '.join(operands)})")


def _blas(body: Body, entry: list[str], call: Gemm) -> None:
    """Calls a BLAS, which is column-major: out.T = rhs.T @ lhs.T."""
    module = body.module
    precision, kind = ("d", "double") if call.out.buffer.dtype.itemsize == 8 else ("s", "float")
    rows = body.fresh("%rows")
    entry.append(f"  {rows} = alloca i64")
    body.line(f"store i64 {body.value(call.m)}, ptr {rows}")
    right_flag, right_step = _layout(call.rhs, call.k, call.n)
    left_flag, left_step = _layout(call.lhs, call.m.attr if call.m.is_const else 1, call.k)
    arguments = [
        fortran_constant(module, "i8", ord(right_flag)),
        fortran_constant(module, "i8", ord(left_flag)),
        fortran_constant(module, "i64", call.n),
        rows,
        fortran_constant(module, "i64", call.k),
        fortran_constant(module, kind, "1.0"),
        _address(body, call.rhs),
        fortran_constant(module, "i64", max(1, right_step)),
        _address(body, call.lhs),
        fortran_constant(module, "i64", max(1, left_step)),
        fortran_constant(module, kind, "0.0"),
        _address(body, call.out),
        fortran_constant(module, "i64", max(1, call.out.row)),
    ]
    name = f"@blas.{precision}gemm"
    module.declare(name, "void", ", ".join(["ptr"] * len(arguments)))
    body.line(f"call void {name}({', '.join('ptr ' + a for a in arguments)})")


def _layout(matrix: Matrix, rows: int, columns: int) -> tuple[str, int]:
    """BLAS's flag and leading dimension, at least the length of a line, for the transpose."""
    if matrix.column == 1:
        return "N", max(matrix.row, columns)
    return "T", max(matrix.column, rows)


def _address(body: Body, matrix: Matrix) -> str:
    return body.address(matrix.buffer, body.value(matrix.offset))


def fortran_constant(module: Module, kind: str, value: object) -> str:
    """The address of a constant, as Fortran wants its arguments."""
    name = f"@wg.{kind}.{str(value).replace('.', '_').replace('-', 'm')}"
    module.helpers[name] = f"{name} = internal constant {kind} {value}"
    return name
