"""np.einsum: parsed here, then lowered to diagonals, sums and products of pairs."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, supported_dtype
from wengert.tracer.functions.diagonals import diagonal_of
from wengert.tracer.functions.operands import (
    broadcast,
    materialise,
    operand,
    refuse,
    reshape,
    transpose,
    values,
    wrapped,
)
from wengert.tracer.functions.products import pairwise
from wengert.tracer.tables import function


@dataclass(frozen=True, slots=True)
class Subscripts:
    """Labels of the axes of each operand and of the result.

    A label is a letter, or a negative int for an axis under an ellipsis, counted from its end.
    """

    inputs: tuple[tuple[Any, ...], ...]
    output: tuple[Any, ...]


def parse(text: str, ndims: Sequence[int]) -> Subscripts:
    """The subscripts of an einsum; raises ArgumentError that says what is wrong."""
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ArgumentError(
            f"einsum '{text}' has {len(terms)} operand(s), but {len(ndims)} were given"
        )
    inputs = tuple(_labels(t, n, text) for t, n in zip(terms, ndims, strict=True))
    ellipsis = min([0, *(a for labels in inputs for a in labels if isinstance(a, int))])
    hidden = tuple(range(ellipsis, 0))
    used = [a for labels in inputs for a in labels]
    if not arrow:
        letters = sorted({a for a in used if isinstance(a, str) and used.count(a) == 1})
        return Subscripts(inputs, (*hidden, *letters))
    if "..." not in right and hidden:
        raise ArgumentError(
            f"einsum '{text}': the operands have axes under '...', the output needs '...' too"
        )
    output = _labels(right, len(right.replace("...", "")) + len(hidden), text)
    for label in output:
        if output.count(label) > 1:
            raise ArgumentError(f"einsum '{text}': output subscript '{label}' appears twice")
        if label not in used:
            raise ArgumentError(f"einsum '{text}': output subscript '{label}' is in no operand")
    return Subscripts(inputs, output)


def _labels(term: str, ndim: int, text: str) -> tuple[Any, ...]:
    head, dots, tail = term.partition("...")
    for letter in head + tail:
        if letter not in string.ascii_letters:
            raise ArgumentError(f"einsum '{text}': invalid subscript '{letter}', use letters")
    count = ndim - len(head) - len(tail)
    if count < 0 or (count > 0 and not dots):
        raise ArgumentError(
            f"einsum '{text}': the operand '{term}' has {len(head + tail)} subscript(s), but "
            f"its array has {ndim} dimension(s)"
        )
    return (*head, *range(-count, 0), *tail)


def from_lists(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """The form einsum(x, [0, 1], y, [1, 2], [0, 2]) as subscripts and operands."""
    arrays = list(args[0 : len(args) - len(args) % 2 : 2])
    lists = list(args[1::2])
    text = ",".join(map(_text, lists))
    if len(args) % 2:
        text += "->" + _text(args[-1])
    return text, arrays


def _text(labels: Any) -> str:
    try:
        return "".join("..." if a is Ellipsis else string.ascii_letters[a] for a in labels)
    except (TypeError, IndexError):
        raise ArgumentError(
            f"einsum subscripts must be a string, or lists of ints below 52; got {labels!r}"
        ) from None


@function(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Any:
    """Einstein summation over subscripts."""
    refuse("einsum", out=out)
    if not operands:
        raise ArgumentError(
            "must specify the einstein sum subscripts string and at least one operand"
        )
    if isinstance(operands[0], str):
        text, arrays = operands[0], list(operands[1:])
    else:
        text, arrays = from_lists(operands)
    if not arrays:
        raise ArgumentError("must provide at least an operand to einsum")
    known = [operand(a) for a in arrays]
    subscripts = parse(text, [o.ndim for o in known])
    if dtype is not None:
        items = [materialise(o, supported_dtype(dtype)) for o in known]
    else:
        items = values(*known)
    return wrapped(contract(items, subscripts, text, optimize))


def contract(items: list[Value], subscripts: Subscripts, text: str, optimize: Any) -> Value:
    """The sum of products, two operands at a time."""
    sizes = _sizes(items, subscripts, text)
    terms = [_without_repeats(v, ls, sizes) for v, ls in zip(items, subscripts.inputs, strict=True)]
    for step in _path(terms, subscripts.output, optimize):
        chosen = [terms[i] for i in step]
        terms = [t for i, t in enumerate(terms) if i not in step]
        while len(chosen) > 1:
            (x, xs), (y, ys) = chosen[:2]
            others = chosen[2:] + terms
            needed = {*subscripts.output, *(a for _, ls in others for a in ls)}
            out = _kept(xs, ys, None if others else subscripts.output, needed)
            chosen = [(pairwise(x, xs, y, ys, out), out), *chosen[2:]]
        terms.append(chosen[0])
    return _single(*terms[0], subscripts.output, sizes)


def _kept(
    xs: Sequence[Any], ys: Sequence[Any], final: Sequence[Any] | None, needed: set[Any]
) -> tuple[Any, ...]:
    """The labels that stay: in the order of the output, or one that moves no axes."""
    present = [*xs, *(a for a in ys if a not in xs)]
    if final is not None:
        return tuple(a for a in final if a in present)
    shared = [a for a in present if a in xs and a in ys and a in needed]
    return (*shared, *(a for a in present if a in needed and a not in shared))


def _sizes(items: Sequence[Value], subscripts: Subscripts, text: str) -> dict[Any, int]:
    sizes: dict[Any, int] = {}
    for value, labels in zip(items, subscripts.inputs, strict=True):
        for label, n in zip(labels, value.shape, strict=True):
            found = sizes.get(label, 1)
            if found != n and 1 not in (found, n):
                raise ShapeError(
                    f"einsum '{text}': subscript '{label}' has length {found} in one place and "
                    f"{n} in another; the operands have shapes {[v.shape for v in items]}"
                )
            sizes[label] = n if found == 1 else found
    return sizes


def _without_repeats(
    value: Value, labels: Sequence[Any], sizes: dict[Any, int]
) -> tuple[Value, tuple[Any, ...]]:
    """Takes diagonals until each label of the operand is there once."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            short = [d for d in (i, j) if value.shape[d] == 1]
            if value.shape[i] != value.shape[j]:  # a length of 1 is broadcast
                value = reshape(value, value.shape[: short[0]] + value.shape[short[0] + 1 :])
                del labels[short[0]]
                continue
            value = diagonal_of(value, 0, i, j)
            labels = [a for d, a in enumerate(labels) if d not in (i, j)] + [label]
    return value, tuple(labels)


