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
from wengert.tracer.functions.operands import holds_tracers
from wengert.tracer.functions.scipy_linalg import TRACED


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

TRACED |= {"expm": exponential.expm, "logm": roots.logm, "sqrtm": roots.sqrtm}


def _scipys(name: str) -> Callable[..., Any]:
    implementation = TRACED[name]

    @functools.wraps(implementation)
    def call(*args: Any, **options: Any) -> Any:
        if holds_tracers(args) or holds_tracers(list(options.values())):
            return implementation(*args, **options)
        return getattr(importlib.import_module("scipy.linalg"), name)(*args, **options)

    return call


block_diag = _scipys("block_diag")
cho_factor = _scipys("cho_factor")
cho_solve = _scipys("cho_solve")
cholesky = _scipys("cholesky")
det = _scipys("det")
inv = _scipys("inv")
lu = _scipys("lu")
solve = _scipys("solve")
solve_triangular = _scipys("solve_triangular")

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "det",
    "expm",
    "funm_symmetric",
    "inv",
    "logm",
    "lu",
    "solve",
    "solve_triangular",
    "sqrtm",
]
