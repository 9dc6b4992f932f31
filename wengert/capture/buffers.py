"""Arrays of a loop's state that the body changes in place: which array is which afterwards.

`u, v = v, u` hands arrays around. If the state after a turn holds the very arrays it held before,
in another order, then after the loop the variables hold the arrays they would hold in Python, with
the contents that the loop left in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wengert.capture.loop_state import LoopState
from wengert.capture.loop_unstable import Unstable
from wengert.errors import CaptureError, located
from wengert.ir.builder import Value
from wengert.ir.program import Var
from wengert.tracer.array import Tracer
from wengert.tracer.mutation import join, root, write
from wengert.tracer.stack import user_location


@dataclass(frozen=True, slots=True)
class Rotation:
    """`moves[i]` is the slot whose array slot i holds after a turn; only slots that hand on."""

    moves: dict[int, int]
    changed: bool


def rotation(
    state: LoopState,
    inputs: Sequence[Value],
    entered: Sequence[Tracer],
    leaves: Sequence[Any],
    peeled: bool,
) -> Rotation:
    """How the arrays of the state are handed around in a turn.

    Raises Unstable if an array is changed and then replaced: in the first turn it is one that
    others may hold too, so that turn has to run in Python, and so is an argument that a turn has
    not replaced.
    """
    numbers = {id(t): i for i, t in enumerate(entered)}
    moves = _permutation({i: numbers[id(x)] for i, x in enumerate(leaves) if id(x) in numbers})
    changed = {
        i
        for i, (t, v) in enumerate(zip(entered, inputs, strict=True))
        if t.latest is None or t.latest.atom is not v.atom
    }
    originals = [s.before for s in state.slots]
    written = entered[0].owner.written if entered else {}
    for i, before in enumerate(originals):
        if not isinstance(before, Tracer) or not before.mutable:
            continue
        shared = any(before is other for k, other in enumerate(originals) if k != i)
        if i in changed and (i not in moves or shared):
            if not peeled or before.base is not None or _is_argument(before):
                raise Unstable(_replaced(state.slots[i].label))
        elif id(before) in written:
            raise Unstable(_replaced(state.slots[i].label))
    return Rotation(moves, bool(changed))


def _permutation(moves: dict[int, int]) -> dict[int, int]:
    """The part of `moves` that is a permutation."""
    while True:
        counts = Counter(moves.values())
        kept = {
            i: j
            for i, j in moves.items()
            if i in counts and j in moves and (counts[j] == 1 or i == j)
        }
        if kept == moves:
            return moves
        moves = kept


def _replaced(label: str) -> Any:
    error = CaptureError(
        f"the array '{label}' is changed in place in a loop that also assigns the variable, and "
        "other variables may hold the same array; change a copy (x = x.copy()) before the loop"
    )
    return located(error, user_location())


def settle_buffers(
    state: LoopState, found: Rotation, leaves: list[Any], turns: int | Value | None
) -> None:
    """Puts the arrays of before the loop in the place of results that are the same arrays.

    `turns` is the number of turns, or None if that is not known even at run time.
    """
    cycles: list[list[int]] = []
    for i in found.moves:
        if not any(i in cycle for cycle in cycles):
            cycles.append(_cycle(found.moves, i))
    for cycle in cycles:
        originals = [state.slots[i].before for i in cycle]
        if all(isinstance(x, Tracer) and x.mutable for x in originals):
            _settle(state, cycle, found.changed, leaves, turns)


def _settle(
    state: LoopState,
    cycle: list[int],
    changed: bool,
    leaves: list[Any],
    turns: int | Value | None,
) -> None:
    """Slot cycle[p] holds after n turns the array that slot cycle[p + n] held before."""
    originals = [state.slots[i].before for i in cycle]
    results = [leaves[i] for i in cycle]
    size = len(cycle)
    if any(x.type != y.type for x, y in zip(originals, results, strict=True)):
        return
    if size == 1 or isinstance(turns, int):
        shift = turns % size if isinstance(turns, int) else 0
        for p, i in enumerate(cycle):
            array = originals[(p + shift) % size]
            if changed:
                write(array, results[p].value)
            leaves[i] = array
        return
    if not changed:  # which array it is does not show, until one is changed
        for i in cycle:
            join(leaves[i], originals, f"'{state.slots[i].label}'")
        return
    if all(map(_is_new, originals)):
        return
    if turns is None or len({x.type for x in originals}) > 1:
        raise located(
            CaptureError(
                f"'{state.slots[cycle[0]].label}' and another array change places in a loop whose "
                "number of turns cannot be known before it runs; copy them before the loop"
            ),
            user_location(),
        )
    _share_out(originals, results, turns.max(0).mod(size))


def _share_out(originals: Sequence[Tracer], results: Sequence[Tracer], phase: Value) -> None:
    """Gives each array the contents that it has after `phase` turns more than whole cycles."""
    size = len(originals)
    for q, array in enumerate(originals):
        value = results[q].value
        for shift in range(1, size):
            value = (
                phase.eq(shift)
                .broadcast(shape=array.shape, dims=())
                .select(results[(q - shift) % size].value, value)
            )
        write(array, value)


def _cycle(moves: dict[int, int], i: int) -> list[int]:
    found = [i]
    while moves[found[-1]] != i:
        found.append(moves[found[-1]])
    return found


def _is_argument(x: Tracer) -> bool:
    """Whether the caller of the traced function sees what is done to an array."""
    whole = root(x)
    return id(whole) in whole.owner.arguments


def _is_new(x: Tracer) -> bool:
    """Whether an array was made by the traced program rather than given to it."""
    atom = x.contents().atom if x.base is None else None
    return isinstance(atom, Var) and x.owner.producer(atom) is not None
