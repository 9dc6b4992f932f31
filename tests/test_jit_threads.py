"""Compiled programs of every kind under threads: the same bits always, and after a fork."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.slow  # compiles large programs

Program = tuple[str, Callable[..., Any], tuple[np.ndarray[Any, Any], ...]]


def softmax_loss(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.sum((e / e.sum(-1, keepdims=True)) ** 2)


def logistic(w: Any, x: Any) -> Any:
    return np.mean(np.logaddexp(0, -(x @ w)))


def mixture(m: Any, x: Any) -> Any:
    distance = np.sum((x[:, None] - m) ** 2, -1)
    return np.sum(np.log(np.sum(np.exp(-0.01 * distance), 1)))


def programs() -> Iterator[Program]:
    """Programs large enough for several threads: loops, reductions, scans, scatters, products."""
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return generator.standard_normal(shape)

    square, x, many = normal(200, 200), normal(1000, 37), normal(300_007)
    rows = generator.integers(0, 200, 30_000)
    yield "sum", lambda x: (np.sum(x), np.mean(x), np.var(x), np.max(x)), (many.astype("f4"),)
    yield "axes", lambda x: (x.sum(0), x.sum(1), x.sum((0, 2))), (normal(64, 33, 47),)
    yield "matmul", lambda a: (a @ a, a.T @ a, a @ a.T), (square,)
    yield "batched", lambda a: a @ np.swapaxes(a, 1, 2), (normal(4000, 5, 4),)
    yield "logistic", wg.value_and_grad(logistic), (normal(37), x)
    yield "hessian", wg.hessian(logistic), (normal(37), x[:200])
    yield "softmax", wg.grad(softmax_loss), (square,)
    yield (
        "cumsum",
        lambda x: (np.cumsum(x), np.cumsum(x.reshape(17641, 17)[:, ::-1], 0)),
        (many[: 17641 * 17],),
    )
    yield "gather", wg.grad(lambda e, i: np.sum(e[i] ** 2)), (square, rows)
    yield "stencil", wg.grad(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)), (many,)
    yield "argmax", lambda x: (np.argmax(x), np.argmax(x, 0), np.argmin(x, 1)), (square,)
    root = wg.grad(lambda a: np.sum(np.linalg.cholesky(a) ** 3))
    yield "factors", lambda a: root(a @ np.swapaxes(a, 1, 2) + np.eye(9)), (normal(1001, 9, 9),)
    yield "mixture", wg.grad(mixture), (normal(25, 37), x)


def compiled() -> list[Program]:
    return [(name, wg.jit(f), args) for name, f, args in programs()]


def digest(f: Callable[..., Any], args: tuple[Any, ...]) -> str:
    result = f(*args)
    leaves = result if isinstance(result, tuple) else (result,)
    return hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in leaves)).hexdigest()


def digests(made: list[Program]) -> dict[str, str]:
    return {name: digest(f, args) for name, f, args in made}


SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import test_jit_threads as t
made = t.compiled()
found = t.digests(made)
assert t.digests(made) == found
{more}
for name, text in found.items():
    print(name, text)
"""

FORK = """
import os
child = os.fork()
if not child:
    try:
        os._exit(0 if t.digests(made) == found else 7)
    finally:
        os._exit(8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def started(threads: int, more: str) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    script = SCRIPT.format(paths=[str(here), str(here.parent)], more=more)
    env = {**os.environ, "WENGERT_NUM_THREADS": str(threads)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", script], env=env, stdout=pipe, text=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_same_bits_for_any_number_of_threads_and_after_a_fork() -> None:
    running = [started(1, ""), started(2, FORK), started(3, "")]
    texts = [process.communicate(timeout=200)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(texts[0].splitlines()) == len(list(programs()))
    assert texts[0] == texts[1] == texts[2]


def test_callers_in_several_threads_compile_and_run() -> None:
    made = compiled()

    def work(seed: int) -> dict[str, str]:
        first = digests(made)  # all threads meet the compiler together
        for i in np.random.default_rng(seed).permutation(3 * len(made)) % len(made):
            name, f, args = made[i]
            assert digest(f, args) == first[name]
        return first

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert all(r == results[0] for r in results)


def test_arguments_survive() -> None:
    for name, f, args in compiled():
        before = [x.tobytes() for x in args]
        f(*args)
        assert [x.tobytes() for x in args] == before, name
