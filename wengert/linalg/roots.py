"""Square roots and logarithms of matrices, by iterations that are differentiated as they are.

The iterations converge quadratically, and so do their derivatives of any order: each of them is the
same iteration for a block matrix that has A on its diagonal, whose eigenvalues are those of A.
N. Higham, Functions of Matrices, SIAM 2008, sections 6.3 and 6.5 for the root, chapter 11 for the
logarithm, theorem 3.6 for the blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.api.control import fori_loop, while_loop
from wengert.api.derivatives import stop_gradient
from wengert.linalg.square import identity, norm, square
from wengert.tracer.functions.factorisations import NOT_FINITE, demand
from wengert.tracer.lift import lift

TURNS = 14
"""With scaling, ten are enough for condition numbers up to 1e14; the others are for derivatives."""

CONVERGED = 0.1
"""How far from the identity X Y may be: where there is no root, it is anywhere."""

NO_ROOT = (
    "a matrix has no principal square root or logarithm: it is singular, or has eigenvalues "
    "on the negative real axis"
)


def sqrtm(a: Any) -> Any:
    """The X with X² = A for each matrix of shape (..., n, n), as `scipy.linalg.sqrtm`.

    No eigenvalue may be 0 or a negative real number: SingularMatrixError is raised when the
    program runs. Its own eigenvalues have positive real parts. Integers become float64; raises
    `numpy.linalg.LinAlgError` for shapes that are not square. Of symmetric matrices
    `funm_symmetric(a, numpy.sqrt)` is more accurate. Roots of real matrices are real.
    """
    matrix = square("sqrtm", a)
    return _root(matrix) if matrix.size else matrix


def _root(a: Any) -> Any:
    """The iteration of Denman and Beavers: X -> the root, Y -> its inverse."""
    one = identity(a)

    def turn(k: Any, state: Any) -> Any:
        x, y = state
        scale = _scale(x, y)
        return (
            (x * scale + np.linalg.inv(y) / scale) / 2,
            (y * scale + np.linalg.inv(x) / scale) / 2,
        )

    root, back = fori_loop(0, TURNS, turn, (a, one))
    demand(lift(norm(root @ back - one) < CONVERGED), NO_ROOT)
    return root


def _scale(x: Any, y: Any) -> Any:
    """Factors that bring the determinants near 1, and change nothing in what is converged to."""
    both = (
        np.linalg.slogdet(stop_gradient(x)).logabsdet
        + np.linalg.slogdet(stop_gradient(y)).logabsdet
    )
    return np.exp(both / (-2 * x.shape[-1]))[..., None, None].astype(x.dtype)


NEAR = 0.34
"""The distance from the identity up to which the approximant of the logarithm has no errors but
rounding's, in float64, with this many nodes."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
MOST_ROOTS = 60


def logm(a: Any) -> Any:
    """The L with exp(L) = A for each matrix of shape (..., n, n), as `scipy.linalg.logm`.

    Its eigenvalues have imaginary parts between -pi and pi. Conditions and errors are those of
    `sqrtm`. Of symmetric matrices `funm_symmetric(a, numpy.log)` is more accurate.
    """
    matrix = square("logm", a)
    if not matrix.size:
        return matrix
    demand(lift(np.isfinite(matrix)), NOT_FINITE)
    one = identity(matrix)

    def far(state: Any) -> Any:
        count, x = state
        return (np.max(norm(x - one)) > NEAR) & (count < MOST_ROOTS)

    def closer(state: Any) -> Any:
        count, x = state
        return count + 1, _root(x)

    count, near = while_loop(far, closer, (0, matrix))
    return _log_near_one(near - one) * np.exp2(count).astype(matrix.dtype)


def _log_near_one(x: Any) -> Any:
    """log(I + X), the integral of X (I + t X)^(-1) over t from 0 to 1, by Gauss's rule."""
    shape = (len(NODES), *(1 for _ in x.shape))
    nodes, weights = (v.reshape(shape).astype(x.dtype) for v in ((NODES + 1) / 2, WEIGHTS / 2))
    return np.sum(np.linalg.solve(identity(x) + nodes * x, weights * x), axis=0)
