"""What a region stores for its linear part, and what is computed again there.

The linear part of a loop's body reads values that the primal loop computes. Each of them is either
stored at every turn or computed again from others. The cheapest choice is a minimum cut between
what is only there while the primal loop runs and what the linear part reads: storing a value costs
its bytes, computing it again costs operations, and what is there anyway (the index, constants)
costs nothing (cf. Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.ir.forms import Contraction, Reduction
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, can_fail
from wengert.ir.transforms.mincut import INFINITE, Graph
from wengert.ir.types import TensorType

_BYTE = 8
"""The cost of storing a byte and reading it back; an addition costs `_OPERATION`."""
_OPERATION = 6
_CACHE = 1 << 22
"""Bytes beyond which what is stored leaves the caches, and each of them costs more."""
_OUTSIDE = 8
_SMALL = 64
"""What is neither pointwise nor a sum is computed again if it has at most this many elements."""
_SUM = 4096
_FEW = 16
_PRODUCT = 512
"""Sums of at most this many terms, or few for each result, and products of this many factors are
computed again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`stored` values are handed over, `again` are the equations to repeat, in their order."""

    stored: tuple[Var, ...]
    again: tuple[Eqn, ...]


def nbytes(type_: TensorType) -> int:
    """The bytes of a value; at most, if its shape depends on loop indices."""
    return math.prod(int(n) for n in type_.shape) * type_.dtype.itemsize


def work(eqn: Eqn) -> int | None:
    """How many simple operations an equation takes; None if it is too dear to be repeated."""
    op = eqn.op
    if op.raises or any(_is_region(value) for value in eqn.params.values()):
        return None
    size = sum(_size(a.type) for a in eqn.inputs)
    if op.form is None:
        return sum(_size(v.type) for v in eqn.outputs) * op.cost
    form = op.form(tuple([a.type for a in eqn.inputs]), **eqn.params)
    if isinstance(form, Reduction):
        terms = size // max(1, _size(eqn.outputs[0].type))
        return size if size <= _SUM or terms <= _FEW else None
    if isinstance(form, Contraction):
        terms = math.prod(int(eqn.inputs[0].type.shape[a]) for a in form.contract[0])
        count = 2 * _size(eqn.outputs[0].type) * terms
        return count if count <= 2 * _PRODUCT else None
    return 4 * size if size <= _SMALL else None


_PLACES = {"window": 1, "window_set": 2, "window_add": 2, "gather": 1}
"""Where the positions begin among the operands of what reads or writes at positions."""


def is_safe(eqn: Eqn) -> bool:
    """Whether an equation may run where the program would not: it neither fails nor reads astray.

    Positions that are right in one branch, or when a loop makes a turn, can be anywhere else.
    """
    if eqn.op.form is not None and eqn.op.name.startswith("scatter"):
        return False
    first = _PLACES.get(eqn.op.name)
    known = first is None or all(isinstance(a, Literal) for a in eqn.inputs[first:])
    return known and not can_fail(eqn)


def _size(type_: TensorType) -> int:
    return math.prod(int(n) for n in type_.shape)


def _is_region(value: object) -> bool:
    return isinstance(value, Program) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], Program)
    )


def plan(
    known: Sequence[Eqn], needed: Iterable[Atom], prices: Mapping[Var, int | None], turns: int
) -> Plan:
    """The cheapest way to have the `needed` values, all computed by `known` from the inputs.

    `prices` are the bytes that it costs to keep an input, None where it is there anyway; `turns`
    is how often the equations run, each time with new values to be stored.
    """
    targets = [a for a in dict.fromkeys(needed) if isinstance(a, Var)]
    makers = {v: e for e in known for v in e.outputs}
    graph = Graph()
    seen: set[Var] = set()
    pending = list(targets)
    for target in targets:
        graph.edge((target, 1), "linear", INFINITE)
    while pending:
        var = pending.pop()
        if var in seen:
            continue
        seen.add(var)
        maker = makers.get(var)
        if maker is None:
            price = prices[var]
            if price is not None:
                graph.edge("primal", (var, 0), INFINITE)
                graph.edge((var, 0), (var, 1), _cost(price))
            continue
        graph.edge((var, 0), (var, 1), _cost(nbytes(var.type) * turns))
        effort = work(maker)
        graph.edge("primal", (var, 0), INFINITE if effort is None else effort * turns * _OPERATION)
        for atom in maker.inputs:
            if isinstance(atom, Var):
                graph.edge((atom, 1), (var, 0), INFINITE)
                pending.append(atom)
    return _read_off(known, targets, makers, graph.sink_side("primal", "linear"))


def in_bytes(effort: int) -> int:
    """How many bytes could be stored for as much as so many operations cost."""
    return effort * _OPERATION // _BYTE


def _cost(total: int) -> int:
    """What it costs to store so many bytes in all."""
    return total * _BYTE * (1 if total <= _CACHE else _OUTSIDE)


def _read_off(
    known: Sequence[Eqn], targets: Sequence[Var], makers: Mapping[Var, Eqn], side: set[Any]
) -> Plan:
    """Walks back from what is needed to the cut."""
    stored: dict[Var, None] = {}
    again: set[Eqn] = set()
    done: set[Var] = set()
    pending = list(targets)
    while pending:
        var = pending.pop()
        if var in done:
            continue
        done.add(var)
        if (var, 0) not in side or var not in makers:
            stored[var] = None
            continue
        again.add(makers[var])
        pending += [a for a in makers[var].inputs if isinstance(a, Var)]
    order = {v: i for i, v in enumerate(v for e in known for v in e.outputs)}
    kept = sorted(stored, key=lambda v: order.get(v, -1))
    return Plan(tuple(kept), tuple([e for e in known if e in again]))
