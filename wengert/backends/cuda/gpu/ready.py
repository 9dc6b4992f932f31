"""Library routines that are ready to run, and their places in a workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ALIGNMENT = 256

Run = Callable[[tuple[int, ...], int, int], None]
"""Runs on the addresses of operands, of results, and of the workspace."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A routine, the workspace that it needs, whether graphs can have it, and how it fails."""

    workspace: int
    run: Run
    recordable: bool
    errors: tuple[type[Exception], ...]


@dataclass(slots=True)
class Room:
    """Places in a workspace, given out one after the other."""

    size: int = 0

    def take(self, nbytes: int) -> int:
        """The offset of so many bytes."""
        at = self.size
        self.size = -(-(at + nbytes) // ALIGNMENT) * ALIGNMENT
        return at


@dataclass(slots=True)
class Owned:
    """A thing of a library's, given back when nothing needs it any more."""

    address: int
    destroy: Callable[[int], None]

    def __del__(self) -> None:
        self.destroy(self.address)
