"""What to call instead of functions of `scipy.linalg`, which compute on arrays alone."""

from __future__ import annotations

import sys
from types import FrameType

SAME = "pinv lstsq qr svd svdvals eig eigh eigvals eigvalsh norm"
"""Functions that `np.linalg` has under the same name."""

OURS = """expm sqrtm logm solve inv det cholesky cho_factor cho_solve solve_triangular lu block_diag
    lu_factor lu_solve solve_banded solveh_banded solve_toeplitz matmul_toeplitz toeplitz circulant
    hankel companion khatri_rao schur"""
"""Functions that `wengert.linalg` has, which stand in for SciPy's where wengert sees the call."""

OTHERS = {
    **{name: f"np.linalg.{name}" for name in SAME.split()},
    **{name: f"wengert.linalg.{name}" for name in OURS.split()},
    "funm": "wengert.linalg.funm_symmetric, if the matrix is symmetric",
    "solve_circulant": "np.linalg.solve on wengert.linalg.circulant",
    "cholesky_banded": "wengert.linalg.solveh_banded",
    "cho_solve_banded": "wengert.linalg.solveh_banded",
    "orth": "np.linalg.svd and its columns of U",
    "null_space": "np.linalg.svd and its rows of V'",
    "kron": "np.kron",
}
"""By the name of SciPy's function."""


def instead() -> str | None:
    """What to call in the place of the function of `scipy.linalg` that is running, if one is."""
    name: str | None = None
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        called = _function(frame)
        if called is not None and (called in OTHERS or name is None or name not in OTHERS):
            name = called
        frame = frame.f_back
    if name is None:
        return None
    advice = f"use {OTHERS[name]}" if name in OTHERS else "it has no traced form"
    return f"what needs them is scipy.linalg.{name}, which computes on arrays alone: {advice}"


def _function(frame: FrameType) -> str | None:
    """The function of `scipy.linalg` that a frame runs, itself or wrapped by SciPy."""
    module = str(frame.f_globals.get("__name__", ""))
    if module.startswith("scipy.linalg"):
        called = frame.f_code.co_name
        return None if called.startswith("_") else called
    wrapped = frame.f_locals.get("f") if module.startswith("scipy._lib") else None
    if str(getattr(wrapped, "__module__", "")).startswith("scipy.linalg"):
        return str(getattr(wrapped, "__name__", ""))
    return None
