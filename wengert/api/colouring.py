"""Colourings of sparsity patterns: which columns of a matrix one directional derivative can share.

Columns that no row has in common may have one colour: their sum still shows each of their entries
alone. For symmetric matrices fewer colours do, as an entry may be read in either of its places
(star colourings). Both are found greedily, column by column, after Gebremedhin, Manne and Pothen,
"What color is your Jacobian? Graph coloring for computing derivatives", SIAM Review 47 (2005),
algorithms 3.1 and 4.1. The loops are in `wengert.plain.colouring`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.api.jit import jit
from wengert.plain.colouring import colour_columns, colour_star

Ints = np.ndarray[Any, np.dtype[np.int64]]


_colour_columns = jit(colour_columns)
_colour_star = jit(colour_star)


def column_colours(pattern: Any) -> Ints:
    """A colour, 0, 1, ..., for each column of a CSR pattern, by the better of two orders."""
    by_column = pattern.T.tocsr()
    found = [_greedy(pattern, by_column, order) for order in _orders(by_column)]
    return min(found, key=count)


def star_colours(pattern: Any) -> Ints:
    """A colour for each column of a symmetric CSR pattern, such that each entry (i, j) stands alone
    in column colour[j] of row i or in column colour[i] of row j."""
    found = [_star(pattern, order) for order in _orders(pattern)]
    return min(found, key=count)


def least(pattern: Any) -> int:
    """Columns need at least so many colours: as many as there are entries in a row."""
    return int(np.diff(pattern.indptr).max(initial=0))


def best(found: Any, modes: Sequence[str], cost: Mapping[str, float]) -> tuple[str, Ints]:
    """The mode of `modes` that costs least for an analysed program, and its colours.

    `cost` is that of a colour in each mode.
    """
    colourings: dict[str, Callable[[], Ints]] = {
        "forward": lambda: column_colours(found.pattern),
        "reverse": lambda: column_colours(found.picked.T.tocsr()),
        "symmetric": lambda: star_colours(found.symmetric),
    }
    made = {name: colourings[name]() for name in modes}
    chosen = min(made, key=lambda name: count(made[name]) * cost[name])
    return chosen, made[chosen]


def count(colours: Ints) -> int:
    """How many colours there are."""
    return int(colours.max()) + 1 if len(colours) else 0


def _orders(by_column: Any) -> list[Ints]:
    """The columns as they stand, which is best for bands, and those with most entries first."""
    lengths = np.diff(by_column.indptr)
    natural = np.arange(len(lengths))
    if not len(lengths) or lengths.min() == lengths.max():
        return [natural]
    return [natural, np.argsort(-lengths, kind="stable")]


def _greedy(pattern: Any, by_column: Any, order: Ints) -> Ints:
    columns = len(order)
    colour = _colour_columns(
        *(_padded(x) for x in (by_column.indptr, by_column.indices)),
        *(_padded(x) for x in (pattern.indptr, pattern.indices)),
        _padded(order),
        np.asarray(columns),
    )
    return colour[:columns]


def _star(pattern: Any, order: Ints) -> Ints:
    columns = len(order)
    arrays = (pattern.indptr, pattern.indices, order)
    return _colour_star(*(_padded(x) for x in arrays), np.asarray(columns))[:columns]


def _padded(x: Any) -> Ints:
    """int64, with a power of four of elements, so that few lengths have to be compiled."""
    length = 4 ** max(4, ((len(x) - 1).bit_length() + 1) // 2)
    return np.pad(np.asarray(x, np.int64), (0, length - len(x)))
