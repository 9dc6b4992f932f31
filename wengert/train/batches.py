"""Batches: from arrays, sequences, functions of the epoch, iterators and endless streams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.tracer.device_arrays import is_device_array
from wengert.tracer.pytree import is_node, paths, tree_leaves, tree_map

Batch = tuple[Any, ...]
"""The arguments of a loss after the parameters."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where batches come from: `epoch(number, skip)` begins an epoch after `skip` batches.

    `length` is the number of batches in an epoch, where it is known. A source that is `once` has a
    single epoch, whose batches are taken as they come: nothing is skipped. `rows` is how many rows
    of arrays batches are drawn from, which then follow from the arguments alone.
    """

    epoch: Callable[[int, int], Iterator[Batch]]
    length: int | None = None
    once: bool = False
    rows: int | None = None

    @property
    def drawn(self) -> bool:
        """Whether batches are drawn from arrays."""
        return self.rows is not None


def source(
    batches: Any, batch_size: int, shuffle: bool, seed: int, drop_last: bool = False
) -> Source:
    """The source that `batches` is.

    An array, or a tuple, dict or other pytree of arrays with a common first axis, is data, from
    which batches are drawn, in an order that depends on the seed and the epoch alone. A function
    gives the batches of an epoch from its number. Anything else is iterated over: anew in each
    epoch, or once if it is an iterator.

    Raises ShapeError for arrays of different lengths, ArgumentError if there is nothing in them,
    InputTypeError for what is none of these.
    """
    if is_data(batches):
        return _of_arrays(batches, batch_size, shuffle, seed, drop_last)
    if callable(batches) and not isinstance(batches, Iterable):
        of: Callable[[int], Any] = batches
        return Source(lambda epoch, skip: _arguments(itertools.islice(of(epoch), skip, None)))
    if isinstance(batches, Iterator):
        return Source(lambda epoch, skip: _arguments(batches), once=True)
    if isinstance(batches, Iterable):
        length = len(batches) if hasattr(batches, "__len__") else None  # pyright: ignore
        return Source(
            lambda epoch, skip: _arguments(itertools.islice(iter(batches), skip, None)), length
        )
    return fail(
        InputTypeError(
            f"batches are arrays, an iterable or a function of the epoch, and these are "
            f"{type(batches).__name__}"
        )
    )


def is_data(batches: Any) -> bool:
    """Whether these are arrays to draw batches from: an array, or a pytree that is no list."""
    if hasattr(batches, "shape"):
        return True
    kind = type(batches)
    return is_node(kind) and kind is not list and batches is not None


def rows(data: Any) -> int:
    """The common length of the first axes; raises ShapeError or ArgumentError."""
    sizes = {p: np.shape(x)[:1] for p, x in zip(paths(data), tree_leaves(data), strict=True)}
    if not sizes or () in sizes.values() or len(set(sizes.values())) > 1:
        found = ", ".join(f"data{p}: {s[0] if s else 'a number'}" for p, s in sizes.items())
        fail(
            ShapeError(
                "arrays to draw batches from have a common length along their first axis, and "
                f"these have {found or 'no arrays'}"
            )
        )
    return next(iter(sizes.values()))[0]


def _of_arrays(data: Any, batch_size: int, shuffle: bool, seed: int, drop_last: bool) -> Source:
    count = rows(data)
    if batch_size < 1:
        fail(ArgumentError(f"batch_size is a positive number of rows, and got {batch_size}"))
    length = count // batch_size if drop_last else -(-count // batch_size)
    if not length:
        fail(
            ArgumentError(
                f"there are no batches: the data have {count} rows"
                + (f", less than a batch of {batch_size}, and drop_last is set" if count else "")
            )
        )

    def epoch(number: int, skip: int) -> Iterator[Batch]:
        order = np.random.default_rng([seed, number]).permutation(count) if shuffle else None
        for k in range(skip, length):
            part = slice(k * batch_size, (k + 1) * batch_size)
            chosen = part if order is None else order[part]
            yield as_arguments(tree_map(lambda x, c=chosen: _array(x)[c], data))

    return Source(epoch, length, rows=count)


def _array(x: Any) -> Any:
    return x if is_device_array(x) else np.asarray(x)


def _arguments(batches: Iterable[Any]) -> Iterator[Batch]:
    return map(as_arguments, batches)


def as_arguments(batch: Any) -> Batch:
    """The arguments that a batch is: a tuple or list has one for each entry.

    Numbers are NumPy's, so that they are no constants of compiled programs.
    """
    entries = tuple(batch) if type(batch) in (tuple, list) else (batch,)
    # scalars of NumPy's take the quick way into compiled programs, arrays without axes do not
    return tree_map(lambda x: _array(x) if np.ndim(x) else _array(x)[()], entries)


def size(batch: Batch) -> int:
    """How many rows a batch has: the length of the first array's first axis, or one."""
    first = next((np.shape(x) for x in tree_leaves(batch) if np.shape(x)), ())
    return first[0] if first else 1
