"""Collectives in LLVM text: a call of the C function of `collectives.py`."""

from __future__ import annotations

from wengert.backends.cpu.collectives import ABANDON, buffers_of, text_of
from wengert.backends.cpu.llvm.expr import Body, Module
from wengert.kernels.loops import Communicate

SYMBOL = "world.communicate"


def print_collective(body: Body, entry: list[str], statement: Communicate) -> str:
    """Prints the call; the name of its status, which is 0 unless it failed."""
    buffers = buffers_of(statement)
    table = body.fresh("%addresses")
    entry.append(f"  {table} = alloca [{max(1, len(buffers))} x ptr]")
    for k, buffer in enumerate(buffers):
        slot = body.op(f"getelementptr inbounds ptr, ptr {table}, i64 {k}")
        body.line(f"store ptr {body.pointers[buffer]}, ptr {slot}")
    text = _constant(body.module, text_of(statement))
    status = body.op(f"call i64 @{SYMBOL}(ptr {text}, ptr {table})")
    body.forget([body.place(b) for b in buffers])
    return status


def abandoning(module: Module) -> tuple[str, str]:
    """The function, and the text for it, that wait for collectives in flight."""
    return f"@{SYMBOL}", _constant(module, ABANDON)


def _constant(module: Module, text: str) -> str:
    """The address of a text that ends with a zero."""
    module.declare(f"@{SYMBOL}", "i64", "ptr, ptr", " nounwind")
    name = f"@wg.text.{text}".replace('"', "")
    name = f'@"{name[1:]}"'
    size = len(text.encode()) + 1
    module.helpers[name] = f'{name} = internal constant [{size} x i8] c"{text}\\00"'
    return name
