"""State from outside of a traced function: places of Python's that it gives new values.

What a function reads of objects that are no arguments is a constant of its program, so a traced
value must not stay in one: `self.total = self.total + x` would add to the same number in every
call. While a function is traced it is noted which places of Python's change. Those that then hold
traced values, and that can be reached from the function, get their old values back, with an error.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wengert.capture.journal import Location, Place, watching
from wengert.capture.owners import is_users
from wengert.errors import MutationError, located
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import current

MOST_OBJECTS = 20_000
"""So many are looked at, at most, for those that a function can reach."""

_ENDS = (str, bytes, int, float, complex, types.BuiltinFunctionType, types.NoneType, Tracer)


@contextmanager
def unchanged(fun: Callable[..., Any], constants: Sequence[Any] = ()) -> Iterator[None]:
    """Within the block `fun` is traced, whose arguments are new, but for `constants`.

    Raises MutationError if it leaves traced values in what is from outside.
    """
    with watching() as watched:
        try:
            yield
        except BaseException:
            changed = _of_owners(watched.changed, lambda place, old: place.get() is not old)
            for place, old, _ in reachable(changed, fun, constants):
                place.set(old)
            raise
        traced = _of_owners(watched.changed, lambda place, _: _is_traced(place.get()))
        outside = list(reachable(traced, fun, constants))
    for place, old, _ in outside:
        place.set(old)
    for place, _, line in reversed(outside):
        raise located(MutationError(_refusal(place)), line)


def _of_owners(
    found: Sequence[tuple[Place, Any, Any]], holds: Callable[[Place, Any], bool]
) -> list[tuple[Place, Any, Any]]:
    """All places of the objects in which something `holds` of a place and its old value."""
    owners = {id(place.owner) for place, old, _ in found if holds(place, old)}
    return [x for x in found if id(x[0].owner) in owners]


def _is_namespace(x: Any) -> bool:
    return isinstance(x, dict) and "__builtins__" in x


def _refusal(place: Place) -> str:
    if isinstance(place.owner, types.CellType):
        what = "a variable of a function around it"
    elif isinstance(place, Location) and _is_namespace(place.owner):
        what = f"the global variable '{place.key}'"
    else:
        what = f"{place}, which is no argument"
    return (
        f"a traced function gives {what}, a value that is known only when the program runs. What "
        "it reads from outside is a constant of the program, so the change would be lost in later "
        "calls; pass the state as an argument (a dict, a dataclass or another pytree, which is "
        "changed for the caller of a compiled function), or return it"
    )


def _is_traced(value: Any) -> bool:
    """Whether there is something of the innermost trace, or of one that has ended, in a value."""
    here = current()
    tracers = (x for x in flatten(value)[0] if isinstance(x, Tracer))
    return any(x.owner is here or not x.owner.alive for x in tracers)


def reachable(
    found: Sequence[tuple[Place, Any, Any]], fun: Any, constants: Sequence[Any]
) -> Iterator[tuple[Place, Any, Any]]:
    """Those places whose owners can be reached from a function or from constants."""
    if not found:
        return
    wanted = {id(place.owner) for place, *_ in found}
    reached = _reached([fun, *constants], wanted)
    yield from (x for x in found if id(x[0].owner) in reached)


def _reached(roots: Sequence[Any], wanted: set[int]) -> set[int]:
    """Which of the objects with ids in `wanted` can be reached."""
    seen: dict[int, Any] = {}
    names: set[str] = set()  # that code on the way reads of globals and modules
    spaces: dict[int, dict[str, Any]] = {}
    rest = list(roots)
    while rest and len(seen) < MOST_OBJECTS and not wanted <= seen.keys():
        x = rest.pop()
        if isinstance(x, _ENDS) or id(x) in seen:
            continue
        seen[id(x)] = x
        space = _namespace(x)
        if space is None:
            rest += _parts(x)
            continue
        new: set[str] = set()
        if isinstance(x, types.FunctionType):
            rest += _parts(x)
            new = _names(x.__code__) - names
            names |= new
        rest += [known[n] for known in spaces.values() for n in new if n in known]
        if id(space) not in spaces:
            seen[id(space)] = spaces[id(space)] = space
            rest += [space[n] for n in names if n in space]
    return seen.keys() & wanted


def _namespace(x: Any) -> dict[str, Any] | None:
    """The global variables of a function, or those of a module, that are the user's."""
    if isinstance(x, types.FunctionType) and is_users(x.__code__.co_filename):
        return x.__globals__
    if isinstance(x, types.ModuleType) and is_users(getattr(x, "__file__", None) or "<>"):
        return vars(x)
    return None


def _names(code: types.CodeType) -> set[str]:
    """The names that a function's code, and that of functions in it, reads."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return {*code.co_names, *(name for c in inner for name in _names(c))}


def _parts(x: Any) -> Iterable[Any]:
    """What an object holds."""
    if isinstance(x, dict):
        return list(x.values())
    if isinstance(x, (list, tuple, set, frozenset)):
        return list(x)
    if isinstance(x, types.ModuleType):
        return []
    if isinstance(x, type):
        module = sys.modules.get(x.__module__)
        own = is_users(getattr(module, "__file__", None) or "<stdin>")
        return [*vars(x).values(), *x.__bases__] if own and x.__module__ != "builtins" else []
    slots = [
        name
        for kind in type(x).__mro__
        if kind.__flags__ & _OF_PYTHON  # a function of Python's has its global variables so
        for name, found in vars(kind).items()
        if isinstance(found, types.MemberDescriptorType)
    ]
    own = getattr(x, "__dict__", {})
    names = [*_HOLDS, *own, *slots]
    return [type(x), own, *(_attribute(x, name) for name in names)]


_OF_PYTHON = 1 << 9
"""The flag of classes that are made by a class statement (Py_TPFLAGS_HEAPTYPE)."""

_HOLDS = (
    *("__closure__", "__defaults__", "__kwdefaults__", "__self__", "__func__", "__wrapped__"),
    *("func", "args", "keywords", "cell_contents", "fget", "fset"),
)
"""Attributes of functions, methods, partials, cells and properties that hold something."""


def _attribute(x: Any, name: str) -> Any:
    try:
        return object.__getattribute__(x, name)
    except (AttributeError, ValueError):
        return None
