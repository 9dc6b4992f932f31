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
from wengert.distributed.compressed import compressed
from wengert.distributed.parallel import check_equal, mean, value_and_grad
from wengert.distributed.setup import init
from wengert.distributed.sharded import sharded
from wengert.distributed.threads import simulate

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "broadcast",
    "check_equal",
    "compressed",
    "init",
    "mean",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "psum",
    "psum_scatter",
    "rank",
    "sharded",
    "simulate",
    "size",
    "value_and_grad",
]
