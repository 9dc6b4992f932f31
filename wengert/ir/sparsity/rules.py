"""How the patterns of an equation's operands make that of its output, by what kind of op it is.

The programs are linear in what moves, so there are few kinds. Pointwise ops keep each row where it
is, but for products and choices with known operands. Ops that move elements are run by their own
`evaluate` on numbers of elements instead of the elements: what comes out says which row goes where.
The others say what they do by their form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.ir.forms import Contraction, Reduction, Scan, Scatter, Update
from wengert.ir.op import REGISTRY
from wengert.ir.program import Eqn
from wengert.ir.sparsity.pattern import (
    Ints,
    Pattern,
    check_size,
    from_pairs,
    product,
    spread_over,
    stacked,
    take_rows,
    union,
)
from wengert.ir.types import Shape

State = Any
"""What is known of a value: a Pattern if it moves, its array if it is constant, or else None."""

_MOVERS = ("structural", "indexing", "windows")


def is_pattern(state: State) -> bool:
    """Whether a value moves with the inputs."""
    return state is not None and not isinstance(state, np.ndarray)


def output_pattern(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern:
    """The pattern of the output of an equation without regions, some operand of which moves."""
    rule = _rule(eqn, params)
    found = None if rule is None else rule(eqn, states, shapes, out, params)
    return whole(states, out) if found is None else found


def whole(states: Sequence[State], out: Shape) -> Pattern:
    """The safe answer: each element of the output depends on all that any operand does."""
    return spread_over([s for s in states if is_pattern(s)], prod(out))


Rule = Callable[..., "Pattern | None"]


def _rule(eqn: Eqn, params: dict[str, Any]) -> Rule | None:
    if eqn.op.form is None:
        if eqn.op.element is None and eqn.op.family != "complex numbers":
            return None
        return _moved if eqn.op.family in _MOVERS else _pointwise
    form = eqn.op.form(tuple(a.type for a in eqn.inputs), **params)
    return _BY_FORM.get(type(form))


def numbers(shape: Shape, first: int = 0) -> Ints:
    """The numbers of an array's elements, in row-major order."""
    return np.arange(first, first + prod(shape), dtype=np.int64).reshape(shape)


# pointwise


