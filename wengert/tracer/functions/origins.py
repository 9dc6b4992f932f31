"""What slices whose length depends on data are views of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import materialise, wrapped
from wengert.tracer.functions.spans import same


@dataclass(frozen=True, slots=True)
class Origin:
    """What a slice is a view of: `array` at the index (*before, place, *after).

    The place of the element k is k, or first + k * step if `walk` has these two.
    """

    array: Tracer
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    walk: tuple[Tracer, Tracer] | None = None

    def place(self, k: Any) -> Any:
        """The index of the element k."""
        place = k if self.walk is None else self.walk[0] + k * self.walk[1]
        return (*self.before, place, *self.after)

    def element(self, k: Any) -> Any:
        """The element k."""
        return self.array[self.place(k)]

    def frozen(self) -> Origin:
        """The same of an array that nothing changes."""
        return replace(self, array=wrapped(materialise(self.array)))

    def strided(self, begin: Any, step: Any) -> Origin:
        """The same, whose element k is the element begin + k * step of this one."""
        if self.walk is None:
            return replace(self, walk=(begin, step))
        return replace(self, walk=(self.walk[0] + begin * self.walk[1], step * self.walk[1]))

    def is_view_of(self, other: Origin) -> bool:
        """Whether the element k is the same element as that of the other one."""
        mine, others = ((o.before, o.after, o.walk or ()) for o in (self, other))
        return self.array is other.array and all(
            len(x) == len(y) and all(map(same, x, y)) for x, y in zip(mine, others, strict=True)
        )
