"""Dependence: which outputs of a program depend on marked inputs, through loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.ir.program import Atom, Eqn, Program

Marks = Sequence[bool]


def depending(program: Program, marks: Marks) -> list[bool]:
    """Which outputs depend on the marked inputs."""
    return _spread(program, marks, lambda atom: True)


def moving(program: Program, marks: Marks) -> list[bool]:
    """Which outputs may have a tangent if the marked inputs do: a bound, by dtypes alone."""
    return _spread(program, marks, lambda atom: atom.type.is_float)


def _spread(program: Program, marks: Marks, keeps: Callable[[Atom], bool]) -> list[bool]:
    def spread(region: Program, inner: Marks) -> list[bool]:
        return _spread(region, inner, keeps)

    tainted: set[Atom] = {v for v, on in zip(program.inputs, marks, strict=True) if on}
    for eqn in program.eqns:
        flags = tainted_outputs(eqn, [a in tainted for a in eqn.inputs], spread)
        tainted.update(v for v, on in zip(eqn.outputs, flags, strict=True) if on and keeps(v))
    return [a in tainted for a in program.outputs]


def tainted_outputs(
    eqn: Eqn, marks: Marks, spread: Callable[[Program, Marks], list[bool]] = depending
) -> Sequence[bool]:
    """Which outputs of an equation depend on its marked operands."""
    if not any(marks):
        return [False] * len(eqn.outputs)
    if eqn.op.taint is None:
        return [True] * len(eqn.outputs)
    return eqn.op.taint(marks, spread, **eqn.params)


def reached(program: Program, marks: Marks) -> list[bool]:
    """Which inputs the marked outputs depend on; loops and branches are taken as a whole."""
    live: set[Atom] = {a for a, on in zip(program.outputs, marks, strict=True) if on}
    for eqn in reversed(program.eqns):
        if not live.isdisjoint(eqn.outputs):
            live.update(eqn.inputs)
    return [v in live for v in program.inputs]


def carried(
    region: Program, marks: Marks, first: int, spread: Callable[[Program, Marks], list[bool]]
) -> list[bool]:
    """Marks of what a loop's body carries from its input `first` on, once they change no more."""
    marks = list(marks)
    while True:
        outs = spread(region, marks)
        grown = [a or b for a, b in zip(marks[first:], outs, strict=True)]
        if grown == marks[first:]:
            return grown
        marks[first:] = grown
