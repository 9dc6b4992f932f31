"""The pattern of a program's Jacobian, from the program alone.

The linear half of a linearised program is walked with patterns in the place of tangents. Nothing is
evaluated but what does not depend on the inputs: indices, masks and constant matrices. So the
pattern holds for all inputs, and entries in it may be zero for some of them.

Loops are walked turn by turn with their index known, up to a bound; what the walk cannot follow
(longer loops, `while`, indices that are computed from the inputs) makes each element depend on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.evaluate import binding, resolved
from wengert.ir.passes.expand import expand
from wengert.ir.passes.simplify import simplify
from wengert.ir.program import Atom, Eqn, Literal, Program, regions
from wengert.ir.sparsity.pattern import (
    Pattern,
    empty,
    from_pairs,
    identity,
    stacked,
    take_rows,
    union,
)
from wengert.ir.sparsity.rules import State, is_pattern, output_pattern, whole
from wengert.ir.transforms.linearize import linearize
from wengert.ir.types import TensorType

TURNS = 4096
"""Loops with more turns than this are not followed."""


def jacobian_pattern(program: Program, active: Sequence[bool]) -> Pattern:
    """The pattern of all outputs, one below the other, in the active inputs, side by side.

    Raises DifferentiationError if it has too many entries to be called sparse.
    """
    types = [t for t, on in zip(program.in_types, active, strict=True) if on]
    columns = sum(t.size for t in types)
    offsets = [sum(t.size for t in types[:i]) for i in range(len(types))]
    tangents = [identity(t.size, columns, o) for t, o in zip(types, offsets, strict=True)]
    return _dependences(program, active, tangents, columns)


def _dependences(
    program: Program, active: Sequence[bool], tangents: Sequence[Pattern], columns: int
) -> Pattern:
    """The pattern of all outputs, from those of the active inputs."""
    split = linearize(program, active)
    primal, linear = expand(split.primal), simplify(expand(split.linear))
    known = walk(primal, [None] * len(primal.inputs))[len(program.outputs) :]
    found = iter(walk(linear, [*known, *tangents]))
    blocks = [
        _pattern(next(found), t.size, columns) if on else empty(t.size, columns)
        for t, on in zip(program.out_types, split.out_active, strict=True)
    ]
    return stacked(blocks, columns)


def sampled_density(program: Program, active: Sequence[bool], samples: int) -> float:
    """Which part of the outputs' elements depends on an input, on average over some of these.

    They are spread evenly over the elements of the active inputs.
    """
    sizes = [t.size for t, on in zip(program.in_types, active, strict=True) if on]
    chosen = np.unique(np.linspace(0, sum(sizes) - 1, samples).astype(np.int64))
    starts = np.cumsum([0, *sizes])
    tangents = [
        from_pairs(chosen[mine] - start, np.flatnonzero(mine), (size, len(chosen)))
        for start, size in zip(starts, sizes, strict=False)
        for mine in [(start <= chosen) & (chosen < start + size)]
    ]
    found = _dependences(program, active, tangents, len(chosen))
    return found.nnz / max(1, found.shape[0] * found.shape[1])


def effort(program: Program) -> int:
    """How many equations a walk visits: those of loops once for each turn."""
    return sum(_turns(e) * max(1, sum(map(effort, regions(e)))) for e in program.eqns)


def _turns(eqn: Eqn) -> int:
    """How often the regions of an equation are walked; loops that are not followed count as one."""
    name = "size" if eqn.op.name == "for_each" else "turns"
    turns = eqn.params.get(name, 1)
    return turns if turns is not None and turns <= TURNS else 1


def _pattern(state: State, rows: int, columns: int) -> Pattern:
    return state if is_pattern(state) else empty(rows, columns)


def walk(program: Program, states: Sequence[State]) -> list[State]:
    """What is known of the outputs, given what is known of the inputs."""
    env: dict[Atom, State] = dict(zip(program.inputs, states, strict=True))

    def read(atom: Atom) -> State:
        if isinstance(atom, Literal):
            return np.asarray(atom.value, atom.dtype)
        return env[atom]

    for eqn in program.eqns:
        results = _results(eqn, [read(a) for a in eqn.inputs])
        env.update(zip(eqn.outputs, results, strict=True))
    return [read(a) for a in program.outputs]


def _results(eqn: Eqn, states: Sequence[State]) -> Sequence[State]:
    params = {k: resolved(v) for k, v in eqn.params.items()}
    if eqn.op.name in _REGIONS:
        found = _REGIONS[eqn.op.name](states, **params)
        if found is not None:
            return found
    if not any(is_pattern(s) for s in states):
        return _constants(eqn, states, params)
    outs = [resolved(v.type.shape) for v in eqn.outputs]
    if len(outs) != 1:
        return [whole(states, out) for out in outs]
    shapes = [resolved(a.type.shape) for a in eqn.inputs]
    return [output_pattern(eqn, states, shapes, outs[0], params)]


def _constants(eqn: Eqn, states: Sequence[State], params: dict[str, Any]) -> Sequence[State]:
    """The values of an equation whose operands are all known; nothing is known otherwise."""
    if any(s is None for s in states):
        return [None] * len(eqn.outputs)
    with np.errstate(all="ignore"):
        found = eqn.op.evaluate(*states, **params)
    results = (found,) if len(eqn.outputs) == 1 else found
    return [np.asarray(x, v.type.dtype) for x, v in zip(results, eqn.outputs, strict=True)]


# regions: None where they are not followed


def _for_loop(
    states: Sequence[State],
    *,
    body: Program,
    consts: int,
    symbol: Any,
    reverse: bool,
    **params: Any,
) -> Sequence[State] | None:
    start, stop = states[:2]
    if start is None or stop is None or int(stop) - int(start) > TURNS:
        return None
    known, carry = states[2 : 2 + consts], list(states[2 + consts :])
    indices = range(int(start), int(stop))
    for i in reversed(indices) if reverse else indices:
        with binding(symbol, i):
            carry = walk(body, [np.asarray(i), *known, *carry])
    return carry


def _for_each(
    states: Sequence[State], *, body: Program, consts: int, size: int
) -> Sequence[State] | None:
    if size > TURNS:
        return None
    rows = [
        walk(body, [*states[:consts], *(_row(s, i, size) for s in states[consts:])])
        for i in range(size)
    ]
    return [_joined([row[k] for row in rows], t) for k, t in enumerate(body.out_types)]


def _row(state: State, i: int, size: int) -> State:
    if not is_pattern(state):
        return None if state is None else state[i]
    count = state.shape[0] // size
    return take_rows(state, np.arange(i * count, (i + 1) * count))


def _joined(states: Sequence[State], t: TensorType) -> State:
    """What is known of the rows of an array, each of type `t`, as a whole."""
    moving = [s for s in states if is_pattern(s)]
    if moving:
        columns = moving[0].shape[1]
        return stacked([_pattern(s, t.size, columns) for s in states], columns)
    if not states or any(s is None for s in states):
        return None
    return np.stack(states)


def _branch(states: Sequence[State], *, branches: Sequence[Program]) -> Sequence[State]:
    index, operands = states[0], states[1:]
    if index is not None:
        return walk(branches[int(index)], operands)
    every = [walk(b, operands) for b in branches]
    return [_either(found) for found in zip(*every, strict=True)]


def _either(states: Sequence[State]) -> State:
    moving = [s for s in states if is_pattern(s)]
    return union(moving) if moving else None


_REGIONS = {"for_loop": _for_loop, "for_each": _for_each, "branch": _branch}
