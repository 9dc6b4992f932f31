"""Runs workloads one after the other and reports."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.catalogue import select
from benchmarks.measure import Outcome, measure
from benchmarks.peers import BY_HAND, LOADERS, Tool, installed
from benchmarks.startup import measure_startup
from benchmarks.timing import Effort
from benchmarks.workload import Workload

FULL = Effort()
QUICK = Effort(sample=0.005, rounds=5, budget=1.5)


def names(patterns: list[str]) -> list[str]:
    """The names of the workloads that match."""
    return [workload.name for workload in select(patterns)]


def chosen_peers(options: argparse.Namespace) -> list[str]:
    """The peers asked for, in the order of the table."""
    known = [name for name in (*LOADERS, *BY_HAND) if name != "wengert"]
    if options.peers is None:
        return [name for name in known if not (options.quick and name == "torch.compile")]
    unknown = set(options.peers) - set(known)
    if unknown:
        raise SystemExit(
            f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return [name for name in known if name in options.peers]


def warm_up(tools: dict[str, Tool], by_hand: list[str], threads: int) -> None:
    """The first compilation of each tool loads its compiler; that is not a workload's time."""
    if "numba" in by_hand:
        import numba

        numba.njit(lambda x: np.sum(x * x) + 1.0)(np.ones(3))
    if "torch" in tools:
        import torch

        torch.set_num_threads(threads)
    tiny = Workload(
        "warm-up",
        lambda ns: lambda x: ns.np.sum(x * x),
        lambda rng, tiny: (rng.standard_normal(3),),
        mode="grad",
    )
    for tool in tools.values():
        if "grad" in tool.transforms:
            try:
                tool.finish(tool.bind(tiny)(*tool.arguments(tiny.inputs())))
            except Exception as fault:
                print(f"{tool.name} fails to warm up: {fault}", file=sys.stderr)


def progress(items: list[Workload]) -> Any:
    """A progress bar where there is tqdm and a terminal."""
    if importlib.util.find_spec("tqdm") is None:
        return items
    from tqdm import tqdm

    return tqdm(items, disable=None, unit="workload")


def run(options: argparse.Namespace, machine: dict[str, Any]) -> int:
    """Everything, then the report; 1 if a result of wengert was wrong or missing."""
    np.seterr(all="ignore")
    workloads, peers = select(options.names), chosen_peers(options)
    tools, missing = installed(["wengert", *(name for name in peers if name in LOADERS)])
    by_hand = [name for name in peers if name in BY_HAND]
    for name in missing:
        print(f"{name} is not installed: left out")
    warm_up(tools, by_hand, options.threads)
    effort = QUICK if options.quick else FULL
    tries = 0 if options.no_compile else 1 if options.quick else 3
    outcomes: list[Outcome] = []
    for workload in progress(workloads):
        outcomes.append(measure(workload, tools, by_hand, effort, tries))
    startup = None if options.no_startup or options.names else measure_startup()
    print(report.text_report(outcomes, startup, machine))
    full = not (options.names or options.quick or options.peers is not None)
    folder = options.out or (report.RESULTS if full else report.RESULTS / "partial")
    for path in report.save(outcomes, startup, machine, folder):
        print(f"wrote {path}")
    return int(any("wengert" not in outcome.timings for outcome in outcomes))
