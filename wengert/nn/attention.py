"""Scaled dot-product attention (A. Vaswani et al., "Attention is all you need", NeurIPS 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import DTypeError, ShapeError
from wengert.nn.activations import softmax
from wengert.nn.blocked_attention import BLOCK, blocked
from wengert.tracer.array import Tracer

# Scores of so many queries and keys are stored, which takes less time: 512 KiB of float32.
STORED = 1 << 17


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    causal: bool = False,
    scale: Any = None,
    *,
    bias: Any = None,
) -> Any:
    """softmax(query key' · scale + bias) value, over the last two axes (sequence, features).

    `query` is (..., queries, features), `key` (..., keys, features), `value` (..., keys, outputs);
    the result is (..., queries, outputs). The leading axes are a batch (heads, say), and are
    broadcast; where the last of them are heads, fewer of keys and values each serve as many
    neighbouring heads of queries (grouped queries). `mask` (booleans) and `bias` are broadcast to
    (..., queries, keys). Where `mask` is False, and behind the diagonal if `causal`, a query does
    not see a key; one that sees none gets zeros. `scale` is 1 / sqrt(features) unless given.

    Of short sequences the scores, (..., queries, keys), are stored. If queries times keys are more
    than `STORED`, and both more than a block of 128, they come and go in blocks, and memory
    grows with the lengths alone, in forward and reverse mode; see `wengert.nn.blocked_attention`.
    Only the derivative with respect to a bias is as large as the scores. Raises ShapeError where
    shapes do not fit, and DTypeError for a mask that is not of booleans.
    """
    _check(query, key, value, mask)
    key, value = (_for_groups(query, x) for x in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if not isinstance(factor, Tracer):
        factor = np.asarray(factor, np.result_type(query))
    scaled = query * factor
    queries, keys = query.shape[-2], key.shape[-2]
    if min(queries, keys) > BLOCK and queries * keys > STORED:
        return blocked(scaled, key, value, mask, bias, causal)
    scores = scaled @ np.swapaxes(key, -1, -2)
    seen = mask
    if causal:
        ordered = np.arange(keys)[None, :] <= np.arange(queries)[:, None]
        seen = ordered if seen is None else np.logical_and(seen, ordered)
    if bias is not None:
        scores = scores + bias
        finite = np.logical_not(np.isneginf(bias))
        seen = finite if seen is None else np.logical_and(seen, finite)
    return softmax(scores, where=seen) @ value


def _check(query: Any, key: Any, value: Any, mask: Any) -> None:
    shapes = [np.shape(x) for x in (query, key, value)]
    few = any(len(s) < 2 for s in shapes)
    if few or shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2]:
        fail(
            ShapeError(
                "dot_product_attention takes queries (..., queries, features), keys "
                "(..., keys, features) and values (..., keys, outputs), and got the shapes "
                f"{shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        )
    if mask is not None and np.result_type(mask).kind != "b":
        fail(
            DTypeError(
                "the mask of dot_product_attention says by booleans which keys a query sees, and "
                f"is of {np.result_type(mask)}; pass numbers that are added to scores as bias"
            )
        )


def _for_groups(query: Any, x: Any) -> Any:
    """Keys or values with as many heads as queries have, which share them in groups."""
    if query.ndim < 3 or x.ndim < 3:
        return x
    heads, own = query.shape[-3], x.shape[-3]
    return x if own in (1, heads) or heads % own else np.repeat(x, heads // own, axis=-3)
