"""The structured loops: a function of the state is traced until the types of the state are stable.

A Python number in the state takes on the dtype that the body gives it; shapes must not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.capture.branching import truth, value_in
from wengert.capture.inside import kept_inside
from wengert.capture.kinds import entry, is_numeric, is_wide, joined, kind_of, lifted
from wengert.capture.region import INDEX, emit_for, emit_while
from wengert.errors import CaptureError, ShapeError, TreeError, located
from wengert.ir.builder import Value
from wengert.ir.op import REGISTRY
from wengert.ir.types import INT64, Symbol
from wengert.tracer.affine import bind_index, bounds, difference
from wengert.tracer.array import Tracer
from wengert.tracer.functions import stretches
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import forget_changed
from wengert.tracer.pytree import TreeDef, flatten, paths
from wengert.tracer.stack import Trace, open_trace, opened, user_location
from wengert.tracer.trace import Abstract

MOST_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Stepped:
    """How a loop runs: from `start` to `stop - 1`, `chunk` steps a turn."""

    stop: Any
    chunk: int
    reverse: bool
    checkpoint: Any
    start: Any = 0


@dataclass(frozen=True, slots=True)
class State:
    """The state of a loop, flattened: `places` are the leaves that are arrays or numbers."""

    name: str
    leaves: Sequence[Any]
    tree: TreeDef
    paths: Sequence[str]
    places: Sequence[int]

    @staticmethod
    def of(name: str, init: Any) -> State:
        """The state as it is on entry."""
        leaves, tree = flatten(init)
        places = [i for i, x in enumerate(leaves) if is_numeric(x)]
        return State(name, leaves, tree, paths(init), places)

    @property
    def kinds(self) -> list[Abstract]:
        """The kinds of the numeric leaves on entry."""
        return [kind_of(self.leaves[i]) for i in self.places]

    def rebuilt(self, values: Sequence[Any]) -> Any:
        """The state with other numeric leaves."""
        filled = list(self.leaves)
        for place, value in zip(self.places, values, strict=True):
            filled[place] = value
        return self.tree.unflatten(filled)

    def numbers(self, after: Any, what: str) -> list[Any]:
        """The numeric leaves of the state after a turn, which must have the same structure."""
        leaves, tree = flatten(after)
        if tree != self.tree:
            raise located(
                TreeError(
                    f"{what} '{self.name}' should give a state of the structure {self.tree}, as on "
                    f"entry, and gave {tree}"
                ),
                user_location(),
            )
        for i, x in enumerate(leaves):
            if (i in self.places) != is_numeric(x):
                raise located(
                    CaptureError(
                        f"{what} '{self.name}': the state{self.paths[i]} is a "
                        f"{type(self.leaves[i]).__name__} on entry and a {type(x).__name__} after "
                        "a turn; it must be an array or a number both times"
                    ),
                    user_location(),
                )
        return [leaves[i] for i in self.places]

    def widened(self, kinds: Sequence[Abstract], after: Sequence[Any]) -> list[Abstract]:
        """Kinds that hold the state before and after a turn."""
        found: list[Abstract] = []
        for place, kind, x in zip(self.places, kinds, after, strict=True):
            new = kind_of(x)
            if new.type.shape != kind.type.shape:
                raise located(
                    ShapeError(
                        f"the shape of the state{self.paths[place]} of '{self.name}' changes from "
                        f"{kind.type.shape} to {new.type.shape} in a turn; start with an array of "
                        "the shape that it keeps"
                    ),
                    user_location(),
                )
            found.append(joined(kind, new))
        return found


def settled(trace: Trace, old: Sequence[Abstract], new: Sequence[Abstract]) -> bool:
    """Whether a body traced with the old kinds is right for the new ones.

    That a number is no Python number any more makes no difference next to wide dtypes.
    """
    if old == new:
        return True
    return [k.type for k in old] == [k.type for k in new] and is_wide(trace.builder.eqns)


@dataclass(slots=True)
class _Turn:
    """A traced body."""

    trace: Trace
    index: Value
    symbol: Symbol | None
    inputs: list[Value]
    after: list[Any]
    ys: list[list[Value]]  # for each step of the chunk
    y_tree: TreeDef | None
    places: list[Value]  # the positions of the steps


def for_state(
    stepped: Stepped,
    name: str,
    init: Any,
    xs: Any,
    step: Callable[[Any, Any], Any],
) -> tuple[Any, Any]:
    """`state, y = step(state, x)` in a for_loop; gives the last state and the stacked ys.

    x are the rows of `xs`; if that is None they are the indices.
    """
    parent = open_trace()
    state = State.of(name, init)
    kinds = state.kinds
    for _ in range(MOST_ATTEMPTS):
        turn = _trace_turn(stepped, state, kinds, xs, step)
        wider = state.widened(kinds, turn.after)
        done = settled(turn.trace, kinds, wider) and not forget_changed(turn.trace)
        kinds = wider
        if done:
            break
    return _close(parent, stepped, state, kinds, turn)


def _trace_turn(
    stepped: Stepped, state: State, kinds: Sequence[Abstract], xs: Any, step: Any
) -> _Turn:
    count = stepped.stop
    if stepped.chunk > 1:
        count = stepped.stop // stepped.chunk
    with opened(state.name) as here:
        index = here.builder.input(INDEX)
        symbol = bind_index(here, index, stepped.start, count)
        i = wrap(index, True)
        inputs = [here.builder.input(k.type) for k in kinds]
        carry = state.rebuilt([entry(v, k, here) for v, k in zip(inputs, kinds, strict=True)])
        order = range(stepped.chunk)
        ys: list[list[Value]] = []
        places: list[Value] = []
        y_tree: TreeDef | None = None
        for c in reversed(order) if stepped.reverse else order:
            k = i if stepped.chunk == 1 else i * stepped.chunk + c
            row = _row(xs, k, stepped)
            with kept_inside(here, step, state.name):
                carry, y = _pair(step(carry, row), state.name)
            leaves, y_tree = flatten(y)
            ys.append([lift(leaf) for leaf in leaves])
            places.append(lift(k))
        after = state.numbers(carry, "the body of")
        for x in after:
            if isinstance(x, Tracer):
                here.read(x)
    return _Turn(here, index, symbol, inputs, after, ys, y_tree, places)


def _pair(result: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise located(
            TreeError(
                f"'{name}' should return a pair (state, y), and gave {type(result).__name__}"
            ),
            user_location(),
        )
    return result[0], result[1]


def _row(xs: Any, k: Any, stepped: Stepped) -> Any:
    if xs is None:
        return k
    leaves, tree = flatten(xs)
    if stepped.stop == 0:  # there is no row to look at
        rows = [wrap(lift(0).to(x.dtype).broadcast(shape=x.shape[1:], dims=())) for x in leaves]
    else:
        rows = [x[k] for x in leaves]
    return tree.unflatten(rows)


def _close(
    parent: Trace, stepped: Stepped, state: State, kinds: Sequence[Abstract], turn: _Turn
) -> tuple[Any, Any]:
    here = turn.trace
    outputs = [value_in(here, x, k.type.dtype) for x, k in zip(turn.after, kinds, strict=True)]
    parent.builder.location = user_location()
    operands = [lifted(state.leaves[p], k) for p, k in zip(state.places, kinds, strict=True)]
    if isinstance(stepped.stop, int) and stepped.stop == 0 and turn.y_tree is not None:
        rows = [parent.builder.zeros(y.type.with_shape((0, *y.shape))) for y in turn.ys[0]]
        return _results(state, kinds, turn, [*operands, *rows])
    inputs = list(turn.inputs)
    for position in range(len(turn.ys[0])):
        stack = _stacked(parent, here, stepped.stop, turn, position)
        inputs.append(stack[0])
        outputs.append(stack[1])
        operands.append(stack[2])
    count = stepped.stop // stepped.chunk if stepped.chunk > 1 else stepped.stop
    start, stop = lift(stepped.start, INT64), lift(count, INT64)
    params = {}
    if stepped.checkpoint is not None and "checkpoint" in REGISTRY["for_loop"].params:
        params["checkpoint"] = stepped.checkpoint
    found = emit_for(
        parent, here, turn.index, inputs, outputs, operands,
        start=start, stop=stop, symbol=turn.symbol, reverse=stepped.reverse,
        turns=most_turns(stepped.start, count), params=params,
    )  # fmt: skip
    return _results(state, kinds, turn, found)


def _results(
    state: State, kinds: Sequence[Abstract], turn: _Turn, found: Sequence[Value]
) -> tuple[Any, Any]:
    last = [wrap(v, k.weak) for v, k in zip(found, kinds, strict=False)]
    assert turn.y_tree is not None
    ys = turn.y_tree.unflatten([wrap(v) for v in found[len(kinds) :]])
    return state.rebuilt(last), ys


def _stacked(
    parent: Trace, here: Trace, count: int, turn: _Turn, position: int
) -> tuple[Value, Value, Value]:
    """An array in which the loop collects a result: on entry of a turn, after it, before all."""
    first = turn.ys[0][position]
    full = first.type.with_shape((count, *first.shape))
    entering = here.builder.input(full)
    after = entering
    for k, ys in zip(turn.places, turn.ys, strict=True):
        after = stored(after, ys[position], k)
    return entering, after, parent.builder.zeros(full)


def stored(stack: Value, row: Value, k: Value) -> Value:
    """`stack` with row k replaced."""
    zero = k.builder.literal(0, INT64)
    wide = row.broadcast(shape=(1, *row.shape), dims=tuple(range(1, row.ndim + 1)))
    return stack.window_set(wide, k, *(zero for _ in row.shape), steps=(1,) * stack.ndim)


def most_turns(start: Any, stop: Any) -> int | None:
    """A bound of the number of turns that is known while tracing."""
    if isinstance(start, int) and isinstance(stop, int):
        exact = difference(stop, start)
        return None if exact is None else max(int(exact), 0)
    span = difference(stop, start)
    if span is not None:
        found = bounds(span)
        return None if found is None else max(found[1], 0)
    low, high = bounds(start), bounds(stop)
    return None if low is None or high is None else max(high[1] - low[0], 0)


def while_state(
    name: str, init: Any, cond: Callable[[Any], Any], body: Callable[[Any], Any]
) -> Any:
    """`state = body(state)` while `cond(state)`, in a while_loop; gives the last state."""
    parent = open_trace()
    state = State.of(name, init)
    kinds = state.kinds
    for _ in range(MOST_ATTEMPTS):
        with opened(name) as here:
            inputs, carry = _entered(state, kinds, here)
            with kept_inside(here, body, name):
                result = body(carry)
            after = state.numbers(result, "the body of")
            for x in after:
                if isinstance(x, Tracer):
                    here.read(x)
        wider = state.widened(kinds, after)
        done = settled(here, kinds, wider)
        kinds = wider
        with opened(name) as test:
            test_inputs, carry = _entered(state, kinds, test)
            condition = condition_value(cond(carry))
        if not forget_changed(here, test) and done:
            break
    outputs = [value_in(here, x, k.type.dtype) for x, k in zip(after, kinds, strict=True)]
    parent.builder.location = user_location()
    operands = [lifted(state.leaves[p], k) for p, k in zip(state.places, kinds, strict=True)]
    found = emit_while(parent, (test, test_inputs, condition), (here, inputs, outputs), operands)
    return state.rebuilt([wrap(v, k.weak) for v, k in zip(found, kinds, strict=True)])


def condition_value(x: Any) -> Value:
    """A condition, traced or not, as a boolean scalar of the current trace."""
    if not isinstance(x, Tracer):
        return lift(bool(x))
    return truth(x)


def _entered(state: State, kinds: Sequence[Abstract], here: Trace) -> tuple[list[Value], Any]:
    inputs = [here.builder.input(k.type) for k in kinds]
    return inputs, state.rebuilt([entry(v, k, here) for v, k in zip(inputs, kinds, strict=True)])


def _over_places(start: Any, stop: Any, state: Any, step: Callable[[Any, Any], Any]) -> Any:
    """state = step(state, k) for the places k of a slice."""
    stepped = Stepped(stop, 1, False, None, start=start)
    after, _ = for_state(stepped, "a slice", state, None, lambda x, k: (step(x, k), None))
    return after


stretches.loop = _over_places
