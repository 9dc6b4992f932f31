"""The same training on 1, 2 and 4 processes: the same losses, the same parameters to rounding.

`worker` is what a user writes: `wg.distributed.init()`, and `distributed=True`. It is started by

    mpiexec -n 4 python examples/many_processes.py worker FOLDER

and `main` does that for each number of processes. All of them draw the same batches of digits, and
each takes its part of the rows; gradients are means over all of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from mpi4py import MPI  # noqa: F401 - says early what is missing
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import wengert as wg

Array = NDArray[np.float64]
COUNTS = (1, 2, 4)
LAUNCHER = Path(sys.executable).parent / "mpiexec"


def loss(params: Any, images: Array, labels: NDArray[np.int64]) -> Array:
    """The mean cross-entropy of two dense layers."""
    hidden = np.tanh(images @ params["w"] + params["b"])
    return np.mean(wg.nn.cross_entropy(hidden @ params["v"] + params["c"], labels))


def worker(folder: Path) -> None:
    """What each process does."""
    wg.distributed.init()
    digits = load_digits()
    rng = np.random.default_rng(0)
    params = {
        "w": rng.standard_normal((64, 48)) / 8,
        "b": np.zeros(48),
        "v": rng.standard_normal((48, 10)) / 7,
        "c": np.zeros(10),
    }
    data = (digits.data / 16, digits.target)
    adam = wg.optim.adam(1e-2)
    found = wg.fit(loss, params, data, adam, epochs=3, batch_size=100, distributed=True)
    if wg.distributed.rank() == 0:
        flat, _ = wg.ravel_pytree(found.params)
        place = folder / f"{wg.distributed.size()}.npz"
        np.savez(place, losses=np.array(found.history.loss), params=flat)


def trained(count: int, folder: Path) -> dict[str, Array]:
    """The losses and parameters that `count` processes end with."""
    command = [str(LAUNCHER), "-n", str(count), sys.executable, __file__, "worker", str(folder)]
    subprocess.run(command, check=True)
    with np.load(folder / f"{count}.npz") as found:
        return dict(found)


def plot(runs: dict[int, dict[str, Array]], path: Path) -> None:
    """The losses of all runs above one another, and how far they are apart."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for width, (count, run) in zip((6, 3, 1), runs.items(), strict=True):
        left.plot(run["losses"], linewidth=width, label=f"{count} process" + "es" * (count > 1))
    left.set(title="Training loss", xlabel="step", ylabel="mean cross-entropy", yscale="log")
    left.legend()
    alone = runs[1]["losses"]
    for count in COUNTS[1:]:
        apart = np.abs(runs[count]["losses"] / alone - 1)
        right.semilogy(np.maximum(apart, 1e-17), ".", label=f"{count} processes")
    right.set(title="Difference from one process", xlabel="step", ylabel="relative difference")
    right.legend()
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Trains on 1, 2 and 4 processes, draws `many_processes.png`."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {count: trained(count, Path(folder)) for count in COUNTS}
    plot(runs, out / "many_processes.png")
    alone = runs[1]
    return {
        "loss at the end": float(alone["losses"][-1]),
        "largest relative difference of a loss": max(
            float(np.abs(runs[n]["losses"] / alone["losses"] - 1).max()) for n in COUNTS[1:]
        ),
        "largest difference of a parameter": max(
            float(np.abs(runs[n]["params"] - alone["params"]).max()) for n in COUNTS[1:]
        ),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(Path(sys.argv[2]))
    else:
        target = Path("out")
        target.mkdir(exist_ok=True)
        for name, figure in main(target).items():
            print(f"{name}: {figure:.4g}")
