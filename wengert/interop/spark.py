"""Gradients over data sets of Spark's, as a map over partitions and a reduction in a tree.

What travels to the workers is the text of the traced program, not Python code: a worker compiles it
once, keeps it, and runs it on stacks of its rows. Stacks have the sizes batch, batch/2, ..., 1, so
that any partition is cut into few of them and only these few sizes are ever compiled.

Of a data set this needs `mapPartitions`, `treeReduce` and `context.broadcast`: an RDD has them.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.api.arguments import ShapeDtypeStruct, fail, require_callable
from wengert.api.compilation import compile_program
from wengert.api.derivatives import value_and_grad as local_value_and_grad
from wengert.api.stages import make_ir
from wengert.errors import ArgumentError, DistributedError, InputTypeError
from wengert.ir.parser import parse
from wengert.ir.text import to_text
from wengert.optim.optimizer import Optimizer, apply_updates, arrays
from wengert.tracer.pytree import flatten, tree_map

Loss = Callable[..., Any]
Row = tuple[Any, ...]
Kinds = tuple[tuple[tuple[int, ...], Any], ...]
"""The shape and dtype of each entry of a row."""
Sums = tuple[int, list[Any]]
"""How many rows, and the value and gradients summed over them."""

_compiled: dict[str, Any] = {}
"""The programs of this worker, by their texts."""


def value_and_grad(
    loss: Loss, batch: int = 1024, depth: int = 2
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """(params, rows) -> the mean of `loss` over a data set and its gradient, on Spark's workers.

    `rows` is an RDD (or has its methods) whose elements are tuples: the arguments of
    `loss(params, *stacked)` for one row, arrays or numbers. The loss is a mean over its rows.
    `batch` rows, rounded down to a power of two, are stacked at a time; `depth` is that of the
    tree in which sums are reduced.

    The value is a float64, gradients have the structure and dtypes of `params`. Sums are float64,
    in an order that depends on the partitions. Raises ArgumentError for an empty data set.
    """
    require_callable("value_and_grad", loss)
    if batch < 1:
        fail(ArgumentError(f"batch is a positive number of rows, and got {batch}"))
    return _Gradient(loss, 1 << (batch.bit_length() - 1), depth)


def make_step(
    loss: Loss, optimizer: Optimizer, batch: int = 1024, depth: int = 2
) -> Callable[[Any, Any, Any], tuple[float, Any, Any]]:
    """(params, state, rows) -> (value, new params, new state): one step over a data set.

    Gradient descent is a loop of such steps; for a stream, call one for each RDD that comes
    (`foreachRDD`, or `foreachBatch` with its frame's `rdd`).
    """
    differentiate = value_and_grad(loss, batch, depth)

    def step(params: Any, state: Any, rows: Any) -> tuple[float, Any, Any]:
        value, gradients = differentiate(params, rows)
        updates, state = optimizer.update(gradients, state, params, value)
        return float(value), apply_updates(params, updates), state

    return step


def local(data: Sequence[Any], partitions: int | None = None, cores: int | str = "*") -> Any:
    """The rows of arrays with a common first axis as an RDD of a Spark in this process.

    Starts one on `cores` of this machine unless there is one. Raises DistributedError if pyspark is
    not installed.
    """
    try:
        sql: Any = importlib.import_module("pyspark.sql")
    except ImportError as error:
        raise DistributedError(
            f"pyspark cannot be loaded ({error}); install wengert[spark]"
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers have what we have
    session = sql.SparkSession.builder.master(f"local[{cores}]").getOrCreate()
    rows = list(zip(*data, strict=True))
    return session.sparkContext.parallelize(rows, partitions)


@dataclass(slots=True)
class _Gradient:
    """The function that `value_and_grad` makes; it keeps the texts of its programs."""

    loss: Loss
    batch: int
    depth: int
    texts: dict[Any, dict[int, str]] = field(default_factory=dict[Any, dict[int, str]])

    def __call__(self, params: Any, rows: Any) -> tuple[Any, Any]:
        params = arrays(params)
        leaves, tree = flatten(params)
        first = rows.take(1)
        if not first:
            fail(ArgumentError("the data set has no rows, so a mean over it has no value"))
        kinds = _kinds(first[0])
        work = rows.context.broadcast((self._programs(params, kinds), leaves, kinds))
        try:
            count, sums = rows.mapPartitions(_Work(work)).treeReduce(_added, self.depth)
        finally:
            work.unpersist()
        value, *grads = (np.asarray(s / count) for s in sums)
        found = [g.astype(x.dtype) for g, x in zip(grads, leaves, strict=True)]
        return value[()], tree.unflatten(found)

    def _programs(self, params: Any, kinds: Kinds) -> dict[int, str]:
        """The text of the program for each size of a stack."""
        key = (kinds, flatten(params)[1], *((x.shape, x.dtype) for x in flatten(params)[0]))
        if key not in self.texts:
            self.texts[key] = {n: self._text(params, kinds, n) for n in _sizes(self.batch)}
        return self.texts[key]

    def _text(self, params: Any, kinds: Kinds, count: int) -> str:
        given = tree_map(lambda x: ShapeDtypeStruct(x.shape, x.dtype), params)
        stacks = [ShapeDtypeStruct((count, *shape), dtype) for shape, dtype in kinds]
        return to_text(make_ir(local_value_and_grad(self.loss))(given, *stacks).program)


def _kinds(row: Any) -> Kinds:
    """The shapes and dtypes of the entries of a row; raises InputTypeError unless it is a tuple."""
    if not isinstance(row, (tuple, list)):
        fail(
            InputTypeError(
                "rows of a data set are tuples, the arguments of the loss for one row, and its "
                f"first one is {type(row).__name__}; map it, rows.map(lambda x: (x,)) say"
            )
        )
    return tuple((np.asarray(x).shape, np.asarray(x).dtype) for x in row)


def _sizes(batch: int) -> Iterator[int]:
    while batch:
        yield batch
        batch //= 2


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker does with a partition; `given` are the broadcast programs and parameters."""

    given: Any

    def __call__(self, rows: Iterable[Row]) -> Iterator[Sums]:
        texts, leaves, kinds = self.given.value
        total: Sums | None = None
        for stack in _stacks(iter(rows), texts, kinds):
            count = len(stack[0])
            found = _program(texts[count])(*leaves, *stack)
            sums = (count, [np.float64(count) * np.asarray(x, np.float64) for x in found])
            total = sums if total is None else _added(total, sums)
        if total is not None:
            yield total


def _stacks(rows: Iterator[Row], sizes: Iterable[int], kinds: Kinds) -> Iterator[list[Any]]:
    """The rows of a partition in stacks of the given sizes, the largest first.

    Raises ArgumentError for rows that are not of the first row's kinds.
    """
    largest = max(sizes)
    while taken := list(itertools.islice(rows, largest)):
        start = 0
        for count in sorted(sizes, reverse=True):
            if len(taken) - start >= count:
                part = [_checked(row, kinds) for row in taken[start : start + count]]
                yield [np.stack(column) for column in zip(*part, strict=True)]
                start += count


def _checked(row: Row, kinds: Kinds) -> list[Any]:
    """The entries of a row, in the dtypes of the first one's where nothing is lost by that."""
    entries = [np.asarray(x) for x in row]
    pairs = list(zip(entries, kinds, strict=False))
    fits = all(x.shape == shape and np.can_cast(x.dtype, dtype) for x, (shape, dtype) in pairs)
    if len(entries) != len(kinds) or not fits:
        found = ", ".join(f"{x.dtype}{list(x.shape)}" for x in entries)
        wanted = ", ".join(f"{dtype}{list(shape)}" for shape, dtype in kinds)
        fail(
            ArgumentError(
                f"the rows of a data set are of one kind: the first one is ({wanted}), and another "
                f"one is ({found}); convert them alike, float(y) say"
            )
        )
    return [x.astype(dtype, copy=False) for x, (_, dtype) in pairs]


def _program(text: str) -> Any:
    """The compiled form of a program, made at its first use in this process."""
    if text not in _compiled:
        _compiled[text] = compile_program(parse(text), "cpu")
    return _compiled[text]


def _added(a: Sums, b: Sums) -> Sums:
    return a[0] + b[0], [x + y for x, y in zip(a[1], b[1], strict=True)]
