"""`for` and `while` when they run: in Python, or captured as loops of the program.

A loop is captured by tracing its body once, on a state of unknown values. Where that cannot be
(the body needs a concrete index, the state has no stable form), loops of a known, moderate number
of turns run in Python instead, each turn traced by itself. A failed attempt leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.capture.aliases import flow_of, to_be_known
from wengert.capture.branching import truth_index, value_in
from wengert.capture.buffers import rotation, settle_buffers
from wengert.capture.forms import condition_value, most_turns, settled
from wengert.capture.info import Info
from wengert.capture.joined import Way, check_joined, into_doubt, join
from wengert.capture.journal import Journal, changes, journaled
from wengert.capture.list_tables import holding, view_of
from wengert.capture.loop_plain import MOST_UNROLLED, is_better_plain, is_plain
from wengert.capture.loop_state import LoopState, Variables, wrapped
from wengert.capture.loop_turn import For, Get, Turn, check_lengths, none_to_set, trace_turn
from wengert.capture.loop_unstable import Rebound, Unstable, explained, final
from wengert.capture.objects import iterator
from wengert.capture.python_loops import python_for
from wengert.capture.region import INDEX, emit_for, emit_while
from wengert.capture.runtime_branches import run_branch
from wengert.capture.sequences import Range, sequence
from wengert.capture.short_loops import FEWEST_TURNS, may_multiply
from wengert.capture.undefined import Undefined
from wengert.capture.unsettled import restless, unsettled
from wengert.dump import note
from wengert.errors import (
    CaptureError,
    SharedArrayError,
    TracerConversionError,
    UndefinedVariableError,
    WengertError,
    located,
)
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import forget_changed
from wengert.tracer.stack import Trace, current, open_trace, opened, user_location

MOST_PEELED = 2
MOST_ATTEMPTS = 10
WHILE_ATTEMPTS = (16, 256, 4096)
"""The turns of a `while` with concrete conditions after which it is tried to capture it."""

UNSTABLE = (Unstable, UndefinedVariableError, LookupError)
"""Errors of a turn that Python may not have: a list is empty where `if i > 0` is not decided."""

Set = Callable[[Any], None]


class Plain(Exception):
    """A loop that depends on nothing traced: Python runs it."""


@explained
def run_for(
    info: Info, iterable: Any, body: Callable[[Any], None], get: Get, set_: Set, stop: Any
) -> None:
    """Runs a `for` loop."""
    iterable = iterable if (view := view_of(iterable)) is None else view
    items = sequence(iterable) if current() is not None else None
    if items is None:
        python_for(iterator(iterable), body, stop, info, get, set_)
        return
    loop = For(info, items, body, Variables(info, get, set_), get, stop, set_=set_)
    count = loop.count
    if type(count) is not int:
        try:
            _capture_for(loop, None)
        except Unstable as unstable:
            raise unstable.error from None
        return
    if may_multiply(info, count) and _attempt(loop, count) == "captured":
        return
    _run_turns(loop, count)


def _run_turns(loop: For, count: int) -> None:
    """Runs a loop of a known number of turns from turn `loop.first` on."""
    items = loop.items
    fewest = 1 if loop.first and loop.stop is not None else FEWEST_TURNS
    while count - loop.first >= fewest:
        found = _attempt(loop, count)
        if found == "captured":
            return
        if found == "plain":
            break
        loop.body(items.at(loop.first))
        loop.first += 1
        stopped = False if loop.stop is None else loop.stop()
        if isinstance(stopped, Tracer):
            _run_unless(stopped, loop, count, loop.first)
            return
        if stopped:
            return
    rest = (items.at(k) for k in range(loop.first, count))
    python_for(rest, loop.body, loop.stop, loop.info, loop.get, loop.set_)


def _run_unless(stopped: Tracer, loop: For, count: int, first: int) -> None:
    """The other turns of a loop that its first ones may have left."""

    def others() -> None:
        loop.first = first
        _run_turns(loop, count)

    run_branch(loop.info, stopped, lambda: None, others, loop.get, loop.set_)


def _attempt(loop: For, count: int) -> str:
    """Captures the loop, or says how to go on: all turns in Python ("plain"), or one ("turn")."""
    info = loop.info
    try:
        _capture_for(loop, count)
        return "captured"
    except Plain:
        return "plain"
    except (*UNSTABLE, SharedArrayError) as unstable:
        error = unstable.error if isinstance(unstable, Unstable) else unstable
        note(2, f"line {info.line}: {error}")
        if loop.first < MOST_PEELED:
            return "turn"
    except (TypeError, ValueError) as found:
        if not _needs_python(found):
            raise
        error = found
    _unroll_or_raise(error, info, count)
    return "plain"


@explained
def captured(info: Info, items: Any, body: Callable[[Any], None], get: Get) -> bool:
    """Captures the loop of a comprehension, where that is worth it."""
    loop = For(info, items, body, Variables(info, get, none_to_set), get, None, collects=True)
    try:
        _capture_for(loop, loop.count)
    except (Plain, *UNSTABLE):
        return False
    except (TypeError, ValueError) as error:
        if not _needs_python(error):
            raise
        return False
    return True


def _needs_python(error: Exception) -> bool:
    if isinstance(error, TypeError):
        return True
    return isinstance(error.__cause__, TracerConversionError)


def _unroll_or_raise(error: Exception, info: Info, count: int) -> None:
    if count <= MOST_UNROLLED:
        note(1, f"the loop in line {info.line} is unrolled: {error}")
        return
    if isinstance(error, WengertError):
        text = (
            f"the loop in line {info.line} cannot be compiled, and with {count} turns it is too "
            f"long to be unrolled: {error}"
        )
        error.args = (text, *error.args[1:])
    raise error


# capturing


def _capture_for(loop: For, count: int | None) -> None:
    """Captures the loop from turn `loop.first` on."""

    def attempt() -> None:
        with loop.attempted():
            _captured_for(loop, count)

    with holding() as tables:
        tables.retried(attempt)


def _captured_for(loop: For, count: int | None) -> None:
    parent = open_trace()
    runs = loop.surely_runs() if count is None else count > loop.first
    before = loop.variables.read()
    memo, memo_key = loop.info.memo, None
    for _ in range(MOST_ATTEMPTS):
        state = LoopState(loop.variables, before, runs, loop.rebound)
        key = tuple((s.label, s.kind) for s in state.slots)
        memo_key = memo_key or key
        kinds, dtypes = memo.get(key, ((), None))
        for slot, kind in zip(state.slots, kinds, strict=False):
            slot.kind = kind
        turn = _stable(loop, state, before)
        if turn is not None and dtypes in (None, turn.dtypes):
            break
        if turn is not None:  # its kinds were those of a run with operands of other dtypes
            del memo[key]
        before = loop.variables.read()
    else:
        raise unsettled(loop.info, before)
    memo[memo_key] = [s.kind for s in state.slots], turn.dtypes
    if count is not None and is_better_plain(loop, turn, state, count):
        raise Plain
    _emit_for(parent, loop, state, turn, count)


def _stable(loop: For, state: LoopState, before: list[Any]) -> Turn | None:
    """Traces the body until the kinds of the state are stable; None: begin again."""
    for _ in range(MOST_ATTEMPTS):
        try:
            with journaled(conditional=not state.runs) as journal:
                turn = trace_turn(loop, state)
                turn.made = journal.made
        finally:  # the journal gives places back what they held when the turn began
            loop.variables.write(before)
        _check_replaced(state, journal, turn)
        if loop.variables.add(journal):
            _check_looks(loop.variables, journal)
            return None
        if forget_changed(turn.trace):
            continue
        check_joined(loop.variables.names, loop.variables.places, turn.trace, turn.after)
        doubted = into_doubt(loop.variables.places, before, turn.after)
        if doubted:
            loop.doubted += doubted
            return None
        try:
            turn.leaves, kinds = state.compare(turn.after)
        except Rebound:
            return None
        after = state.results(turn.leaves, turn.after)
        turn.flow = flow_of(turn.trace, state.befores, turn.inputs, turn.entered, after)
        stable = settled(turn.trace, [s.kind for s in state.slots], kinds)
        turn.lists.follow(turn.flow, turn.entered, after)
        stable &= not state.more.add(to_be_known(turn.trace, turn.flow, turn.entered))
        for slot, kind in zip(state.slots, kinds, strict=True):
            slot.kind = kind
        if stable:
            if turn.lists.rows:
                check_lengths(loop, state, before, turn)
            return turn
    raise restless(loop.info, [s.label for s in state.slots])


def _check_replaced(state: LoopState, journal: Journal, turn: Turn) -> None:
    """Raises Unstable if objects that go around by what they hold may be known by other names."""
    own = [*state.objects, *state.objects_of(state.before)]
    changed = [place for place, _ in journal.places.values() if any(place.owner is x for x in own)]
    new = journal.made.keys() | set(map(id, state.objects))
    after = state.objects_of(turn.after)
    old = [x for k, x in enumerate(after) if id(x) not in new or any(x is y for y in after[:k])]
    if changed or old:
        kind = type(changed[0].owner if changed else old[0]).__name__
        error = CaptureError(
            f"variables get a new {kind} in each turn of the loop, and one of another turn is "
            "changed or used again; make a new one wherever it changes, or change one alone"
        )
        raise Unstable(located(error, user_location()))


def _check_looks(variables: Variables, journal: Journal) -> None:
    """Raises Unstable if a turn asks what an object has, and gives it more: later turns differ."""
    for place in variables.places:
        if id(place.owner) in journal.looked and isinstance(place.get(), Undefined):
            error = CaptureError(
                f"a turn of the loop makes {place} and asks what the {type(place.owner).__name__} "
                "has, so that the first turn differs from later ones; make it before the loop"
            )
            raise Unstable(located(error, user_location()))


def _emit_for(parent: Trace, loop: For, state: LoopState, turn: Turn, count: int | None) -> None:
    here = turn.trace
    parent.builder.location = user_location()
    start, stop, down = loop.limits()
    first, last = lift(start, INT64), lift(stop, INT64)
    exact: Any = count - loop.first if count is not None else last - first
    state.skipped = None if state.runs else wrap((last - first).le(0))
    exact = exact if turn.stop is None else None
    buffers = rotation(state, here, turn.flow, turn.entered, turn.leaves, loop.first > 0, exact)
    after = state.results(turn.leaves, turn.after)
    outputs = state.outputs(here, after)
    inputs = [*turn.inputs, *state.inputs_of_last(here)]
    operands = state.operands()
    if turn.lists.rows:
        if count is None:
            raise CaptureError(turn.lists.unbounded())
        if isinstance(turn.stop, Tracer):
            turn.lists.check_open()
        more = turn.lists.stacks(parent, count - loop.first)
        inputs += more[0]
        outputs += more[1]
        operands += more[2]
    turns = most_turns(start, stop) if count is None else count - loop.first
    with final():
        if isinstance(turn.stop, Tracer):
            found, done = _emit_leaving(parent, loop, turn, inputs, outputs, operands, first, last)
        else:
            done, found = None,  emit_for(
                parent, here, turn.index, inputs, outputs, operands,
                start=first, stop=last, symbol=turn.symbol, reverse=down, turns=turns,
            )  # fmt: skip
        width = len(state.slots) + len(state.last)
        results = wrapped(found[:width], [*state.slots, *state.last])
        leaves = settle_buffers(parent, state, buffers, turn.flow, after, results, exact)
        _finish(loop.variables, state, leaves, turn)
        turn.lists.close(found[width:], after, leaves, done)


def _finish(variables: Variables, state: LoopState, leaves: list[Any], turn: Turn) -> None:
    for place in variables.places:
        changes(place.owner, place.key, place.is_attribute)
    state.finish(leaves, turn.after)
    here = open_trace()
    columns = list(zip(state.before, turn.after, strict=True))
    ways = (Way(here, {}), Way(turn.trace, turn.made))
    join(here, ways, columns, variables.read(), 1 if state.runs else -1)


def _emit_leaving(
    parent: Trace,
    loop: For,
    turn: Turn,
    inputs: list[Value],
    outputs: list[Value],
    operands: list[Value],
    first: Value,
    last: Value,
) -> tuple[list[Value], Tracer]:
    """A loop that may be left: a while_loop whose index is part of the state.

    Gives its last state, and the number of its turns.
    """
    down = loop.limits()[2]
    here = turn.trace
    stop_in = here.builder.input(turn.stop.value.type)
    stopped = value_in(here, turn.stop, BOOL)
    one = here.builder.literal(1, INT64)
    step = turn.index - one if down else turn.index + one
    with opened("the end of a loop") as test:
        limit = Value(test.builder, test.builder.input(last.type).atom)
        place = test.builder.input(INDEX)
        carried = [test.builder.input(v.type) for v in inputs]
        flag = test.builder.input(stop_in.type)
        inside = place.ge(limit) if down else place.lt(limit)
        going = inside.bitand(flag.bitnot())
    bound = here.builder.input(last.type)
    begin = last - 1 if down else first
    end = first if down else last
    no = parent.builder.literal(False, BOOL)
    found = emit_while(
        parent,
        (test, [limit, place, *carried, flag], going),
        (here, [bound, turn.index, *inputs, stop_in], [bound, step, *outputs, stopped]),
        [end, begin, *operands, no],
    )
    done = begin - found[1] if down else found[1] - begin
    return found[2:-1], wrap(done, True)


# while


@explained
def run_while(
    info: Info, test: Callable[[], Any], body: Callable[[], None], get: Get, set_: Set
) -> None:
    """Runs a `while` loop; after first turns of Python's the captured one may have none."""
    turns = 0
    variables = Variables(info, get, set_)
    while True:
        condition = test()
        if isinstance(condition, Tracer):
            _capture_while(info, test, body, variables, get, False, turns > 0, condition)
            return
        if not condition:
            return
        tries = (turns == 0 and bool(info.stops)) or turns in WHILE_ATTEMPTS
        if (
            tries
            and current() is not None
            and _try_while(info, test, body, variables, get, turns > 0)
        ):
            return
        body()
        turns += 1


