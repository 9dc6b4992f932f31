"""Special functions of known orders and parameters: Bessel's, E_n and hypergeometric ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import DTypeError, MissingRuleError, TracerConversionError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, COMPLEX, FLOAT32, FLOAT64, DType
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    fit,
    materialise,
    operand,
    wrapped,
)
from wengert.tracer.functions.special import scipy_function
from wengert.tracer.functions.ufuncs import loop_dtypes
from wengert.tracer.tables import UFUNCS

MOST = 64
"""Sets of parameters that differ, in one call."""
PARAMETERS = {
    **dict.fromkeys(("jv", "yv", "iv", "kv", "ive", "kve", "expn"), ("order",)),
    "hyp2f1": ("a", "b", "c"),
    "hyp0f1": ("b",),
}
SAME = {"jve": "jv", "yve": "yv", "kn": "kv", "yn": "yv"}
"""Of real numbers, and of whole orders."""


def known_parameter(name: str, x: Any) -> Any:
    """An order or a parameter as an array; raises MissingRuleError where it is traced."""
    try:
        return np.asarray(x)
    except TracerConversionError:
        raise MissingRuleError(
            f"scipy.special.{name} is traced in its last argument alone: its order and parameters "
            "must be known, and have no derivatives"
        ) from None


def of_known(name: str, names: tuple[str, ...], make: Callable[..., Value]) -> Callable[..., Any]:
    """The ufunc of known parameters and x, where `make(x, **known)` is the function of one set."""

    def implementation(*inputs: Any, **options: Any) -> Any:
        given = inputs[:-1]
        known = [known_parameter(name, g) for g in given]
        operands = [operand(x) for x in inputs]
        dtypes = loop_dtypes(scipy_function(name), operands, **options)
        shape = broadcast_shapes(*(o.shape for o in operands), what=f"the operands of {name}")
        point = fit(materialise(operands[-1], _real_dtype(name, operands[-1], dtypes)), shape)
        return wrapped(broadcast(by_sets(name, names, make, known, point), shape).to(dtypes[-1]))

    return implementation


def _real_dtype(name: str, x: Operand, dtypes: tuple[DType, ...]) -> DType:
    """The dtype of SciPy's loop; where that has complex numbers alone, of their parts."""
    dtype = dtypes[-2]
    if dtype not in COMPLEX:
        return dtype
    if x.dtype.kind == "c":
        raise DTypeError(f"scipy.special.{name} of traced values takes real numbers, got {x.dtype}")
    return FLOAT32 if dtype == np.complex64 else FLOAT64


def by_sets(
    name: str, names: tuple[str, ...], make: Callable[..., Value], known: list[Any], x: Value
) -> Value:
    """The function of each set of parameters, where these are."""
    sets = np.broadcast_arrays(*known)
    columns = np.stack([np.ravel(s).astype(np.float64) for s in sets], axis=-1)
    distinct = np.unique(columns, axis=0)
    if len(distinct) > MOST:
        raise MissingRuleError(
            f"scipy.special.{name} of traced values takes up to {MOST} different orders in one "
            f"call, got {len(distinct)}; call it in a loop"
        )
    found: Value | None = None
    for row in distinct.tolist():
        value = make(x, **dict(zip(names, row, strict=True)))
        if found is None:
            found = value
            continue
        here = np.logical_and.reduce([s == p for s, p in zip(sets, row, strict=True)])
        mask = broadcast(materialise(operand(here), BOOL), value.shape)
        found = mask.select(value, found)
    return x if found is None else found


def _op(name: str) -> Callable[..., Value]:
    return lambda x, **known: getattr(x, name)(**known)


def _hankel(sign: float, scaled: bool) -> Callable[..., Value]:
    """J + i Y or J - i Y, times e^(-+ i x) if scaled."""

    def make(x: Value, order: float) -> Value:
        first, second = x.jv(order=order), x.yv(order=order) * sign
        if scaled:
            cos, sin = x.cos(), x.sin() * -sign
            first, second = first * cos - second * sin, first * sin + second * cos
        return first.complex(second)

    return make


HANKEL = {
    f"hankel{kind}{tail}": _hankel(3.0 - 2.0 * kind, bool(tail))
    for kind in (1, 2)
    for tail in ("", "e")
}
for _name in (*PARAMETERS, *SAME):
    _same = SAME.get(_name, _name)
    UFUNCS[_name] = of_known(_name, PARAMETERS[_same], _op(_same))
for _name, _make in HANKEL.items():
    UFUNCS[_name] = of_known(_name, ("order",), _make)
