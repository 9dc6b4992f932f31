"""The texts of the functions that not all programs need, by symbol.

`support.py` has them compiled once for all programs; while their code is in the cache, nothing of
what is imported here is needed but the sizes in `gemm_text`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.backends.cpu.llvm import transpose
from wengert.backends.cpu.llvm.target import Target
from wengert.backends.cpu.routines import (
    fourier_halves,
    fourier_text,
    gemm_text,
    merge_text,
    radix,
    rank_text,
    select_loops,
    shared_sum_text,
    small_eigen,
    small_factors,
)


def texts(name: str, target: Target) -> Sequence[str]:
    """The LLVM texts of a function of the runtime, by its symbol, for a CPU."""
    if name in gemm_text.KINDS:
        return gemm_text.texts(gemm_text.KINDS[name])
    if name in fourier_text.KINDS:
        return fourier_text.texts(fourier_text.KINDS[name])
    if name in fourier_halves.KINDS:
        return [fourier_halves.text(fourier_halves.KINDS[name])]
    if name in transpose.KINDS:
        return [transpose.text(transpose.KINDS[name], target.vector)]
    if name.startswith(radix.PREFIX):
        return [radix.text(name)]
    if name == rank_text.NAME:
        return [rank_text.text()]
    if name == select_loops.NAME:
        return [select_loops.text()]
    dtype = np.dtype(name.rpartition(".")[2])
    if name.startswith(shared_sum_text.PREFIX):
        return [shared_sum_text.text(dtype)]
    if name.startswith("wg.small."):
        return small_factors.texts(name, dtype)
    return [small_eigen.text(dtype) if name.startswith("wg.eigh.") else merge_text.text(dtype)]
