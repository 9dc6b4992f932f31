"""Matrices without elements: NumPy's values, and derivatives."""

from typing import Any

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize("order", [2, "nuc", "fro", 1, np.inf])
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 3), (3, 0)])
def test_norms_of_empty_matrices_are_0(order: Any, shape: tuple[int, ...]) -> None:
    a = np.zeros(shape)
    expected = np.linalg.norm(a, order, axis=(-2, -1))
    found = wg.jit(lambda a: np.linalg.norm(a, order, axis=(-2, -1)))(a)
    np.testing.assert_array_equal(found, expected)
    assert wg.grad(lambda a: np.sum(np.linalg.norm(a, order, axis=(-2, -1))))(a).shape == shape
    with pytest.raises(np.linalg.LinAlgError, match="empty"):
        wg.jit(lambda a: np.linalg.cond(a, "fro"))(a)


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0)])
@pytest.mark.parametrize(
    "factor", [np.linalg.eigvalsh, np.linalg.svd, np.linalg.pinv, np.linalg.qr]
)
def test_factors_of_empty_matrices_have_derivatives(factor: Any, shape: tuple[int, int]) -> None:
    if shape == (0, 0) or factor is not np.linalg.eigvalsh:
        options = {"full_matrices": False} if factor is np.linalg.svd else {}
        wg.testing.check_grads(lambda a: factor(a, **options), (np.zeros(shape),))
