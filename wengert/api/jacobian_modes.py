"""How a dense Jacobian is computed: column by column, row by row, or by colours."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wengert.api.colouring import best, count, least
from wengert.errors import DifferentiationError
from wengert.ir.program import Program
from wengert.ir.transforms.jacobian import jacobian

JACOBIAN_MODES = ("auto", "forward", "reverse", "sparse")
SWEEP_COST = {"forward": 1.0, "symmetric": 1.0, "reverse": 1.5}
"""What the directional derivative of a colour costs, in those of forward mode."""

_WORTH_A_LOOK = 1024
"""Jacobians with fewer entries are not looked at for zeros."""
_GAIN = 4
"""Colours are used where they save more than this factor: they have to be placed afterwards."""
_EFFORT = 4096
"""Programs of more equations, loops written out, are not looked at: it would take too long."""
_LARGE, _SAMPLES = 256 * 256, 16
"""Jacobians with more entries are only looked at if some of their columns have few."""


@dataclass(frozen=True)
class _Choice:
    """A way to the Jacobian: `sweeps` directional derivatives in `direction`."""

    name: str
    direction: str
    sweeps: int
    program: Any

    @property
    def cost(self) -> float:
        return self.sweeps * SWEEP_COST[self.direction]


def choose(
    mode: str, explain_for: str | None, program: Program, active: Sequence[bool], rows: int
) -> Program:
    """The program of the Jacobian in a mode; with a function's name, says which and why."""
    ways = _dense_ways(program, active, rows)
    sizes = [way.sweeps for way in ways]
    if mode == "sparse" or (mode == "auto" and _worth_a_look(sizes)):
        wanted = Program(program.inputs, program.eqns, program.outputs[:rows])
        if mode == "sparse" or _may_be_sparse(wanted, active, sizes):
            ways += _coloured_ways(program, wanted, active, rows, mode == "sparse")
    if mode == "auto":
        chosen = min(ways, key=lambda w: w.cost * (_GAIN if w.name == "sparse" else 1))
    else:
        chosen = next(w for w in ways if w.name == mode)
    if explain_for is not None:
        print(_explanation(explain_for, chosen, ways))  # noqa: T201 - what `explain` is for
    return chosen.program()


def _worth_a_look(sizes: Sequence[int]) -> bool:
    inputs, outputs = sizes
    return inputs * outputs >= _WORTH_A_LOOK and min(inputs, outputs) > _GAIN


def _may_be_sparse(program: Program, active: Sequence[bool], sizes: Sequence[int]) -> bool:
    """Whether colours could pay, by what is soon found out."""
    inputs, outputs = sizes
    walk: Any = importlib.import_module("wengert.ir.sparsity.walk")  # SciPy takes long to import
    if walk.effort(program) > _EFFORT:
        return False
    if inputs * outputs <= _LARGE:
        return True
    return walk.sampled_density(program, active, _SAMPLES) * _GAIN < 1


def _dense_ways(program: Program, active: Sequence[bool], rows: int) -> list[_Choice]:
    inputs = sum(t.size for t, on in zip(program.in_types, active, strict=True) if on)
    outputs = sum(t.size for t in program.out_types[:rows])
    return [
        _Choice("forward", "forward", inputs, lambda: jacobian(program, active, rows, True)),
        _Choice("reverse", "reverse", outputs, lambda: jacobian(program, active, rows, False)),
    ]


def _coloured_ways(
    program: Program, wanted: Program, active: Sequence[bool], rows: int, asked: bool
) -> list[_Choice]:
    """The way by colours, if the pattern is sparse; raises if it is not, but was asked for.

    `wanted` is `program` with the outputs alone that are differentiated.
    """
    analysis: Any = importlib.import_module("wengert.ir.sparsity.analysis")
    dense: Any = importlib.import_module("wengert.ir.sparsity.dense")
    try:
        found = analysis.analysed(wanted, active)
    except DifferentiationError:
        if asked:
            raise
        return []
    if not asked and not _saves(found):
        return []
    mode, colours = best(found, ("forward", "reverse"), SWEEP_COST)
    sweeps = count(colours)

    def make() -> Program:
        if not found.pattern.nnz:
            return jacobian(program, active, rows, True)
        return dense.dense_jacobian(program, active, rows, found, mode, colours)

    return [_Choice("sparse", mode, sweeps, make)]


def _saves(found: Any) -> bool:
    """Whether so few colours may do that they pay, before they are found."""
    outputs, inputs = found.pattern.shape
    colours = {"forward": least(found.pattern), "reverse": least(found.picked.T.tocsr())}
    dense = min(inputs * SWEEP_COST["forward"], outputs * SWEEP_COST["reverse"])
    return min(n * SWEEP_COST[mode] for mode, n in colours.items()) * _GAIN < dense


def _explanation(name: str, chosen: _Choice, ways: Sequence[_Choice]) -> str:
    listed = ", ".join(
        f"{w.name}{f' ({w.direction})' if w.name == 'sparse' else ''} {w.sweeps}" for w in ways
    )
    return (
        f"jacobian of '{name}': {chosen.name} mode. Sweeps needed: {listed}; a reverse sweep "
        f"counts {SWEEP_COST['reverse']}, and sparse mode has to save a factor of {_GAIN}."
    )
