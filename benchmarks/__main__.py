"""python -m benchmarks [NAMES ...] [--quick] [--peers ...]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.machine import cold_caches, description, limit_threads

# Threads and caches are set before any tool is loaded: each reads them once, at its import.


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Times wengert and its peers, in turns, after comparing their results.",
    )
    parser.add_argument("names", nargs="*", help="parts of workload names; all without")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no torch.compile")
    parser.add_argument("--peers", nargs="*", help="only these peers")
    parser.add_argument("--list", action="store_true", help="list the workloads, run nothing")
    parser.add_argument("--no-startup", action="store_true", help="no new processes")
    parser.add_argument("--no-compile", action="store_true", help="leave out compile times")
    parser.add_argument("--threads", type=int, default=2, help="threads for all (default: 2)")
    parser.add_argument("--out", type=Path, help="folder for the results")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked for; 1 if a result of wengert was wrong or missing."""
    options = parse(arguments)
    limit_threads(options.threads)
    cold_caches()
    from benchmarks import run  # loads NumPy, which reads the number of threads

    if options.list:
        print("\n".join(run.names(options.names)))
        return 0
    return run.run(options, description(options.threads))


if __name__ == "__main__":
    sys.exit(main())
