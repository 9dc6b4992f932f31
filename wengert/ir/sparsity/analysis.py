"""What is known of a program's Jacobian before it runs, and what follows once it is coloured."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.program import Program
from wengert.ir.sparsity.compressed import Sizes, compressed, place_dtype
from wengert.ir.sparsity.pattern import Ints, Pattern, product
from wengert.ir.sparsity.recovery import (
    Recovery,
    from_columns,
    from_rows_of_picked,
    from_symmetric,
)
from wengert.ir.sparsity.runs import Run, runs_of
from wengert.ir.sparsity.selections import Parts, take_apart
from wengert.ir.sparsity.walk import jacobian_pattern
from wengert.ir.types import INT64, TensorType


@dataclass(frozen=True)
class Analysed:
    """A program in two parts: what it picks of its active inputs, and all else.

    `columns` says which element of the inputs each picked value is, `picked` is the pattern of the
    outputs in the picked values, `pattern` that in the inputs.
    """

    parts: Parts
    active: tuple[bool, ...]
    columns: Ints
    picked: Pattern
    pattern: Pattern

    @functools.cached_property
    def symmetric(self) -> Pattern:
        """The pattern, as that of a symmetric matrix: entries may have been found on one side."""
        return self.pattern + self.pattern.T

    def recovery(self, mode: str, colours: Ints) -> Recovery:
        """Where the entries of the matrix are among the derivatives."""
        match mode:
            case "forward":
                return from_columns(self.pattern, colours)
            case "symmetric":
                return from_symmetric(self.symmetric, colours)
            case _:
                width = self.pattern.shape[1]
                return from_rows_of_picked(self.picked, self.columns, width, colours)

    def program(self, mode: str, colours: int, recovery: Recovery, regular: bool = True) -> Program:
        """The program for the entries: see `compressed`. They are read from a table of places if
        not `regular`."""
        runs = self.runs(mode, recovery) if regular else ()
        sizes = Sizes(colours, recovery.pattern.nnz, len(recovery.more), runs)
        dtype = self._place_dtype(colours)
        return compressed(self.parts, self.active, mode != "reverse", sizes, dtype)

    def runs(self, mode: str, recovery: Recovery) -> tuple[Run, ...]:
        """The places of the entries, if they are regular."""
        types = self.parts.picks.out_types if mode == "reverse" else self.parts.rest.out_types
        return runs_of(recovery.pattern, recovery.places, [t.size for t in types])

    def fixed(
        self, mode: str, colours: Ints, recovery: Recovery, regular: bool = True
    ) -> list[Any]:
        """The inputs of that program which do not change from call to call."""
        types = self.parts.rest.out_types
        if mode != "reverse":
            types, colours = self.parts.picks.out_types, colours[self.columns]
        dtype = self._place_dtype(int(colours.max(initial=-1)) + 1)
        places = [] if regular and self.runs(mode, recovery) else [recovery.places]
        places += [recovery.more, recovery.to] if len(recovery.more) else []
        return [*_shaped(colours, types), *(p.astype(dtype) for p in places)]

    def _place_dtype(self, colours: int) -> Any:
        return place_dtype(colours * max(*self.picked.shape, *self.pattern.shape, 1))


def analysed(program: Program, active: Sequence[bool]) -> Analysed:
    """The parts and patterns of `program`; raises DifferentiationError if it is not sparse."""
    parts = take_apart(program, active)
    selected = jacobian_pattern(parts.picks, active)
    known = [k < parts.picked for k in range(len(parts.rest.inputs))]
    picked = jacobian_pattern(parts.rest, known)
    columns = selected.indices.astype(np.int64)  # there is one for each value
    picked.sort_indices()
    pattern = product(picked, selected)
    pattern.sort_indices()
    return Analysed(parts, tuple(active), columns, picked, pattern)


def _shaped(numbers: Ints, types: Sequence[TensorType]) -> list[Ints]:
    ends = np.cumsum([t.size for t in types], dtype=np.int64)
    pieces = np.split(numbers, ends)[:-1]  # nothing is left after the last end
    return [p.reshape(t.shape).astype(INT64) for p, t in zip(pieces, types, strict=True)]
