"""What each process measures: `mpiexec -n N python -m benchmarks.scaling.worker FILE`.

All calls of one kind are interleaved with those that they are compared to; a barrier stands before
each. The figure of a call is the longest over the processes, and of all rounds the median.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from wengert import world
from wengert.kernels import lower

SIZES = (8, 1 << 10, 1 << 14, 1 << 17, 1 << 20, 4 << 20, 16 << 20)
"""Bytes of what is summed."""
LATENCY, BANDWIDTH = 50e-6, 1e9
"""Of the emulated network: seconds, and bytes per second."""
WIDTHS, BATCH = (784, 512, 512, 512, 512, 10), 512
WIDE = (784, 1024, 512, 10)
"""A second net, with about as many parameters in fewer layers."""
dist = wg.distributed


def medians(calls: Mapping[str, Callable[[], Any]], seconds: float = 1.5) -> dict[str, float]:
    """The median time of each call over rounds that take about so many seconds, the same in all."""
    wait = barrier()
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    wait()
    stop, rounds = time.monotonic() + seconds, 0
    while rounds < 7 or dist.broadcast(np.float64(time.monotonic() < stop)):
        rounds += 1
        for name, call in calls.items():
            wait()
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    longest = dist.pmax(np.array(list(times.values())))
    return dict(zip(times, map(float, np.median(longest, axis=1)), strict=True))


def barrier() -> Callable[[], Any]:
    if dist.size() == 1:
        return lambda: None
    from mpi4py import MPI

    return MPI.COMM_WORLD.Barrier


def collectives() -> list[dict[str, Any]]:
    """The mean of a vector by `pmean` and by MPI's bare sum; its scattering and gathering."""
    from mpi4py import MPI

    everyone, found = MPI.COMM_WORLD, []
    pmean = wg.jit(dist.pmean, donate_argnums=0)
    for nbytes in SIZES:
        given = np.ones(max(1, nbytes // 4), np.float32)
        out, own = np.empty_like(given), [given.copy()]
        part = np.empty(max(1, given.size // everyone.size), np.float32)
        whole = np.empty(part.size * everyone.size, np.float32)

        def mean(own: Any = own) -> None:
            own[0] = pmean(own[0])

        calls: dict[str, Callable[[], Any]] = {
            "pmean": mean,
            "allreduce": lambda g=given, o=out: everyone.Allreduce(g, o),
            "in place": lambda o=out: everyone.Allreduce(MPI.IN_PLACE, o),
            "scatter": lambda w=whole, p=part: everyone.Reduce_scatter_block(w, p),
            "gather": lambda w=whole, p=part: everyone.Allgather(p, w),
        }
        found.append({"bytes": given.nbytes, **medians(calls, 0.6)})
    return found


def loss(params: Any, x: Any, labels: Any) -> Any:
    """Dense layers and the mean cross-entropy."""
    for w, b in params[:-1]:
        x = np.maximum(x @ w + b, np.float32(0))
    w, b = params[-1]
    return np.mean(wg.nn.cross_entropy(x @ w + b, labels))


def step_of(value_and_grad: Any) -> Any:
    optimizer = wg.optim.sgd(1e-2)

    def step(params: Any, state: Any, x: Any, labels: Any) -> Any:
        value, grads = value_and_grad(loss)(params, x, labels)
        updates, state = optimizer.update(grads, state, params)
        return value, wg.optim.apply_updates(params, updates), state

    return wg.jit(step)


@dataclass
class Network:
    """A communicator whose messages also take the time of a network, without the processor.

    A link carries them one after the other. The sum itself is computed when they have come.
    """

    inner: Any
    free: float = 0.0  # when the link is

    rank = property(lambda self: self.inner.rank)
    size = property(lambda self: self.inner.size)

    def sent(self, outs: Any) -> float:
        """When a message will be there."""
        nbytes = sum(out.nbytes for out in outs)
        cost = LATENCY + nbytes / BANDWIDTH if nbytes > 64 else 0.0
        self.free = max(self.free, time.perf_counter()) + cost
        return self.free

    def run(self, request: Any, sources: Any, outs: Any) -> None:
        self.start(request, sources, outs)()

    def start(self, request: Any, sources: Any, outs: Any) -> Callable[[], None]:
        there = self.sent(outs)

        def finish() -> None:
            time.sleep(max(0.0, there - time.perf_counter()))
            self.inner.run(request, sources, outs)

        return finish


def given_to(widths: tuple[int, ...]) -> tuple[Any, ...]:
    """The arguments of a step on this process's part of a batch."""
    rng = np.random.default_rng(0)
    params = [
        (rng.normal(size=(n, m)).astype(np.float32) * 0.05, np.zeros(m, np.float32))
        for n, m in itertools.pairwise(widths)
    ]
    state = wg.optim.sgd(1e-2).init(params)
    rows = BATCH // dist.size()
    x = rng.normal(size=(rows, widths[0])).astype(np.float32)
    return params, state, x, rng.integers(0, widths[-1], rows)


def steps() -> dict[str, float]:
    """A step on this process's part of a batch: overlapped, not overlapped, and all alone.

    Then the same on an emulated network, whose messages do not take the processor's time; and a
    step of the wide net.
    """
    given = given_to(WIDTHS)
    made = {"step": step_of(dist.value_and_grad), "alone": step_of(wg.value_and_grad)}
    for step in made.values():
        step(*given)
    plain, lower.overlapped = lower.overlapped, list  # each collective where it stands
    made["one after the other"] = step_of(dist.value_and_grad)
    made["one after the other"](*given)
    lower.overlapped = plain
    calls = {k: lambda f=f: f(*given) for k, f in made.items()}
    found = medians(calls, 4.0)
    if dist.size() > 1:
        axes = dict(world.axes())
        world.use({name: Network(inner) for name, inner in axes.items()})
        slow = medians(calls, 4.0)
        world.use(axes)
        found |= {f"network: {k}": v for k, v in slow.items()}
    wide, widely = given_to(WIDE), step_of(dist.value_and_grad)
    return found | medians({"wide": lambda: widely(*wide)}, 3.0)


def main(place: Path) -> None:
    dist.init()
    found: dict[str, Any] = {"size": dist.size(), "steps": steps()}
    found["threads"] = os.environ.get("NUMBA_NUM_THREADS")
    if dist.size() > 1:
        found["collectives"] = collectives()
    if dist.rank() == 0:
        place.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
