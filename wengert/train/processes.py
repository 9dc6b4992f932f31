"""What the processes that train together have to agree on; alone there is nothing to do.

All of them must make the same decisions, or some would wait for ever for others: so a batch is only
taken if everyone has one, a callback that stops one stops all, and weights, losses and metrics are
those of all rows. What is the same everywhere is asked only once: that they were told the same, and
whether anyone has a callback or a folder. Each process keeps checkpoints of its own (optimiser
states may be sharded), of steps that all could write, and all go on from the newest one that all of
them have. If a run with another number of processes wrote the last one, they go on from that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert.api.derivatives import value_and_grad
from wengert.distributed.collectives import pmax, pmin, psum, rank
from wengert.distributed.collectives import size as processes
from wengert.distributed.parallel import all_equal, check_equal, mean
from wengert.distributed.parallel import value_and_grad as mean_value_and_grad
from wengert.errors import DistributedError
from wengert.random.keys import fold_in, require_key
from wengert.random.keys import key as key_of
from wengert.tracer.pytree import tree_map
from wengert.train.batches import Batch, Source, size
from wengert.train.step import Loss, Metrics

Weighted = tuple[Batch, float]
"""A batch, and how many rows it has in all processes."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Training in one process."""

    shows: bool = True

    def batches(self, given: Source, epoch: int, skip: int) -> Iterator[Weighted]:
        """The batches of an epoch, as long as everyone has one."""
        return ((batch, float(size(batch))) for batch in given.epoch(epoch, skip))

    def anyone(self, here: bool) -> bool:
        """Whether it is so in any process; all of them ask."""
        return here

    def everywhere(self, fine: Any) -> Any:
        """Whether it is so in all processes, in a program."""
        return fine

    def folder(self, given: Path) -> Path:
        """Where this process keeps its checkpoints."""
        return given

    def runs(self, given: Path) -> tuple[Path, list[Path]]:
        """Where the first process keeps them, and that of runs with other numbers of processes."""
        return given, sorted(given.glob("process-0-of-*"))

    def common(self, step: int) -> tuple[int, bool]:
        """The least of all processes' steps, and whether they are all the same."""
        return step, True

    def measures(self, metrics: Metrics) -> Metrics:
        """Metrics over the rows of all processes."""
        return metrics

    def loss(self, fun: Loss) -> Loss:
        """The loss over the rows of all processes."""
        return fun

    def key(self, given: Any) -> Any:
        """The random key of this process's rows."""
        return given

    @property
    def value_and_grad(self) -> Callable[..., Any]:
        """The transform that gives the mean over all rows, and its gradient."""
        return value_and_grad

    def check(self, tree: Any, told: Mapping[str, Any]) -> None:
        """Raises DistributedError unless all start with the same arrays and were told the same."""

    def verify(self, params: Any, step: int) -> None:
        """Raises DistributedError unless all have the same parameters after a step."""


@dataclass(frozen=True, slots=True)
class Together(Alone):
    """Training in all processes of the world."""

    def batches(self, given: Source, epoch: int, skip: int) -> Iterator[Weighted]:
        if given.drawn:
            return ((_own_rows(b), float(size(b))) for b in given.epoch(epoch, skip))
        return _while_all_have(given.epoch(epoch, skip))

    def anyone(self, here: bool) -> bool:
        return float(psum(np.float64(here))) > 0

    def everywhere(self, fine: Any) -> Any:
        return psum(np.where(fine, 0.0, 1.0)) == 0.0

    def folder(self, given: Path) -> Path:
        return given / f"process-{rank()}-of-{processes()}"

    def runs(self, given: Path) -> tuple[Path, list[Path]]:
        first = given / f"process-0-of-{processes()}"
        return first, [given, *(x for x in sorted(given.glob("process-0-of-*")) if x != first)]

    def common(self, step: int) -> tuple[int, bool]:
        least, most = int(pmin(np.int64(step))), int(pmax(np.int64(step)))
        return least, least == most

    def measures(self, metrics: Metrics) -> Metrics:
        return {name: mean(metric) for name, metric in metrics.items()}

    def loss(self, fun: Loss) -> Loss:
        return mean(fun)

    def key(self, given: Any) -> Any:
        if given is None:
            return None
        return fold_in(require_key(given if hasattr(given, "shape") else key_of(given)), rank())

    @property
    def value_and_grad(self) -> Callable[..., Any]:
        return mean_value_and_grad

    def check(self, tree: Any, told: Mapping[str, Any]) -> None:
        numbers = np.array([_number(value) for value in told.values()])
        differ = np.asarray(pmin(numbers)) != np.asarray(pmax(numbers))
        if differ.any():
            names = [f"{k} ({told[k]!r} here)" for k, d in zip(told, differ, strict=True) if d]
            raise DistributedError(
                f"the processes train together but were told different things: {', '.join(names)} "
                f"in process {rank()}; call fit with the same in all of them"
            )
        check_equal(tree)

    def verify(self, params: Any, step: int) -> None:
        if not all_equal(params):
            raise DistributedError(
                f"the processes have different parameters after step {step}: their optimisers, "
                "learning rates or losses differ, or gradients were not summed up (reduced=False "
                "is for wg.distributed.sharded and compressed). Build them alike in all processes"
            )


def together() -> Together:
    """Training in all processes; only the first one shows how far it is."""
    return Together(shows=rank() == 0)


def _number(value: Any) -> float:
    """A number that differs where a setting does: of texts, one that is made of their bytes."""
    if value is None:
        return -1.5
    if isinstance(value, str):
        return float(int.from_bytes(hashlib.sha256(value.encode()).digest()[:6]))
    return float(value)


def _while_all_have(given: Iterator[Batch]) -> Iterator[Weighted]:
    """Batches that are each process's own, with the rows of all of them.

    Raises DistributedError where those of another process raise, so that nobody waits for it.
    """
    while True:
        try:
            batch = next(given, None)
        except Exception:
            psum(np.array([0.0, 0.0, 1.0]))
            raise
        here = [1.0, float(size(batch)), 0.0] if batch is not None else [0.0, 0.0, 0.0]
        have, rows, failed = psum(np.array(here)).tolist()
        if failed:
            raise DistributedError("the batches of another process raised an exception")
        if batch is None or have < processes():
            return
        yield batch, rows


def _own_rows(batch: Batch) -> Batch:
    """The rows of a batch that are this process's: as even as they go, in the order of ranks."""
    count, here, everyone = size(batch), rank(), processes()
    own = slice(count * here // everyone, count * (here + 1) // everyone)
    return tree_map(lambda x: x[own], batch)