def _path(
    terms: Sequence[tuple[Value, tuple[Any, ...]]], output: tuple[Any, ...], optimize: Any
) -> list[tuple[int, ...]]:
    """Which operands to contract, step by step; NumPy's greedy search for three or more."""
    count = len(terms)
    if count < 3:
        return [tuple(range(count))]
    letters = {
        a: string.ascii_letters[i]
        for i, a in enumerate(dict.fromkeys(a for _, ls in terms for a in ls))
    }
    text = ",".join("".join(letters[a] for a in ls) for _, ls in terms)
    text += "->" + "".join(letters[a] for a in output)
    shaped = [np.broadcast_to(np.empty(()), v.shape) for v, _ in terms]
    how = "greedy" if optimize in (False, True, None) else optimize
    return [tuple(step) for step in np.einsum_path(text, *shaped, optimize=how)[0][1:]]


def _single(
    value: Value, labels: Sequence[Any], output: Sequence[Any], sizes: dict[Any, int]
) -> Value:
    """Sums and reorders the axes of the one operand left, and spreads labels of length 1."""
    axes = tuple(i for i, a in enumerate(labels) if a not in output)
    if axes:
        if value.dtype == BOOL:
            value = value.reduce_or(axes=axes)
        else:
            value = value.reduce_sum(axes=axes)
    left = [a for a in labels if a in output]
    value = transpose(value, [left.index(a) for a in output])
    return broadcast(value, tuple(sizes[a] for a in output))
