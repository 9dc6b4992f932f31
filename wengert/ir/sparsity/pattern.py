"""Patterns: for each element of an array, the set of the inputs that it depends on.

A pattern is a boolean SciPy CSR matrix with a row for each element, in row-major order, and a
column for each element of the inputs. All work on it is done by SciPy's compiled loops, so it takes
time and memory in proportion to the entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]

from wengert.errors import DifferentiationError

Pattern = Any
"""A boolean `scipy.sparse.csr_array`; SciPy has no types."""
Ints = np.ndarray[Any, np.dtype[np.int64]]

LIMIT = 200_000_000
"""Patterns with more entries are refused: what has so many is not sparse."""


def empty(rows: int, columns: int) -> Pattern:
    """No dependence at all."""
    return sparse.csr_array((rows, columns), dtype=np.bool_)


def identity(count: int, columns: int, offset: int) -> Pattern:
    """Row i depends on column offset + i."""
    found = np.arange(offset, offset + count)
    return from_rows(np.ones(count, np.int64), found, columns)


def from_rows(counts: Ints, indices: Ints, columns: int) -> Pattern:
    """Rows with `counts` entries each, whose columns are listed in `indices`."""
    check_size(len(indices))
    narrow = np.int32 if max(columns, len(indices), len(counts)) < 2**31 else np.int64
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(narrow)
    values = np.ones(len(indices), np.bool_)
    shape = (len(counts), columns)
    return sparse.csr_array((values, indices.astype(narrow), starts), shape=shape)


def from_pairs(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Pattern:
    """The entries (rows[k], columns[k])."""
    check_size(len(rows))
    return sparse.csr_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=shape)


def union(patterns: Sequence[Pattern]) -> Pattern:
    """Row by row what any of the patterns, all of one shape, depends on."""
    total = patterns[0]
    for each in patterns[1:]:
        total = total + each
    return total


def product(outer: Pattern, inner: Pattern) -> Pattern:
    """What the rows of `outer` depend on, through those of `inner`."""
    return outer @ inner


def take_rows(pattern: Pattern, rows: Ints) -> Pattern:
    """The rows with these numbers, in order; the row -1 depends on nothing."""
    lengths = np.append(np.diff(pattern.indptr), 0)  # the last one is that of row -1
    counts = lengths[rows].astype(np.int64)
    check_size(int(counts.sum()))
    first = np.append(pattern.indptr[:-1], 0)[rows]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return from_rows(counts, pattern.indices[np.repeat(first, counts) + within], pattern.shape[1])


def stacked(patterns: Sequence[Pattern], columns: int) -> Pattern:
    """The patterns one below the other."""
    if len(patterns) == 1:
        return patterns[0]
    if not patterns:
        return empty(0, columns)
    counts = np.concatenate([np.diff(p.indptr) for p in patterns])
    indices = np.concatenate([p.indices for p in patterns])
    return from_rows(counts, indices, columns)


def spread_over(patterns: Sequence[Pattern], rows: int) -> Pattern:
    """The pattern in which each of `rows` rows depends on all that any row of `patterns` does."""
    found = np.unique(np.concatenate([p.indices for p in patterns]))
    check_size(rows * len(found))
    counts = np.full(rows, len(found), np.int64)
    return from_rows(counts, np.tile(found, rows), patterns[0].shape[1])


def check_size(entries: int) -> None:
    """Raises DifferentiationError if a pattern would have too many entries."""
    if entries > LIMIT:
        raise DifferentiationError(
            f"this Jacobian is not sparse as far as the program shows: its pattern would have "
            f"{entries:,} entries or more. Indices that are known only at run time, cumulative "
            "sums and long loops make each output depend on all inputs; use jacobian, jvp or vjp"
        )


def row_numbers(pattern: Pattern) -> Ints:
    """The row of each entry, in the order of the entries."""
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
