"""Complex numbers: their parts, which are views, conjugates, angles, and what they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ShapeError, located
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, TensorType, real_dtype
from wengert.tracer.array import Array, Tracer, enter
from wengert.tracer.functions.assignment import assign
from wengert.tracer.functions.choosing import copy
from wengert.tracer.functions.operands import floating, materialise, operand, wrapped
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.mutation import known
from wengert.tracer.stack import Trace, user_location
from wengert.tracer.tables import function, method, views
from wengert.tracer.views import unread


@dataclass(frozen=True, slots=True)
class Component:
    """The real or the imaginary parts of a complex array, called `name`."""

    name: str

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        return whole.real() if self.name == "real" else whole.imag()

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """The contents of the base after the view has been given other ones."""
        if self.name == "real":
            return value.complex(whole.imag())
        return whole.real().complex(value)

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array."""
        return getattr(array, self.name)


def _part(x: Tracer, name: str) -> Tracer:
    lens = Component(name)
    if not x.mutable:
        return wrapped(lens.read(x.owner, materialise(x)))
    found = unread(x, lens, x.type.shape)
    found.type = TensorType(real_dtype(x.dtype), x.type.shape)
    found.locked = x.locked
    if known(x, note=False) is None:
        found.viewed(found.owner)
    return found


def _real(x: Tracer) -> Tracer:
    return _part(x, "real") if x.type.is_complex else x


def _imag(x: Tracer) -> Any:
    return _part(x, "imag") if x.type.is_complex else wrapped(_value_of(x, "imag"))


def _set(x: Tracer, name: str, value: Any) -> None:
    """`x.real = value` and `x.imag = value`, in place."""
    if not x.mutable or not (x.type.is_complex or name == "real"):
        raise located(
            ShapeError(
                f"x.{name} = ... changes an array in place, and x is {x.type}, "
                + ("a scalar" if not x.mutable else "which has no imaginary part")
                + "; make a new complex number: a + 1j * b"
            ),
            user_location(),
        )
    assign(_real(x) if name == "real" else _imag(x), ..., value)


def _property(name: str, get: Any) -> property:
    return property(
        lambda self: enter(get, self), lambda self, value: enter(_set, self, name, value)
    )


setattr(Tracer, "real", _property("real", _real))  # noqa: B010
setattr(Tracer, "imag", _property("imag", _imag))  # noqa: B010


@views(np.real)
@function(np.real)
def real(val: Any) -> Any:
    """The real part, a view; a real array itself."""
    return _real(val) if isinstance(val, Tracer) else wrapped(_value_of(val, "real"))


@function(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part, a view; zeros for a real array."""
    if isinstance(val, Tracer) and val.type.is_complex:
        return _imag(val)
    return wrapped(_value_of(val, "imag"))


def _value_of(x: Any, part: str) -> Value:
    value = materialise(x)
    if value.type.is_complex:
        return value.real() if part == "real" else value.imag()
    return value if part == "real" else value.full_like(0)


@function(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The angle to the positive real axis."""
    value = floating(z)
    if value.type.is_complex:
        found = value.imag().atan2(value.real())
    else:
        found = call(np.arctan2, 0, z)
    return wrapped(found.mul(180 / np.pi) if deg else found)


@function(np.isreal)
def isreal(x: Any) -> Any:
    """Where the imaginary part is 0."""
    return wrapped(call(np.equal, _value_of(x, "imag"), 0))


@function(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Where the imaginary part is not 0."""
    value = materialise(x)
    if not value.type.is_complex:
        return wrapped(value.builder.full(value.shape, False, BOOL))
    return wrapped(value.imag().ne(0))


@function(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return operand(x).dtype.kind == "c"


@function(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


@method("conj", "conjugate")
def conjugate(a: Any) -> Any:
    """The complex conjugates, in a new array."""
    value = materialise(a)
    if value.type.is_complex:
        return wrapped(value.conj())
    return copy(a)
