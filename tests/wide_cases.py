"""The samples of the registry's ops on arrays that are long enough for vectors.

What is pointwise gets its samples end to end and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from op_cases import samples_of

from wengert.ir.op import Op, Sample

LENGTH = 150  # two vectors of 64 bytes of single bytes and a rest, and more of wider elements


def is_pointwise(op: Op) -> bool:
    return op.family in ("elementwise", "special", "complex numbers")


def pointwise_samples(op: Op, shape: tuple[int, ...] = (LENGTH,)) -> list[tuple[str, Sample]]:
    """The samples with operands of one shape, those of the same kind joined to arrays of `shape`."""
    groups: dict[Any, list[tuple[str, Sample]]] = {}
    for name, sample in samples_of(op):
        if len({a.shape for a in sample.args}) == 1 and sample.args[0].size:
            dtypes = tuple(a.dtype for a in sample.args)
            facts = (dtypes, repr(sample.params), sample.differentiable, sample.tolerance)
            groups.setdefault(facts, []).append((name, sample))
    return [(group[0][0], _joined([s for _, s in group], shape)) for group in groups.values()]


def _joined(samples: Sequence[Sample], shape: tuple[int, ...]) -> Sample:
    size = max(int(np.prod(shape)), sum(s.args[0].size for s in samples))
    whole = shape if size == int(np.prod(shape)) else (size,)
    columns = zip(*(s.args for s in samples), strict=True)
    args = [np.resize(np.concatenate([a.reshape(-1) for a in c]), whole) for c in columns]
    return replace(samples[0], args=tuple(args))
