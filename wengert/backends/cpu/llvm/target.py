"""What the printer wants to know of a CPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Whether it has fused multiply-add (`fma`), vectors of 512 bits with masks (`masks`), vectors
    of 256 bits (`halves`, AVX2)."""

    fma: bool
    masks: bool
    halves: bool = False

    @property
    def vector(self) -> int:
        """The bytes of the vectors that the printer makes of loops; 0 if it leaves them to LLVM."""
        return 64 if self.masks else 32 if self.halves else 0
