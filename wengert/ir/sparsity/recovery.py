"""Where each entry of a matrix is found among the directional derivatives of its colours.

The derivatives are numbered row by row: colour * width + element. Forward mode and symmetric
matrices have a row of outputs for each colour, reverse mode one of picked values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wengert.ir.sparsity.pattern import Ints, Pattern, from_rows, row_numbers


@dataclass(frozen=True, slots=True)
class Recovery:
    """`pattern`: the matrix. `places`: of its entries, in order. Entry `to[k]` also has that at
    `more[k]` added to it."""

    pattern: Pattern
    places: Ints
    more: Ints
    to: Ints


def from_columns(pattern: Pattern, colours: Ints) -> Recovery:
    """Columns of one colour have no row in common."""
    columns = pattern.indices.astype(np.int64)
    return _simple(pattern, colours[columns] * pattern.shape[0] + row_numbers(pattern))


def from_symmetric(pattern: Pattern, colours: Ints) -> Recovery:
    """Entry (i, j) stands alone in row i of colour[j], or, as (j, i), in row j of colour[i]."""
    rows, columns, height = row_numbers(pattern), pattern.indices.astype(np.int64), pattern.shape[0]
    own = colours[columns] * height + rows
    _, group, sizes = np.unique(own, return_inverse=True, return_counts=True)
    return _simple(pattern, np.where(sizes[group] == 1, own, colours[rows] * height + columns))


def from_rows_of_picked(picked: Pattern, columns: Ints, width: int, colours: Ints) -> Recovery:
    """`picked` is the pattern in the picked values, value j being input `columns[j]`; its rows of
    one colour have no value in common. Values of a row that are the same input are added up."""
    rows = row_numbers(picked)
    values = picked.indices.astype(np.int64)
    places = colours[rows] * picked.shape[1] + values
    keys = rows * width + columns[values]
    order = np.argsort(keys, kind="stable")
    found, first, entry = np.unique(keys[order], return_index=True, return_inverse=True)
    counts = np.bincount(found // width, minlength=picked.shape[0])
    pattern = from_rows(counts, found % width, width)
    again = np.ones(len(keys), np.bool_)
    again[first] = False
    placed = places[order]
    return Recovery(pattern, placed[first], placed[again], entry[again])


def _simple(pattern: Pattern, places: Ints) -> Recovery:
    none = np.zeros(0, np.int64)
    return Recovery(pattern, places, none, none)
