"""Libraries of a device played by NumPy and SciPy, through the meaning of the ops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.backends.cuda.device import Array, LibrarySpec
from wengert.ir.forms import Transform
from wengert.ir.op import REGISTRY


def results(spec: LibrarySpec, given: Sequence[Array]) -> Array:
    """What the routine gives for operands of shape (batch, rows, columns), matrix by matrix."""
    evaluate = REGISTRY[spec.library].evaluate
    if spec.library == "lapack":
        return np.stack([_row(spec, matrices) for matrices in zip(*given, strict=True)])
    if spec.library == "pocketfft":
        length = Transform.named(spec.routine).row_before
        return evaluate(given[0].reshape(-1, length), routine=spec.routine)
    return evaluate(given[0], routine=spec.routine)


def _row(spec: LibrarySpec, matrices: Sequence[Array]) -> Array:
    """All numbers for one matrix, with a status of 1 where NumPy raises an error instead."""
    try:
        return REGISTRY[spec.library].evaluate(*matrices, routine=spec.routine)
    except np.linalg.LinAlgError:
        return np.array([*[np.nan] * (spec.count - 1), 1], spec.result)
