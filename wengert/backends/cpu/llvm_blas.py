"""Matrix products: calls of a BLAS from kernels, on our threads instead of its own.

A BLAS with threads of its own would fight ours for the cores: both wait by spinning. So while a
program with matrix products runs, the BLAS is told to use one thread, and the loops around the
calls are spread over ours. Programs may run at the same time; the last one to end gives the BLAS
its threads back.

Cells of `wengert_runtime`: 4 counts the programs that run, 5 holds the BLAS's own thread count.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm_expr import Body, Module
from wengert.kernels.loops import Gemm, Matrix

RUNTIME = "wengert_runtime"

_CELL = f"getelementptr inbounds (i64, ptr @{RUNTIME}, i64 %s)"
BEGIN = f"""define internal void @wg.blas.begin() nounwind {{
  %before = atomicrmw add ptr {_CELL % 4}, i64 1 seq_cst
  %threads = call i32 @blasthreads.get()
  %many = icmp sgt i32 %threads, 1
  br i1 %many, label %set, label %done
set:
  %kept = sext i32 %threads to i64
  store atomic i64 %kept, ptr {_CELL % 5} seq_cst, align 8
  call void @blasthreads.set(i32 1)
  br label %done
done:
  ret void
}}
"""
END = f"""define internal void @wg.blas.end() nounwind {{
  %before = atomicrmw sub ptr {_CELL % 4}, i64 1 seq_cst
  %last = icmp eq i64 %before, 1
  br i1 %last, label %check, label %done
check:
  %kept = load atomic i64, ptr {_CELL % 5} seq_cst, align 8
  %many = icmp sgt i64 %kept, 1
  br i1 %many, label %set, label %done
set:
  %threads = trunc i64 %kept to i32
  call void @blasthreads.set(i32 %threads)
  br label %done
done:
  ret void
}}
"""


def declare_thread_control(module: Module) -> None:
    """What `@wg.blas.begin` and `@wg.blas.end` need."""
    module.declare("@blasthreads.get", "i32", "")
    module.declare("@blasthreads.set", "void", "i32")
    module.helpers["@wg.blas.begin"] = BEGIN
    module.helpers["@wg.blas.end"] = END


def print_gemm(body: Body, entry: list[str], call: Gemm) -> None:
    """Prints one product; BLAS is column-major: out.T = rhs.T @ lhs.T."""
    module = body.module
    precision, kind = ("d", "double") if call.out.buffer.dtype.itemsize == 8 else ("s", "float")
    rows = body.fresh("%rows")
    entry.append(f"  {rows} = alloca i64")
    body.line(f"store i64 {body.value(call.m)}, ptr {rows}")
    right_flag, right_step = _layout(call.rhs, call.k, call.n)
    left_flag, left_step = _layout(call.lhs, call.m.attr if call.m.is_const else 1, call.k)
    arguments = [
        _constant(module, "i8", ord(right_flag)),
        _constant(module, "i8", ord(left_flag)),
        _constant(module, "i64", call.n),
        rows,
        _constant(module, "i64", call.k),
        _constant(module, kind, "1.0"),
        _address(body, call.rhs),
        _constant(module, "i64", max(1, right_step)),
        _address(body, call.lhs),
        _constant(module, "i64", max(1, left_step)),
        _constant(module, kind, "0.0"),
        _address(body, call.out),
        _constant(module, "i64", max(1, call.out.row)),
    ]
    name = f"@blas.{precision}gemm"
    module.declare(name, "void", ", ".join(["ptr"] * len(arguments)))
    body.line(f"call void {name}({', '.join('ptr ' + a for a in arguments)})")
    body.forget((body.place(call.out.buffer),))


def _layout(matrix: Matrix, rows: int, columns: int) -> tuple[str, int]:
    """BLAS's flag and leading dimension, at least the length of a line, for the transpose."""
    if matrix.column == 1:
        return "N", max(matrix.row, columns)
    return "T", max(matrix.column, rows)


def _address(body: Body, matrix: Matrix) -> str:
    return body.address(matrix.buffer, body.value(matrix.offset))


def _constant(module: Module, kind: str, value: object) -> str:
    """The address of a constant, as Fortran wants its arguments."""
    name = f"@wg.{kind}.{str(value).replace('.', '_').replace('-', 'm')}"
    module.helpers[name] = f"{name} = internal constant {kind} {value}"
    return name
