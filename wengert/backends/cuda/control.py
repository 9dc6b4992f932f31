"""Loops and branches of a launch plan that the host runs: see `kernels/grid/place.py`.

Bounds and conditions are constants, or in memory of the device, where a launch has left them. To
look at these waits for the device; what lies between such looks is in graphs. A loop with constant
bounds waits for nothing, and a short one of launches that may be recorded is part of a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.loops import Buffer, If, Kernel, Loop, While
from wengert.kernels.statements import inner_kernels

Asked = int | Buffer


@dataclass(frozen=True, slots=True)
class Control:
    """A loop or branch of steps.

    `asked` are the bounds of a loop over a range (of one part, the body), or a condition: of a loop
    of two parts, before the condition and after it, or of a choice between two.
    """

    kind: str  # for, while, if
    asked: tuple[Asked, ...]
    parts: tuple[tuple[Any, ...], ...]

    @property
    def turns(self) -> int | None:
        """The number of turns, where it is known."""
        if self.kind != "for":
            return None
        start, stop = self.asked
        if isinstance(start, int) and isinstance(stop, int):
            return max(0, stop - start)
        return None


class StoppedError(Exception):
    """A check has failed, so what launches leave for the host means nothing."""


def as_control(
    kernel: Kernel, steps_of: Callable[[Sequence[Kernel]], tuple[Any, ...]]
) -> Control | None:
    """What a kernel is that the host runs, with the steps of its launches; None for others."""
    parts = inner_kernels(kernel)
    if parts is None:
        return None
    match kernel.body[0]:
        case Loop(_, start, stop):
            kind, asked = "for", (_asked(start), _asked(stop))
        case While(_, condition):
            kind, asked = "while", (_asked(condition),)
        case If(condition):
            kind, asked = "if", (_asked(condition),)
        case _:
            raise AssertionError("the host runs loops and branches")
    return Control(kind, asked, tuple([steps_of(part) for part in parts]))


def _asked(value: Expr) -> Asked:
    if value.op is ScalarOp.CONST:
        return int(value.attr)
    assert value.op is ScalarOp.LOAD
    return value.attr


def flat(steps: Sequence[Any]) -> Iterator[Any]:
    """All steps that are no loops or branches."""
    for step in steps:
        if isinstance(step, Control):
            for part in step.parts:
                yield from flat(part)
        else:
            yield step


def run(
    control: Control, look: Callable[[Asked], int], parts: Sequence[Callable[[], None]]
) -> None:
    """Goes through a loop or branch, whose `parts` are called; `look` gives what is asked for."""
    match control.kind:
        case "for":
            start, stop = map(look, control.asked)
            for _ in range(start, stop):
                parts[0]()
        case "while":
            parts[0]()
            while look(control.asked[0]):
                parts[1]()
                parts[0]()
        case _:
            parts[0 if look(control.asked[0]) else 1]()
