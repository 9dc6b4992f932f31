"""Arguments of transforms: what tracing needs to know of each leaf, and checks with sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from wengert.capture.convert import convert
from wengert.capture.journal import all_made
from wengert.capture.outside import unchanged
from wengert.errors import (
    DifferentiationError,
    DTypeError,
    InputTypeError,
    ShapeError,
    TreeError,
    WengertError,
    located,
)
from wengert.ir.types import BOOL, COMPLEX128, FLOAT64, INT64, TensorType, supported_dtype
from wengert.tracer.array import Tracer, is_array_of_one
from wengert.tracer.device_arrays import is_device_array
from wengert.tracer.lift import checked, is_weak, lift, wrap
from wengert.tracer.mutation import adopt
from wengert.tracer.pytree import TreeDef, flatten, paths, tree_map
from wengert.tracer.stack import user_location
from wengert.tracer.trace import Abstract

float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of tangents and cotangents of integers and booleans: there is nothing in them."""


class ShapeDtypeStruct:
    """Stands for an array of this shape and dtype where only those matter."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = supported_dtype(dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return TensorType(self.dtype, self.shape).size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ShapeDtypeStruct):
            return NotImplemented
        return (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name})"


def fail(error: WengertError) -> NoReturn:
    """Raises `error` with the user's line in its message."""
    raise located(error, user_location())


def function_name(fun: Callable[..., Any]) -> str:
    """What to call `fun` in a message."""
    inner = getattr(fun, "func", fun)  # a functools.partial
    return getattr(inner, "__name__", type(inner).__name__)


def is_true(answer: Any) -> bool:
    """Whether a callback's answer is True, Python's or NumPy's: comparisons of arrays give that."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def require_callable(transform: str, fun: Any) -> None:
    """Raises InputTypeError unless `fun` can be called."""
    if not callable(fun):
        fail(InputTypeError(f"{transform} needs a function, and got {type(fun).__name__}"))


def abstract(leaf: Any, what: str) -> Abstract:
    """The type of a leaf; `what` names it in the error for one that is no array or number."""
    if isinstance(leaf, Tracer):
        return Abstract(leaf.value.type, leaf.weak, is_array_of_one(leaf))
    if isinstance(leaf, ShapeDtypeStruct):
        return Abstract(TensorType(leaf.dtype, leaf.shape))
    if isinstance(leaf, (np.ndarray, np.generic)):
        try:
            array = checked(leaf)
            kind = TensorType(supported_dtype(array.dtype), array.shape)
        except WengertError as error:
            fail(type(error)(f"{what}: {error}"))
        return Abstract(kind, made=is_array_of_one(leaf))
    if is_device_array(leaf):
        try:
            return Abstract(TensorType(supported_dtype(leaf.dtype), leaf.shape))
        except WengertError as error:
            fail(type(error)(f"{what}: {error}"))
    for kind, dtype in ((bool, BOOL), (int, INT64), (float, FLOAT64), (complex, COMPLEX128)):
        if isinstance(leaf, kind):
            weak = is_weak(leaf) and dtype in (FLOAT64, COMPLEX128)
            return Abstract(TensorType(dtype, ()), weak)
    return fail(
        InputTypeError(
            f"{what} is {type(leaf).__name__}, which is neither an array, a number nor a pytree "
            "of those; close over it, mark it static (static_argnums of jit), or make its type a "
            "pytree (a dataclass, register_pytree_node)"
        )
    )


def name_paths(tree: Any, root: str) -> list[str]:
    """A name for each leaf of a tuple of arguments: `argument 0['w']`."""
    return [f"{root} {p[1:].replace(']', '', 1)}" for p in paths(tree)]


def own(tree: Any) -> Any:
    """An argument whose arrays may be changed without changing the caller's."""

    def copied(x: Any) -> Any:
        if not isinstance(x, Tracer):
            return adopt(x)
        if not x.mutable:
            return x
        copy = wrap(lift(x), x.weak)
        copy.made = True
        return copy

    return all_made(tree_map(copied, tree))


