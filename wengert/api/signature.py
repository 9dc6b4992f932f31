"""Signatures of calls: what of its arguments a compiled function depends on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.arguments import ShapeDtypeStruct, abstract, fail
from wengert.errors import InputTypeError, WengertError
from wengert.tracer.array import Tracer, is_array_of_one
from wengert.tracer.device_arrays import is_device_array
from wengert.tracer.pytree import TreeDef, flatten, paths

_STATIC = (bool, int, str, bytes)

DEVICE = "cuda"
"""Ends the spec of an array that lies on a GPU."""
NO_AXES = "array"
"""Ends the spec of an array without axes, which can be changed in place, unlike a scalar."""


class Identity:
    """Stands for an object that is compared by identity: the `self` of a compiled method."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.value is self.value


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a call, flattened.

    `specs` has an entry per leaf: (dtype, shape), (dtype, shape, DEVICE), (dtype, (), NO_AXES),
    `float` for Python floats, or the type and the value of a leaf that is static. `static` are the
    static arguments, by position and name. `given` are the others as the caller has passed them,
    whose keyword arguments are `ordered` if the function can see their order.
    """

    leaves: list[Any]
    tree: TreeDef
    specs: tuple[Any, ...]
    static: tuple[tuple[Any, Any], ...]
    given: Any = None
    ordered: bool = False

    @property
    def key(self) -> Any:
        """What determines the compiled program."""
        return (self.tree, self.tree.order, self.specs, self.static)

    @property
    def traced(self) -> list[int]:
        """The positions of the leaves that are traced."""
        return [i for i, s in enumerate(self.specs) if not is_static(s)]

    @property
    def has_object(self) -> bool:
        """Whether this is a call of a method whose object is a constant."""
        return bool(self.static) and isinstance(self.static[0][1], Identity)

    @property
    def on_device(self) -> bool:
        """Whether any argument is an array on a GPU."""
        return any(isinstance(s, tuple) and s[2:] == (DEVICE,) for s in self.specs)

    def inputs_of(self, numbers: AbstractSet[int]) -> frozenset[int]:
        """Which of the traced leaves belong to the positional arguments of these numbers."""
        dynamic, _ = self.tree.unflatten(range(len(self.leaves)))
        taken = {place for place, _ in self.static}
        free = (n for n in range(len(dynamic) + len(taken)) if n not in taken)
        given = [x for n, x in zip(free, dynamic, strict=False) if n in numbers]
        own = set(flatten(given)[0])
        return frozenset(place for place, k in enumerate(self.traced) if k in own)

    def without_leaves(self) -> Call:
        """The same signature without the arrays, to be kept."""
        leaves = [0] * len(self.leaves)
        return Call(leaves, self.tree, self.specs, self.static, None, self.ordered)

    @property
    def is_traced(self) -> bool:
        """Whether any argument belongs to an open trace."""
        return any(isinstance(x, Tracer) for x in self.leaves)

    def arguments(self, leaves: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments, with other leaves."""
        return self.placed(self.tree.unflatten(leaves))

    def placed(self, given: Any) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments, of those that are not static."""
        dynamic, keywords = given
        args = list(dynamic)
        named = dict(keywords)
        for place, value in self.static:
            if isinstance(place, str):
                named[place] = value.value
            else:
                args.insert(place, value.value)
        return args, named

    def names(self, parameters: Sequence[str]) -> list[str]:
        """How to name each leaf in a message: by its parameter where that is known."""
        dynamic, keywords = self.tree.unflatten(self.leaves)
        taken = {place for place, _ in self.static}
        found: list[str] = []
        number = 0
        for value in dynamic:
            while number in taken:
                number += 1
            name = f"'{parameters[number]}'" if number < len(parameters) else str(number)
            found += [f"argument {name}{path}" for path in paths(value)]
            number += 1
        for name in sorted(keywords):
            found += [f"argument '{name}'{path}" for path in paths(keywords[name])]
        return found


def is_static(spec: Any) -> bool:
    """Whether a leaf with this spec is a constant of the compiled program."""
    return isinstance(spec, tuple) and isinstance(spec[0], type)


def _spec(leaf: Any) -> Any:
    kind = type(leaf)
    if kind is np.ndarray:
        return (leaf.dtype, leaf.shape) if leaf.ndim else (leaf.dtype, (), NO_AXES)
    if kind is float or kind is complex:
        return kind
    if isinstance(leaf, Tracer):
        number = {"f": float, "c": complex}.get(leaf.dtype.kind) if leaf.weak else None
        ending = (NO_AXES,) if is_array_of_one(leaf) else ()
        return number or (leaf.dtype, leaf.shape, *ending)
    if isinstance(leaf, (np.ndarray, np.generic, ShapeDtypeStruct)):
        ending = (NO_AXES,) if is_array_of_one(leaf) else ()
        return leaf.dtype, tuple(leaf.shape), *ending
    if isinstance(leaf, _STATIC):
        return kind, leaf
    if isinstance(leaf, (float, complex)):
        return float if isinstance(leaf, float) else complex
    if is_device_array(leaf):
        return leaf.dtype, leaf.shape, DEVICE
    abstract(leaf, "an argument")  # raises: neither an array nor a number
    raise AssertionError(f"no signature for {kind}")


@dataclass(frozen=True, slots=True)
class Convention:
    """How a compiled function is called: its parameters, and which arguments are static.

    Static arguments are known by position and by name. The order of keyword arguments is one of the
    call if it is `ordered`: the function takes any of them.
    """

    parameters: tuple[str, ...] = ()
    numbers: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    ordered: bool = False

    def parse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The signature of a call."""
        fixed: list[tuple[Any, Any]] = []
        if self.numbers or self.names:
            numbers = [i for i in sorted(self.numbers) if i < len(args)]
            names = [n for n in sorted(self.names) if n in kwargs]
            fixed = [(i, _hashable(args[i], i)) for i in numbers]
            fixed += [(n, _hashable(kwargs[n], n)) for n in names]
            args = tuple(x for i, x in enumerate(args) if i not in self.numbers)
            kwargs = {n: x for n, x in kwargs.items() if n not in self.names}
        if len(kwargs) > 1 and not self.ordered:
            kwargs = {name: kwargs[name] for name in sorted(kwargs)}
        leaves, tree = flatten((args, kwargs))
        try:
            specs = tuple(map(_spec, leaves))
        except WengertError:
            call = Call(leaves, tree, (), tuple(fixed))
            for leaf, name in zip(leaves, call.names(self.parameters), strict=True):
                abstract(leaf, name)  # raises the error again, with the argument's name
            raise
        return Call(leaves, tree, specs, tuple(fixed), (args, kwargs), self.ordered)

    def with_object(self) -> Convention:
        """The same for a method whose object, argument 0, is static."""
        return Convention(self.parameters, self.numbers | {0}, self.names, self.ordered)


