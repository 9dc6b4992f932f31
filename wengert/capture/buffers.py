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

from wengert.capture.aliases import Flow, close_turn, link_results, same_arrays, settled
from wengert.capture.loop_state import LoopState
from wengert.capture.loop_unstable import Unstable
from wengert.errors import CaptureError, located
from wengert.ir.builder import Value
from wengert.tracer.array import Tracer
from wengert.tracer.mutation import write
from wengert.tracer.sharing import is_argument
from wengert.tracer.stack import Trace, user_location


@dataclass(frozen=True, slots=True)
class Rotation:
    """`moves[i]` is the slot whose array slot i holds after a turn; only slots that hand on."""

    moves: dict[int, int]
    changed: bool

    @property
    def cycles(self) -> list[list[int]]:
        """The slots that hand on to one another."""
        found: list[list[int]] = []
        for i in self.moves:
            if not any(i in cycle for cycle in found):
                found.append(_cycle(self.moves, i))
        return found


def rotation(
    state: LoopState,
    here: Trace,
    flow: Flow,
    entered: Sequence[Tracer],
    leaves: Sequence[Any],
    peeled: bool,
    turns: int | Value | None,
    *tests: Trace,
) -> Rotation:
    """How the arrays of the state are handed around in a turn; to be called before the loop is
    part of the program. `turns` is the number of turns, None if that is not known even at run time.

    Raises Unstable if an array is changed and then replaced: in the first turn it is one that
    others may hold too, so that turn has to run in Python, and so is an argument that a turn has
    not replaced.
    """
    numbers = {id(t): i for i, t in enumerate(entered)}
    moves = _permutation({i: numbers[id(x)] for i, x in enumerate(leaves) if id(x) in numbers})
    originals = state.befores
    for i, before in enumerate(originals):
        if not isinstance(before, Tracer) or not before.mutable:
            continue
        shared = any(before is other for k, other in enumerate(originals) if k != i)
        if i in flow.changed and (i not in moves or shared):
            if not peeled or before.base is not None or is_argument(before):
                raise Unstable(_replaced(state.slots[i].label))
        elif id(before) in here.written:
            raise Unstable(_replaced(state.slots[i].label))
    found = Rotation(moves, bool(flow.changed))
    close_turn(here, flow, entered, *tests)
    done = [c for c in found.cycles if is_settled(state, c, turns)]
    if found.changed:
        for cycle in found.cycles:
            if cycle not in done:
                _refuse_argument(state, cycle)
    settled(here, entered, [i for cycle in done for i in cycle])
    return found


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
    parent: Trace,
    state: LoopState,
    found: Rotation,
    flow: Flow,
    after: Sequence[Any],
    results: Sequence[Tracer],
    turns: int | Value | None,
) -> list[Any]:
    """The results of a loop, with arrays of before it in the place of those that are the same.

    `after` is what a turn leaves in the place of each result.
    """
    leaves: list[Any] = list(results)
    _settle_cycles(state, found, leaves, turns)
    if state.skipped is None:
        same_arrays(parent, after, results, leaves)
    link_results(parent, flow, state.befores, results, leaves, state.labels, state.skipped)
    return leaves


def _settle_cycles(
    state: LoopState, found: Rotation, leaves: list[Any], turns: int | Value | None
) -> None:
    for cycle in found.cycles:
        if is_settled(state, cycle, turns):
            _settle(state, cycle, found.changed, leaves, turns)


def is_settled(state: LoopState, cycle: list[int], turns: int | Value | None) -> bool:
    """Whether the arrays of before the loop can be given what the loop has left in them."""
    originals = [state.slots[i].before for i in cycle]
    if not all(isinstance(x, Tracer) and x.mutable for x in originals):
        return False
    if any(x.type != state.slots[i].kind.type for x, i in zip(originals, cycle, strict=True)):
        return False
    if len(cycle) == 1 or isinstance(turns, int):
        return True
    if turns is None or len({x.type for x in originals}) > 1:
        return False
    return any(map(is_argument, originals))  # of others nobody holds them any more


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
    if isinstance(turns, Value) and size > 1:
        if changed:
            _share_out(originals, results, turns.max(0).mod(size))
        return
    shift = turns % size if isinstance(turns, int) else 0
    for p, i in enumerate(cycle):
        array = originals[(p + shift) % size]
        if changed:
            write(array, results[p].value)
        leaves[i] = array


def _refuse_argument(state: LoopState, cycle: list[int]) -> None:
    if any(isinstance(x := state.slots[i].before, Tracer) and is_argument(x) for i in cycle):
        raise located(
            CaptureError(
                f"'{state.slots[cycle[0]].label}' and another array change places in a loop whose "
                "number of turns cannot be known before it runs; copy them before the loop"
            ),
            user_location(),
        )


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
