"""Eigenvalues and singular values are computed without vectors where nothing needs those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.passes.pipeline import real_pipeline
from wengert.kernels.loops import Factorise
from wengert.kernels.lower import lower
from wengert.kernels.statements import walk

SIZES = (9, 30)
"""By loops of wengert's own, and by LAPACK."""


def eigenvalues(a: Any) -> Any:
    return np.linalg.eigvalsh(a @ np.conj(np.swapaxes(a, -1, -2)))


def singular_values(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


def of_each(a: Any) -> Any:
    """In a loop of the program, and of wide matrices."""
    total = np.zeros(a.shape[-2])
    for k in range(a.shape[0]):
        total += np.linalg.svd(a[k, :, :], compute_uv=False)
    return total


def vectors(a: Any) -> Any:
    return np.abs(np.linalg.svd(a, full_matrices=False)[0])


def routines(fun: Callable[..., Any], a: Any) -> set[str]:
    found = lower(real_pipeline(wg.make_ir(fun)(a).program)).loops
    statements = [st for kernel in found.steps for st in walk(kernel.body)]
    return {st.routine.removeprefix("z") for st in statements if isinstance(st, Factorise)}


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    ("fun", "routine"),
    [(eigenvalues, "syevd_N"), (singular_values, "gesdd_N"), (of_each, "gesdd_N")],
)
def test_values_alone(fun: Callable[..., Any], routine: str, n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    a = rng.standard_normal((2, n, n + 2)).astype(dtype)
    if a.dtype.kind == "c":
        a += 1j * rng.standard_normal(a.shape)
    if n == SIZES[-1]:
        assert routines(fun, a) == {routine}
    close = 1e-10 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(wg.jit(fun)(a), fun(a), rtol=close, atol=close)


def test_vectors_are_there_where_something_needs_them() -> None:
    a = np.random.default_rng(1).standard_normal((30, 30))
    assert routines(vectors, a) == {"gesdd"}
    assert routines(wg.grad(lambda x: np.sum(eigenvalues(x) ** 2)), a) == {"syevd"}
