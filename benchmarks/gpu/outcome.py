"""The numbers of one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN = "wengert"


def _numbers() -> dict[str, float]:
    return {}


@dataclass
class Outcome:
    """One line's numbers, in seconds, by tool or ceiling; `faults` says why one has none.

    `host` is the time until a call returns, `first_call` that of one which compiles as well.
    """

    name: str
    seconds: dict[str, float] = field(default_factory=_numbers)
    first_call: dict[str, float] = field(default_factory=_numbers)
    host: dict[str, float] = field(default_factory=_numbers)
    faults: dict[str, str] = field(default_factory=dict[str, str])
    share_of_copy: float | None = None

    def compilation(self, tool: str) -> float | None:
        """What a first call takes beyond the work itself."""
        first = self.first_call.get(tool)
        return None if first is None else max(0.0, first - self.seconds.get(tool, 0.0))

    def compilations(self) -> Mapping[str, float]:
        """That of each tool."""
        found = {tool: self.compilation(tool) for tool in self.first_call}
        return {tool: time for tool, time in found.items() if time is not None}
