"""Removing equations that nothing needs."""

from __future__ import annotations

from wengert.ir.passes.narrow import Memo, narrow
from wengert.ir.program import Atom, Eqn, Program, can_fail, regions


def dce(program: Program) -> Program:
    """Dead code elimination: drops equations whose outputs nothing reads, in regions too.

    Those that check something or act stay: the failure is what the user asked for.
    """
    return _dce(program, {})


def _dce(program: Program, memo: Memo) -> Program:
    def inside(region: Program) -> Program:
        return _dce(region, memo)

    live: set[Atom] = set(program.outputs)
    kept: list[Eqn] = []
    changed = False
    for eqn in reversed(program.eqns):
        flags = [v in live for v in eqn.outputs]
        has_regions = bool(regions(eqn))
        fails = can_fail(eqn) if has_regions else eqn.op.stays
        if not any(flags) and not fails:
            changed = True
            continue
        if has_regions:
            narrowed = narrow(eqn, flags, inside, memo)
            changed = changed or narrowed is not eqn
            eqn = narrowed
        live.update(eqn.inputs)
        kept.append(eqn)
    if not changed:
        return program
    return Program(program.inputs, tuple(reversed(kept)), program.outputs)
