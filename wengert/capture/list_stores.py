"""`x[i] = v` of a list of numbers, by an index that depends on data: each item is chosen.

    basis = list(range(n, n + m))
    while ...:
        basis[np.argmin(ratios)] = j
        y = np.linalg.solve(A[:, basis].T, c[basis])

That is done for a list that cannot be an array while the loop runs (`list_tables.py`), as one which
is taken as a whole in each turn, and costs as much as there are items. Each item is the new number
if its place is the index, and the old one if not, so that all of them are what a loop or branch
around it changes. An index of a loop does not come here: such loops are written out, with places
that are known.
"""

from __future__ import annotations

from typing import Any

from wengert.capture.kinds import is_numeric, joined, kind_of, lifted
from wengert.capture.lists import store
from wengert.ir.types import INT64
from wengert.tracer.affine import index_form
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.entries import checked_positions
from wengert.tracer.lift import lift, wrap

MOST_ITEMS = 256


def may_store(x: list[Any], index: Tracer) -> bool:
    """Whether the items of `x` can be chosen."""
    if index.dtype.kind not in "iu" or index.shape or not 0 < len(x) <= MOST_ITEMS:
        return False
    form = index_form(index)
    if form is not None and form[0]:
        return False
    return all(is_numeric(v) and not kind_of(v).type.shape for v in x)


def store_chosen(x: list[Any], index: Tracer, value: Any) -> None:
    """`x[index] = value`"""
    place = enter(lambda: wrap(checked_positions(lift(index).to(INT64), len(x), 0)))
    for k, old in enumerate(list(x)):
        store(x, k, enter(_either, place, k, value, old))


def _either(place: Any, k: int, value: Any, old: Any) -> Any:
    kind = joined(kind_of(old), kind_of(value))
    chosen = lift(place).eq(k).select(lifted(value, kind), lifted(old, kind))
    return wrap(chosen, kind.weak)
