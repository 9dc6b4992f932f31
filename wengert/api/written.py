"""What a compiled function leaves in the lists, dicts and objects that its caller has passed.

While a function is traced its arguments are copies of the caller's containers, made for it. After
it has run they are compared with what they were: where another value stands, a call puts one like
it into the caller's own container, once the program has succeeded. Which values these are is a
constant of the program, a tree of `Part`s: arrays that the program gives, arrays that the caller
has passed, his containers, new containers, and constants.

Containers that the caller passes in several places are one container in a program of its own.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.api.signature import Call
from wengert.capture.journal import all_made, changes, changes_structure, made
from wengert.capture.kinds import is_numeric
from wengert.capture.lists import store
from wengert.capture.undefined import Undefined
from wengert.errors import CaptureError
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import TreeDef, children_of, flatten, remade

Path = tuple[int | str, ...]
"""The way from the positional and keyword arguments to a container.

There are numbers of children and, where what an object holds is no child, names of attributes.
"""

_FIXED = (tuple, slice, types.NoneType)
_CONSTANT = (bool, int, float, complex, str, bytes, enum.Enum, type, types.FunctionType, range)


# what a call leaves


class Part:
    """How to make a value that a call leaves behind."""


@dataclass(frozen=True, slots=True)
class Constant(Part):
    """A value that is known when the function is traced."""

    value: Any


@dataclass(frozen=True, slots=True)
class Given(Part):
    """A number or array of the caller's: leaf `number` of the arguments."""

    number: int


@dataclass(frozen=True, slots=True)
class Own(Part):
    """A container of the caller's."""

    path: Path


@dataclass(frozen=True, slots=True)
class Output(Part):
    """What the program gives: a number of Python's if it is `weak`, an array if it was `made`."""

    number: int
    weak: bool
    made: bool


@dataclass(frozen=True, slots=True, eq=False)
class New(Part):
    """A new container; the same one wherever this part stands."""

    tree: TreeDef
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """The new contents of a container of the caller's.

    `keys` are those that get another value, or all if `whole` is set: then there are no others.
    """

    path: Path
    keys: tuple[Any, ...]
    parts: tuple[Part, ...]
    whole: bool
    attributes: bool


@dataclass(frozen=True, slots=True)
class Written:
    """All that a call leaves behind: its result, and the edits, outer containers first."""

    result: Part
    edits: tuple[Edit, ...]

    def finish(self, values: Sequence[Any], call: Call) -> Any:
        """The result of a call, after its edits have been made."""
        maker = _Maker(values, call.leaves, call.given)
        made = [(maker.own(e.path), [maker.make(p) for p in e.parts]) for e in self.edits]
        result = maker.make(self.result)
        for edit, (owner, contents) in zip(self.edits, made, strict=True):
            _put(owner, edit, contents)
        return result


@dataclass(slots=True)
class _Maker:
    """Makes the values of one call."""

    values: Sequence[Any]
    leaves: Sequence[Any]
    given: Any
    containers: dict[int, Any] = field(default_factory=dict[int, Any])

    def own(self, path: Path) -> Any:
        found = self.given
        for k in path:
            if isinstance(k, str):
                found = object.__getattribute__(found, k)
                continue
            children = children_of(found)
            assert children is not None
            found = children[k]
        return found

    def make(self, part: Part) -> Any:
        match part:
            case Constant(value):
                return value
            case Given(number):
                return self.leaves[number]
            case Own(path):
                return self.own(path)
            case Output():
                return _restored(self.values[part.number], part)
            case New(tree, parts):
                if id(part) not in self.containers:
                    self.containers[id(part)] = remade(tree, [self.make(p) for p in parts])
                return self.containers[id(part)]
            case _:
                raise AssertionError(part)


def _restored(x: Any, part: Output) -> Any:
    """An output as Python would have it: traced code has one kind of numbers only."""
    if isinstance(x, Tracer):
        if part.weak and not x.weak:
            x = wrap(lift(x), True)
        x.made = x.made or part.made
        return x
    if part.weak:
        return x.item()
    return np.array(x) if part.made and not np.shape(x) and isinstance(x, np.generic) else x


