"""Every ufunc of NumPy and those of SciPy's that are supported, against the originals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy_oracle import agree, expected, run, same, traced

from wengert.errors import DTypeError, InputTypeError, MissingRuleError, ShapeError
from wengert.tracer.functions.special import UFUNC_NAMES
from wengert.tracer.tables import UFUNCS

DTYPES = [np.dtype(t) for t in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()]
SOME = [np.dtype(t) for t in "? i1 i4 i8 u1 u8 f2 f4 f8".split()]
GENERALISED = ("matmul", "vecdot", "matvec", "vecmat")
UNSUPPORTED = {"isnat": TypeError}
UFUNC_LIST = sorted(
    {getattr(np, n) for n in dir(np) if isinstance(getattr(np, n), np.ufunc)},
    key=lambda u: u.__name__,
)
ELEMENTWISE = [u for u in UFUNC_LIST if u.__name__ not in (*GENERALISED, *UNSUPPORTED)]
LOOSE = {"power": 40, "float_power": 40, "logaddexp2": 10, "ldexp": 1}


def numbers(dtype: np.dtype[Any], kind: str = "all") -> np.ndarray[Any, Any]:
    """Numbers of a dtype that show its edges."""
    if dtype == np.bool_:
        return np.array([False, True, True, False])
    if dtype.kind == "f":
        special = [np.nan, np.inf, -np.inf, -0.0, 0.0]
        return np.array([*special, 0.3, -0.7, 1.0, -1.0, 2.5, -3.5, 0.5, 7.25], dtype)
    info = np.iinfo(dtype)
    plain = [0, 1, 2, 3, 5, 7, 100]
    return np.array(plain + ([-1, -2, -7, info.min] if info.min else []) + [info.max], dtype)


def pairs(x: np.dtype[Any], y: np.dtype[Any]) -> tuple[Any, Any]:
    """All combinations of the numbers of two dtypes."""
    a, b = numbers(x), numbers(y)
    return tuple(np.repeat(a, b.size)), tuple(np.tile(b, a.size))


def binary_arguments(ufunc: np.ufunc, x: np.dtype[Any], y: np.dtype[Any]) -> tuple[Any, Any]:
    a, b = numbers(x), numbers(y)
    if ufunc.__name__ == "power" and not {x.kind, y.kind} & {"f"}:
        b = b[(b >= 0)] if b.dtype.kind != "b" else b
    if ufunc.__name__ in ("floor_divide", "remainder", "divmod", "fmod") and "f" in x.kind + y.kind:
        a, b = a[np.abs(a.astype(float)) < 1e4], b[np.abs(b.astype(float)) < 1e4]
    if ufunc.__name__ == "ldexp":
        b = np.clip(b, -100, 100) if b.dtype.kind != "b" else b
    return np.repeat(a, b.size), np.tile(b, a.size)


def test_every_ufunc_is_known() -> None:
    for ufunc in UFUNC_LIST:
        assert ufunc.__name__ in UFUNCS or ufunc.__name__ in UNSUPPORTED, ufunc


@pytest.mark.parametrize("ufunc", [u for u in ELEMENTWISE if u.nin == 1], ids=lambda u: u.__name__)
def test_unary(ufunc: np.ufunc) -> None:
    for dtype in DTYPES:
        agree(ufunc, numbers(dtype), label=ufunc.__name__)


@pytest.mark.parametrize("ufunc", [u for u in ELEMENTWISE if u.nin == 2], ids=lambda u: u.__name__)
def test_binary(ufunc: np.ufunc) -> None:
    for x, y in itertools.product(SOME, SOME):
        a, b = binary_arguments(ufunc, x, y)
        agree(ufunc, a, b, tolerance=LOOSE.get(ufunc.__name__, 1), label=ufunc.__name__)
