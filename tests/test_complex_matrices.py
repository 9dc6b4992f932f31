"""Functions of complex matrices against SciPy's, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import wengert as wg

RNG = np.random.default_rng(5)


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


A, E, RIGHT = drawn(4, 4), drawn(4, 4), drawn(4, 2)
POSITIVE = A @ A.conj().T + np.eye(4)
BANDS = np.stack([drawn(4), drawn(4) + 5, drawn(4)])
HERMITIAN = np.stack([drawn(4), RNG.uniform(9, 10, 4) + 0j])
CASES: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "expm": (scipy.linalg.expm, (3 * A,)),
    "evolution": (lambda h: scipy.linalg.expm(-1j * (h + h.conj().T)), (A,)),
    "expm_frechet": (lambda a, e: scipy.linalg.expm_frechet(a, e), (A, E)),
    "sqrtm": (scipy.linalg.sqrtm, (A,)),
    "logm": (scipy.linalg.logm, (POSITIVE,)),
    "banded": (lambda ab, b: scipy.linalg.solve_banded((1, 1), ab, b), (BANDS, RIGHT)),
    "upper": (lambda ab, b: scipy.linalg.solveh_banded(ab, b), (HERMITIAN, RIGHT)),
    "lower": (
        lambda ab, b: scipy.linalg.solveh_banded(ab, b, lower=True),
        (HERMITIAN[::-1], RIGHT),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    f, args = CASES[name]
    wanted = f(*args)
    np.testing.assert_allclose(wg.jit(f)(*args), wanted, rtol=1e-9, atol=1e-9)
    single = [x.astype(np.complex64) for x in args]
    for found, value in zip(wg.jit(f)(*single), wanted, strict=True):
        assert found.dtype == np.complex64
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-3 * np.max(np.abs(value)))
    wg.testing.check_grads(f, args, order=1 if name in ("sqrtm", "logm") else 2)


def test_a_batch_and_a_holomorphic_slope() -> None:
    stack = np.stack([A, 4 * E])
    found = wg.vmap(scipy.linalg.expm)(stack)
    np.testing.assert_allclose(found, scipy.linalg.expm(stack), rtol=1e-9)
    slope = wg.grad(lambda t: np.trace(scipy.linalg.expm(t * A)), holomorphic=True)(0.3 + 0.1j)
    np.testing.assert_allclose(slope, np.trace(A @ scipy.linalg.expm((0.3 + 0.1j) * A)), rtol=1e-10)


def test_what_is_for_real_matrices_says_so() -> None:
    with pytest.raises(TypeError, match="funm_symmetric takes float32, float64, got complex128"):
        wg.jit(lambda a: wg.linalg.funm_symmetric(a, np.sqrt))(POSITIVE)
