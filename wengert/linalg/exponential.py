"""The exponential of a matrix, by a Padé approximant with scaling and squaring.

exp(A) = (r(A / 2^s))^(2^s) with the approximant r = (V - U)^(-1) (V + U) of degree 13, where s is
so large that the 1-norm of A / 2^s is at most REACH. These are products and one solution, so
derivatives of any order are those of the computation, whatever the eigenvalues are.
N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix
Anal. Appl. 26, 2005, algorithm 2.3; A. Al-Mohy, N. Higham, "Computing the Fréchet derivative of the
matrix exponential", SIAM J. Matrix Anal. Appl. 30, 2009.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.api.control import fori_loop
from wengert.api.derivatives import stop_gradient
from wengert.linalg.square import identity, norm, square

DEGREE = 13
REACH = 5.371920351148152
"""The norm up to which the approximant has no errors but rounding's, in float64."""

MOST = 1100
"""More squarings than finite numbers need."""

COEFFICIENTS = [
    math.factorial(2 * DEGREE - k)
    / (math.factorial(k) * math.factorial(DEGREE - k))
    / (math.factorial(2 * DEGREE) / math.factorial(DEGREE))
    for k in range(DEGREE + 1)
]


def expm(a: Any) -> Any:
    """The exponential of each matrix of shape (..., n, n), as `scipy.linalg.expm`.

    Float32 stays, integers become float64; raises `numpy.linalg.LinAlgError` for shapes that are
    not square. What the matrices need of squarings is found when the program runs; a batch does
    as many as any of its matrices needs.
    """
    matrix = square("expm", a)
    if not matrix.size:
        return matrix
    size = stop_gradient(norm(matrix))
    halvings = np.where(size > REACH, np.ceil(np.log2(np.maximum(size, REACH) / REACH)), 0.0)
    halvings = np.minimum(halvings, MOST)
    scaled = matrix * np.exp2(-halvings).astype(matrix.dtype)[..., None, None]

    def squared(k: Any, x: Any) -> Any:
        return np.where((k < halvings)[..., None, None], x @ x, x)

    return fori_loop(0, np.max(halvings).astype(np.int64), squared, _approximant(scaled))


def _approximant(a: Any) -> Any:
    """r(A), with U the odd and V the even terms of the numerator."""
    one, b = identity(a), COEFFICIENTS
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2

    def terms(first: int) -> Any:
        """b[first] + b[first + 2] A² + ..., as a matrix."""
        high = a6 @ (b[first + 8] * a2 + b[first + 10] * a4 + b[first + 12] * a6)
        return high + b[first] * one + b[first + 2] * a2 + b[first + 4] * a4 + b[first + 6] * a6

    u, v = a @ terms(1), terms(0)
    return np.linalg.solve(v - u, v + u)
