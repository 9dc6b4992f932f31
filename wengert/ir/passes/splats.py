"""Rules on numbers that are known: literals, and literals repeated to a shape ("splats")."""

from __future__ import annotations

import math

import numpy as np

from wengert.ir.op import REGISTRY, Op
from wengert.ir.program import Atom, Eqn, Literal
from wengert.ir.rewrite import Node, Rewriter, Rule
from wengert.ir.transforms.cse import COMMUTATIVE


def elementwise(op: Op) -> bool:
    """Whether `op` acts on each element alone, so that literals may stand beside arrays."""
    return op.element is not None and op.family in ("elementwise", "special")


def splat(r: Rewriter, atom: Atom) -> Literal | None:
    """The literal that all elements of `atom` are, if that is known."""
    if isinstance(atom, Literal):
        return atom
    maker = r.makers.get(atom)
    if maker is not None and maker.op.name == "broadcast":
        source = maker.inputs[0]
        return source if isinstance(source, Literal) else None
    return None


def splat_value(r: Rewriter, atom: Atom) -> bool | int | float | None:
    """The number that all elements of `atom` are, if that is known."""
    found = splat(r, atom)
    return None if found is None else found.value


def is_splat(r: Rewriter, atom: Atom, value: float) -> bool:
    """Whether all elements of `atom` are `value`; -0.0 and 0.0 are told apart."""
    found = splat_value(r, atom)
    if found is None or found != value:
        return False
    return (
        value != 0
        or not isinstance(found, float)
        or (math.copysign(1, found) == math.copysign(1, value))
    )


def whole(r: Rewriter, atom: Atom, node: Node) -> Atom | None:
    """`atom` as the result of `node`: repeated if it is a splat, None if it does not fit."""
    if atom.type == node.type:
        return atom
    if atom.type.dtype == node.type.dtype and not atom.type.shape:
        return r.full(atom, node.type)
    return None


def literal_second(r: Rewriter, n: Node) -> Atom | None:
    """op(literal, x) -> op(x, literal), so that the other rules see one order only."""
    x, y = n.inputs
    if splat(r, x) is not None and splat(r, y) is None:
        return r.emit(n.op.name, y, x, **n.params)
    return None


def empty(r: Rewriter, n: Node) -> Atom | None:
    """Any op without elements in its output -> broadcast(0), so that no later stage meets it."""
    if 0 not in n.type.shape or n.op.fails:
        return None
    if n.op.name == "broadcast" and isinstance(n.inputs[0], Literal):
        return None
    return r.full(r.literal(0, n.type.dtype), n.type)


def fold(r: Rewriter, n: Node) -> Atom | None:
    """op(literals) -> a literal."""
    for atom in n.inputs:
        if not isinstance(atom, Literal):
            return None
    if n.type.shape or n.op.fails:
        return None
    values = [a.dtype.type(a.value) for a in n.inputs if isinstance(a, Literal)]
    with np.errstate(all="ignore"):
        return r.literal(n.op.evaluate(*values, **n.params), n.type.dtype)


def splats_to_literals(r: Rewriter, n: Node) -> Atom | None:
    """op(x, broadcast(literal)) -> op(x, literal), if x has the output's shape."""
    if not n.type.shape:
        return None
    inputs = [splat(r, a) or a for a in n.inputs]
    if all(new is old for new, old in zip(inputs, n.inputs, strict=True)):
        return None
    if any(a.type.shape == n.type.shape for a in inputs):
        return r.emit(n.op.name, *inputs, **n.params)
    return None


def fold_select(r: Rewriter, n: Node) -> Atom | None:
    """op(select(c, literal, literal), literal) -> select(c, op(...), op(...))."""
    selects = [m for a in n.inputs if (m := r.maker(a, "select")) is not None]
    if len(selects) != 1 or n.op.check is not None:
        return None
    condition, *cases = selects[0].inputs
    chosen = selects[0].outputs[0]
    if not all(isinstance(a, Literal) for a in (*cases, *n.inputs) if a is not chosen):
        return None
    folded = [
        r.emit(n.op.name, *[case if a is chosen else a for a in n.inputs], **n.params)
        for case in cases
    ]
    return r.emit("select", condition, *folded)


MOVEMENTS = ("broadcast", "reshape", "transpose", "pad")


def move_last(r: Rewriter, n: Node) -> Atom | None:
    """op(move(x), move(y), literal) -> move(op(x, y, literal)).

    The movement is broadcast, reshape, transpose, or pad with a literal, the same one for all
    operands; 0-d values that are repeated fit to any. A broadcast then works on each element
    once, and movements come together and cancel.
    """
    if not n.type.shape or n.op.check is not None:
        return None
    makers: list[Eqn | None] = []
    first: Eqn | None = None
    for atom in n.inputs:
        maker = None if isinstance(atom, Literal) else r.makers.get(atom)
        if maker is None:
            if not isinstance(atom, Literal):
                return None
        elif maker.op.name not in MOVEMENTS:
            return None
        elif not _repeated(maker) or first is None:
            first = _common(first, maker)
            if first is None:
                return None
        makers.append(maker)
    return None if first is None else _moved(r, n, makers, first)


def _repeated(maker: Eqn) -> bool:
    """Whether an equation repeats a 0-d value."""
    return maker.op.name == "broadcast" and not maker.params["dims"]


def _common(first: Eqn | None, maker: Eqn) -> Eqn | None:
    """The movement that both are, if they are one; for pads, with literal fills."""
    if maker.op.name == "pad" and not isinstance(maker.inputs[1], Literal):
        return None
    if first is None or _repeated(first):
        return maker
    alike = (
        maker.op is first.op
        and maker.params == first.params
        and maker.inputs[0].type.shape == first.inputs[0].type.shape
    )
    return first if alike else None


def _moved(r: Rewriter, n: Node, makers: list[Eqn | None], move: Eqn) -> Atom | None:
    shape = move.inputs[0].type.shape
    inner: list[Atom] = []
    fills: list[Atom] = []
    for atom, maker in zip(n.inputs, makers, strict=True):
        if maker is None:
            inner.append(atom)
            fills.append(atom)
        elif _repeated(maker) and not _repeated(move):
            source = maker.inputs[0]
            if move.op.name == "pad" and not isinstance(source, Literal):
                return None
            inner.append(r.full(source, source.type.with_shape(shape)))
            fills.append(source)
        else:
            inner.append(maker.inputs[0])
            fills.append(maker.inputs[-1])
    x = r.emit(n.op.name, *inner, **n.params)
    if move.op.name == "pad":
        return r.emit("pad", x, r.emit(n.op.name, *fills, **n.params), **move.params)
    return r.emit(move.op.name, x, **move.params)


def generic_rules() -> dict[str, tuple[Rule, ...]]:
    """The rules above for every op of the registry."""
    table: dict[str, tuple[Rule, ...]] = dict.fromkeys(REGISTRY, (empty,))
    for name, op in REGISTRY.items():
        if elementwise(op) and name not in ("stop_gradient", "kept", "named"):
            swap: tuple[Rule, ...] = (literal_second,) if name in COMMUTATIVE else ()
            table[name] = (empty, fold, fold_select, move_last, splats_to_literals, *swap)
    return table
