"""Scaled dot-product attention (A. Vaswani et al., "Attention is all you need", NeurIPS 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.nn.activations import softmax


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
) -> Any:
    """softmax(query key' · scale) value, over the last two axes (sequence, features).

    The leading axes are a batch (heads, say). Where `mask` is False, and behind the diagonal if
    `causal`, a query does not see a key. The scores, (..., queries, keys), are stored.
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ np.swapaxes(key, -1, -2) * np.asarray(factor, np.result_type(query))
    seen = mask
    if causal:
        ordered = np.arange(key.shape[-2])[None, :] <= np.arange(query.shape[-2])[:, None]
        seen = ordered if mask is None else np.logical_and(mask, ordered)
    return softmax(scores, where=seen) @ value
