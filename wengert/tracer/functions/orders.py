"""Special functions of known orders and parameters: Bessel's, E_n and hypergeometric ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import MissingRuleError, TracerConversionError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL
from wengert.tracer.functions.operands import (
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


def _known(name: str, x: Any) -> Any:
    try:
        return np.asarray(x)
    except TracerConversionError:
        raise MissingRuleError(
            f"scipy.special.{name} is traced in its last argument alone: its order and parameters "
            "must be known, and have no derivatives"
        ) from None


def _of_known(name: str) -> Callable[..., Any]:
    op = SAME.get(name, name)
    names = PARAMETERS[op]

    def implementation(*inputs: Any, **options: Any) -> Any:
        given = inputs[:-1]
        known = [_known(name, g) for g in given]
        operands = [operand(x) for x in inputs]
        dtypes = loop_dtypes(scipy_function(name), operands, **options)
        shape = broadcast_shapes(*(o.shape for o in operands), what=f"the operands of {name}")
        point = fit(materialise(operands[-1], dtypes[len(given)]), shape)
        return wrapped(broadcast(_by_sets(op, names, known, point), shape).to(dtypes[-1]))

    return implementation


def _by_sets(op: str, names: tuple[str, ...], known: list[Any], x: Value) -> Value:
    """The function of each set of parameters, where these are."""
    sets = np.broadcast_arrays(*known)
    columns = np.stack([np.ravel(s).astype(np.float64) for s in sets], axis=-1)
    distinct = np.unique(columns, axis=0)
    if len(distinct) > MOST:
        raise MissingRuleError(
            f"scipy.special.{op} of traced values takes up to {MOST} different orders in one call, "
            f"got {len(distinct)}; call it in a loop"
        )
    found: Value | None = None
    for row in distinct.tolist():
        value = getattr(x, op)(**dict(zip(names, row, strict=True)))
        if found is None:
            found = value
            continue
        here = np.logical_and.reduce([s == p for s, p in zip(sets, row, strict=True)])
        mask = broadcast(materialise(operand(here), BOOL), value.shape)
        found = mask.select(value, found)
    return x if found is None else found


for _name in (*PARAMETERS, *SAME):
    UFUNCS[_name] = _of_known(_name)
