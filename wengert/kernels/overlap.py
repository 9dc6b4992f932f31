"""Collectives at the same time as what does not need them.

A collective that is a step of the program is taken apart into its START, where it stands, and its
WAIT, in front of the first step that touches its results (or changes what it sends). What lies
between runs meanwhile. This depends on the program alone, and not on time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.kernels.loops import Communicate, Kernel, Phase
from wengert.kernels.statements import buffers


def _alone(step: Kernel) -> Communicate | None:
    """The collective of an array that is all there is of a step."""
    only = step.body[0] if len(step.body) == 1 else None
    return only if isinstance(only, Communicate) and only.sources else None


def overlapped(steps: Sequence[Kernel]) -> list[Kernel]:
    """Steps with collectives begun where they stand, and ended where their results are needed."""
    if not any(_alone(step) for step in steps):
        return list(steps)
    waits: dict[int, list[Kernel]] = {}
    found: list[Kernel] = []
    ticket = 0
    for at, step in enumerate(steps):
        found += waits.pop(at, ())
        statement = _alone(step)
        needed = None if statement is None else _needed(steps, at, statement)
        if statement is None or needed is None or needed == at + 1:
            found.append(step)
            continue
        ticket += 1
        begun = replace(statement, phase=Phase.START, ticket=ticket)
        ended = replace(statement, phase=Phase.WAIT, ticket=ticket)
        found.append(Kernel("begin", (begun,)))
        waits.setdefault(needed, []).append(Kernel("end", (ended,)))
    return [*found, *waits.pop(len(steps), ())]


def _needed(steps: Sequence[Kernel], at: int, statement: Communicate) -> int:
    """The first step after number `at` that touches what a collective works on."""
    touched = {*statement.sources, *statement.outs}
    later = range(at + 1, len(steps))
    return next((k for k in later if not touched.isdisjoint(buffers(steps[k].body))), len(steps))
