"""`if`, conditional expressions, and/or/not and comparisons when they run.

Concrete conditions are Python's. For a traced one all parts are traced, and what differs between
them is a result of a branch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from wengert.capture.branching import Arm, Labels, branch, trace_arm, truth_index
from wengert.capture.exits import RESULT
from wengert.capture.info import Info
from wengert.capture.journal import changes, journaled, looks_into
from wengert.capture.list_tables import Tables, holding, view_of
from wengert.capture.lists import Growth, append, growth, same_growth
from wengert.capture.loop_state import Variables
from wengert.capture.objects import compared, iterator, special, truth
from wengert.capture.raises import Raised, left_by_error, require
from wengert.capture.undefined import Chosen, Maybe, Undefined
from wengert.errors import CaptureError, located
from wengert.ir.builder import Value
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import open_trace, user_location

Thunk = Callable[[], Any]


def run_branch(
    info: Info, condition: Any, then: Thunk, other: Thunk, get: Thunk, set_: Callable[[Any], None]
) -> None:
    """Runs an `if`."""
    if not isinstance(condition, Tracer):
        (then if condition else other)()
        return
    open_trace(condition)
    with holding() as tables:
        _run_traced(info, truth_index(condition), (other, then), Variables(info, get, set_), tables)


def _run_traced(
    info: Info, index: Value, parts: Sequence[Thunk], variables: Variables, tables: Tables
) -> None:
    """Runs an `if` whose condition is known only at run time."""
    order = (1, 0) if info.raises else (0, 1)
    try:
        traced = tables.retried(lambda: _arms(parts, order, variables))
    except _PartRaises as found:
        require(index, found.part, found.raised)
        parts[1 - found.part]()
        return
    arms = [arm for arm, _ in traced]
    _same_order(arms, info.line)
    _resolve(arms[0], info.unless)
    grown = same_growth([added for _, added in traced], info.line)
    for arm, added in traced:
        _extend(arm, [x for target, _ in grown for x in added[id(target)].added])
    names = [_label(n) for n in variables.names]
    names += [f"what a list is given in line {info.line}" for _, n in grown for _ in range(n)]
    left, seen = info.returning or (-1, frozenset[str]())
    labels = Labels(
        names,
        arms=(
            f"if the condition in line {info.line} is false",
            f"if the condition in line {info.line} is true",
        ),
        lenient=frozenset(map(_label, info.lenient)),
        lines=[{_label(n): line for n, line in lines.items()} for lines in info.lines],
        left=left,
        unseen=frozenset(map(_label, info.after - seen)),
    )
    results = branch(index, arms, labels)
    for place in variables.places:
        changes(place.owner, place.key, place.is_attribute)
    variables.write(results[: len(variables.names)])
    more = iter(results[len(variables.names) :])
    for target, n in grown:
        for _ in range(n):
            append(target, next(more))


class _PartRaises(Exception):
    """One part of an `if` or of a conditional expression raises an error."""

    def __init__(self, part: int, raised: Raised) -> None:
        self.part, self.raised = part, raised


def _arms(
    parts: Sequence[Thunk], order: Sequence[int], variables: Variables
) -> list[tuple[Arm, dict[int, Growth]]]:
    """Traces the parts of an `if`, in this order."""
    while True:
        before, count = variables.read(), len(variables.places)
        found: dict[int, tuple[Arm, dict[int, Growth]]] = {}
        for k in order:
            if len(variables.places) == count:
                try:
                    found[k] = _arm(parts[k], variables, before)
                except Raised as raised:
                    raise _PartRaises(k, raised) from None
        if len(variables.places) == count:
            return [found[k] for k in range(len(parts))]
        # otherwise objects are changed: they are variables from now on


def _extend(arm: Arm, values: Sequence[Any]) -> None:
    """More results of an arm."""
    arm.values += values
    arm.flat += [flatten(x) for x in values]


def _resolve(arm: Arm, flags: Sequence[str]) -> None:
    """In the part of `if not flag` where the flag is set, what depends on it has its value."""
    for i, value in enumerate(arm.values):
        if isinstance(value, Maybe) and [value.flag] == list(flags):
            arm.values[i] = value.value
            arm.flat[i] = flatten(value.value)


def _label(name: str) -> str:
    if name == RESULT:
        return "the result of the function"
    return name if name == _VALUE else f"'{name}'"


def _arm(part: Thunk, variables: Variables, before: list[Any]) -> tuple[Arm, dict[int, Growth]]:
    """Traces one part of an `if`, and says what it appends to lists."""
    added: dict[int, Growth] = {}
    new_keys: dict[int, list[Any]] = {}

    with journaled(arm=True) as journal:
        journal.grown = {}

        def values() -> list[Any]:
            part()
            added.update(growth(journal))
            new_keys.update(journal.new_keys())
            return variables.read()

        try:
            arm = trace_arm(left_by_error(values), "a branch")
        finally:
            variables.write(before)
    variables.add(journal)
    arm.new_keys, arm.made = new_keys, journal.made
    return arm, added


def _same_order(arms: Sequence[Arm], line: int) -> None:
    """Raises if the parts of an `if` give a dict new keys in orders that differ."""
    for key in arms[0].new_keys.keys() & arms[1].new_keys.keys():
        orders = [arm.new_keys[key] for arm in arms]
        common = [[k for k in order if all(k in o for o in orders)] for order in orders]
        if common[0] != common[1]:
            raise located(
                CaptureError(
                    f"the branches of the condition in line {line} give a dict the new keys "
                    f"{common[0]} and {common[1]}, in another order each, and the condition is "
                    "known only at run time; give it the keys before the condition, or in one order"
                ),
                user_location(),
            )


def choose(condition: Any, then: Thunk, other: Thunk) -> Any:
    """`then() if condition else other()`"""
    if not isinstance(condition, Tracer):
        return then() if condition else other()
    index = truth_index(condition)
    with holding() as tables:
        return _chosen(condition, index, (other, then), tables)


def _chosen(condition: Tracer, index: Value, parts: Sequence[Thunk], tables: Tables) -> Any:
    """The same, where the condition is known only at run time."""
    other, then = parts
    arms: list[Any] = []
    acts = False
    for k, part in enumerate(parts):
        try:
            arm, changed = tables.retried(lambda part=part: _part(part))
        except Raised as raised:
            require(index, k, raised)
            return parts[1 - k]()
        arms.append(arm)
        acts |= changed
    if acts:
        return _choose_and_change(condition, then, other)
    labels = Labels(
        (_VALUE,),
        ("if its condition is false", "if its condition is true"),
    )
    return branch(index, arms, labels)[0]


_VALUE = "the value of a conditional expression"


def _choose_and_change(condition: Tracer, then: Thunk, other: Thunk) -> Any:
    """The same, where the parts change objects: these are results of the branch too."""
    found: list[Any] = [Undefined(_VALUE)]

    def part(thunk: Thunk) -> Thunk:
        return lambda: found.__setitem__(0, thunk())

    location = user_location()
    info = Info(location.line if location else 0, (_VALUE,), after=frozenset({_VALUE}))
    set_: Callable[[Any], None] = lambda state: found.__setitem__(0, state[0])  # noqa: E731
    run_branch(info, condition, part(then), part(other), lambda: (found[0],), set_)
    return found[0]


def _part(thunk: Thunk) -> tuple[Arm, bool]:
    """One part, and whether it changes objects."""
    with journaled(arm=True) as journal:
        arm = trace_arm(left_by_error(lambda: [thunk()]), "a conditional expression")
        arm.made = journal.made
        return arm, bool(journal.places)


def and_(left: Any, right: Thunk, safe: bool) -> Any:
    """`left and right()`; right is evaluated at once if that is `safe`."""
    if not isinstance(left, Tracer):
        holds = truth(left)
        if not isinstance(holds, Tracer):
            return right() if holds else left
        left = holds
    if safe:
        value = right()
        return _both(np.logical_and, left, value, lambda: choose(left, lambda: value, lambda: left))
    return choose(left, right, lambda: _truth_like(left, False))


def or_(left: Any, right: Thunk, safe: bool) -> Any:
    """`left or right()`"""
    if not isinstance(left, Tracer):
        holds = truth(left)
        if not isinstance(holds, Tracer):
            return left if holds else right()
        left = holds
    if safe:
        value = right()
        return _both(np.logical_or, left, value, lambda: choose(left, lambda: left, lambda: value))
    return choose(left, lambda: _truth_like(left, True), right)


def _truth_like(left: Tracer, value: bool) -> Any:
    """What an operand of and/or is worth once its truth is known."""
    return value if left.dtype.kind == "b" and not left.shape else left


def _both(ufunc: Any, left: Tracer, value: Any, otherwise: Thunk) -> Any:
    if left.dtype.kind == "b" and not left.shape:
        if isinstance(value, Tracer) and value.dtype.kind == "b" and not value.shape:
            return ufunc(left, value)
        if isinstance(value, (bool, np.bool_)):
            return ufunc(left, bool(value))
    return otherwise()


def not_(x: Any) -> Any:
    """`not x`"""
    if isinstance(x, Tracer):
        truth_index(x)  # refuses what has no truth value
        return np.logical_not(x.reshape(()) if x.shape else x)
    return not x


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: partial(compared, name) for name in ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")},
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda x, items: in_(x, items),
    "NotIn": lambda x, items: not_in(x, items),
}


def chain(left: Any, *parts: Any) -> Any:
    """`left < middle < right`: names of comparisons and operands in turn, each evaluated once."""
    right = parts[1]()
    result = _COMPARISONS[parts[0]](left, right)
    if len(parts) == 2:
        return result
    return and_(result, lambda: chain(right, *parts[2:]), True)


def in_(x: Any, items: Any) -> Any:
    """`x in items`"""
    method = special(items, "__contains__")
    if method is not None:
        return method(x)
    if isinstance(x, Chosen) and isinstance(items, (dict, set, frozenset)):
        items = list(iterator(items))  # its hash is not known
    if isinstance(items, dict):
        looks_into(items, x)
    if isinstance(items, Tracer):
        return np.any(items == x)
    items = items if (view := view_of(items)) is None else list(view)
    traced = isinstance(x, (Tracer, Chosen)) or (
        isinstance(items, (list, tuple)) and any(isinstance(y, Tracer) for y in items)
    )
    if traced and isinstance(items, (list, tuple, set, frozenset, range)):
        found: Any = False
        for item in items:
            found = or_(found, lambda item=item: compared("Eq", x, item), True)
        return found
    return x in items


def not_in(x: Any, items: Any) -> Any:
    """`x not in items`"""
    return not_(in_(x, items))
