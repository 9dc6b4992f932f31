"""Algebraic simplification: all tables of rules, applied in one walk."""

from __future__ import annotations

import functools

from wengert.ir.passes import accumulate, algebra, doubling, half, identity, shapes, sorting
from wengert.ir.passes.splats import generic_rules
from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import Node, Rewriter, Rule, map_regions, rewrite


def simplify(program: Program) -> Program:
    """Applies all tables of rules to a program and its regions."""
    return rewrite(map_regions(program, simplify), rules())


@functools.cache
def rules() -> dict[str, tuple[Rule, ...]]:
    """All rules by the name of the op they apply to; constants are folded first."""
    table = dict(generic_rules())
    for special in (doubling, algebra, shapes, accumulate, half, identity, sorting):
        for name, more in special.TABLE.items():
            table[name] = (*table.get(name, ()), *more)
    return table


def drop_stop_gradient(program: Program) -> Program:
    """Removes `stop_gradient` and its like, which mean nothing once all derivatives are taken."""
    program = map_regions(program, drop_stop_gradient)
    if all(e.op.name not in _OF_DERIVATIVES for e in program.eqns):
        return program
    return rewrite(program, dict.fromkeys(_OF_DERIVATIVES, (_operand,)))


_OF_DERIVATIVES = ("stop_gradient", "kept", "named")


def _operand(r: Rewriter, n: Node) -> Atom:
    return n.inputs[0]
