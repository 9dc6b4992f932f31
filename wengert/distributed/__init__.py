"""The same program on many processes: collectives, data parallelism, sharded state.

`docs/distributed.md` is the user's side.
"""

from wengert.distributed.collectives import (
    all_gather,
    all_to_all,
    axis_index,
    axis_size,
    broadcast,
    pmax,
    pmean,
    pmin,
    ppermute,
    psum,
    psum_scatter,
    rank,
    size,
)
from wengert.distributed.parallel import check_equal, mean, value_and_grad
from wengert.distributed.setup import init
from wengert.distributed.threads import simulate

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "broadcast",
    "check_equal",
    "init",
    "mean",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "psum",
    "psum_scatter",
    "rank",
    "simulate",
    "size",
    "value_and_grad",
]
