"""Short loops: written out, unless loops in loops in loops would make a long program of that.

A loop of a few turns is best written out, and so are two of them, one in the other. Eight loops of
two to six turns, as sums over the indices of tensors have, are thousands of copies. So the body of
a short loop with loops in its loops is traced as that of a compiled loop first, in which the loops
inside have been decided on by the same rule. Then its size is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wengert.capture.info import Info
from wengert.ir.program import Eqn, Program
from wengert.tracer.array import Tracer
from wengert.tracer.stack import Trace

FEWEST_TURNS = 5
"""Shorter loops are written out."""
DEPTH = 2
"""Unless they have so many loops in one another inside, and too many equations."""
MOST_EQUATIONS = 300


def may_multiply(info: Info, turns: int) -> bool:
    """Whether a short loop has to be tried as a compiled one."""
    return info.depth >= DEPTH and 1 < turns < FEWEST_TURNS


def is_short(body: Trace, turns: int) -> bool:
    """Whether so many copies of a body are to be made."""
    return turns < FEWEST_TURNS and turns * _size(body.builder.eqns) <= MOST_EQUATIONS


def is_much(body: Trace, turns: int, elements: Iterable[Any]) -> bool:
    """Whether a comprehension is better compiled: its elements are made in it, at some expense."""
    for x in elements:
        view = isinstance(x, Tracer) and x.mutable and (x.base is not None or x.owner is not body)
        if view or not isinstance(x, Tracer):
            return False
    return turns * _size(body.builder.eqns) > MOST_EQUATIONS


def _size(eqns: Iterable[Eqn]) -> int:
    return sum(1 + sum(map(_of_param, eqn.params.values())) for eqn in eqns)


def _of_param(value: object) -> int:
    if isinstance(value, Program):
        return _size(value.eqns)
    return sum(map(_of_param, value)) if isinstance(value, tuple) else 0
