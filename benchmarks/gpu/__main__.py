"""python -m benchmarks.gpu [NAMES ...] [--budget SECONDS]"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import PACKAGES, cold_caches, version

RESULTS = Path(__file__).resolve().parent.parent / "results" / "gpu"


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked for; 1 if a result of wengert was wrong or missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("names", nargs="*", help="parts of the names of lines; all without")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds for everything")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    options = parser.parse_args(arguments)
    cold_caches()
    cupy_module: Any = importlib.import_module("wengert.backends.cuda.gpu.cupy_module")
    cupy: Any = cupy_module.cupy()  # or an error that says what is missing
    from benchmarks.gpu.lines import lines
    from benchmarks.gpu.report import saver, table
    from benchmarks.gpu.run import Bench, Effort, copy_rate
    from benchmarks.gpu.tools import load_tools

    tools, absent = load_tools(cupy)
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    head = {
        "device": properties["name"].decode(),
        "driver": runtime.driverGetVersion(),
        "versions": {p: version(p) for p in (*PACKAGES, "cupy-cuda13x")},
        "absent": absent,
    }
    print("\n".join(f"{k}: {v}" for k, v in head.items()))
    wanted = [x for x in lines() if not options.names or any(n in x.name for n in options.names)]
    bench = Bench(tools, runtime.deviceSynchronize, Effort(budget=options.budget))
    known = {line.name: line for line in wanted}
    save = saver(options.out, head, known)
    outcomes = bench.run(wanted, copy_rate(cupy, runtime.deviceSynchronize), save)
    save(outcomes)
    print(table(outcomes, known))
    for outcome in outcomes:
        for tool, why in outcome.faults.items():
            print(f"  {outcome.name}: {tool}: {why}")
    return int(any("wengert" in o.faults or "all" in o.faults for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
