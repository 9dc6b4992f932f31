"""Whether two tools computed the same: done for every result before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# The largest difference allowed, in units of the largest number of the reference's array: an
# error bound that sums, matrix products and cancellation respect and a wrong formula does not.
TOLERANCE = {"bfloat16": 2.0**-8, "float32": 2e-5, "float64": 1e-11}


@dataclass(frozen=True)
class Mismatch:
    """A tool's result that differs from the reference's."""

    tool: str
    reference: str
    text: str

    def __str__(self) -> str:
        return f"{self.tool} differs from {self.reference}: {self.text}"


def difference(
    got: Sequence[np.ndarray], wanted: Sequence[np.ndarray], scale: float, any_dtype: bool = False
) -> str | None:
    """What is different between two lists of arrays; None if they agree."""
    if len(got) != len(wanted):
        return f"{len(got)} outputs, not {len(wanted)}"
    for position, (a, b) in enumerate(zip(got, wanted, strict=True)):
        where = f"output {position}"
        if a.shape != b.shape:
            return f"{where} has shape {a.shape}, not {b.shape}"
        if a.dtype != b.dtype and not any_dtype:
            return f"{where} has dtype {a.dtype}, not {b.dtype}"
        if (reason := value_difference(a, b, scale)) is not None:
            return f"{where} {reason}"
    return None


def value_difference(a: np.ndarray, b: np.ndarray, scale: float) -> str | None:
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return "has NaN or infinity in other places"
    if not b.size:
        return None
    if a.dtype.kind in "iub" and b.dtype.kind in "iub":
        wrong = int(np.count_nonzero(a != b))
        return f"has {wrong} other numbers" if wrong else None
    coarse = min(a.real.dtype, b.real.dtype, key=lambda dtype: dtype.itemsize).name
    range_of = "float32" if coarse == "bfloat16" else coarse  # as many bits of the exponent
    size = max(float(np.max(np.abs(b))), np.finfo(range_of).tiny)
    fine = np.complex128 if a.dtype.kind == b.dtype.kind == "c" else np.float64
    error = float(np.max(np.abs(a.astype(fine) - b.astype(fine)))) / size
    allowed = scale * TOLERANCE[coarse]
    return None if error <= allowed else f"is off by {error:.1e} of its size, not {allowed:.1e}"


def mismatches(
    results: Mapping[str, Sequence[np.ndarray]], scale: float, any_dtype: Sequence[str] = ()
) -> list[Mismatch]:
    """The tools that disagree with the reference, which is the first peer that has a result.

    wengert is never the reference while there is another. Tools in `any_dtype` may return other
    dtypes than the reference's.
    """
    order = sorted(results, key=lambda name: name == "wengert")
    if not order:
        return []
    reference, *others = order
    found = []
    for name in others:
        text = difference(results[name], results[reference], scale, name in any_dtype)
        if text:
            found.append(Mismatch(name, reference, text))
    return found
