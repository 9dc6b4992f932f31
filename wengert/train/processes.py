"""What the processes that train together have to agree on; alone there is nothing to do.

All of them must make the same decisions, or some would wait for ever for others: so a batch is only
taken if everyone has one, a callback that stops one stops all, and weights, losses and metrics are
those of all rows. Each process keeps checkpoints of its own (optimiser states may be sharded), and
all go on from the newest step that all of them have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert.api.derivatives import value_and_grad
from wengert.distributed.collectives import pmax, pmin, psum, rank
from wengert.distributed.collectives import size as processes
from wengert.distributed.parallel import check_equal, mean
from wengert.distributed.parallel import value_and_grad as mean_value_and_grad
from wengert.random.keys import fold_in, require_key
from wengert.random.keys import key as key_of
from wengert.tracer.pytree import tree_map
from wengert.train.batches import Batch, Source, size
from wengert.train.step import Loss, Metrics


@dataclass(frozen=True, slots=True)
class Alone:
    """Training in one process."""

    shows: bool = True

    def weight(self, batch: Batch) -> float:
        """How many rows a batch has."""
        return size(batch)

    def batches(self, given: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, as long as everyone has one."""
        return given

    def stopped(self, here: bool) -> bool:
        """Whether anyone wants to stop."""
        return here

    def folder(self, given: Path) -> Path:
        """Where this process keeps its checkpoints."""
        return given

    def common(self, step: int) -> int:
        """The newest step that all have, given the newest one here; -1 for none."""
        return step

    def shard(self, found: Source) -> Source:
        """This process's part of each batch that is drawn from arrays."""
        return found

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

    def check(self, tree: Any) -> None:
        """Raises DistributedError unless all start with the same arrays."""


@dataclass(frozen=True, slots=True)
class Together(Alone):
    """Training in all processes of the world."""

    def weight(self, batch: Batch) -> float:
        return float(psum(np.float64(size(batch))))

    def batches(self, given: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            batch = next(given, None)
            if not int(pmin(np.int64(batch is not None))):
                return
            assert batch is not None
            yield batch

    def stopped(self, here: bool) -> bool:
        return bool(int(pmax(np.int64(here))))

    def folder(self, given: Path) -> Path:
        return given / f"process-{rank()}-of-{processes()}"

    def common(self, step: int) -> int:
        return int(pmin(np.int64(step)))

    def shard(self, found: Source) -> Source:
        def epoch(number: int, skip: int) -> Iterator[Batch]:
            return map(_own_rows, found.epoch(number, skip))

        return Source(epoch, found.length, found.once)

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

    def check(self, tree: Any) -> None:
        check_equal(tree)


def together() -> Together:
    """Training in all processes; only the first one shows how far it is."""
    return Together(shows=rank() == 0)


def _own_rows(batch: Batch) -> Batch:
    """The rows of a batch that are this process's: as even as they go, in the order of ranks."""
    count, here, everyone = size(batch), rank(), processes()
    own = slice(count * here // everyone, count * (here + 1) // everyone)
    return tree_map(lambda x: x[own], batch)
