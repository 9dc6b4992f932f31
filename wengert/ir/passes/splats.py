"""Rules on numbers that are known: literals, and literals repeated to a shape ("splats")."""

from __future__ import annotations

import math

import numpy as np

from wengert.ir.op import REGISTRY, Op
from wengert.ir.program import Atom, Eqn, Literal
from wengert.ir.rewrite import Node, Rewriter, Rule

COMMUTATIVE = frozenset(
    (
        *("add", "mul", "max", "min", "fmax", "fmin", "eq", "ne", "bitand", "bitor", "bitxor"),
        *("logaddexp", "logaddexp2", "hypot", "gcd", "lcm"),
    )
)
"""Ops whose two operands may change places, to the last bit."""


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


def fold(r: Rewriter, n: Node) -> Atom | None:
    """op(literals) -> a literal."""
    for atom in n.inputs:
        if not isinstance(atom, Literal):
            return None
    if n.type.shape or n.op.check is not None:
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


def broadcast_last(r: Rewriter, n: Node) -> Atom | None:
    """op(broadcast(x), broadcast(y), literal) -> broadcast(op(x, y, literal)).

    Where all are repeated in the same way, the op is done once for each element.
    """
    if not n.type.shape or n.op.check is not None:
        return None
    first: Eqn | None = None
    inner: list[Atom] = []
    for atom in n.inputs:
        maker = r.makers.get(atom)
        if maker is None or maker.op.name != "broadcast":
            if not isinstance(atom, Literal):
                return None
            inner.append(atom)
            continue
        if first is None:
            first = maker
        elif not _same_way(maker, first):
            return None
        inner.append(maker.inputs[0])
    if first is None:
        return None
    return r.emit("broadcast", r.emit(n.op.name, *inner, **n.params), **first.params)


def _same_way(x: Eqn, y: Eqn) -> bool:
    return x.params == y.params and x.inputs[0].type.shape == y.inputs[0].type.shape


def generic_rules() -> dict[str, tuple[Rule, ...]]:
    """The rules above for every elementwise op of the registry."""
    table: dict[str, tuple[Rule, ...]] = {}
    for name, op in REGISTRY.items():
        if elementwise(op) and name != "stop_gradient":
            swap: tuple[Rule, ...] = (literal_second,) if name in COMMUTATIVE else ()
            table[name] = (fold, broadcast_last, splats_to_literals, *swap)
    return table
