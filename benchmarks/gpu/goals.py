"""What is wanted of a line, and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.gpu.lines import Line
from benchmarks.gpu.outcome import OWN, Outcome


@dataclass(frozen=True)
class Goal:
    """`figure` is what was measured of `what`, None where nothing was; `wanted` bounds it."""

    what: str
    wanted: float
    figure: float | None
    most: bool = False  # whether `wanted` is the most that the figure may be

    @property
    def reached(self) -> bool:
        if self.figure is None:
            return False
        return self.figure <= self.wanted if self.most else self.figure >= self.wanted

    def __str__(self) -> str:
        figure = "not measured" if self.figure is None else f"{self.figure:.3g}"
        sign = "<=" if self.most else ">="
        word = "reached" if self.reached else "MISSED"
        return f"{self.what} {figure} ({sign} {self.wanted:g}: {word})"


def goals(line: Line, outcome: Outcome) -> list[Goal]:
    """All that is wanted of a line."""
    return list(_goals(line, outcome))


def _goals(line: Line, outcome: Outcome) -> Iterator[Goal]:
    own = outcome.seconds.get(OWN)
    if line.bandwidth:
        yield Goal("share of a copy", line.bandwidth, outcome.share_of_copy)
    for peer, ratio in line.targets.items():
        theirs = outcome.seconds.get(peer)
        found = None if own is None or theirs is None else theirs / own
        yield Goal(f"{peer}'s time / wengert's", ratio, found)
    if line.host_us:
        host = outcome.host.get(OWN)
        yield Goal("us on the host", line.host_us, None if host is None else host * 1e6, most=True)
    if line.cold:
        mine, theirs = outcome.compilation(OWN), outcome.compilation("jax")
        found = None if mine is None or theirs is None else theirs / max(mine, 1e-9)
        yield Goal("jax's compilation / wengert's", line.cold, found)
