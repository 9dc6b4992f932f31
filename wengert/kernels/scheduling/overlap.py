"""Collectives at the same time as what does not need them.

A collective that is a step of the program is taken apart into its START, where it stands, and its
WAIT. Steps that touch what is on its way are put off, with those that need them; the others go on.
Then each WAIT, in the order of the STARTs, is followed by the steps that it lets go on: so what was
sent first is used while the rest still comes. Collectives keep their order among themselves. All of
this depends on the program alone, and not on time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wengert.kernels.loops import Communicate, Kernel, Phase
from wengert.kernels.statements import buffers, changed, walk
from wengert.world import Request


def _alone(step: Kernel) -> Communicate | None:
    """The collective of an array that is all there is of a step; calls of Python are none."""
    only = step.body[0] if len(step.body) == 1 else None
    if not isinstance(only, Communicate) or not isinstance(only.request, Request):
        return None
    return only if only.sources else None


def overlapped(steps: Sequence[Kernel]) -> list[Kernel]:
    """Steps with collectives begun where they stand, and ended where nothing else can go on."""
    if not any(_alone(step) for step in steps):
        return list(steps)
    schedule = _Schedule()
    for step in steps:
        schedule.take(step)
    schedule.finish()
    return _joined(schedule.done)


def _joined(steps: Sequence[Kernel]) -> list[Kernel]:
    """Steps with a START and its WAIT in one where nothing is between them."""
    found: list[Kernel] = []
    for step in steps:
        statement = _alone(step)
        if statement is not None and found and _begins(found[-1], statement):
            whole = replace(statement, phase=Phase.WHOLE, ticket=0)
            found[-1] = Kernel("collective", (whole,))
        else:
            found.append(step)
    return found


def _begins(step: Kernel, ended: Communicate) -> bool:
    """Whether a step is the START of a WAIT."""
    begun = _alone(step)
    same = begun is not None and begun.ticket == ended.ticket
    return same and ended.phase is Phase.WAIT


@dataclass(slots=True)
class _Schedule:
    """Steps in their new order, what is on its way, and what waits for it."""

    done: list[Kernel] = field(default_factory=list[Kernel])
    flying: list[Communicate] = field(default_factory=list[Communicate])
    waiting: list[Kernel] = field(default_factory=list[Kernel])
    tickets: int = 0

    def take(self, step: Kernel) -> None:
        """The next step: now, if nothing that it needs is missing."""
        statement = _alone(step)
        if not self.is_free(step):
            if not _communicates(step):
                self.waiting.append(step)
                return
            self.finish()
        if statement is None:
            self.done.append(step)
            return
        self.tickets += 1
        begun = replace(statement, phase=Phase.START, ticket=self.tickets)
        self.flying.append(begun)
        self.done.append(replace(step, name="begin", body=(begun,)))

    def is_free(self, step: Kernel) -> bool:
        """Whether a step touches nothing that is on its way, or that waiting steps have to do."""
        own = set(buffers(step.body))
        if any(not own.isdisjoint((*f.sources, *f.outs)) for f in self.flying):
            return False
        return not any(_conflict(step, other) for other in self.waiting)

    def finish(self) -> None:
        """Waits for everything, one after the other, each time with what can go on then."""
        while self.flying:
            ended = replace(self.flying.pop(0), phase=Phase.WAIT)
            self.done.append(Kernel("end", (ended,)))
            steps, self.waiting = self.waiting, []
            for step in steps:
                (self.done if self.is_free(step) else self.waiting).append(step)


def _communicates(step: Kernel) -> bool:
    return any(isinstance(st, Communicate) for st in walk(step.body))


def _conflict(step: Kernel, earlier: Kernel) -> bool:
    """Whether a step may not pass an earlier one: one of them changes what the other touches."""
    first, second = changed(earlier.body), changed(step.body)
    return not first.isdisjoint(buffers(step.body)) or not second.isdisjoint(buffers(earlier.body))
