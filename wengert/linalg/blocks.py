"""Systems with block tridiagonal matrices, in time that is linear in the number of blocks.

Elimination of whole blocks, downwards: with C the factor and Y the side that the block above left,
C' = (D - L C)⁻¹ U and Y' = (D - L C)⁻¹ (B - L Y); then upwards X = Y - C X.
G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition, section 4.5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.api.control import scan
from wengert.errors import ShapeError
from wengert.tracer.array import Tracer


def solve_block_tridiagonal(lower: Any, diagonal: Any, upper: Any, b: Any) -> Any:
    """X of A X = b for A of blocks on three diagonals, by elimination of whole blocks.

    `diagonal` has the shape (..., n, k, k), `lower` and `upper` (..., n - 1, k, k), b (..., n, k)
    or (..., n, k, m), of which X has the shape; a `b` with as many axes as `diagonal` is the
    latter. Rows are exchanged within blocks only. Raises SingularMatrixError, a
    `numpy.linalg.LinAlgError`, when the program runs, ShapeError before.
    """
    parts = [x if isinstance(x, Tracer) else np.asarray(x) for x in (lower, diagonal, upper, b)]
    below, main, above, right = parts
    vector = right.ndim == main.ndim - 1
    right = right[..., None] if vector else right
    _check_blocks(below, main, above, right)
    batch = np.broadcast_shapes(*(x.shape[:-3] for x in (below, main, above, right)))
    first = [_blocks_first(x, batch) for x in (below, main, above, right)]
    none = np.zeros_like(first[1][:1])
    given = np.concatenate([none, first[0]]), first[1], np.concatenate([first[2], none]), first[3]
    state = np.zeros_like(first[1][0]), np.zeros_like(first[3][0])
    _, (factors, sides) = scan(_block_step, state, given)
    _, x = scan(_block_substituted, state[1], (factors, sides), reverse=True)
    found = np.moveaxis(x, 0, -3)
    return found[..., 0] if vector else found


def _check_blocks(below: Any, main: Any, above: Any, right: Any) -> None:
    shapes = [x.shape[-3:] for x in (below, main, above)]
    n, k = main.shape[-3:-1] if main.ndim > 2 else (0, 0)
    if not n or shapes != [(n - 1, k, k), (n, k, k), (n - 1, k, k)] or right.ndim < 3:
        fail(ShapeError(f"solve_block_tridiagonal takes n - 1, n and n - 1 blocks, got {shapes}"))
    if right.shape[-3:-1] != (n, k):
        fail(ShapeError(f"solve_block_tridiagonal: {shapes[1]} does not fit b of {right.shape}"))


def _blocks_first(x: Any, batch: Sequence[int]) -> Any:
    return np.moveaxis(np.broadcast_to(x, (*batch, *x.shape[-3:])), -3, 0)


def _block_step(state: Any, given: Any) -> Any:
    """What the block above leaves of this one, taken to the identity."""
    factor, side = state
    below, main, above, right = given
    both = np.concatenate([above, right - below @ side], axis=-1)
    found = np.linalg.solve(main - below @ factor, both)
    k = above.shape[-1]
    new = found[..., :k], found[..., k:]
    return new, new


def _block_substituted(after: Any, given: Any) -> Any:
    factor, side = given
    x = side - factor @ after
    return x, x
