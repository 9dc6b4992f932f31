"""Rules for updates: into what is there already, and of what was just written or read.

A gather's transpose is a scatter into zeros, and reverse mode then adds it to the cotangent that
other readers of the array have left. Scattered straight into that cotangent it costs as much as
the updates alone. The same holds for windows; and the reverse of `x[i] = ...` first clears an
element of the cotangent and often adds to it next, which is one write.
"""

from __future__ import annotations

from wengert.ir.compare import same_literal
from wengert.ir.passes.splats import is_splat, splat
from wengert.ir.program import Atom, Eqn, Literal
from wengert.ir.rewrite import Node, Rewriter, Rule


def add_update(r: Rewriter, n: Node) -> Atom | None:
    """x + scatter_add(0, updates, ...) -> scatter_add(x, updates, ...); also for window_add."""
    x, y = n.inputs
    for target, updated in ((x, y), (y, x)):
        maker = r.maker(updated, "scatter_add") or r.maker(updated, "window_add")
        if maker is None or not r.used_once(updated) or target.type != n.type:
            continue
        zeros, *rest = maker.inputs
        if is_splat(r, zeros, 0.0) and r.makers.get(target) is not maker:
            return r.emit(maker.op.name, target, *rest, **maker.params)
    return None


def _same_window(n: Node, maker: Eqn, first: int) -> bool:
    """Whether `n`, whose starts come from input `first` on, is about the window of an update."""
    shape = n.params["sizes"] if first == 1 else n.inputs[1].type.shape
    return (
        n.params["steps"] == maker.params["steps"]
        and shape == maker.inputs[1].type.shape
        and all(
            a is b or same_literal(a, b)
            for a, b in zip(n.inputs[first:], maker.inputs[2:], strict=True)
        )
    )


def add_to_cleared(r: Rewriter, n: Node) -> Atom | None:
    """window_add(window_set(x, 0), v) -> window_set(x, v), for one window."""
    maker = r.maker(n.inputs[0], "window_set")
    if maker is None or not r.used_once(n.inputs[0]) or not _same_window(n, maker, 2):
        return None
    if not is_splat(r, maker.inputs[1], 0.0):
        return None
    return r.emit("window_set", maker.inputs[0], *n.inputs[1:], **n.params)


def set_again(r: Rewriter, n: Node) -> Atom | None:
    """window_set(window_set(x, v), w) -> window_set(x, w), for one window; likewise after add."""
    maker = r.maker(n.inputs[0], "window_set") or r.maker(n.inputs[0], "window_add")
    if maker is None or not r.used_once(n.inputs[0]) or not _same_window(n, maker, 2):
        return None
    return r.emit("window_set", maker.inputs[0], *n.inputs[1:], **n.params)


def set_read(r: Rewriter, n: Node) -> Atom | None:
    """window_set(x, window(x)) -> x, for one window."""
    maker = r.maker(n.inputs[1], "window")
    if maker is None or maker.inputs[0] is not n.inputs[0]:
        return None
    starts = zip(n.inputs[2:], maker.inputs[1:], strict=True)
    same = n.params["steps"] == maker.params["steps"]
    return n.inputs[0] if same and all(a is b or same_literal(a, b) for a, b in starts) else None


def read_written(r: Rewriter, n: Node) -> Atom | None:
    """window(window_set(x, v)) -> v, for one window."""
    maker = r.maker(n.inputs[0], "window_set")
    return maker.inputs[1] if maker is not None and _same_window(n, maker, 1) else None


def _is_all(n: Node, shape: tuple[int, ...], starts: tuple[Atom, ...]) -> bool:
    return (
        shape == n.inputs[0].type.shape
        and all(s == 1 for s in n.params["steps"])
        and all(isinstance(a, Literal) and a.value == 0 for a in starts)
    )


def read_all(r: Rewriter, n: Node) -> Atom | None:
    """window(x) -> x, if the window is all of it."""
    return n.inputs[0] if _is_all(n, n.params["sizes"], n.inputs[1:]) else None


def write_all(r: Rewriter, n: Node) -> Atom | None:
    """window_set(x, v) -> v and window_add(x, v) -> x + v, if the window is all of x."""
    x, v, *starts = n.inputs
    if not _is_all(n, v.type.shape, tuple(starts)):
        return None
    return v if n.op.name == "window_set" else r.emit("add", x, v)


def write_nothing(r: Rewriter, n: Node) -> Atom | None:
    """A window without elements changes nothing, nor does adding zeros (but for a -0.0)."""
    x, v = n.inputs[:2]
    nothing = n.op.name == "window_add" and is_splat(r, v, 0.0)
    return x if 0 in v.type.shape or nothing else None


def read_splat(r: Rewriter, n: Node) -> Atom | None:
    """window(broadcast(literal)) -> broadcast(literal)."""
    found = splat(r, n.inputs[0])
    return None if found is None else r.full(found, n.type)


def set_splat(r: Rewriter, n: Node) -> Atom | None:
    """window_set(broadcast(c), broadcast(c)) -> broadcast(c)."""
    x, v = splat(r, n.inputs[0]), splat(r, n.inputs[1])
    same = x is not None and v is not None and same_literal(x, v)
    return n.inputs[0] if same else None


TABLE: dict[str, tuple[Rule, ...]] = {
    "add": (add_update,),
    "window": (read_all, read_written, read_splat),
    "window_set": (write_nothing, write_all, set_splat, set_read, set_again),
    "window_add": (write_nothing, write_all, add_to_cleared),
}
