"""Attention in blocks: scores and their softmax are never all in memory.

For queries Q (already scaled), keys K and values V, with S = Q K' + bias and P the softmax of the
rows of S, the output is O = P V. Blocks of keys come one after the other. The state of a block of
queries is the maximum m of the scores so far, the sum l of exp(S - m), and the sum of
exp(S - m) V; where m grows to m', both sums are multiplied by exp(m - m'). In the end O is the
quotient of the sums, and L = m + log l gives P = exp(S - L) again, one block at a time:

    reverse mode   dV = P' G,  dP = G V',  dS = P (dP - D),  dQ = dS K,  dK = dS' Q,
                   with D the row sums of G O, which are those of P dP
    forward mode   T = P dS V + P dV - O (row sums of P dS),  dS = dQ K' + Q dK' + dbias

M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867;
T. Dao, D. Fu, S. Ermon, A. Rudra, C. Re, "FlashAttention", NeurIPS 2022.

A task is one element of the batch, or a part of its queries where the batch is small; tasks are
the rows of a `for_each` and run on the threads. Lengths are filled up to whole blocks, with keys
that nobody sees. K' and V' are stored, once for all blocks of queries.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.control import fori_loop
from wengert.api.custom import Custom
from wengert.api.mapping import vmap
from wengert.ir import promotion
from wengert.ir.floats import finfo
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import current

# Keys in a block, at most; queries are half as many. That is 32 KiB of float32 scores, products
# small enough for a BLAS to take its operands as they stand, and rows of scores that are long
# enough for their maxima and sums to cost little.
BLOCK = 128
_STEP = 32
"""Blocks have a multiple of so many, so that rows are whole vectors."""
_TASKS = 8
"""A batch of fewer elements has its queries shared out as well."""


def blocked(query: Any, key: Any, value: Any, mask: Any, bias: Any, causal: bool) -> Any:
    """Attention of scaled queries; see `dot_product_attention`."""
    numbers = [x for x in (query, key, value, bias) if x is not None]
    dtype = promotion.result_type(*numbers)
    leading = np.broadcast_shapes(*(np.shape(x)[:-2] for x in (*numbers, mask) if x is not None))
    queries, keys, outputs = query.shape[-2], key.shape[-2], value.shape[-1]
    if math.prod(leading) == 0 or outputs == 0:
        return np.zeros((*leading, queries, outputs), dtype)
    tasks = _Tasks.of(leading, queries, keys)
    arrays = (
        tasks.of_queries(query.astype(dtype)),
        *(tasks.of_keys(x.astype(dtype)) for x in (key, value)),
        None if bias is None else tasks.of_scores(bias.astype(dtype)),
        None if mask is None else tasks.of_scores(mask),
        tasks.first() if causal and tasks.parts > 1 else None,
    )
    reach = tasks.columns * tasks.width
    square = tasks.parts * tasks.rows * tasks.size <= reach
    out = _attention(keys if reach > keys else None, causal, square)(*arrays)
    out = out.reshape(tasks.lanes, -1, outputs)[:, :queries]
    return out.reshape(*leading, queries, outputs)


@dataclass(frozen=True, slots=True)
class _Tasks:
    """How work is shared out: lanes of the batch, parts of a lane's queries, and blocks.

    A task has `rows` blocks of `size` queries, and `columns` blocks of `width` keys.
    """

    leading: tuple[int, ...]
    parts: int
    rows: int
    size: int
    columns: int
    width: int

    @staticmethod
    def of(leading: tuple[int, ...], queries: int, keys: int) -> _Tasks:
        """Blocks of equal sizes, which fill up the lengths with as little as may be."""
        longest = max(queries, keys)
        width = _filled(-(-longest // -(-longest // BLOCK)), _STEP)
        size = width // 2
        parts = min(-(-queries // size), -(-_TASKS // math.prod(leading)))
        rows = -(-queries // (parts * size))
        return _Tasks(leading, parts, rows, size, -(-keys // width), width)

    @property
    def lanes(self) -> int:
        return math.prod(self.leading)

    def first(self) -> Any:
        """At which block of queries each task begins."""
        return np.tile(np.arange(self.parts) * self.rows, self.lanes)

    def of_queries(self, x: Any) -> Any:
        """x as (tasks, rows, size, features)."""
        sizes = self.parts * self.rows * self.size, x.shape[-1]
        return self.spread(x, sizes, (self.rows, self.size, x.shape[-1]))

    def of_keys(self, x: Any) -> Any:
        """x as (tasks, columns, width, features), the same for all parts."""
        sizes = self.columns * self.width, x.shape[-1]
        lanes = self.spread(x, sizes, sizes, 1)
        repeated = np.broadcast_to(lanes[:, None], (self.lanes, self.parts, *sizes))
        return repeated.reshape(-1, self.columns, self.width, sizes[1])

    def of_scores(self, x: Any) -> Any:
        """x, of the shape of scores, as (tasks, rows, size, columns, width)."""
        sizes = self.parts * self.rows * self.size, self.columns * self.width
        return self.spread(x, sizes, (self.rows, self.size, self.columns, self.width))

    def spread(
        self, x: Any, sizes: tuple[int, int], shape: tuple[int, ...], parts: int | None = None
    ) -> Any:
        """x as (lanes * parts, *shape), with its last axes filled up to `sizes` unless they are 1.

        Inside a trace a constant becomes a value, so that it is not stored with all repetitions.
        """
        x = wrap(lift(x)) if current() is not None else x
        x = np.reshape(x, (1,) * (2 - x.ndim) + x.shape)
        for axis in (-2, -1):
            x = x if x.shape[axis] == 1 else _fill(x, axis, sizes[axis])
        full = np.broadcast_to(x, (*self.leading, *sizes))
        return full.reshape(self.lanes * (self.parts if parts is None else parts), *shape)


def _filled(count: int, step: int) -> int:
    return -(-count // step) * step


def _fill(x: Any, axis: int, count: int) -> Any:
    """x with zeros, or False, up to a length of `count` along an axis."""
    missing = count - x.shape[axis]
    if not missing:
        return x
    widths = [(0, missing if a == x.ndim + axis else 0) for a in range(x.ndim)]
    return np.pad(x, widths)


@functools.cache
def _attention(keys: int | None, causal: bool, square: bool) -> Custom:
    """Attention of (tasks, blocks, size, features), with its rules.

    Its arguments: queries, keys, values, bias and mask or None, and at which block of queries each
    task begins, or None if that is 0. The parameters are those of `_Task`.
    """
    task = _Task(keys, causal, square)

    def value(*args: Any) -> Any:
        return forward(*args)[0]

    def tangent(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        out, (_, _, logs) = forward(*primals)
        q, k, *rest = primals
        dq, dk, *moves = tangents[:4]
        given = q, _turned(k), *rest, out, logs, dq, _turned(dk), *moves
        return out, _each(task.tangent, given)

    def forward(*args: Any) -> tuple[Any, Any]:
        q, k, *rest = args
        out, logs = _each(task.forward, (q, _turned(k), *rest))
        return out, (args, out, logs)

    def backward(saved: Any, bar: Any) -> tuple[Any, ...]:
        (q, k, v, *rest), out, logs = saved
        given = q, _turned(k), _turned(v), *rest, k, out, logs, bar
        return (*_each(task.backward, given), None, None)

    found = Custom(value)
    found.defjvp(tangent)
    found.defvjp(forward, backward)
    return found


def _turned(x: Any) -> Any:
    """Blocks of keys or values, transposed."""
    return np.swapaxes(x, -1, -2)


def _each(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """`function` of each task; None stays None."""
    given = [x for x in args if x is not None]

    def of_given(*found: Any) -> Any:
        left = iter(found)
        return function(*(None if x is None else next(left) for x in args))

    return vmap(of_given)(*given)


class _Task:
    """What is done for one task; `q[i]` and `k[j]` are blocks."""

    def __init__(self, keys: int | None, causal: bool, square: bool) -> None:
        self.keys = keys  # how many real ones there are; None if all are
        self.causal = causal
        self.square = square  # the blocks of keys reach as far as those of queries

    def scores(self, q: Any, kt: Any, bias: Any, mask: Any, i: Any, j: Any, row: Any) -> Any:
        """Scores of block i of the queries with block j of the keys, -inf where not seen."""
        found = q[i] @ kt[j]
        if bias is not None:
            found = found + bias[i, :, j]
        size, width = found.shape
        places = _places(j, width)
        seen = [] if mask is None else [mask[i, :, j]]
        if self.keys is not None:
            seen.append((places < self.keys)[None, :])
        if self.causal:
            seen.append(places[None, :] <= _places(row, size)[:, None])
        for condition in seen:
            found = np.where(condition, found, -np.inf)
        return found

    def stop(self, kt: Any, row: Any) -> Any:
        """How many blocks of keys the queries of a block see."""
        if not self.causal:
            return len(kt)
        seen = (row >> 1) + 1
        return seen if self.square else np.minimum(seen, len(kt))

    def forward(self, q: Any, kt: Any, v: Any, bias: Any, mask: Any, first: Any) -> Any:
        """The output, and the logarithms of the sums of exponentials."""
        blocks, size, _ = q.shape
        features = v.shape[2]
        lowest = finfo(q.dtype).min

        def block(i: Any, found: Any) -> Any:
            row = i if first is None else first + i

            def turn(j: Any, state: Any) -> Any:
                top, total, out = state
                s = self.scores(q, kt, bias, mask, i, j, row)
                higher = np.maximum(top, np.max(s, axis=1))
                p, shrink = np.exp(s - higher[:, None]), np.exp(top - higher)
                total = total * shrink + np.sum(p, axis=1)
                return higher, total, out * shrink[:, None] + p @ v[j]

            none = np.zeros_like(q, shape=(size,)), np.zeros_like(q, shape=(size, features))
            start = np.full_like(q, lowest, shape=(size,)), *none
            top, total, out = fori_loop(0, self.stop(kt, row), turn, start)
            total = np.where(total == 0, 1, total)  # of queries that see nothing
            return _set(found, i, (out / total[:, None], top + np.log(total)))

        shapes = (blocks, size, features), (blocks, size)
        return fori_loop(0, blocks, block, tuple(np.zeros_like(q, shape=s) for s in shapes))

    def tangent(self, q: Any, kt: Any, v: Any, bias: Any, mask: Any, first: Any, *rest: Any) -> Any:
        """The tangent of the output, from tangents of q, k, v and the bias."""
        out, logs, dq, dkt, dv, dbias = rest

        def block(i: Any, found: Any) -> Any:
            row = i if first is None else first + i

            def turn(j: Any, state: Any) -> Any:
                total, slope = state
                p = np.exp(self.scores(q, kt, bias, mask, i, j, row) - logs[i][:, None])
                ds = dq[i] @ kt[j] + q[i] @ dkt[j]
                if dbias is not None:
                    ds = ds + dbias[i, :, j]
                moved = p * ds
                return total + np.sum(moved, axis=1), slope + moved @ v[j] + p @ dv[j]

            start = np.zeros_like(logs[i]), np.zeros_like(out[i])
            total, slope = fori_loop(0, self.stop(kt, row), turn, start)
            return _set(found, i, (slope - total[:, None] * out[i],))

        return fori_loop(0, len(q), block, (np.zeros_like(out),))[0]

    def backward(
        self, q: Any, kt: Any, vt: Any, bias: Any, mask: Any, first: Any, *rest: Any
    ) -> tuple[Any, ...]:
        """Cotangents of q, k, v and the bias."""
        k, out, logs, bar = rest
        blocks, features, width = vt.shape

        def block(i: Any, found: Any) -> Any:
            row = i if first is None else first + i
            level = np.sum(out[i] * bar[i], axis=1)

            def turn(j: Any, state: Any) -> Any:
                q_bar, k_bars, v_bars, bias_bars = state
                p = np.exp(self.scores(q, kt, bias, mask, i, j, row) - logs[i][:, None])
                s_bar = p * (bar[i] @ vt[j] - level[:, None])
                k_bars, v_bars = k_bars.copy(), v_bars.copy()
                k_bars[j] += s_bar.T @ q[i]
                v_bars[j] += p.T @ bar[i]
                if bias_bars is not None:
                    bias_bars = bias_bars.copy()
                    bias_bars[i, :, j] = s_bar
                return q_bar + s_bar @ k[j], k_bars, v_bars, bias_bars

            q_bars, *others = found
            state = fori_loop(0, self.stop(kt, row), turn, (np.zeros_like(q[i]), *others))
            return (*_set((q_bars,), i, state[:1]), *state[1:])

        v_bars = np.zeros_like(vt, shape=(blocks, width, features))
        start = (*(np.zeros_like(x) for x in (q, k)), v_bars)
        start = (*start, None if bias is None else np.zeros_like(bias))
        return fori_loop(0, len(q), block, start)


def _places(block: Any, size: int) -> Any:
    """The numbers of a block's queries or keys, of a size that leaves vectors their lanes."""
    start = np.int32(size) * wrap(lift(block)).astype(np.int32)
    return start + np.arange(size, dtype=np.int32)


def _set(arrays: Any, i: Any, rows: Any) -> tuple[Any, ...]:
    """`arrays`, with other rows number i."""
    found = tuple(x.copy() for x in arrays)
    for x, row in zip(found, rows, strict=True):
        x[i] = row
    return found
