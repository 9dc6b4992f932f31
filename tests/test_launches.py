"""Launches of several steps: which steps go together, and that they give what they give apart."""

from __future__ import annotations

import random

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, buffer, loop, program

import wengert as wg
from wengert import errors
from wengert.backends.cpu import threads
from wengert.backends.cpu.llvm import launches
from wengert.backends.cpu.llvm.launches import Access, Memory, joined
from wengert.kernels.loops import Buffer, Kernel, Kind, Space, Store


def some_access(rng: random.Random) -> Access:
    """Reads and writes of a few arguments and of a few ranges among 60 bytes."""

    def memory(slots: int, ranges: int) -> Memory:
        starts = [rng.randrange(0, 50) for _ in range(rng.randrange(ranges + 1))]
        return Memory(
            {rng.randrange(30) for _ in range(rng.randrange(slots + 1))},
            [(start, start + rng.randrange(1, 8)) for start in starts],
        )

    written = memory(1, 1)
    touched = memory(2, 1)
    touched.add(written)
    return Access(touched, written, 1)


def bytes_of(memory: Memory) -> set[object]:
    return memory.slots | {(k, "byte") for start, stop in memory.ranges for k in range(start, stop)}


def conflict(x: Access, y: Access) -> bool:
    return bool(
        bytes_of(x.written) & bytes_of(y.touched) or bytes_of(x.touched) & bytes_of(y.written)
    )


@pytest.mark.parametrize("seed", range(20))
def test_steps_of_a_launch_are_independent(seed: int) -> None:
    """No two of them conflict, and each launch ends only where the next step would."""
    rng = random.Random(seed)
    steps = [some_access(rng) if rng.random() < 0.9 else None for _ in range(200)]
    launch: list[Access] = []
    for step, goes_on in zip(steps, [False, *joined(steps)], strict=False):
        meets = step is None or any(conflict(step, other) for other in launch)
        assert goes_on == (bool(launch) and not meets and len(launch) < launches.MOST_TOGETHER)
        launch = [*launch, step] if goes_on and step else [step] if step else []


def test_launches_have_a_limit() -> None:
    steps = [Access(Memory({k}), Memory({k}), 1) for k in range(2 * launches.MOST_TOGETHER + 3)]
    ends = [k for k, goes_on in enumerate(joined(steps)) if not goes_on]
    assert ends == [launches.MOST_TOGETHER - 1, 2 * launches.MOST_TOGETHER - 1, len(steps) - 1]


CHUNKS, WIDTH, PLACES = 8, 64, 5
SIZE = CHUNKS * WIDTH


def random_steps(rng: random.Random, count: int) -> tuple[build.LoopProgram, list[int]]:
    """Steps that write a place of the arena each, of what stands in another one, turned round.

    And for each step the place it reads and the one it writes, one after the other.
    """
    x, out = buffer("f8", SIZE), buffer("f8", SIZE, Space.OUTPUT)
    held: list[Buffer] = [x] * PLACES
    offsets: dict[Buffer, int] = {}
    steps: list[Kernel] = []
    places: list[int] = []

    def step(source: Buffer, target: Buffer, factor: int) -> Kernel:
        def chunk(c: build.Expr) -> list[build.Stmt]:
            def element(i: build.Expr) -> list[build.Stmt]:
                at = S.add(S.mul(c, WIDTH), i)
                value = S.load(source, S.sub(SIZE - 1, at))
                return [Store(target, at, S.add(value, float(factor)))]

            return [loop(WIDTH, element)]

        return Kernel("step", (loop(CHUNKS, chunk, Kind.PARALLEL),))

    for k in range(count):
        source, target = rng.sample(range(PLACES), 2)
        new = buffer("f8", SIZE, Space.TEMP)
        offsets[new] = target * SIZE * 8
        steps.append(step(held[source], new, k))
        held[target] = new
        places += [source, target]
    steps.append(step(held[0], out, count))
    return program(steps, [x], [out], offsets=offsets), places


@pytest.mark.parametrize("count", [1, 2, 5])
def test_steps_together_give_what_they_give_apart(count: int) -> None:
    """On any number of threads; with some steps that must wait for others, and some that need not."""
    if threads.start() == 1:
        pytest.skip("no thread pool on this machine")
    made, places = random_steps(random.Random(6), 60)
    f = build.executable(made)
    x = np.random.default_rng(0).normal(size=SIZE)
    held = [x] * PLACES
    for k, (source, target) in enumerate(zip(places[::2], places[1::2], strict=True)):
        held[target] = held[source][::-1] + float(k)
    expected = held[0][::-1] + 60.0
    before = threads.set_threads(count)
    try:
        for _ in range(30):
            np.testing.assert_array_equal(f(x)[0], expected)
    finally:
        threads.set_threads(before)


def test_updates_of_many_arrays_are_one_launch() -> None:
    params = [np.ones(100_000), np.ones(110_000), np.ones((300, 400))]
    update = wg.jit(lambda ps, gs: [p - 0.1 * g for p, g in zip(ps, gs, strict=True)])
    source = update.lower(params, params).source
    head = source.split("@wengert_plan")[1].split("<{\n")[1].splitlines()[0]
    assert [int(x.split()[1]) for x in head.split(",")[:2]] == [3, 3]  # steps, and the most at once
    for found in update(params, params):
        np.testing.assert_array_equal(found, np.full_like(found, 1.0 - 0.1))


def test_of_two_failures_the_first_is_reported() -> None:
    x, bad = np.ones(60_000), np.full(60_000, 70_000)

    def f(i, j):
        return x[i], x[j]

    for _ in range(5):
        with pytest.raises(errors.OutOfBoundsError, match="70001"):
            wg.jit(f)(bad + 1, bad + 2)