def _try_while(
    info: Info, test: Any, body: Any, variables: Variables, get: Get, peeled: bool
) -> bool:
    """Captures a loop whose condition is concrete so far; gives up quietly."""
    try:
        _capture_while(info, test, body, variables, get, True, peeled, None)
    except (Plain, *UNSTABLE, SharedArrayError):
        return False
    except (TypeError, ValueError) as error:
        if _needs_python(error):
            return False
        raise
    return True


def _capture_while(
    info: Info,
    test: Callable[[], Any],
    body: Callable[[], None],
    variables: Variables,
    get: Get,
    runs: bool,
    peeled: bool,
    condition: Tracer | None,
) -> None:
    parent = open_trace()

    def attempt() -> None:
        _while(parent, info, test, body, variables, get, runs, peeled, set(), condition)

    try:
        with holding() as tables:
            tables.retried(attempt)
    except Unstable as unstable:
        if condition is None:
            raise
        raise unstable.error from None


def _while(
    parent: Trace,
    info: Info,
    test: Any,
    body: Any,
    variables: Variables,
    get: Get,
    runs: bool,
    peeled: bool,
    rebound: set[Any],
    condition: Tracer | None,
) -> None:
    skipped = None if condition is None else wrap(truth_index(condition).eq(0))
    loop = For(info, Range(0, 0), lambda item: body(), variables, get, None, 0, rebound)
    before = variables.read()
    for _ in range(MOST_ATTEMPTS):
        state = LoopState(variables, before, runs, rebound)
        state.tentative, state.skipped = condition is None, skipped
        with loop.attempted():
            turn = _stable(loop, state, before)
        if turn is not None:
            break
        before = variables.read()
    else:
        raise unsettled(info, before)
    if turn.lists.rows:
        raise CaptureError(turn.lists.unbounded())
    where, test_inputs, going = _condition(info, test, variables, state, turn, before)
    parent.builder.location = user_location()
    here = turn.trace
    buffers = rotation(state, here, turn.flow, turn.entered, turn.leaves, peeled, None, where)
    after = state.results(turn.leaves, turn.after)
    outputs = state.outputs(here, after)
    inputs = [*turn.inputs, *state.inputs_of_last(here)]
    test_inputs += state.inputs_of_last(where)
    with final():
        found = emit_while(
            parent, (where, test_inputs, going), (here, inputs, outputs), state.operands()
        )
        results = wrapped(found, [*state.slots, *state.last])
        leaves = settle_buffers(parent, state, buffers, turn.flow, after, results, None)
        _finish(variables, state, leaves, turn)


def _condition(
    info: Info, test: Any, variables: Variables, state: LoopState, turn: Turn, before: list[Any]
) -> tuple[Trace, list[Value], Value]:
    """The condition of a `while` in a trace of its own: that, its inputs, and the truth value.

    Raises Plain if Python could go on and the condition, or all of the loop, is nothing traced.
    """
    with journaled() as journal, opened(f"the condition in line {info.line}") as where:
        try:
            inputs, _ = state.enter(where, in_turn=False)
            tested = test()
            if state.tentative and (not isinstance(tested, Tracer) or is_plain(turn, state)):
                raise Plain
            going = condition_value(tested)
        finally:
            variables.write(before)
    if journal.places:
        raise CaptureError("the condition of a while loop changes an object")
    return where, inputs, going