def _hashable(value: Any, place: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        fail(
            InputTypeError(
                f"static argument {place!r} of a compiled function must be hashable, since the "
                f"program is looked up by it; {type(value).__name__} is not (use a tuple for a "
                "list, or pass arrays as ordinary arguments)"
            )
        )
    # 1, 1.0 and True are equal, but not the same argument
    return value if isinstance(value, Identity) else Typed(type(value), value)


@dataclass(frozen=True, slots=True)
class Typed:
    """A static value, compared together with its type."""

    kind: type
    value: Any


def parameters(fun: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters of `fun`, as far as they can be known."""
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature.parameters.values() if p.kind in kinds]


def convention(fun: Callable[..., Any], argnums: Any, argnames: Any) -> Convention:
    """The calling convention of `fun`: positions and names of static arguments imply each other."""
    known = parameters(fun)
    numbers = numbered("static_argnums", fun, argnums)
    names = {argnames} if isinstance(argnames, str) else set(argnames)
    _check_names(fun, names)
    also_named = {known[n] for n in numbers if n < len(known)}
    also_numbered = {i for i, p in enumerate(known) if p in names}
    return Convention(
        tuple(known),
        frozenset(numbers | also_numbered),
        frozenset(names | also_named),
        inspect.Parameter.VAR_KEYWORD in _kinds(fun),
    )


def numbered(option: str, fun: Callable[..., Any], argnums: int | Iterable[int]) -> set[int]:
    """The positional arguments that an option of jit names, counted from 0; fails on others."""
    known = parameters(fun)
    numbers = {argnums} if isinstance(argnums, int) else set(argnums)
    if any(n < 0 for n in numbers):
        if not known:
            fail(InputTypeError(f"negative {option} need a function with known parameters"))
        numbers = {n % len(known) if n < 0 else n for n in numbers}
    beyond = sorted(n for n in numbers if n >= len(known))
    if beyond and inspect.Parameter.VAR_POSITIONAL not in _kinds(fun):
        fail(
            InputTypeError(
                f"{option} has {beyond[0]}, and the positional parameters of the function, "
                f"counted from 0, are: {', '.join(known) or 'none'}"
            )
        )
    return numbers


def _kinds(fun: Callable[..., Any]) -> set[Any]:
    """The kinds of parameters; where they cannot be known, there may be any number of them."""
    try:
        return {p.kind for p in inspect.signature(fun).parameters.values()}
    except (TypeError, ValueError):
        return {inspect.Parameter.VAR_POSITIONAL}


def _check_names(fun: Callable[..., Any], names: set[str]) -> None:
    """Fails on static arguments that no call can have; they are misspelt."""
    try:
        found = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return
    kinds = {p.kind for p in found}
    unknown = sorted(names - {p.name for p in found})
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        fail(
            InputTypeError(
                f"static_argnames has '{unknown[0]}', and the function has no such parameter; "
                f"it has {', '.join(p.name for p in found) or 'none'}"
            )
        )