def _put(owner: Any, edit: Edit, contents: list[Any]) -> None:
    if edit.attributes:
        for key, value in zip(edit.keys, contents, strict=True):
            changes(owner, key, True)
            object.__setattr__(owner, key, value)
    elif isinstance(owner, list):
        if len(owner) == len(contents) or not edit.whole:
            for key, value in zip(edit.keys, contents, strict=True):
                store(owner, key, value)
        else:
            changes_structure(owner, "a compiled function")
            owner[:] = contents
    else:
        gone = _misplaced(list(owner), edit.keys) if edit.whole else []
        if gone:
            changes_structure(owner, "a compiled function")
        for key in gone:
            del owner[key]
        for key, value in zip(edit.keys, contents, strict=True):
            changes(owner, key, False)
            owner[key] = value


def _misplaced(old: list[Any], new: Sequence[Any]) -> list[Any]:
    """The keys of a dict that must go so that `new` keys, put in one by one, stand in order."""
    kept = 0  # the longest beginning of `new` whose keys stand in order already
    places = {key: k for k, key in enumerate(old)}
    last = -1
    while kept < len(new) and places.get(new[kept], -1) > last:
        last = places[new[kept]]
        kept += 1
    return [key for key in old if key not in new[:kept]]


# containers of the arguments


def _held(x: Any) -> dict[Any, Any] | None:
    """What a container that can be changed holds, by keys; None for anything else."""
    if isinstance(x, list):
        return dict(enumerate(x))
    if isinstance(x, dict):
        return dict(x)
    if isinstance(x, _FIXED) or children_of(x) is None:
        return None
    slots = [
        name
        for base in type(x).__mro__
        for name, found in vars(base).items()
        if isinstance(found, types.MemberDescriptorType)
    ]
    names = [*getattr(x, "__dict__", ()), *slots]
    return {name: object.__getattribute__(x, name) for name in names if hasattr(x, name)}