def _pointwise(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern:
    """Each element depends on those at its own place, but for known factors and choices."""
    masks = _masks(eqn.op.name, states)
    rows = [
        take_rows(state, _places(shape, out, mask))
        for state, shape, mask in zip(states, shapes, masks, strict=True)
        if is_pattern(state)
    ]
    return union(rows)


def _places(shape: Shape, out: Shape, mask: Any) -> Ints:
    """For each element of `out` the element that it reads, or -1 where `mask` is false."""
    places = np.broadcast_to(numbers(shape), out)
    if mask is None:
        return places.ravel()
    return np.where(np.broadcast_to(mask, out), places, -1).ravel()


def _masks(name: str, states: Sequence[State]) -> list[Any]:
    """Where each operand of a product or choice counts, as far as the others are known."""
    masks: list[Any] = [None] * len(states)
    if name in ("mul", "scale"):
        for k, other in enumerate(reversed(states)):
            masks[k] = None if other is None or is_pattern(other) else other != 0
    if name == "select" and states[0] is not None:
        masks[1:] = [states[0], ~states[0]]
    return masks


# moved elements


def _moved(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern | None:
    """What the op makes of the numbers of its operands' elements; None if an index is unknown."""
    first, operands, rows = 0, list[Any](), list[Pattern]()
    for atom, state, shape in zip(eqn.inputs, states, shapes, strict=True):
        if is_pattern(state):
            operands.append(numbers(shape, first))
            rows.append(state)
            first += prod(shape)
        elif atom.type.is_float:
            operands.append(np.full(shape, -1, np.int64))
        elif state is None:
            return None
        else:
            operands.append(state)
    found = np.asarray(eqn.op.evaluate(*operands, **params)).ravel()
    return take_rows(stacked(rows, rows[0].shape[1]), found)


def _updated(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern | None:
    """Scatters and updates: moved elements if they replace, and a union where they add."""
    form: Any = eqn.op.rule("form")(tuple(a.type for a in eqn.inputs), **params)
    if form.combine == "set" or not is_pattern(states[1]):
        return _moved(eqn, states, shapes, out, params)
    if any(s is None for s in states[2:]):
        return None
    reader = "gather" if isinstance(form, Scatter) else "window"
    given = {"sizes": shapes[1], "steps": form.steps} if isinstance(form, Update) else {}
    targets = REGISTRY[reader].evaluate(numbers(out), *states[2:], **given)
    pairs = (np.asarray(targets).ravel(), numbers(shapes[1]).ravel())
    added = product(from_pairs(*pairs, (prod(out), prod(shapes[1]))), states[1])
    return union([states[0], added]) if is_pattern(states[0]) else added


# combined elements


def _reduced(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern:
    """Each element depends on all that are reduced to it."""
    form: Any = eqn.op.rule("form")(tuple(a.type for a in eqn.inputs), **params)
    return _summed(states[0], shapes[0], form.axes)


def _summed(pattern: Pattern, shape: Shape, axes: Sequence[int]) -> Pattern:
    kept = tuple(1 if a in axes else extent for a, extent in enumerate(shape))
    targets = np.broadcast_to(numbers(kept), shape).ravel()
    sums = from_pairs(targets, numbers(shape).ravel(), (prod(kept), prod(shape)))
    return product(sums, pattern)


def _scanned(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern:
    """Each element depends on those up to it, along the axis."""
    form: Any = eqn.op.rule("form")(tuple(a.type for a in eqn.inputs), **params)
    axis: int = form.axis
    length = out[axis]
    lines = np.moveaxis(numbers(out), axis, -1).reshape(-1, length)
    if form.reverse:
        lines = lines[:, ::-1]
    check_size(lines.size * (length + 1) // 2)
    later, earlier = np.tril_indices(length)
    pairs = (lines[:, later].ravel(), lines[:, earlier].ravel())
    through = from_pairs(*pairs, (prod(out), prod(out)))
    return union([product(through, s) for s in states if is_pattern(s)])


def _contracted(
    eqn: Eqn, states: Sequence[State], shapes: Sequence[Shape], out: Shape, params: dict[str, Any]
) -> Pattern:
    """Sums of products: an element counts wherever it meets a factor that may not be 0."""
    form: Any = eqn.op.rule("form")(tuple(a.type for a in eqn.inputs), **params)
    side = 0 if is_pattern(states[0]) else 1
    contract, batch = form.contract, form.batch
    mine = _arranged(numbers(shapes[side]), batch[side], contract[side])  # (b, free, k)
    other = states[1 - side]
    places = _out_places(out, len(batch[0]), mine.shape[1], side)  # (b, mine, theirs)
    if other is None:  # all of its elements count: sum first, then repeat
        rows = mine.shape[0] * mine.shape[1]
        targets: Ints = np.repeat(np.arange(rows), mine.shape[2])
        sums = from_pairs(targets, mine.ravel(), (rows, mine.size))
        found = np.empty(prod(out), np.int64)
        found[places.ravel()] = np.repeat(np.arange(rows), places.shape[2])
        return take_rows(product(sums, states[side]), found)
    known = _arranged(other, batch[1 - side], contract[1 - side])  # (b, theirs, k)
    check_size(np.count_nonzero(known) * mine.shape[1])
    b, theirs, k = np.nonzero(known)
    targets = places[b, :, theirs].ravel()
    sources = mine[b, :, k].ravel()
    return product(from_pairs(targets, sources, (prod(out), mine.size)), states[side])


def _arranged(x: Any, batch: Sequence[int], contract: Sequence[int]) -> Any:
    """(batch, free, contracted) from an operand of a contraction, each flattened."""
    free = [a for a in range(x.ndim) if a not in batch and a not in contract]
    extents = [prod(x.shape[a] for a in axes) for axes in (batch, free, contract)]
    return x.transpose(*batch, *free, *contract).reshape(extents)


def _out_places(out: Shape, batch: int, mine: int, side: int) -> Ints:
    """The numbers of the output's elements as (batch, the moving operand's free axes, others)."""
    count = prod(out[:batch])
    others = prod(out) // max(1, count * mine)
    if side == 0:
        return numbers((count, mine, others))
    return numbers((count, others, mine)).transpose(0, 2, 1)


_BY_FORM: dict[type, Rule] = {
    Reduction: _reduced,
    Scan: _scanned,
    Contraction: _contracted,
    Scatter: _updated,
    Update: _updated,
}
