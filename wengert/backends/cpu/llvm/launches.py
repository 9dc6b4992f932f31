"""Which steps of a plan the threads are sent to together.

Each launch ends when all threads have come back, and costs the time to wake them: some
microseconds. Steps that neither read nor write what another one writes need not wait for one
another: the updates of a network's parameters, say, or the gradients of two layers' weights. Each
thread does its share of the first one's chunks, then of the next one's, and at the end takes what
the others have left, so what it does is what it would do in launches of their own.

Steps with checks stay apart: of two failures the first one in the program is to be reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_TOGETHER = 64  # steps in a launch


@dataclass(slots=True)
class Memory:
    """Some memory: the numbers of arguments, and ranges of bytes in the arena."""

    slots: set[int] = field(default_factory=set[int])
    ranges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def meets(self, other: Memory) -> bool:
        """Whether some of it is the same."""
        return not self.slots.isdisjoint(other.slots) or any(
            start < there[1] and there[0] < stop
            for start, stop in self.ranges
            for there in other.ranges
        )

    def add(self, other: Memory) -> None:
        """Takes in some more."""
        self.slots |= other.slots
        self.ranges += other.ranges


@dataclass(slots=True)
class Access:
    """What is read or written, and what of it is written; of so many steps together."""

    touched: Memory = field(default_factory=Memory)
    written: Memory = field(default_factory=Memory)
    steps: int = 0

    def takes(self, step: Access) -> bool:
        """Whether a step waits for none of these, nor any of these for it."""
        waits = step.written.meets(self.touched) or step.touched.meets(self.written)
        return 0 < self.steps < MOST_TOGETHER and not waits

    def add(self, step: Access) -> None:
        """Takes in a step."""
        self.touched.add(step.touched)
        self.written.add(step.written)
        self.steps += step.steps


def joined(steps: Sequence[Access | None]) -> list[bool]:
    """Of each step, whether the next one goes with it; None is a step that goes alone."""
    found = [False] * len(steps)
    launch = Access()
    for k, step in enumerate(steps):
        if step is None or not launch.takes(step):
            launch = Access()
        else:
            found[k - 1] = True
        if step is not None:
            launch.add(step)
    return found
