"""Sparse triangular systems."""

from __future__ import annotations

from typing import Any


def substituted(starts: Any, columns: Any, values: Any, diagonal: Any, right: Any) -> Any:
    """The solution of a lower triangular system, row after row.

    Row i has the `values` from starts[i] to starts[i + 1] in these columns, and its diagonal.
    """
    found = right.copy()
    for i in range(diagonal.shape[0]):
        rest = found[i]
        for k in range(starts[i], starts[i + 1]):
            rest = rest - values[k] * found[columns[k]]
        found[i] = rest / diagonal[i]
    return found
