"""The team of threads that waits for parallel loops (`backends/cpu/routines/team_text.py`)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import executable

from wengert.backends.cpu import threads
from wengert.backends.cpu.routines.team_text import ASLEEP, BUSY, DOOR, SHUT, SUPPORTED, TEAM_THREAD
from wengert.backends.cpu.support import resolve

TESTS = Path(__file__).parent
SIZE = 16 * 1000

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="this platform has no team")


@pytest.fixture(autouse=True)
def team() -> object:
    """At least two threads, of which one is the team's."""
    resolve(TEAM_THREAD)
    if threads.start() == 1 or threads.RUNTIME[BUSY]:
        pytest.skip("no team on this machine")
    return threads.RUNTIME


def asleep(most: float = 2.0) -> bool:
    """Whether all of the team sleep before so many seconds have gone."""
    end = time.perf_counter() + most
    while threads.RUNTIME[ASLEEP] < threads.thread_count() - 1:
        if time.perf_counter() > end:
            return False
        time.sleep(0.001)
    return True


def test_the_team_sleeps_after_a_while_and_wakes_for_the_next_loop() -> None:
    x = np.random.default_rng(0).normal(size=SIZE)
    f = executable(build.chunked_sum(SIZE, 16), out_shapes=[()])
    expected = f(x)[0]
    for _ in range(5):
        assert asleep()
        before = time.process_time()
        time.sleep(0.02)
        assert time.process_time() - before < 0.01
        for _ in range(20):
            assert f(x)[0] == expected


def test_the_door_is_shut_and_nobody_inside_after_each_loop() -> None:
    x = np.random.default_rng(0).normal(size=SIZE)
    f = executable(build.chunked_sum(SIZE, 16), out_shapes=[()])
    for _ in range(200):
        f(x)
        assert threads.RUNTIME[BUSY] == 0
    assert asleep()
    assert threads.RUNTIME[DOOR] == SHUT


def test_loops_that_find_the_team_busy_take_the_pool() -> None:
    x = np.random.default_rng(0).normal(size=SIZE)
    f = executable(build.chunked_sum(SIZE, 16), out_shapes=[()])
    expected = f(x)[0]
    threads.RUNTIME[BUSY] = 1
    try:
        assert all(f(x)[0] == expected for _ in range(20))
        assert threads.RUNTIME[BUSY] == 1
    finally:
        threads.RUNTIME[BUSY] = 0


@pytest.mark.slow
def test_chunks_are_done_once_each_by_teams_of_any_size() -> None:
    """More threads than cores: loops end although most of the team come late."""
    code = """
import numpy as np, cpu_programs as build
from wengert.backends.cpu import threads
x = np.random.default_rng(0).normal(size=(64, 257))
f = build.executable(build.softmax(64, 257, build.Kind.PARALLEL), [x.shape], [x.shape])
expected = f(x)[0].copy()
assert threads.RUNTIME[1] == 7, threads.RUNTIME[1]
for count in (7, 3, 1, 2, 7):
    threads.set_threads(count)
    for _ in range(200):
        assert (f(x)[0] == expected).all()
print("fine")
"""
    env = {**os.environ, "WENGERT_NUM_THREADS": "7"}
    env["PYTHONPATH"] = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.stdout.split() == ["fine"], run.stderr


def on_core(task: int) -> int:
    """The core where a thread of this process ran last."""
    return int(Path(f"/proc/self/task/{task}/stat").read_text().rpartition(")")[2].split()[36])


def named(name: str) -> list[int]:
    """The threads of this process that have the name."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(task.name) for task in tasks if (task / "comm").read_text().strip() == name]


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core")
def test_a_thread_that_woke_behind_the_caller_moves_away() -> None:
    x = np.random.default_rng(0).normal(size=SIZE)
    f = executable(build.chunked_sum(SIZE, 16), out_shapes=[()])
    everywhere = os.sched_getaffinity(0)
    here = min(everywhere)
    team = named(threads.TEAM_NAME.decode())
    assert len(team) == threads.thread_count() - 1
    try:
        for task in (0, *team):
            os.sched_setaffinity(task, {here})
        f(x)
        assert asleep()
        for task in team:
            os.sched_setaffinity(task, everywhere)
        end = time.perf_counter() + 2
        while asleep() and any(on_core(task) == here for task in team):
            f(x)
            assert time.perf_counter() < end, "threads stay where the caller is"
    finally:
        for task in (0, *team):
            os.sched_setaffinity(task, everywhere)
    assert all(os.sched_getaffinity(task) == everywhere for task in team)
