"""Cuts long computations into segments, since LLVM's time grows faster than the body of a loop.

A pointwise value that is computed in place drags everything behind it, as far as that is not
stored, into one loop body. Beyond `LONG` the value is stored, and fusion (`nest.py`) keeps bodies
of more than `LARGE` apart. A store and a load are nothing beside that much arithmetic. Whatever
two segments need both is computed in both: reverse mode through a long chain thereby computes a
segment again from its start, as checkpointing does.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from wengert.ir.program import Program, Var
from wengert.ir.scalar import MATHS, Expr
from wengert.kernels.statements import MATHS_COST

# The most that a stage computes at one point, in units of `Op.cost`.
LONG = 2000
# The most that the stages of one loop compute at one point, in nodes; maths counts `MATHS_COST`.
LARGE = 800


def long_values(program: Program, base: Mapping[Var, Var], stored: Set[Var]) -> set[Var]:
    """The values to store besides `stored` so that no expression becomes too long."""
    chosen: set[Var] = set()
    if sum(eqn.op.cost for eqn in program.eqns) <= LONG:
        return chosen
    inside: dict[Var, dict[Var, int]] = {}  # what is computed in place, and what it costs
    for eqn in program.eqns:
        if not eqn.outputs:
            continue
        var = eqn.outputs[0]
        root = base.get(var, var)
        if root in stored or root in chosen:
            continue
        parts = {var: eqn.op.cost}
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                parts |= inside.get(atom, {})
        if sum(parts.values()) > LONG:
            chosen.add(root)
        else:
            inside[var] = parts
    return chosen


def too_large(run: Set[Expr], stage: Set[Expr]) -> bool:
    """Whether a loop that computes `run` should not take in a stage that computes `stage`.

    A stage that shares half of its work with the loop costs less there than anywhere else, up to
    a point.
    """
    own, there = weight(stage), weight(run)
    if own + there <= LARGE:
        return False
    shared = weight(run & stage)
    limit = LARGE if 2 * shared < own else 4 * LARGE
    return own + there - shared > limit


def weight(exprs: Set[Expr]) -> int:
    """About how many vector instructions the nodes are."""
    return sum(MATHS_COST if e.op in MATHS else 1 for e in exprs)
