"""Changes of Python objects while a region is traced: noted, so that they can be taken back.

An attribute or item of an object from outside the region that is changed inside becomes state of
the loop or branch, just as a variable that is assigned. Objects made inside are nobody's concern.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CellType
from typing import Any

from wengert.capture.undefined import Undefined, lacks_value, undefined
from wengert.errors import CaptureError, located
from wengert.tracer.pytree import children_of
from wengert.tracer.stack import user_location


@dataclass(frozen=True, slots=True)
class Location:
    """An attribute or item of a Python object."""

    owner: Any
    key: Any
    is_attribute: bool

    @property
    def identity(self) -> Any:
        """What makes it the same place as another one."""
        return (id(self.owner), self.is_attribute, self.key)

    def __str__(self) -> str:
        if isinstance(self.owner, CellType):
            return "a variable of an enclosing function"
        kind = type(self.owner).__name__
        return f"{kind}.{self.key}" if self.is_attribute else f"{kind}[{self.key!r}]"

    def get(self) -> Any:
        """The value there; `Undefined` if there is none."""
        try:
            if self.is_attribute:
                return _plain(self.owner).__getattribute__(self.owner, self.key)
            if isinstance(self.owner, dict):  # whose __getitem__ would call __missing__
                return dict.get(self.owner, self.key, Undefined(str(self)))  # pyright: ignore
            return _container(self.owner).__getitem__(self.owner, self.key)
        except (AttributeError, LookupError, ValueError):
            return Undefined(str(self))

    def set(self, value: Any) -> None:
        """Stores a value there, `Undefined` for none.

        One that has a reason is stored: whether there is a value is known at run time only.
        """
        if isinstance(value, Undefined) and not value.reason:
            with contextlib.suppress(AttributeError, LookupError, ValueError):  # there is none
                if self.is_attribute:
                    _plain(self.owner).__delattr__(self.owner, self.key)
                else:
                    _container(self.owner).__delitem__(self.owner, self.key)
        elif self.is_attribute:
            _plain(self.owner).__setattr__(self.owner, self.key, value)
        else:
            _container(self.owner).__setitem__(self.owner, self.key, value)


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a list, dict, set or deque holds, which gets longer or shorter."""

    owner: Any

    @property
    def identity(self) -> Any:
        """What makes it the same as another one."""
        return (id(self.owner), "contents")

    def __str__(self) -> str:
        return f"a {type(self.owner).__name__}"

    def get(self) -> Any:
        """A copy of the contents."""
        return dict(self.owner) if isinstance(self.owner, dict) else list(self.owner)

    def set(self, value: Any) -> None:
        """Puts contents back."""
        if isinstance(self.owner, list):
            list.__setitem__(self.owner, slice(None), value)
            return
        owner: Any = self.owner
        kind = next(k for k in _FILLING if isinstance(owner, k))
        kind.clear(owner)
        _FILLING[kind](owner, value)


_FILLING: dict[Any, Any] = {dict: dict.update, set: set.update, deque: deque.extend}  # pyright: ignore

Place = Location | Contents


def _plain(owner: Any) -> Any:
    """The class whose methods get and set attributes, without functions of the user's."""
    return type if isinstance(owner, type) else object


def _container(owner: Any) -> Any:
    """The class whose methods get and set items, without those of a class derived from it."""
    return next((kind for kind in (dict, list) if isinstance(owner, kind)), type(owner))


@dataclass(slots=True)
class Journal:
    """What happened to Python objects since a region was opened."""

    made: dict[int, Any] = field(default_factory=dict[int, Any])
    places: dict[Any, tuple[Location, Any]] = field(default_factory=dict[Any, Any])
    appended: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    lists: dict[int, Any] = field(default_factory=dict[int, Any])
    arm: bool = False
    looked: dict[int, Any] = field(default_factory=dict[int, Any])
    """Objects of which it was asked what they have."""
    grown: dict[int, tuple[list[Any], int]] | None = None
    """In a part of an `if`: the lists from outside it that it appended to, and their lengths."""

    def begins(self, target: list[Any]) -> int:
        """From which place on the elements of a list are new ones."""
        if id(target) in self.lists:
            return self.lists[id(target)].begins(target)
        return (self.grown or {}).get(id(target), (target, len(target)))[1]

    def new_keys(self) -> dict[int, list[Any]]:
        """The keys that dicts from before have been given, in their order."""
        found: dict[int, list[Any]] = {}
        for place, old in self.places.values():
            if isinstance(old, Undefined) and isinstance(place.owner, dict):
                owner: dict[Any, Any] = place.owner
                keys = [k for k in owner if (id(owner), False, k) in self.places]
                found[id(owner)] = [k for k in keys if not isinstance(owner[k], Undefined)]
        return found

    def undo(self) -> None:
        """Gives all places their old contents back."""
        for target, length in (self.grown or {}).values():
            del target[length:]
        for place, old in reversed(self.places.values()):
            place.set(old)


