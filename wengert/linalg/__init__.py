"""Functions of matrices, with derivatives of any order at any spectrum.

Those that `scipy.linalg` has too have its names and meanings; where nothing is traced it is SciPy
that computes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from wengert.linalg import exponential, roots
from wengert.linalg.spectral import funm_symmetric
from wengert.tracer.array import Tracer


def _either(implementation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(implementation)
    def call(a: Any) -> Any:
        if isinstance(a, Tracer):
            return implementation(a)
        return getattr(importlib.import_module("scipy.linalg"), implementation.__name__)(a)

    return call


expm = _either(exponential.expm)
logm = _either(roots.logm)
sqrtm = _either(roots.sqrtm)

__all__ = ["expm", "funm_symmetric", "logm", "sqrtm"]
