"""Loop programs as LLVM text.

Each kernel becomes one function whose pointer parameters are marked `noalias`, so that loops
vectorise without run-time checks. A kernel that is one parallel loop becomes a function of the
chunk number. Kernels that differ in nothing but their buffers (the updates of many parameters, the
layers of a network) are one function, called several times. The exported main function

    i64 wengert_main(ptr arguments, ptr arena, ptr failure)

takes a table of the addresses of inputs, constants and outputs, in this order, and returns
non-zero after a failed check, with the code plus one and the value in `failure`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wengert.backends.cpu import llvm_calls
from wengert.backends.cpu.llvm_expr import Module, Target
from wengert.backends.cpu.llvm_print import KernelPrinter
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.loops import LoopProgram


def print_program(
    program: LoopProgram, expand: Callable[[ScalarBuilder, Expr], Expr], target: Target
) -> str:
    """The LLVM text of a loop program."""
    module = Module(target, expand)
    functions: list[str] = []
    known: dict[str, str] = {}  # by their text apart from names
    main = llvm_calls.Main(program)
    for step in program.steps:
        name = f"kernel{len(functions)}"
        printer = KernelPrinter(module, main.layout, step, name)
        first, parts = len(module.metadata), len(module.parts)
        text = printer.text()
        if len(module.parts) == parts:  # no functions of its own besides
            name = known.setdefault(nameless(text, module.metadata[first:], name, first), name)
        if name == printer.name:
            functions.append(text)
        else:
            del module.metadata[first:]
        chunks = printer.chunks
        if chunks is None:
            main.kernel(module, name, printer.groups, printer.checks)
        elif chunks:
            main.parallel(module, name, printer.groups, printer.checks, chunks)
    functions.append(main.text(module))
    parts = [
        *module.declarations.values(),
        *module.helpers.values(),
        *module.parts,
        *functions,
        *module.metadata,
    ]
    return "\n".join(parts)


def nameless(text: str, metadata: Sequence[str], name: str, first: int) -> str:
    """A function's text without its name, and with its metadata numbered from `first`."""

    def relative(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"!+{number - first}" if number >= first else found[0]

    whole = "\n".join((text.replace(f"@{name}(", "@(", 1), *metadata))
    return re.sub(r"!(\d+)", relative, whole)