@dataclass(frozen=True, slots=True)
class Selected:
    """The arguments that a transform works on, flattened; the others stay as they are.

    `single` is set if the caller named one argument by an int.
    """

    leaves: list[Any]
    tree: TreeDef
    names: list[str]
    positions: tuple[int, ...]
    single: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def close(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        """`fun` as a function of the leaves alone; it may change its other arguments, too."""

        def closed(*leaves: Any) -> Any:
            with unchanged(fun, [*self.args, *self.kwargs.values()]):
                chosen = all_made(self.tree.unflatten(leaves))
                args = [x if k in self.positions else own(x) for k, x in enumerate(self.args)]
                for position, value in zip(self.positions, chosen, strict=True):
                    args[position] = value
                return convert(fun)(*args, **{k: own(v) for k, v in self.kwargs.items()})

        closed.__name__ = function_name(fun)
        return closed

    def result(self, leaves: Sequence[Any]) -> Any:
        """A value per leaf in the form of the chosen argument, or of the tuple of them."""
        chosen = self.tree.unflatten(leaves)
        return chosen[0] if self.single else chosen


def positions_of(transform: str, argnums: Any, given: int) -> tuple[int, ...]:
    """The positions that `argnums`, an int or a sequence of ints, names among `given` arguments."""
    positions: list[int] = []
    for number in (argnums,) if isinstance(argnums, (int, np.integer)) else argnums:
        if not -given <= number < given:
            fail(
                InputTypeError(
                    f"{transform} was to work on positional argument {number}, and the call has "
                    f"{given} (keyword arguments are never differentiated)"
                )
            )
        positions.append(int(number) % given)
    if len(set(positions)) != len(positions):
        fail(InputTypeError(f"argnums={argnums!r} names an argument of {transform} twice"))
    return tuple(positions)


def select(transform: str, argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Selected:
    """The arguments named by `argnums`, an int or a sequence of ints."""
    single = isinstance(argnums, (int, np.integer))
    positions = positions_of(transform, argnums, len(args))
    chosen = tuple(args[p] for p in positions)
    leaves, tree = flatten(chosen)
    names = [
        f"argument {p}{path}" for p, x in zip(positions, chosen, strict=True) for path in paths(x)
    ]
    return Selected(leaves, tree, names, positions, single, args, kwargs)


def differentiable(
    transform: str, selected: Selected, allow_int: bool = False
) -> tuple[list[Abstract], list[bool]]:
    """The types of the selected leaves, and which are floats; others are an error by default."""
    types = [abstract(x, n) for x, n in zip(selected.leaves, selected.names, strict=True)]
    active = [a.type.is_float for a in types]
    for leaf, found, name, on in zip(selected.leaves, types, selected.names, active, strict=True):
        if not on and not allow_int:
            given = f"the Python {type(leaf).__name__} {leaf!r}"
            what = given if isinstance(leaf, (bool, int)) else str(found.type)
            fail(
                DifferentiationError(
                    f"{transform} differentiates with respect to floats, and {name} is {what}; "
                    "convert it (x.astype(float), 1.0 instead of 1), choose other arguments by "
                    "argnums, or pass allow_int=True where that is taken"
                )
            )
    return types, active


def check_inputs(
    transform: str, types: Sequence[Abstract], names: Sequence[str], holomorphic: bool, real: bool
) -> None:
    """Raises DifferentiationError for inputs of the wrong field.

    They must be complex if the derivative is a `holomorphic` one, and real if `real` is set: one
    direction for a complex input is not all of its derivative.
    """
    for found, name in zip(types, names, strict=True):
        if holomorphic and not found.type.is_complex:
            fail(
                DifferentiationError(
                    f"{transform}(holomorphic=True) needs complex inputs, and {name} is "
                    f"{found.type}; convert it with .astype(complex)"
                )
            )
        if real and not holomorphic and found.type.is_complex:
            fail(
                DifferentiationError(
                    f"{transform} needs real inputs, and {name} is {found.type}; pass "
                    "holomorphic=True if the function is complex differentiable, or use wg.jvp "
                    "with the directions you need"
                )
            )


def check_output(transform: str, found: TensorType, name: str, holomorphic: bool) -> None:
    """Raises DifferentiationError for a result of the wrong field; see `check_inputs`."""
    if holomorphic and not found.is_complex:
        fail(
            DifferentiationError(
                f"{transform}(holomorphic=True) needs a function with a complex result, and "
                f"'{name}' returned {found}; leave out holomorphic=True for a real one"
            )
        )
    if found.is_complex and not holomorphic:
        fail(
            DifferentiationError(
                f"{transform} needs a function with a real result, and '{name}' returned {found}; "
                "take its real part or its absolute value, pass holomorphic=True if the function "
                "is complex differentiable, or use wg.vjp"
            )
        )


def split_aux(transform: str, fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun`, checked to return a pair (value, aux)."""

    def checked_pair(*args: Any) -> Any:
        result = fun(*args)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            fail(
                InputTypeError(
                    f"with has_aux=True, {transform} needs a function that returns (value, aux), "
                    f"and '{function_name(fun)}' returned {type(result).__name__}"
                    + (f" of length {len(result)}" if isinstance(result, (tuple, list)) else "")
                )
            )
        return tuple(result)

    checked_pair.__name__ = function_name(fun)
    return checked_pair


def same_structure(what: str, tree: Any, expected: TreeDef) -> list[Any]:
    """The leaves of `tree`, whose structure must be `expected`."""
    leaves, found = flatten(tree)
    if found != expected:
        fail(TreeError(f"{what} should have the structure {expected}, not {found}"))
    return leaves


def tangent(value: Any, like: TensorType, what: str) -> Any:
    """`value` as a tangent or cotangent of a value of type `like`; None if that is no float.

    Python numbers take on the dtype; everything else must have it.
    """
    if not like.is_float:
        if getattr(value, "dtype", None) == float0 or value is None:
            return None
        fail(
            DifferentiationError(
                f"{what} belongs to {like}, which has no derivatives; pass "
                f"np.zeros({like.shape}, wg.float0)"
            )
        )
    if getattr(value, "dtype", None) == float0:
        fail(DTypeError(f"{what} must be {like}, and is float0"))
    found = abstract(value, what)
    if found.type.shape != like.shape:
        fail(ShapeError(f"{what} must have shape {like.shape}, and has {found.type.shape}"))
    number = isinstance(value, (int, float, complex)) and not isinstance(value, np.generic)
    if found.type.is_complex and not like.is_complex:
        fail(DTypeError(f"{what} must be {like.dtype}, and is complex; take its real part"))
    if found.type.dtype != like.dtype and not found.weak and not number:
        fail(
            DTypeError(
                f"{what} must be {like.dtype}, and is {found.type.dtype}; convert it by "
                f".astype('{like.dtype}')"
            )
        )
    return value


def zero_tangent(like: TensorType) -> Any:
    """The tangent of a value that does not depend on the inputs."""
    dtype = like.dtype if like.is_float else float0
    zeros = np.zeros(like.shape, dtype)
    return zeros if like.shape or not like.is_float else zeros[()]
