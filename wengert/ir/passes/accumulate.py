"""Rules that add into what is there already, instead of into zeros that are added afterwards.

A gather's transpose is a scatter into zeros, and reverse mode then adds it to the cotangent that
other readers of the array have left. Scattered straight into that cotangent it costs as much as
the updates alone.
"""

from __future__ import annotations

from wengert.ir.passes.splats import is_splat
from wengert.ir.program import Atom
from wengert.ir.rewrite import Node, Rewriter, Rule


def add_scatter(r: Rewriter, n: Node) -> Atom | None:
    """x + scatter_add(0, updates, ...) -> scatter_add(x, updates, ...)."""
    x, y = n.inputs
    for target, scattered in ((x, y), (y, x)):
        maker = r.maker(scattered, "scatter_add")
        if maker is None or not r.used_once(scattered) or target.type != n.type:
            continue
        zeros, *rest = maker.inputs
        if is_splat(r, zeros, 0.0) and r.makers.get(target) is not maker:
            return r.emit("scatter_add", target, *rest)
    return None


TABLE: dict[str, tuple[Rule, ...]] = {"add": (add_scatter,)}
