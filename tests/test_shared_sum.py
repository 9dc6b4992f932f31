"""Sums through shared memory, with threads for processes: they only see addresses."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np
import pytest

from wengert.backends.cpu.routines.shared_sum_text import CELLS, SLOTS
from wengert.distributed.setup import leave
from wengert.distributed.shared import SharedMemory
from wengert.errors import DistributedError


def memories(size: int, block_bytes: int, hurry: int, timeout: float = 60.0) -> list[SharedMemory]:
    """The shared memory as each process sees it."""
    cells = [np.zeros(CELLS, np.int64) for _ in range(size)]
    slots = [np.zeros(SLOTS * block_bytes, np.uint8) for _ in range(size)]
    table = ctypes.c_void_p * size
    addresses = [table(*[part.ctypes.data for part in parts]) for parts in (slots, cells)]
    return [
        SharedMemory(rank, size, block_bytes, *addresses, hurry, timeout, (cells, slots))
        for rank in range(size)
    ]


@pytest.mark.parametrize(("size", "hurry"), [(2, 1000), (3, 0), (5, 10)])
def test_all_get_the_sum_in_the_order_of_ranks(size: int, hurry: int) -> None:
    shared = memories(size, 256, hurry)
    rng = np.random.default_rng(size)
    lengths = [1, 15, 64, 65, 1000, 64 * SLOTS * 3 + 7, 2]
    given = [[rng.normal(size=n).astype(("f4", "f8")[n % 2]) for n in lengths] for _ in range(size)]
    expected = [reduce(np.add, parts) for parts in zip(*given, strict=True)]

    def process(rank: int) -> list[np.ndarray]:
        for array in given[rank]:
            shared[rank].sum(array)
        return given[rank]

    with ThreadPoolExecutor(size) as pool:
        for found in pool.map(process, range(size)):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_what_has_begun_is_waited_for_in_any_order() -> None:
    """Some of it beyond the room that there is, so that it is put down later."""
    shared = memories(2, 256, 10)
    lengths = [64 * (SLOTS - 3), 64 * 2, 64 * 40, 5]
    given = [[np.full(n, 10.0**rank, "f4") for n in lengths] for rank in range(2)]

    def process(rank: int) -> None:
        finishes = [shared[rank].begin(array) for array in given[rank][:3]]
        finishes[1]()
        shared[rank].sum(given[rank][3])
        finishes[2]()
        finishes[0]()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(process, range(2)))
    assert all(np.all(array == 11) for arrays in given for array in arrays)


def test_numbers_are_compared_whole() -> None:
    shared = memories(2, 256, 10)
    pairs = [(5, 5), (-(2**63), -(2**63)), (2**62, 2**62 + 1), (0, 2**32)]
    with ThreadPoolExecutor(2) as pool:
        for pair in pairs:
            found = pool.map(SharedMemory.all_equal, shared, pair)
            assert list(found) == [pair[0] == pair[1]] * 2


@pytest.mark.slow
def test_who_comes_alone_does_not_wait_for_ever() -> None:
    with pytest.raises(DistributedError, match="process 1 waited 0 s for the others"):
        memories(2, 256, 10, timeout=0.0)[1].sum(np.ones(3))


def test_nobody_waits_for_a_process_that_has_ended() -> None:
    """What it has put down before is still added up."""
    shared = memories(2, 256, 10)
    given = [np.full(3, 1.0), np.full(3, 2.0)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(SharedMemory.sum, shared, given))
    shared[1].begin(np.full(3, 5.0))
    leave(shared[0], os.getpid() + 1)  # a child that process 0 has forked
    leave(shared[1], os.getpid())
    with pytest.raises(DistributedError, match="process 1 has ended, and process 0 waits"):
        shared[0].sum(np.ones(3))
    assert np.all(given[0] == 3.0)
