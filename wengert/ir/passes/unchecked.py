"""Without checks of indices: for those who ask for it."""

from __future__ import annotations

from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import Node, Rewriter, map_regions, rewrite


def unchecked(program: Program) -> Program:
    """`program` without the checks that indices are in bounds; those that are not may crash it."""
    return rewrite(map_regions(program, unchecked), {"check_index": (_wrapped,)})


def _wrapped(r: Rewriter, n: Node) -> Atom:
    return r.emit("wrap_index", n.inputs[0], size=n.params["size"])
