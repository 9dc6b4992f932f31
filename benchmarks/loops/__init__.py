"""Loops and in-place updates: plain Python against loop forms and hand-written native code."""

from __future__ import annotations

from benchmarks.loops import factors, filters, lorenz, nbody, recurrent, sparse, stencils, tables

THEMES = (lorenz, recurrent, stencils, factors, tables, nbody, filters, sparse)
WORKLOADS = tuple(workload for theme in THEMES for workload in theme.WORKLOADS)
