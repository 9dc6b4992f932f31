"""Products with the identity matrix, with which dense Jacobians begin.

x @ I is x, but for what 0 * inf and 0 * NaN would add. The basis that `ir.transforms.jacobian`
makes of comparisons is meant without these: as in `scale`, an exact zero wins.
"""

from __future__ import annotations

from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter


def dot_identity(r: Rewriter, n: Node) -> Atom | None:
    """A contraction over one axis with the identity -> the other operand, its axes in order."""
    (left, right), batch = n.params["contract"], n.params["batch"]
    if len(left) != 1 or batch != ((), ()):
        return None
    x, y = n.inputs
    if is_identity(r, y) and x.type.dtype == n.type.dtype:
        return _with_axis(r, x, left[0], x.type.ndim - 1)
    if is_identity(r, x) and y.type.dtype == n.type.dtype:
        return _with_axis(r, y, right[0], 0)
    return None


def is_identity(r: Rewriter, atom: Atom) -> bool:
    """Whether `atom` is 1 where its two indices are equal, and 0 elsewhere."""
    cast = r.maker(atom, "cast")
    equal = None if cast is None else r.maker(cast.inputs[0], "eq")
    if equal is None or atom.type.ndim != 2 or len(set(atom.type.shape)) != 1:
        return False
    iotas = [r.maker(a, "iota") for a in equal.inputs]
    return {0, 1} == {i.params["axis"] for i in iotas if i and i.outputs[0].type.ndim == 2}


def _with_axis(r: Rewriter, x: Atom, axis: int, place: int) -> Atom:
    """`x` with one axis moved."""
    perm = [a for a in range(x.type.ndim) if a != axis]
    perm.insert(place, axis)
    return x if perm == sorted(perm) else r.emit("transpose", x, perm=tuple(perm))


TABLE = {"dot_general": (dot_identity,)}
