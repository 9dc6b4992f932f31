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
from wengert.api.derivatives import jvp, vjp
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
    both = _with_logs(task)

    def value(*args: Any) -> Any:
        return both(*args)[0]

    def tangent(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        out, logs = both(*primals)
        return out, _pushed(task, primals, tangents, out, logs)[0]

    def forward(*args: Any) -> tuple[Any, Any]:
        out, logs = both(*args)
        return out, (args, out, logs)

    def backward(saved: Any, bar: Any) -> tuple[Any, ...]:
        return _pulled(task, saved, bar, None)

    found = Custom(value)
    found.defjvp(tangent)
    found.defvjp(forward, backward)
    return found


def _with_logs(task: _Task) -> Custom:
    """The output and L.

    Derivatives of rules need those of both, and have them by the same rules: the row sums of P dS
    are the tangent of L, whose cotangent is taken off D.
    """

    def value(*args: Any) -> Any:
        q, k, *rest = args
        return _each(task.forward, (q, _turned(k), *rest))

    def tangent(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        results = found(*primals)
        return results, _pushed(task, primals, tangents, *results)

    def forward(*args: Any) -> tuple[Any, Any]:
        results = found(*args)
        return results, (args, *results)

    def backward(saved: Any, bars: Any) -> tuple[Any, ...]:
        return _pulled(task, saved, *bars)

    found = Custom(value)
    found.defjvp(tangent)
    found.defvjp(forward, backward)
    return found


def _pushed(task: _Task, primals: Any, tangents: Any, out: Any, logs: Any) -> Any:
    """The tangents of the output and of L."""
    q, k, *rest = primals
    dq, dk, *moves = tangents[:4]
    return _each(task.tangent, (q, _turned(k), *rest, out, logs, dq, _turned(dk), *moves))


def _pulled(task: _Task, saved: Any, bar: Any, logs_bar: Any) -> tuple[Any, ...]:
    """The cotangents of all arguments."""
    (q, k, v, *rest), out, logs = saved
    given = q, _turned(k), _turned(v), *rest, k, out, logs, bar, logs_bar
    return (*_each(task.backward, given), None, None)


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

    def scores(self, q: Any, kt: Any, bias: Any, mask: Any, row: Any, j: Any) -> Any:
        """Scores of block `row` of the queries with block `j` of the keys, -inf where not seen.

        `q`, `kt`, `bias` and `mask` are what belongs to these blocks.
        """
        found = q @ kt if bias is None else q @ kt + bias
        size, width = found.shape
        places = _places(j, width)
        seen = [] if mask is None else [mask]
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
                s = self.scores(q[i], kt[j], _at(i, j, bias), _at(i, j, mask), row, j)
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
        """The tangents of the output and of L, from tangents of q, k, v and the bias."""
        out, logs, dq, dkt, dv, dbias = rest

        def block(i: Any, found: Any) -> Any:
            row = i if first is None else first + i

            def turn(j: Any, state: Any) -> Any:
                given = q[i], kt[j], _at(i, j, bias), _at(i, j, mask), row, j, v[j], logs[i]
                moves = dq[i], dkt[j], dv[j], _at(i, j, dbias)
                found = self.moved(*given, *moves)
                return tuple(x + y for x, y in zip(state, found, strict=True))

            start = np.zeros_like(logs[i]), np.zeros_like(out[i])
            total, slope = fori_loop(0, self.stop(kt, row), turn, start)
            return _set(found, i, (slope - total[:, None] * out[i], total))

        return fori_loop(0, len(q), block, (np.zeros_like(out), np.zeros_like(logs)))

    def backward(
        self, q: Any, kt: Any, vt: Any, bias: Any, mask: Any, first: Any, *rest: Any
    ) -> tuple[Any, ...]:
        """Cotangents of q, k, v and the bias, from those of the output and of L (or None)."""
        k, out, logs, bar, logs_bar = rest
        blocks, features, width = vt.shape

        def block(i: Any, found: Any) -> Any:
            row = i if first is None else first + i
            level = np.sum(out[i] * bar[i], axis=1)
            if logs_bar is not None:
                level = level - logs_bar[i]

            def turn(j: Any, state: Any) -> Any:
                q_bar, k_bars, v_bars, bias_bars = state
                given = q[i], kt[j], _at(i, j, bias), _at(i, j, mask), row, j, k[j], vt[j]
                of_q, of_k, of_v, of_bias = self.pulled(*given, logs[i], bar[i], level)
                k_bars, v_bars = k_bars.copy(), v_bars.copy()
                k_bars[j] += of_k
                v_bars[j] += of_v
                if bias_bars is not None:
                    bias_bars = bias_bars.copy()
                    bias_bars[i, :, j] = of_bias
                return q_bar + of_q, k_bars, v_bars, bias_bars

            q_bars, *others = found
            state = fori_loop(0, self.stop(kt, row), turn, (np.zeros_like(q[i]), *others))
            return (*_set((q_bars,), i, state[:1]), *state[1:])

        v_bars = np.zeros_like(vt, shape=(blocks, width, features))
        start = (*(np.zeros_like(x) for x in (q, k)), v_bars)
        start = (*start, None if bias is None else np.zeros_like(bias))
        return fori_loop(0, len(q), block, start)

    @functools.cached_property
    def moved(self) -> Custom:
        """The row sums of P dS, and P dS V + P dV, of one block."""

        def value(*args: Any) -> Any:
            (q, kt, *_, v, log), (dq, dkt, dv, dbias) = args[:-4], args[-4:]
            p = np.exp(self.scores(*args[:6]) - log[:, None])
            ds = dq @ kt + q @ dkt
            change = p * (ds if dbias is None else ds + dbias)
            return np.sum(change, axis=1), change @ v + p @ dv

        return _recomputed(value)

    @functools.cached_property
    def pulled(self) -> Custom:
        """dS K, dS' Q, P' G and dS of one block; `level` is D."""

        def value(*args: Any) -> Any:
            q, k, vt, log, bar, level = args[0], *args[6:]
            p = np.exp(self.scores(*args[:6]) - log[:, None])
            s_bar = p * (bar @ vt - level[:, None])
            return s_bar @ k, s_bar.T @ q, p.T @ bar, s_bar

        return _recomputed(value)


def _recomputed(function: Callable[..., Any]) -> Custom:
    """`function`, whose derivatives keep its arguments alone.

    Nothing of the size of the scores is kept for each block. Unlike a checkpoint it is nothing but
    `function` where it is not differentiated.
    """

    def backward(args: Any, bars: Any) -> Any:
        return vjp(function, *args)[1](bars)

    found = Custom(function)
    found.defjvp(lambda primals, tangents: jvp(function, primals, tangents))
    found.defvjp(lambda *args: (found(*args), args), backward)
    return found


def _at(i: Any, j: Any, scores: Any) -> Any:
    """A block of an array of the shape of scores; None stays None."""
    return None if scores is None else scores[i, :, j]


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
