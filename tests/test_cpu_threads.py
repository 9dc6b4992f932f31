"""Parallel loops and concurrent callers on the CPU back end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, buffer, executable, loop, program

from wengert import errors
from wengert.backends.cpu import threads
from wengert.kernels.loops import Check, Failure, Kernel, Kind, Space, Store


@pytest.fixture
def two_threads() -> object:
    """Two threads, whatever the machine has."""
    if threads.layer_name() is None and threads.start() == 1:
        pytest.skip("no thread pool on this machine")
    before = threads.set_threads(2)
    yield
    threads.set_threads(before)


@pytest.mark.slow
def test_layer_loads_without_numba() -> None:
    code = (
        "import sys; from wengert.backends.cpu import threads; print(threads.start());"
        "assert 'numba' not in sys.modules; print(threads.layer_name())"
    )
    env = {**os.environ, "WENGERT_NUM_THREADS": "3", "PYTHONPATH": _root()}
    text = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    assert text in (["3", "omppool"], ["3", "tbbpool"], ["1", "None"])


def _root() -> str:
    return str(Path(__file__).parent.parent)


def test_same_bits_for_any_thread_count(two_threads: object) -> None:
    size = 16 * 1000
    x = np.random.default_rng(0).normal(size=size) * 1e3
    f = executable(build.chunked_sum(size, 16), out_shapes=[()])
    results = []
    for count in (1, 2, 2, 1):
        threads.set_threads(count)
        results.append(f(x)[0])
    assert len({r.tobytes() for r in results}) == 1


def test_local_buffers_belong_to_one_chunk(two_threads: object) -> None:
    x = np.random.default_rng(0).normal(size=(64, 257))
    f = executable(build.softmax(64, 257, Kind.PARALLEL), [x.shape], [x.shape])
    e = np.exp(x - x.max(axis=1, keepdims=True))
    for _ in range(20):
        np.testing.assert_allclose(f(x)[0], e / e.sum(axis=1, keepdims=True), rtol=1e-13)


def test_failure_in_a_chunk(two_threads: object) -> None:
    n = 64
    x, out = buffer("i8", n), buffer("i8", n, Space.OUTPUT)
    body = loop(
        n,
        lambda i: [Check(S.lt(S.load(x, i), 100), 0, S.load(x, i)), Store(out, i, S.load(x, i))],
        Kind.PARALLEL,
    )
    failure = Failure("OutOfBoundsError", "index {value} is too large")
    f = executable(program([Kernel("k", (body,))], [x], [out], failures=[failure]))
    data = np.arange(n)
    np.testing.assert_array_equal(f(data)[0], data)
    data[50] = 1234
    for _ in range(10):
        with pytest.raises(errors.OutOfBoundsError, match="index 1234 is too large"):
            f(data)


def test_many_python_threads_at_once(two_threads: object) -> None:
    """Concurrent calls share the code, the pool and the idle arena, but no data."""
    rows, columns = 40, 500
    softmax = executable(build.softmax(rows, columns, Kind.PARALLEL), [(rows, columns)])
    total = executable(build.chunked_sum(rows * columns, 10), out_shapes=[()])
    large = _through_an_arena(20_000)
    barrier = threading.Barrier(6)

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=(rows, columns))
        e = np.exp(x - x.max(axis=1, keepdims=True))
        expected = e / e.sum(axis=1, keepdims=True)
        barrier.wait()
        for _ in range(50):
            np.testing.assert_allclose(softmax(x)[0].reshape(x.shape), expected, rtol=1e-13)
            np.testing.assert_allclose(total(x.ravel())[0], x.sum(), rtol=1e-9, atol=1e-9)
            np.testing.assert_array_equal(large(x.ravel())[0], 4 * x.ravel())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def _through_an_arena(n: int) -> build.cpu.Executable:
    """4 * x by way of a temporary, too large for the stack."""
    x, out = buffer("f8", n), buffer("f8", n, Space.OUTPUT)
    middle = buffer("f8", n, Space.TEMP)
    steps = [
        Kernel("a", (loop(n, lambda i: [Store(middle, i, S.mul(S.load(x, i), 2.0))]),)),
        Kernel("b", (loop(n, lambda i: [Store(out, i, S.mul(S.load(middle, i), 2.0))]),)),
    ]
    return executable(program(steps, [x], [out], offsets={middle: 0}))


def test_arenas_of_different_sizes_in_turn() -> None:
    for n in (10_000, 50_000, 6_000, 200_000, 10):
        x = np.arange(float(n))
        np.testing.assert_array_equal(_through_an_arena(n)(x)[0], 4 * x)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_forked_child_runs_on_one_thread() -> None:
    code = """
import os, sys
sys.path[:0] = [{tests!r}, {root!r}]
import cpu_programs as build, numpy as np
from wengert.backends.cpu import threads
f = build.executable(build.chunked_sum(16000, 16), out_shapes=[()])
x = np.arange(16000.0)
assert f(x)[0] == x.sum()
child = os.fork()
if child == 0:
    ok = f(x)[0] == x.sum() and threads.RUNTIME[1] == 1
    os._exit(0 if ok else 7)
status = os.waitpid(child, 0)[1]
assert os.waitstatus_to_exitcode(status) == 0, status
print("fine")
""".format(tests=str(Path(__file__).parent), root=_root())
    env = {**os.environ, "WENGERT_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr
