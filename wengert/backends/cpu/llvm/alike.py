"""Kernels that differ in nothing but which buffers they use: what is the same of them.

Loops that were written out, such as the time steps of a network, give hundreds of kernels of a few
forms. One that has the form of an earlier one need not be printed to find that its text is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.backends.cpu.llvm.calls import Group
from wengert.ir.scalar import Expr, Index
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Declare,
    If,
    Kernel,
    Loop,
    Register,
    Store,
    While,
)

Clusters = Sequence[Sequence[Buffer]]

LEAST = 16  # kernels, for a program in which it is worth looking

_PARTS: dict[type, tuple[str, ...]] = {
    Loop: ("index", "start", "stop", "kind", "body"),
    Store: ("buffer", "offset", "value"),
    Declare: ("register", "init"),
    Assign: ("register", "value"),
    Accumulate: ("register", "combine", "value"),
    If: ("condition", "then", "otherwise"),
    While: ("before", "condition", "body"),
    Check: ("condition", "code", "value"),
    Index: ("extent", "stop"),
    Buffer: ("dtype", "size", "space", "packed"),
    Register: ("dtype",),
    Expr: ("op", "dtype", "attr", "args"),
}
"""What a statement or node consists of, in the order in which it is looked at."""

_SHARED = (Expr, Index, Buffer, Register)  # by identity, and numbered where they are met first


class UnknownForm(Exception):
    """A kernel with a statement that is not looked into: calls of libraries, messages."""


def form(kernel: Kernel, groups: Sequence[Group], clusters: Clusters) -> tuple[Any, ...]:
    """What the text of a kernel depends on, besides its name.

    `groups` and `clusters` say which of its buffers share a pointer, and which overlap.
    """
    numbers: dict[int, int] = {}
    found: list[Any] = []
    stack: list[Any] = [kernel.body]
    while stack:
        x = stack.pop()
        if isinstance(x, tuple):
            found.append(len(x))  # pyright: ignore[reportUnknownArgumentType]
            stack.extend(reversed(x))  # pyright: ignore[reportUnknownArgumentType]
            continue
        parts = _PARTS.get(type(x))
        if parts is None:
            found.append(_plain(x))
            continue
        if isinstance(x, _SHARED):
            number = numbers.get(id(x))
            if number is not None:
                found.append(number)
                continue
            numbers[id(x)] = len(numbers)
        found.append(type(x))
        stack.extend([getattr(x, name) for name in reversed(parts)])
    for group in groups:
        found += [group.exclusive, *(numbers[id(b)] for b in group.buffers)]
    found += [tuple([numbers[id(b)] for b in cluster]) for cluster in clusters]
    return tuple(found)


def _plain(x: Any) -> Any:
    """A number, name or dtype; 0.0 and -0.0, 1 and True are no equals."""
    if type(x).__module__ == Kernel.__module__ and not isinstance(x, str):
        raise UnknownForm(type(x).__name__)
    return repr(x) if isinstance(x, int | float | complex) else x
