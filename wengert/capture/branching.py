"""Branches on traced conditions: every arm is traced as a region, and what differs is a result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from wengert.capture.aliases import link_arms, read_now
from wengert.capture.defaults import resupplied, supplied
from wengert.capture.joined import Way, containers, join
from wengert.capture.kinds import is_numeric, joined, kind_of
from wengert.capture.region import emit_branch
from wengert.capture.undefined import Chosen, Maybe, Undefined, Unjoined, lacks_value
from wengert.errors import (
    CaptureError,
    Location,
    ShapeError,
    SharedArrayError,
    WengertError,
    located,
)
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64, DType
from wengert.tracer.array import Tracer
from wengert.tracer.lift import checked, lift, wrap
from wengert.tracer.pytree import TreeDef, flatten
from wengert.tracer.sharing import put_in_doubt
from wengert.tracer.stack import Trace, open_trace, opened, user_location
from wengert.tracer.trace import Abstract


@dataclass(frozen=True, slots=True)
class Labels:
    """How to call things in messages.

    `names` has a name for each result; `lenient` are those that may lack a value in an arm, since
    nobody looks at it then. `arms` describe when an arm runs, `lines` where a result gets its
    value in an arm. `left` is the arm that leaves the function (-1 if there is none): `unseen` may
    lack a value in it. Dicts that arms give in different orders are an error if `ordered` is set,
    as it is for Python's own branches, and else have the order of their sorted keys.
    """

    names: Sequence[str]
    arms: Sequence[str]
    lenient: frozenset[str] = frozenset()
    lines: Sequence[dict[str, int]] = ()
    left: int = -1
    unseen: frozenset[str] = frozenset()
    ordered: bool = True

    def may_lack(self, name: str, arm: int) -> bool:
        """Whether a result may lack a value in an arm."""
        return name in self.lenient or (arm == self.left and name in self.unseen)


@dataclass(slots=True)
class Arm:
    """A traced arm and the values that it gives, flattened."""

    trace: Trace
    values: list[Any]
    flat: list[tuple[list[Any], TreeDef]] = field(default_factory=list[Any])
    new_keys: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    """Of dicts that it gives keys, in their order."""
    made: dict[int, Any] = field(default_factory=dict[int, Any])
    """The objects that it has made, by their ids."""


def truth(condition: Any) -> Value:
    """A traced condition as a boolean scalar."""
    value = lift(condition)
    if value.shape:
        if value.type.size != 1:
            raise located(
                ShapeError(
                    f"the truth value of an array of shape {value.shape} is ambiguous; use "
                    "np.any(x) or np.all(x)"
                ),
                user_location(),
            )
        value = value.reshape(shape=())
    return value if value.dtype == BOOL else value.ne(0)


def truth_index(condition: Any) -> Value:
    """A traced condition as 0 or 1."""
    return truth(condition).to(INT64)


def trace_arm(thunk: Callable[[], list[Any]], name: str) -> Arm:
    """Runs one arm in a trace of its own."""
    with opened(name) as here:
        arm = Arm(here, thunk())
        for value in arm.values:
            leaves, tree = flatten(_with_ends(supplied(value)))
            arm.flat.append((leaves, tree))
            for x in leaves:
                if isinstance(x, Tracer) and x.owner is here:
                    read_now(here, x)
    return arm


def _with_ends(value: Any) -> Any:
    """A slice that runs forwards with all its parts, so that it can be joined with another one."""
    if not isinstance(value, slice):
        return value
    start, stop, step = value.start, value.stop, 1 if value.step is None else value.step
    if not isinstance(step, int) or step < 1:
        return value
    return slice(0 if start is None else start, sys.maxsize if stop is None else stop, step)


def branch(index: Value, arms: Sequence[Arm], labels: Labels) -> list[Any]:
    """Joins traced arms: the results of the one that `index` selects at run time."""
    parent = open_trace()
    parent.builder.location = user_location()
    number = wrap(index)
    for i in range(len(labels.names)):
        _keep_common(arms, i)
    plans = [_plan(arms, i, labels, number) for i in range(len(labels.names))]
    wanted, called = _distinct(plans, labels)
    lost: dict[Any, Location | None] = {}
    outputs = [
        [_output(arm.trace, leaf, leaf.values[k], lost) for leaf in wanted]
        for k, arm in enumerate(arms)
    ]
    found = emit_branch(parent, index, [a.trace for a in arms], outputs)
    made = {leaf.key: wrap(v, leaf.kind.weak) for leaf, v in zip(wanted, found, strict=False)}
    link_arms(parent, [leaf.values for leaf in wanted], list(made.values()), called)
    for key, where in lost.items():
        put_in_doubt(parent, made[key], {id(made[key]): where})
    finished: dict[Any, Any] = {}  # one object for what is one in every arm
    columns = [[arm.values[i] for arm in arms] for i in range(len(plans))]
    for plan, column in zip(plans, columns, strict=True):
        key = tuple(map(id, column))
        if key not in finished:
            finished[key] = plan.finish(made)
    results = [resupplied(finished[tuple(map(id, column))], *column) for column in columns]
    join(parent, [Way(arm.trace, arm.made) for arm in arms], columns, results)
    return results


def _output(trace: Trace, leaf: _Leaf, x: Any, lost: dict[Any, Location | None]) -> Value:
    """What an arm gives for a leaf; one in doubt is an error only if the result is used."""
    try:
        return value_in(trace, x, leaf.kind.type.dtype)
    except SharedArrayError as error:
        lost[leaf.key] = error.location
        return trace.builder.zeros(leaf.kind.type)


def _distinct(plans: Sequence[_Plan], labels: Labels) -> tuple[list[_Leaf], list[str]]:
    """The leaves that the op has to give, those that are one in every arm once, and names."""
    found: dict[Any, tuple[_Leaf, str]] = {}
    for plan, name in zip(plans, labels.names, strict=True):
        for leaf in plan.outputs:
            found.setdefault(leaf.key, (leaf, name.strip("'")))
    return [leaf for leaf, _ in found.values()], [name for _, name in found.values()]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf that the op has to give: its value in each arm, and the kind they are joined to."""

    values: Sequence[Any]
    kind: Abstract

    @property
    def key(self) -> Any:
        """What makes it the same as another one."""
        return (*map(id, self.values), self.kind)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of one result: a value known already, or leaves of which some are outputs."""

    known: Any
    tree: TreeDef | None = None
    leaves: Sequence[Any] = ()
    maybe: tuple[Undefined, str] | None = None

    @property
    def outputs(self) -> list[_Leaf]:
        return [x for x in self.leaves if isinstance(x, _Leaf)]

    def finish(self, made: dict[Any, Tracer]) -> Any:
        if self.tree is None:
            return self.known
        value = self.tree.unflatten(
            [made[x.key] if isinstance(x, _Leaf) else x for x in self.leaves]
        )
        if self.maybe is None:
            return value
        missing, flag = self.maybe
        return Maybe(missing.name, missing.reason, value, flag)


def _keep_common(arms: Sequence[Arm], i: int) -> None:
    """Leaves lists and dicts whole that are the same ones in every arm, in what holds them."""
    columns = [containers(supplied(arm.values[i])) for arm in arms]
    if any(len(c) != len(columns[0]) for c in columns):
        return
    common = {id(c[0]) for c in zip(*columns, strict=True) if all(x is c[0] for x in c)}
    if common:
        for arm in arms:
            value = supplied(arm.values[i])
            arm.flat[i] = flatten(value, lambda x: id(x) in common)


def _plan(arms: Sequence[Arm], i: int, labels: Labels, number: Tracer) -> _Plan:
    """`number` is that of the arm that runs."""
    values = [supplied(arm.values[i]) for arm in arms]
    name = labels.names[i]
    first = values[0]
    if all(v is first for v in values):
        return _Plan(first)
    missing: list[bool] = [lacks_value(v) for v in values]
    if all(missing):
        return _Plan(first)
    maybe: tuple[Undefined, str] | None = None
    if any(missing) and not labels.may_lack(name, missing.index(True)):
        absent = _absent(name, missing, labels)
        flag = _flag(arms, missing, labels)
        if flag is None:
            return _Plan(absent)
        maybe = (absent, flag)
    present = missing.index(False)
    tree = arms[present].flat[i][1]
    rows: list[Sequence[Any]] = []
    for k, arm in enumerate(arms):
        leaves, found = arm.flat[i]
        if missing[k]:
            leaves = [_placeholder(x) for x in arms[present].flat[i][0]]
        elif found != tree:
            _differ(name, values, labels)
        elif found.order != tree.order:
            if labels.ordered:
                _reordered(name, k, present, labels)
            tree = tree.in_order()
        rows.append(leaves)
    leaves = [_leaf(name, column, labels, number) for column in zip(*rows, strict=True)]
    return _Plan(None, tree, leaves, maybe)


def _flag(arms: Sequence[Arm], missing: Sequence[bool], labels: Labels) -> str | None:
    """A flag that is set in just the arms where a result has a value."""
    for i, name in enumerate(labels.names):
        if name.startswith("'_wg_"):
            values = [arm.values[i] for arm in arms]
            if all(v is (not m) for v, m in zip(values, missing, strict=True)):
                return name.strip("'")
    return None


def _placeholder(x: Any) -> Any:
    """Zeros for a value that is never looked at."""
    if not is_numeric(x):
        return x
    kind = kind_of(x)
    return np.zeros(kind.type.shape, kind.type.dtype) if not kind.weak else type_zero(kind)


def type_zero(kind: Abstract) -> Any:
    """The Python number 0 of a kind."""
    return kind.type.dtype.type(0).item()


def _absent(name: str, missing: Sequence[bool], labels: Labels) -> Undefined:
    arm = labels.arms[missing.index(True)]
    k = missing.index(False)
    where = _line(labels, k, name)
    return Undefined(name.strip("'"), f"it is assigned{where}, but not {arm}")


def _line(labels: Labels, k: int, name: str) -> str:
    line = labels.lines[k].get(name) if k < len(labels.lines) else None
    return f" in line {line}" if line else ""


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, (Tracer, np.ndarray)):
        return False
    try:
        return bool(a == b)
    except Exception:
        return False


def _leaf(name: str, column: Sequence[Any], labels: Labels, number: Tracer) -> Any:
    first = column[0]
    if all(_same(x, first) for x in column):
        return first
    if all(isinstance(x, (str, bytes)) for x in column):
        return Chosen(name.strip("'"), _difference(name, column, labels), column, number)
    unknown = [x for x in column if isinstance(x, Undefined)]
    if any(isinstance(x, Chosen) for x in unknown):  # whose number is a value of one arm
        return Unjoined(name.strip("'"), _difference(name, column, labels))
    if unknown:
        return unknown[0]
    if not all(map(is_numeric, column)):
        _differ(name, column, labels)
    kinds = [kind_of(x) for x in column]
    kind = kinds[0]
    for k, other in enumerate(kinds):
        if other.type.shape != kind.type.shape:
            _shapes_differ(name, kinds, k, labels)
        kind = joined(kind, other)
    return _Leaf(column, kind)


def _shapes_differ(name: str, kinds: Sequence[Abstract], k: int, labels: Labels) -> None:
    first, other = (kinds[j].type for j in (0, k))
    raise located(
        ShapeError(
            f"{name} has shape {other.shape} {labels.arms[k]}{_line(labels, k, name)}, and shape "
            f"{first.shape} {labels.arms[0]}{_line(labels, 0, name)}. Both branches are compiled, "
            "so the shapes must agree: broadcast one of them, or make the condition static "
            "(static_argnums)"
        ),
        user_location(),
    )


def _differ(name: str, values: Sequence[Any], labels: Labels) -> NoReturn:
    raise _difference(name, values, labels)


def _difference(name: str, values: Sequence[Any], labels: Labels) -> WengertError:
    kinds = [_describe(v) for v in values]
    listed = ", and ".join(
        f"{kind} {arm}{_line(labels, k, name)}"
        for k, (kind, arm) in enumerate(zip(kinds, labels.arms, strict=True))
    )
    return located(
        CaptureError(
            f"{name} is {listed}. The condition is known only at run time, so the branches must "
            "give arrays or numbers of one structure; use a number or an array in both, or make "
            "the condition static (static_argnums)"
        ),
        user_location(),
    )


def _reordered(name: str, k: int, first: int, labels: Labels) -> NoReturn:
    """A later arm gives a dict whose keys were inserted in another order than in the first."""
    raise located(
        CaptureError(
            f"{name} holds a dict whose keys have another order {labels.arms[k]}"
            f"{_line(labels, k, name)} than {labels.arms[first]}{_line(labels, first, name)}. The "
            "condition is known only at run time, so nothing could tell in which order to walk "
            "through it; insert the keys in one order"
        ),
        user_location(),
    )


def _describe(x: Any) -> str:
    if isinstance(x, Tracer):
        return f"an array {x.type}" if x.type.shape else f"a number {x.type}"
    if isinstance(x, Chosen):
        return f"one of {', '.join(map(repr, x.texts))}"
    text = "a text" if isinstance(x, Unjoined) else repr(x)
    return text if len(text) < 40 else f"a {type(x).__name__}"


def value_in(trace: Trace, x: Any, dtype: DType) -> Value:
    """`x` as a value of a trace that need not be the current one, cast to `dtype`."""
    if isinstance(x, Tracer):
        return trace.read(x).to(dtype)
    if isinstance(x, (np.ndarray, np.generic)):
        return trace.constant(checked(x)).to(dtype)
    return trace.builder.literal(x, dtype)
