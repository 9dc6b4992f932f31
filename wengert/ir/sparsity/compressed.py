"""The program that computes the entries of a sparse Jacobian.

All colours are one batch: of tangents, each the sum of the columns of a colour, or of cotangents,
each the sum of the rows of one. The entries are read from the results by their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wengert.ir import promotion
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.sparsity.runs import Run
from wengert.ir.sparsity.selections import Parts
from wengert.ir.transforms.batch import spread
from wengert.ir.transforms.linearize import Linearized, linearize
from wengert.ir.transforms.transpose import transpose
from wengert.ir.types import FLOAT64, INT64, DType, TensorType


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many colours, entries, and entries that are added to others there are; `runs` says where
    the entries are, if they are that regular."""

    colours: int
    entries: int
    more: int
    runs: tuple[Run, ...] = ()


def compressed(
    parts: Parts, active: Sequence[bool], forward: bool, sizes: Sizes, places: DType
) -> Program:
    """Inputs: those of the program; the colours of each picked value, or of each output in reverse
    mode; the places of the entries, unless these come in runs; and, if any entries are sums, the
    places of the further summands and the entries that these are added to. Output: the entries.

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
    if not sizes.entries:
        return builder.finish([_nothing(builder, parts, sizes, places)])
    linear = split.linear if forward else transpose(split.linear, split.residuals)
    rows = _batched(builder, linear, residuals, seeds, sizes.colours)
    if forward:
        found = iter(rows)
        types = zip(parts.rest.out_types, split.out_active, strict=True)
        rows = [next(found) if on else _no_rows(builder, t, sizes.colours) for t, on in types]
    return builder.finish([_entries(builder, rows, sizes, places)])


def _nothing(builder: Builder, parts: Parts, sizes: Sizes, places: DType) -> Value:
    """The entries of a matrix that has none; the program has the inputs of any other."""
    if not sizes.runs:
        _input(builder, 0, places)
    types = [t.dtype for t in (*parts.picks.out_types, *parts.rest.out_types)]
    return builder.zeros(TensorType(promotion.result_type(*types) if types else FLOAT64, (0,)))


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
    dtype = promotion.result_type(*(r.dtype for r in rows))
    cast = [r.to(dtype) for r in rows]
    if sizes.runs:
        data = _joined([_of_run(cast, run) for run in sizes.runs], 0)
    else:
        data = _flat(cast).gather(_input(builder, sizes.entries, places))
    if not sizes.more:
        return data
    source, target = [_input(builder, sizes.more, places) for _ in range(2)]
    return data.scatter_add(_flat(cast).gather(source), target)


def _input(builder: Builder, count: int, places: DType) -> Value:
    return builder.input(TensorType(places, (count,))).to(INT64)


def _flat(rows: Sequence[Value]) -> Value:
    whole = _joined(rows, 1)
    return whole.reshape(shape=(whole.type.size,))


def _joined(values: Sequence[Value], axis: int) -> Value:
    return values[0] if len(values) == 1 else values[0].concat(*values[1:], axis=axis)


def _of_run(rows: Sequence[Value], run: Run) -> Value:
    """The entries of a run, read by one slice for each entry of a group."""
    borders = np.cumsum([0, *(r.shape[1] for r in rows)])
    columns: list[Value] = []
    for place, step in zip(run.places, run.steps, strict=True):
        colour, at = divmod(place, int(borders[-1]))
        piece = int(np.searchsorted(borders, at, side="right")) - 1
        first = at - int(borders[piece])
        count = run.count if step else 1
        stop = (colour + 1, first + (count - 1) * step + 1)
        part = rows[piece].slice(start=(colour, first), stop=stop, step=(1, max(step, 1)))
        column = part.reshape(shape=(count, 1))
        if count < run.count:
            column = column.reshape(shape=()).broadcast(shape=(run.count, 1), dims=())
        columns.append(column)
    return _joined(columns, 1).reshape(shape=(run.count * len(columns),))


def place_dtype(count: int) -> DType:
    """The dtype for places among `count` numbers; each is read once for an entry."""
    return np.dtype(np.uint32) if count < 2**32 else INT64
