"""Functions of matrices, with derivatives of any order at any spectrum.

Those that `scipy.linalg` has too have its names and meanings; where nothing is traced it is SciPy
that computes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from wengert.api.jit import jit
from wengert.linalg import banded, blocks, eliminations, equations, exponential, roots
from wengert.linalg.spectral import funm_symmetric
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import holds_tracers
from wengert.tracer.functions.scipy_linalg import TRACED
from wengert.tracer.functions.scipy_spectra import SPECTRA
from wengert.tracer.functions.special_matrices import MATRICES


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
TRACED |= MATRICES | SPECTRA
TRACED |= {"lu": eliminations.lu, "lu_factor": eliminations.lu_factor}
TRACED |= {"lu_solve": eliminations.lu_solve}
TRACED |= {"solve_banded": banded.solve_banded, "solveh_banded": banded.solveh_banded}
TRACED |= equations.TRACED_HERE


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
circulant = _scipys("circulant")
eigh_tridiagonal = _scipys("eigh_tridiagonal")
eigvalsh_tridiagonal = _scipys("eigvalsh_tridiagonal")
expm_frechet = _scipys("expm_frechet")
pinvh = _scipys("pinvh")
solve_continuous_lyapunov = _scipys("solve_continuous_lyapunov")
solve_discrete_lyapunov = _scipys("solve_discrete_lyapunov")
solve_sylvester = _scipys("solve_sylvester")
companion = _scipys("companion")
det = _scipys("det")
eig = _scipys("eig")
eigh = _scipys("eigh")
eigvals = _scipys("eigvals")
eigvalsh = _scipys("eigvalsh")
hankel = _scipys("hankel")
inv = _scipys("inv")
khatri_rao = _scipys("khatri_rao")
lu = _scipys("lu")
lu_factor = _scipys("lu_factor")
lu_solve = _scipys("lu_solve")
matmul_toeplitz = _scipys("matmul_toeplitz")
norm = _scipys("norm")
pinv = _scipys("pinv")
qr = _scipys("qr")
schur = _scipys("schur")
solve = _scipys("solve")
solve_banded = _scipys("solve_banded")
solve_toeplitz = _scipys("solve_toeplitz")
solve_triangular = _scipys("solve_triangular")
solveh_banded = _scipys("solveh_banded")
svd = _scipys("svd")
svdvals = _scipys("svdvals")
toeplitz = _scipys("toeplitz")


def _compiled(implementation: Callable[..., Any]) -> Callable[..., Any]:
    """A function that SciPy has not, of arrays too."""
    native = jit(implementation)

    @functools.wraps(implementation)
    def call(*args: Any) -> Any:
        return implementation(*args) if holds_tracers(args) else native(*args)

    return call


solve_block_tridiagonal = _compiled(blocks.solve_block_tridiagonal)
solve_tridiagonal = _compiled(banded.solve_tridiagonal)

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "companion",
    "det",
    "eig",
    "eigh",
    "eigh_tridiagonal",
    "eigvals",
    "eigvalsh",
    "eigvalsh_tridiagonal",
    "expm",
    "expm_frechet",
    "funm_symmetric",
    "hankel",
    "inv",
    "khatri_rao",
    "logm",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul_toeplitz",
    "norm",
    "pinv",
    "pinvh",
    "qr",
    "schur",
    "solve",
    "solve_banded",
    "solve_block_tridiagonal",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_sylvester",
    "solve_toeplitz",
    "solve_triangular",
    "solve_tridiagonal",
    "solveh_banded",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]
