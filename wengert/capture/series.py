"""Coefficients of `numpy.polynomial`: all of them are kept where they are traced.

NumPy leaves out zeros at their end, which decides a length by elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.tracer.functions.creation import array
from wengert.tracer.functions.operands import holds_tracers

_PACKAGE = "numpy.polynomial."


def of_polynomials(f: Any, rewritten: Callable[[Any], Any]) -> Callable[..., Any] | None:
    """What stands for functions that prepare coefficients or find zeros at their end."""
    if not str(getattr(f, "__module__", None)).startswith(_PACKAGE):
        return None
    if f.__name__.endswith("mulx"):
        return lambda c: _times_x(f, rewritten(f), c)
    if f.__name__ == "as_series":
        return lambda alist, trim=True: _as_series(f, alist, trim)
    if f.__name__ == "trimseq":
        return lambda seq: seq if holds_tracers([seq]) else f(seq)
    return None


def _as_series(f: Callable[..., Any], alist: Sequence[Any], trim: bool) -> list[Any]:
    """Vectors of one dtype of floats or complex numbers, copies all of them."""
    if not holds_tracers(list(alist)):
        return f(alist, trim)
    rows = [np.atleast_1d(array(a)) for a in alist]
    if any(r.ndim != 1 for r in rows):
        raise ArgumentError("Coefficient array is not 1-d")
    if any(not r.shape[0] for r in rows):
        raise ArgumentError("Coefficient array is empty")
    kinds = [np.float64 if r.dtype.kind in "biu" else r.dtype for r in rows]
    dtype = np.result_type(np.float16, *kinds)
    return [r.astype(dtype) for r in rows]


def _times_x(f: Callable[..., Any], rewritten: Callable[..., Any], c: Any) -> Any:
    """A series times x, where NumPy gives one coefficient for that of 0, and two for others."""
    if not holds_tracers([c]):
        return f(c)
    (series,) = _as_series(f, [c], False)
    if series.shape[0] > 1:
        return rewritten(series)
    return series * np.asarray(f([1.0])).astype(series.dtype)
