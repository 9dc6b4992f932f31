"""Rules for elements that are brought in order."""

from __future__ import annotations

from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter


def _in_order(r: Rewriter, n: Node) -> Atom | None:
    """Elements that follow their own order, which nothing else needs, are sorted at once."""
    if len(n.inputs) != 3:
        return None
    x, rows, places = n.inputs
    order, row = r.maker(places, "sort"), r.maker(rows, "iota")
    if order is None or order.params["routine"] != "order" or order.inputs[0] != x:
        return None
    along_rows = row is not None and row.params["axis"] == 0
    if r.uses.get(places) != 1 or not (along_rows or x.type.shape[0] == 1):
        return None
    return r.emit("sort", x, routine="values")


TABLE = {"gather": (_in_order,)}
