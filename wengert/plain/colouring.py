"""Greedy colourings; see `wengert.api.colouring` for what they are.

Matrices come as compressed rows: those of row i are `columns[starts[i] : starts[i + 1]]`. Arrays
may be longer than needed; `total` is the number of columns, and `order` that of colouring them.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def colour_columns(
    column_starts: Any, rows: Any, row_starts: Any, columns: Any, order: Any, total: Any
) -> Any:
    """Colours such that no row has entries in two columns of one colour; -1 past `total`."""
    colour = np.full(len(order), -1)
    taken = np.full(len(order) + 1, -1)  # by which column a colour was last found taken
    for k in range(total):
        j = order[k]
        for p in range(column_starts[j], column_starts[j + 1]):
            i = rows[p]
            for q in range(row_starts[i], row_starts[i + 1]):
                other = colour[columns[q]]
                if other >= 0:
                    taken[other] = j
        colour[j] = _first_free(taken, j)
    return colour


def colour_star(starts: Any, columns: Any, order: Any, total: Any) -> Any:
    """Colours for a symmetric matrix: neighbours differ, and no path of four has only two."""
    colour = np.full(len(order), -1)
    taken = np.full(len(order) + 1, -1)
    for k in range(total):
        v = order[k]
        for p in range(starts[v], starts[v + 1]):
            w = columns[p]
            if w != v:
                if colour[w] >= 0:
                    taken[colour[w]] = v
                _take_paths(starts, columns, colour, taken, v, w)
        colour[v] = _first_free(taken, v)
    return colour


def _take_paths(starts: Any, columns: Any, colour: Any, taken: Any, v: Any, w: Any) -> None:
    """Takes the colours that would leave a path through the edge (v, w) with two colours."""
    for q in range(starts[w], starts[w + 1]):
        x = columns[q]
        if x != w and x != v and colour[x] >= 0:
            if colour[w] < 0:
                taken[colour[x]] = v
            else:
                for r in range(starts[x], starts[x + 1]):
                    y = columns[r]
                    if y != w and y != x and colour[y] == colour[w]:
                        taken[colour[x]] = v


def _first_free(taken: Any, column: Any) -> Any:
    c = 0
    while taken[c] == column:
        c += 1
    return c
