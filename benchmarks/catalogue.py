"""All workloads by name."""

from __future__ import annotations

from benchmarks import (
    arrays,
    calls,
    derivatives,
    elementwise,
    linear_algebra,
    loops,
    nn,
    optim,
    reductions,
    sparse,
    training,
)
from benchmarks.workload import Workload

THEMES = (
    calls,
    derivatives,
    elementwise,
    reductions,
    linear_algebra,
    arrays,
    training,
    nn,
    optim,
    sparse,
    loops,
)
WORKLOADS: dict[str, Workload] = {
    workload.name: workload for theme in THEMES for workload in theme.WORKLOADS
}


def select(patterns: list[str]) -> list[Workload]:
    """The workloads whose names hold one of the patterns; all, without patterns."""
    chosen = [w for w in WORKLOADS.values() if not patterns or any(p in w.name for p in patterns)]
    if not chosen:
        raise SystemExit(f"no workload matches {patterns}; there are: {', '.join(WORKLOADS)}")
    return chosen
