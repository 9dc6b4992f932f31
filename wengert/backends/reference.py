"""The reference back end: a program evaluated with NumPy, equation by equation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wengert.ir.evaluate import call
from wengert.ir.program import Program


@dataclass(frozen=True, slots=True, eq=False)
class Executable:
    """A program that can be called with its leaves; gives a tuple of arrays and NumPy scalars.

    There is no fast entry.
    """

    program: Program
    compile_seconds: float
    from_cache: bool = False
    fast: None = None

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        """The outputs of the program."""
        return tuple(call(self.program, leaves))


def compile(program: Callable[[], Program]) -> Executable:  # noqa: A001 - as the other back ends
    """A callable for what `program` gives."""
    started = time.perf_counter()
    ready = program()
    return Executable(ready, time.perf_counter() - started)