@dataclass(slots=True)
class Watched:
    """Places that change while a function is traced: what they held, and the user's line."""

    places: dict[Any, tuple[Place, Any, Any]] = field(default_factory=dict[Any, Any])
    made: dict[int, Any] = field(default_factory=dict[int, Any])

    @property
    def changed(self) -> list[tuple[Place, Any, Any]]:
        """Those in objects that are not known to be made meanwhile, the latest first."""
        found = [x for x in self.places.values() if id(x[0].owner) not in self.made]
        return found[::-1]

    def note(self, place: Place) -> None:
        """To be called before a place changes."""
        if not self._has(place):
            self.places[place.identity] = (place, place.get(), user_location())

    def add(self, inner: Watched) -> None:
        """Notes what has changed in a part of what is watched."""
        for identity, found in inner.places.items():
            if not self._has(found[0]):
                self.places[identity] = found
        self.made.update(inner.made)

    def _has(self, place: Place) -> bool:
        """Whether it is known what a place held: by itself, or in all contents, noted before."""
        whole = not (isinstance(place, Location) and place.is_attribute)
        return place.identity in self.places or (
            whole and Contents(place.owner).identity in self.places
        )


class _Stack(threading.local):
    top: Journal | None = None
    arms: int = 0
    watched: Watched | None = None


_stack = _Stack()


@contextmanager
def journaled(arm: bool = False, conditional: bool = False) -> Iterator[Journal]:
    """Changes within the block are noted, and taken back at its end.

    `arm` says that the block is a part of a branch, `conditional` that it may not run at all.
    """
    outer, journal = _stack.top, Journal(arm=arm)
    _stack.top = journal
    _stack.arms += arm or conditional
    try:
        yield journal
    finally:
        _stack.arms -= arm or conditional
        _stack.top = outer
        if outer is not None:
            outer.looked.update(journal.looked)
        journal.undo()


@contextmanager
def watching() -> Iterator[Watched]:
    """Places that change within the block are noted."""
    outer, watched = _stack.watched, Watched()
    _stack.watched = watched
    try:
        yield watched
    finally:
        if outer is not None:
            outer.add(watched)
        _stack.watched = outer


changed_with: list[Callable[[Any, Sequence[Any] | None, bool], None]] = []
"""What else is to be done before a change of an object: of some keys, or (None) of all."""


def is_conditional() -> bool:
    """Whether the code that runs depends on a traced condition."""
    return _stack.arms > 0


def in_arm() -> bool:
    """Whether the innermost region is a part of a branch, and no loop."""
    return _stack.top is not None and _stack.top.arm


def active() -> Journal | None:
    """The journal of the innermost region."""
    return _stack.top


def made(x: Any) -> Any:
    """Notes that `x` was made here; gives it back."""
    journal, watched = _stack.top, _stack.watched
    if journal is not None:
        journal.made[id(x)] = x
    if watched is not None:
        watched.made[id(x)] = x
    return x


def all_made(tree: Any) -> Any:
    """Notes that all containers in `tree` were made here; gives it back."""
    children = None if _stack.top is None and _stack.watched is None else children_of(tree)
    if children is not None:
        made(tree)
        for child in children:
            all_made(child)
    return tree


def changes(owner: Any, key: Any, is_attribute: bool) -> None:
    """To be called before a place gets another value."""
    if isinstance(owner, list) and not is_attribute:
        items: list[Any] = owner
        key = operator.index(key)
        key = key + len(items) if key < 0 else key
    for follow in changed_with:
        follow(owner, (key,), is_attribute)
    notes(owner, key, is_attribute)


def notes(owner: Any, key: Any, is_attribute: bool) -> Location:
    """Notes what a place holds in the journal; gives the place."""
    journal, place = _stack.top, Location(owner, key, is_attribute)
    watched = _stack.watched
    if watched is not None:
        watched.note(place)
    if journal is None or id(owner) in journal.made or place.identity in journal.places:
        return place
    if is_attribute or not isinstance(owner, list) or key < journal.begins(owner):
        journal.places[place.identity] = (place, place.get())
    return place


def looks(owner: Any) -> None:
    """To be called before it is asked which keys or attributes an object has."""
    if _stack.top is not None:
        _stack.top.looked[id(owner)] = owner


def looks_into(items: dict[Any, Any], *keys: Any) -> None:
    """To be called before it is asked whether a dict has some keys, or for all that it has.

    Raises UndefinedVariableError if that is known at run time only.
    """
    looks(items)
    for value in map(functools.partial(dict.get, items), keys) if keys else dict.values(items):
        if lacks_value(value):
            undefined(value)


_GROWING = (list, dict, set, deque)


def lengthens(owner: Any) -> None:
    """To be called before a container gets longer or shorter, where that is possible."""
    for follow in changed_with:
        follow(owner, None, False)
    watched = _stack.watched
    if watched is not None and id(owner) not in watched.made and isinstance(owner, _GROWING):
        watched.note(Contents(owner))


def changes_structure(owner: Any, what: str) -> None:
    """To be called before a container gets longer or shorter: possible for new ones only."""
    lengthens(owner)
    journal = _stack.top
    if journal is not None and id(owner) not in journal.made:
        raise located(
            CaptureError(
                f"{what} changes a {type(owner).__name__} from outside a loop or branch that is "
                "compiled, where its length must not depend on what happens at run time; use an "
                "array of fixed size, or make the loop's length and the condition static"
            ),
            user_location(),
        )


def advances(owner: Any, what: str) -> None:
    """To be called before a generator, iterator or file from outside a region gives its next one.

    A compiled loop would take one for all of its turns, and a branch one in each of its parts.
    """
    journal = _stack.top
    if journal is not None and id(owner) not in journal.made:
        raise located(
            CaptureError(
                f"{what} takes the next of a {type(owner).__name__} from outside a loop or branch "
                "that is compiled, where it would be taken once for all turns; take what is needed "
                "before (an array of random numbers, a list), or make the loop's length and the "
                "condition static"
            ),
            user_location(),
        )
