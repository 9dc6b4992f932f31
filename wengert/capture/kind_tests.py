"""`isinstance` of traced values: they are instances of the types that they stand for."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from wengert.capture.undefined import Unjoined, undefined
from wengert.ir.types import BOOL, COMPLEX128, FLOAT64, INT64
from wengert.tracer.array import Tracer


def is_instance(x: Any, kinds: Any) -> bool:
    """`isinstance`, where traced values are what they stand for"""
    if isinstance(x, Unjoined):
        undefined(x)
    if not isinstance(x, Tracer):
        return isinstance(x, kinds)
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    return any(map(functools.partial(is_kind, x), listed)) or isinstance(x, kinds)


def is_kind(x: Tracer, kind: Any) -> bool:
    """Whether a traced value is an instance of one type."""
    if kind is np.ndarray:
        return x.mutable
    if not isinstance(kind, type) or x.mutable:
        return False
    if kind in (int, float, bool, complex):
        wanted = {int: INT64, float: FLOAT64, bool: BOOL, complex: COMPLEX128}[kind]
        return x.dtype == wanted and (x.weak or kind is not int)
    return issubclass(kind, np.generic) and not x.weak and issubclass(x.dtype.type, kind)
