"""What `test_mpi.py` runs in several processes: `mpiexec -n N python mpi_program.py CASE [FOLDER]`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import numpy as np

import wengert as wg
from wengert import distributed as dist

DTYPES = (np.float64, np.float32, np.float16, wg.bfloat16, np.int64, np.uint8)


def say(*words: Any) -> None:
    """A line in one piece, though processes write at the same time."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def everything(x: Any) -> Any:
    n = dist.size()
    return (
        *(dist.psum(x), dist.pmax(x), dist.pmin(x), dist.all_gather(x), dist.psum_scatter(x)),
        *(dist.all_to_all(x), dist.broadcast(x, n - 1), dist.axis_index(), dist.pmean(x)),
        *(dist.ppermute(x, [(i, (i + 1) % n) for i in range(n)]), dist.ppermute(x, [(0, n - 1)])),
    )


def collectives() -> None:
    """MPI against ranks that are threads."""
    n, own = dist.size(), dist.rank()
    for dtype in DTYPES:
        x = np.arange(3 * n * n).reshape(n, n, 3).astype(dtype)
        want = dist.simulate(n, lambda x=x: everything(x[dist.rank()]))[own]
        for found in (wg.jit(everything)(x[own]), everything(x[own])):
            for a, b in zip(found, want, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-3 if a.dtype.itemsize == 2 else 1e-6)


def mesh() -> None:
    """Two axes of two processes each."""
    data, model = divmod(dist.rank(), 2)
    assert (dist.rank("data"), dist.rank("model")) == (data, model)
    number = np.float64(10 * data + model)
    assert dist.psum(number, "model") == 20 * data + 1
    assert dist.psum(number, "data") == 10 + 2 * model
    if data:  # one group alone may run a program that is its own
        assert wg.jit(lambda x: dist.psum(x, "model"))(number) == 20 * data + 1


RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 6)), RNG.standard_normal(50)
START = {"w": np.zeros((6, 3)), "v": np.full(3, 0.1)}


def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ params["w"]) @ params["v"] - y) ** 2)


def training(distributed: bool, folder: str | None = None, kill_at: int = 0) -> Any:
    def callback(found: Any) -> None:
        if kill_at and found.step == kill_at and dist.rank() == dist.size() - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return wg.fit(
        loss,
        START,
        (X, Y),
        wg.optim.adam(1e-2),
        epochs=4,
        batch_size=17,
        metrics={"double": lambda p, x, y: 2 * loss(p, x, y)},
        validation=(X[:9], Y[:9]),
        checkpoint=folder,
        checkpoint_every=3,
        callback=callback,
        distributed=distributed,
    )


def digits_of(found: Any) -> str:
    return " ".join(x.tobytes().hex() for x in wg.tree_leaves(found.params))


def fit() -> None:
    """As one process on the whole batches, to rounding; the same bits in all processes."""
    alone, found = training(False), training(True)
    np.testing.assert_allclose(found.history.loss, alone.history.loss, rtol=1e-12)
    for name in ("loss", "double", "val_loss", "val_double"):
        np.testing.assert_allclose(found.history.column(name), alone.history.column(name))
    dist.check_equal(found.params)
    say("bits", digits_of(found))


def resumed(folder: str, kill_at: str = "0") -> None:
    found = training(True, folder, int(kill_at))
    say("bits", digits_of(found))


def lopsided(folder: str) -> None:
    """A callback and checkpoints in the first process alone; it stops all of them."""
    first = dist.rank() == 0
    found = wg.fit(
        loss,
        START,
        (X, Y),
        wg.optim.adam(1e-2),
        epochs=4,
        batch_size=17,
        checkpoint=folder if first else None,
        callback=(lambda found: found.step == 5) if first else None,
        distributed=True,
    )
    assert (found.step, found.reason) == (5, "stopped")


def different() -> None:
    wg.jit(dist.psum)(np.zeros(3 + dist.rank()))


def fails() -> None:
    if dist.rank() == 1:
        raise ValueError("one process has enough")
    wg.jit(dist.psum)(np.zeros(3))


def late() -> None:
    if dist.rank() == 0:
        wg.jit(dist.psum)(np.zeros(3))
    else:
        signal.pause()


def leaves() -> None:
    """One process ends before the other."""
    if dist.rank() == 0:
        wg.jit(dist.psum)(np.zeros(3))
    else:
        sys.exit(3)


STOPS = (different, fails, late, leaves)
CASES = {f.__name__: f for f in (collectives, mesh, fit, resumed, lopsided, *STOPS)}

if __name__ == "__main__":
    case, *rest = sys.argv[1:]
    axes = {"data": 2, "model": -1} if case == "mesh" else None
    dist.init(mesh=axes, timeout=1.0 if case == "late" else 60.0)
    CASES[case](*rest)
    say("done")
