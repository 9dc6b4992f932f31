"""The latency-bandwidth model of collectives and of a data-parallel step, and what it predicts.

A message of m bytes takes alpha + beta m. Of the usual schemes for the sum of m bytes over n
processes (R. Thakur, R. Rabenseifner and W. Gropp, Int. J. High Perf. Comput. Appl. 19, 2005):

- ring: 2 (n - 1) steps with m / n bytes each: 2 (n - 1) alpha + 2 (n - 1) / n beta m.
- tree (recursive doubling): log2 n steps with all m bytes: log2 n (alpha + beta m).
- sharded: scattered sums and a gathering of what was updated take what a ring takes, but each
  process updates a part of the parameters only.

A step of n processes takes c0 + c1 rows for its own rows (c0 is the update and what does not
depend on the rows), times how many processes share a core, and then the sum of its gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Link:
    """Seconds for a message, and for each of its bytes."""

    alpha: float
    beta: float

    def ring(self, n: int, nbytes: float) -> float:
        return 2 * (n - 1) * self.alpha + 2 * (n - 1) / n * self.beta * nbytes

    def tree(self, n: int, nbytes: float) -> float:
        return math.log2(n) * (self.alpha + self.beta * nbytes)


@dataclass(frozen=True)
class Compute:
    """Seconds of a step that do not depend on rows, and for each row, on one core."""

    fixed: float
    row: float

    def step(self, rows: float, share: float, threads: int = 1) -> float:
        """With `share` processes to a core."""
        return share * (self.fixed + self.row * rows) / threads


def fit_link(times: Sequence[tuple[int, float, float, float]]) -> Link:
    """From (processes, share of a core, bytes, seconds): least squares of relative errors, >= 0."""
    from scipy.optimize import nnls

    rows = [(2 * (n - 1) * c / t, 2 * (n - 1) / n * m * c / t) for n, c, m, t in times]
    (alpha, beta), _ = nnls(np.array(rows), np.ones(len(rows)))
    return Link(alpha, beta)


def fit_compute(times: Sequence[tuple[float, float, int, float]]) -> Compute:
    """From (rows, share of a core, threads, seconds): least squares of relative errors, >= 0."""
    from scipy.optimize import nnls

    rows = [(c / k / t, c * r / k / t) for r, c, k, t in times]
    (fixed, row), _ = nnls(np.array(rows), np.ones(len(rows)))
    return Compute(fixed, row)


def best_bucket(link: Link, n: int, nbytes: float) -> float:
    """The bucket for which what cannot be hidden is least: all latencies and the last bucket.

    2 (n - 1) alpha M / b + 2 (n - 1) / n beta b is least at b = sqrt(M alpha n / beta).
    """
    return min(nbytes, math.sqrt(nbytes * link.alpha * n / link.beta)) if link.beta else nbytes


@dataclass(frozen=True)
class Prediction:
    """A step of n processes with the same rows each: seconds, and efficiency against one."""

    n: int
    scheme: str
    seconds: float
    efficiency: float
    bucket: float


def predict(
    link: Link, compute: Compute, rows: int, nbytes: float, update: float, counts: Sequence[int]
) -> list[Prediction]:
    """Steps of each scheme; `update` is the part of the fixed time that sharding divides by n."""
    alone, found = compute.step(rows, 1.0), []
    for n in counts:
        sums = {
            "ring": link.ring(n, nbytes),
            "tree": link.tree(n, nbytes),
            "sharded": link.ring(n, nbytes) - update * (1 - 1 / n),
        }
        for scheme, seconds in sums.items():
            total = alone + seconds
            bucket = best_bucket(link, n, nbytes)
            found.append(Prediction(n, scheme, total, alone / total, bucket))
    return found
