"""python -m benchmarks.scaling: measures 1, 2 and 4 processes, fits the model, predicts thousands.

Writes benchmarks/results/scaling.{txt,json,png}. Takes a minute; needs wengert[mpi].
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scaling.model import Link, Prediction, fit_compute, fit_link, predict
from benchmarks.scaling.worker import BATCH, WIDE, WIDTHS

RESULTS = Path(__file__).parent.parent / "results"
COUNTS = (1, 2, 4)
FORESEEN = tuple(2**k for k in range(1, 13))
PARAMETERS = sum((n + 1) * m for n, m in itertools.pairwise(WIDTHS))
NBYTES = 4.0 * PARAMETERS
CLOSE = 0.2


def measured() -> dict[int, Any]:
    """What the workers write, by their number."""
    launcher = Path(sys.executable).parent / "mpiexec"
    cores = len(os.sched_getaffinity(0))
    found: dict[int, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in COUNTS:
            place = Path(folder) / f"{n}.json"
            env = {**os.environ, "NUMBA_NUM_THREADS": str(max(1, cores // n))}
            env["WENGERT_CACHE"] = "0"  # the two kinds of steps have one name
            command = [str(launcher), "-n", str(n), sys.executable, "-m", __package__ + ".worker"]
            subprocess.run([*command, str(place)], check=True, env=env)
            found[n] = json.loads(place.read_text())
    return found


def fitted(runs: dict[int, Any]) -> tuple[Link, Any, dict[int, float]]:
    """The link, the compute model, and the predicted step for each measured number."""
    cores = len(os.sched_getaffinity(0))
    share = {n: max(1.0, n / cores) for n in runs}
    threads = {n: max(1, cores // n) for n in runs}
    link = fit_link(
        [
            (n, share[n], r["bytes"], r["allreduce"])
            for n, run in runs.items()
            for r in run.get("collectives", ())
            if r["bytes"] >= NBYTES / 8
        ]
    )
    compute = fit_compute(
        [(BATCH / n, share[n], threads[n], run["steps"]["alone"]) for n, run in runs.items()]
    )
    steps = {
        n: compute.step(BATCH / n, share[n], threads[n]) + share[n] * link.ring(n, NBYTES)
        for n in runs
    }
    return link, compute, steps


def lines(runs: dict[int, Any], link: Link, compute: Any, steps: Any, seen: Any) -> list[str]:
    """The report."""
    one, two = runs[1]["steps"], runs[2]["steps"]
    row = next(r for r in runs[2]["collectives"] if r["bytes"] == 4 << 20)
    exposed = [two[k] - two["alone"] for k in ("step", "one after the other")]
    slow = [two[f"network: {k}"] - two[k] for k in ("step", "one after the other")]
    found = [
        f"A step of a perceptron {WIDTHS}, batch {BATCH}, float32, SGD; {os.cpu_count()} cores",
        "",
        "processes  rows each  step ms  without messages  one after the other  predicted   error",
    ]
    for n, run in runs.items():
        s = run["steps"]
        error = steps[n] / s["step"] - 1
        found.append(
            f"{n:9d} {BATCH // n:10d} {s['step'] * 1e3:8.2f} {s['alone'] * 1e3:17.2f} "
            f"{s['one after the other'] * 1e3:20.2f} {steps[n] * 1e3:10.2f} {error:+8.1%}"
        )
    found += [
        "",
        f"{one['step'] / two['step']:.2f}  efficiency of 2 processes with a thread each (0.9)",
        f"{one['wide'] / two['wide']:.2f}  the same for a perceptron {WIDE} (0.9)",
        f"{exposed[0] / exposed[1]:.0%}  of the communication is exposed with overlap (30 %)",
        f"{slow[0] / slow[1]:.0%}  of what an emulated network of 1 GB/s takes besides",
        f"{row['allreduce'] / row['pmean']:.2f}  bare Allreduce of 4 MiB over pmean (0.95)",
        "",
        "collectives, microseconds",
        "processes     bytes    pmean  allreduce  in place   scatter    gather",
    ]
    for n, run in runs.items():
        for r in run.get("collectives", ()):
            columns = [r[k] * 1e6 for k in ("pmean", "allreduce", "in place", "scatter", "gather")]
            found.append(f"{n:9d} {r['bytes']:9d} " + " ".join(f"{x:9.1f}" for x in columns))
    found += [
        "",
        f"fit: alpha {link.alpha * 1e6:.2f} us, 1/beta {1e-9 / link.beta:.2f} GB/s; "
        f"a step {compute.fixed * 1e3:.2f} ms + {compute.row * 1e6:.1f} us a row",
        "",
        f"predicted for {BATCH // 2} rows in each process, one core each, messages not hidden:",
        "processes   ring ms  eff.   tree ms  eff.  sharded  eff.  best bucket MB",
    ]
    for n in FORESEEN:
        by = {p.scheme: p for p in seen if p.n == n}
        columns = [f"{by[s].seconds * 1e3:9.2f} {by[s].efficiency:5.2f}" for s in by]
        found.append(f"{n:9d} {' '.join(columns)} {by['ring'].bucket / 1e6:12.2f}")
    return found


def draw(seen: list[Prediction], path: Path) -> None:
    """Efficiency over the number of processes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for scheme in ("ring", "tree", "sharded"):
        points = [p for p in seen if p.scheme == scheme]
        axes.semilogx(
            [p.n for p in points], [p.efficiency for p in points], ".-", label=scheme, base=2
        )
    axes.set(xlabel="processes", ylabel="efficiency", ylim=(0, 1.02))
    axes.set_title(f"Predicted efficiency, {NBYTES / 1e6:.1f} MB of gradients, messages not hidden")
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    runs = measured()
    link, compute, steps = fitted(runs)
    update = min(compute.fixed, 3 * NBYTES / 10e9)
    seen = predict(link, compute, BATCH // 2, NBYTES, update, FORESEEN)
    text = lines(runs, link, compute, steps, seen)
    print("\n".join(text))
    (RESULTS / "scaling.txt").write_text("\n".join(text) + "\n")
    facts = {"runs": runs, "link": asdict(link), "compute": asdict(compute), "steps": steps}
    facts["predictions"] = [asdict(p) for p in seen]
    (RESULTS / "scaling.json").write_text(json.dumps(facts, indent=1))
    draw(seen, RESULTS / "scaling.png")
    off = {n: steps[n] / run["steps"]["step"] - 1 for n, run in runs.items()}
    return int(any(abs(x) > CLOSE for x in off.values()))


if __name__ == "__main__":
    sys.exit(main())
