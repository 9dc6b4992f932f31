"""Complex functions at infinite, missing, huge and tiny parts: C99's Annex G, as NumPy has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SPECIAL = (np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5)
FAR = {np.complex128: (1e300, -1e300, 1e-300, 710.5, -745.0), np.complex64: (1e38, 1e-38, -104.0)}
FUNCTIONS = (
    *(np.exp, np.exp2, np.log, np.sqrt, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh),
    *(np.arcsin, np.arccos, np.arctan, np.arcsinh, np.arccosh, np.arctanh, np.sign, np.absolute),
)


def meets(found: Any, wanted: Any, tolerance: float) -> None:
    """Equal parts, with the signs of zeros; those beside a NaN are nobody's business."""
    size = np.where(np.isfinite(wanted), np.abs(wanted), 0)
    for part, other in ((np.real, np.imag), (np.imag, np.real)):
        x, y = part(found), part(wanted)
        free = np.isnan(other(wanted))
        x, y = (np.where(free & (np.isinf(v) | (v == 0)), np.abs(v), v) for v in (x, y))
        exact = ~np.isfinite(y) | (y == 0) & (size == 0)
        np.testing.assert_array_equal(x[exact], y[exact])
        zero = (x == 0) & (y == 0)
        np.testing.assert_array_equal(np.signbit(x[zero]), np.signbit(y[zero]))
        near = np.abs(x - y) <= tolerance * np.maximum(size, np.abs(y))
        assert np.all(near[~exact])


@pytest.mark.parametrize("dtype", list(FAR))
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_corners(function: Any, dtype: Any) -> None:
    parts = (*SPECIAL, *FAR[dtype])
    z = np.array([complex(re, im) for re in parts for im in parts]).astype(dtype)
    meets(wg.jit(lambda z: function(z))(z), function(z), 1e-4 if dtype is np.complex64 else 1e-12)


def test_arctanh_beside_its_poles() -> None:
    z = np.array([sign + 1j * y for sign in (1, -1) for y in (1e-10, 1e-5, 1e-18, 1e-200, -0.1)])
    np.testing.assert_allclose(wg.jit(np.arctanh)(z), np.arctanh(z), rtol=1e-14)