def _hidden(x: Any, children: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Lists and dicts in attributes of a registered pytree that are none of its children."""
    if isinstance(x, (list, dict, *_FIXED)) or dataclasses.is_dataclass(x):
        return
    known = {id(c) for c in children}
    for name, value in (_held(x) or {}).items():
        if isinstance(value, (list, dict)) and id(value) not in known:
            yield name, value


def _containers(x: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All containers in `x` that can be changed, outer ones first."""
    children = children_of(x)
    if children is None:
        return
    if len(path) > 1 and not isinstance(x, _FIXED):
        yield path, x
    for k, child in enumerate(children):
        yield from _containers(child, (*path, k))
    for name, value in _hidden(x, children):
        yield from _containers(value, (*path, name))


def repeated(given: Any) -> tuple[tuple[Path, Path], ...]:
    """Where a container of the arguments stands again, with the place where it stands first."""
    first: dict[int, Path] = {}
    return tuple(
        (path, first[id(x)])
        for path, x in _containers(given)
        if first.setdefault(id(x), path) != path
    )


def rebuilt(tree: TreeDef, leaves: Sequence[Any], same: Mapping[Path, Path]) -> Any:
    """The arguments, with one container wherever `same` says so."""
    made: dict[Path, Any] = {}
    rest = iter(leaves)

    def build(tree: TreeDef, path: Path) -> Any:
        if tree.kind is None:
            return next(rest)
        children = [build(c, (*path, k)) for k, c in enumerate(tree.children)]
        found = made[same[path]] if path in same else remade(tree, children)
        made[path] = found
        return found

    return build(tree, ())


class Watched:
    """The arguments of a function that is traced, as they were before it runs."""

    def __init__(self, given: Any, leaves: Sequence[Any]) -> None:
        self._before: dict[int, tuple[Path, Any, dict[Any, Any]]] = {}
        for path, x in _containers(given):
            held = _held(x)
            if held is not None:
                self._before.setdefault(id(x), (path, x, held))
        self._leaves: dict[int, int] = {}
        for k, leaf in enumerate(leaves):
            if isinstance(leaf, Tracer):
                self._leaves.setdefault(id(leaf), k)
        self._arguments = (given, leaves)

    def note_made(self) -> None:
        """Notes that all containers of the arguments were made for this trace."""
        all_made(self._arguments[0])
        for _, x, _ in self._before.values():
            made(x)

    def finish(self, result: Any) -> tuple[Any, Written | None]:
        """What the program has to give, and what to make of that unless it is just the result."""
        changed = [
            (path, x, before, now)
            for path, x, before in self._before.values()
            if _differ(before, now := _held(x) or {})
        ]
        if not changed:
            return result, None
        paths = [path for path, *_ in changed]
        touched = {path[:k] for path in paths for k in range(len(path) + 1)}
        writer = _Writer(self._before, self._leaves, touched)
        edits = [_edit(writer, path, x, before, now) for path, x, before, now in changed]
        part = writer.part(result, "the result", True)
        return tuple(writer.outputs), Written(part, tuple(edits))


def _differ(before: dict[Any, Any], now: dict[Any, Any]) -> bool:
    if len(before) != len(now):
        return True
    pairs = zip(before.items(), now.items(), strict=True)
    return any(j != k or x is not y for (j, x), (k, y) in pairs)


def _edit(writer: _Writer, path: Path, x: Any, before: dict[Any, Any], now: dict[Any, Any]) -> Edit:
    attributes = not isinstance(x, (list, dict))
    whole = not attributes and list(before) != list(now)
    if attributes and before.keys() - now.keys():
        name = min(before.keys() - now.keys())
        fail(
            CaptureError(
                f"a compiled function deletes the attribute '{name}' of an argument of type "
                f"{type(x).__name__}; the caller's object cannot lose it. Give it None"
            )
        )
    keys = [k for k, v in now.items() if whole or k not in before or before[k] is not v]
    where = [f".{k}" if attributes else f"[{k!r}]" for k in keys]
    names = [f"{type(x).__name__}{w} of an argument" for w in where]
    parts = [writer.part(now[k], name) for k, name in zip(keys, names, strict=True)]
    return Edit(path, tuple(keys), tuple(parts), whole, attributes)


class _Writer:
    """Finds the part for a value, and collects what the program has to give."""

    def __init__(
        self,
        containers: Mapping[int, tuple[Path, Any, Any]],
        leaves: Mapping[int, int],
        touched: set[Path],
    ) -> None:
        self.containers = containers
        self.leaves = leaves
        self.touched = touched
        self.outputs: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.made: dict[int, New] = {}
        self.open: set[int] = set()

    def part(self, x: Any, what: str, result: bool = False) -> Part:
        """The part for `x`; as in other results, arrays in the `result` are no arguments."""
        if id(x) in self.leaves and not result:
            return Given(self.leaves[id(x)])
        if id(x) in self.containers and (not result or self.containers[id(x)][0] in self.touched):
            return Own(self.containers[id(x)][0])
        children = children_of(x)
        if children is not None:
            return self._new(x, children, what, result)
        if isinstance(x, _CONSTANT) and not isinstance(x, np.generic):
            return Constant(x)
        if not is_numeric(x) and not result:
            self._refuse(x, what)
        if id(x) not in self.numbers:
            self.numbers[id(x)] = len(self.outputs)
            self.outputs.append(x)
        weak = isinstance(x, Tracer) and x.weak and not x.type.shape and not result
        made = isinstance(x, (Tracer, np.ndarray)) and not np.ndim(x) and not result
        made = made and (not isinstance(x, Tracer) or x.made)
        return Output(self.numbers[id(x)], weak, made)

    def _new(self, x: Any, children: list[Any], what: str, result: bool) -> New:
        if id(x) not in self.made:
            if id(x) in self.open:
                fail(CaptureError(f"{what} holds itself, which a compiled function cannot return"))
            self.open.add(id(x))
            parts = tuple([self.part(c, what, result) for c in children])
            tree = flatten(x, is_leaf=lambda y: y is not x)[1]
            self.made[id(x)] = New(tree, parts)
        return self.made[id(x)]

    def _refuse(self, x: Any, what: str) -> None:
        if isinstance(x, Undefined):
            why = x.reason or "it has been deleted"
            found = f"is there or not as is known only when the program runs ({why}); give it a "
            found += "value in every case"
        else:
            found = f"would be {type(x).__name__}, which is neither an array, a number nor a pytree"
            found += " of those; store what it holds, or make its type a pytree (a dataclass)"
        fail(CaptureError(f"{what} {found}: what is stored in an argument is given to the caller"))
