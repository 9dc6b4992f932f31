"""The program that computes the entries of a sparse Jacobian.

All colours are one batch: of tangents, each the sum of the columns of a colour, or of cotangents,
each the sum of the rows of one. The entries are read from the results by their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.sparsity.selections import Parts
from wengert.ir.transforms.batch import spread
from wengert.ir.transforms.linearize import Linearized, linearize
from wengert.ir.transforms.transpose import transpose
from wengert.ir.types import INT64, DType, TensorType


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many colours, entries, and entries that are added to others there are."""

    colours: int
    entries: int
    more: int


def compressed(
    parts: Parts, active: Sequence[bool], forward: bool, sizes: Sizes, places: DType
) -> Program:
    """Inputs: those of the program; the colours of each picked value, or of each output in reverse
    mode; the places of the entries; and, if any entries are sums, the places of the further
    summands and the entries that these are added to. Output: the entries.

    The result of a colour is a row of what is read; places are of dtype `places` (unsigned, as they
    are never negative).
    """
    builder = Builder()
    primals = [builder.input(t) for t in parts.picks.in_types]
    picked = builder.inline(parts.picks, primals)
    others = [v for v, on in zip(primals, active, strict=True) if not on]
    known = [True] * len(picked) + [False] * len(others)
    split = linearize(parts.rest, known)
    results = builder.inline(split.primal, [*picked, *others])
    residuals = results[len(parts.rest.outputs) :]
    seeds = _seeds(builder, split, parts, forward, sizes.colours)
    linear = split.linear if forward else transpose(split.linear, split.residuals)
    rows = _batched(builder, linear, residuals, seeds, sizes.colours)
    if forward:
        found = iter(rows)
        types = zip(parts.rest.out_types, split.out_active, strict=True)
        rows = [next(found) if on else _no_rows(builder, t, sizes.colours) for t, on in types]
    return builder.finish([_entries(builder, rows, sizes, places)])


def _seeds(
    builder: Builder, split: Linearized, parts: Parts, forward: bool, colours: int
) -> list[Value]:
    """Tangents, or cotangents: 1 where an element has the colour, in a row for each colour."""
    types = parts.picks.out_types if forward else parts.rest.out_types
    wanted = [True] * len(types) if forward else split.out_active
    given = [builder.input(t.with_dtype(INT64)) for t in types]
    seeds: list[Value] = []
    for colour, t, on in zip(given, types, wanted, strict=True):
        if not on:
            continue
        if colours == 1:  # what has no entries in the matrix does not matter
            seeds.append(builder.full((1, *t.shape), 1, t.dtype))
            continue
        params = {"shape": (colours, *t.shape), "dtype": INT64, "axis": 0}
        number = builder.emit(REGISTRY["iota"], (), params)[0]
        wide = colour.broadcast(shape=(colours, *t.shape), dims=tuple(range(1, t.ndim + 1)))
        seeds.append(wide.eq(number).to(t.dtype))
    return seeds


def _batched(
    builder: Builder,
    linear: Program,
    residuals: Sequence[Value],
    seeds: Sequence[Value],
    colours: int,
) -> list[Value]:
    """The results for all seeds, each as (colours, elements)."""
    flags = [False] * len(residuals) + [True] * len(seeds)
    values, batched = spread(builder, linear, [*residuals, *seeds], flags, colours)
    return [
        v.reshape(shape=(colours, v.type.size // colours))
        if on
        else _no_rows(builder, v.type, colours)
        for v, on in zip(values, batched, strict=True)
    ]


def _no_rows(builder: Builder, t: TensorType, colours: int) -> Value:
    """Zeros for what does not move: a result of a linear program that is not batched is zero."""
    return builder.zeros(TensorType(t.dtype, (colours, t.size)))


def _entries(builder: Builder, rows: Sequence[Value], sizes: Sizes, places: DType) -> Value:
    dtype = np.result_type(*(r.dtype for r in rows))
    cast = [r.to(dtype) for r in rows]
    whole = cast[0] if len(cast) == 1 else cast[0].concat(*cast[1:], axis=1)
    flat = whole.reshape(shape=(whole.type.size,))
    where = builder.input(TensorType(places, (sizes.entries,)))
    data = flat.gather(where.to(INT64))
    if not sizes.more:
        return data
    source = builder.input(TensorType(places, (sizes.more,)))
    target = builder.input(TensorType(places, (sizes.more,)))
    return data.scatter_add(flat.gather(source.to(INT64)), target.to(INT64))


def place_dtype(count: int) -> DType:
    """The dtype for places among `count` numbers; each is read once for an entry."""
    return np.dtype(np.uint32) if count < 2**32 else INT64
