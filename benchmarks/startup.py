"""What a new process pays: `import wengert`, and the first call with the disk cache warm.

Each is measured in processes of their own; `python -m benchmarks.startup NAME` is such a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

from benchmarks.catalogue import WORKLOADS
from benchmarks.peers import installed

FIRST_CALLS = ("rosenbrock/gradient/1000", "black_scholes/derivatives/float32", "mlp/step")
IMPORT_TARGET, FIRST_CALL_TARGET = 0.3, 0.06  # seconds

IMPORT = "import time; t = time.perf_counter(); import wengert; print(time.perf_counter() - t)"


@dataclass(frozen=True)
class Startup:
    """Seconds: of the import; of the first call by workload, with an empty and a full cache."""

    import_seconds: float
    cold: dict[str, float]
    warm: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def run(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)[:60]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def bytecode_in(folder: str) -> dict[str, str]:
    """The environment of processes that keep bytecode in a folder.

    An installed package has its bytecode beside it, whatever the environment says of writing any.
    """
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": os.path.join(folder, "bytecode")}


def import_time(cache: str, tries: int = 5) -> float:
    """The least seconds of `import wengert` (NumPy's import included) over new processes."""
    return min(float(run(["-c", IMPORT], bytecode_in(cache))) for _ in range(tries))


def first_call(name: str, cache: str) -> float:
    """Seconds of the first call of a workload in a new process, after `import wengert`."""
    environment = {"WENGERT_CACHE": "1", "WENGERT_CACHE_DIR": cache, **bytecode_in(cache)}
    return float(json.loads(run(["-m", "benchmarks.startup", name], environment))["seconds"])


def measure_startup(tries: int = 3) -> Startup:
    """Import time, and first calls: the one that fills the cache, the least of those after it."""
    cold, warm = {}, {}
    with tempfile.TemporaryDirectory() as cache:
        for name in FIRST_CALLS:
            cold[name] = first_call(name, cache)
            warm[name] = min(first_call(name, cache) for _ in range(tries))
        return Startup(import_time(cache), cold, warm)


def probe(name: str) -> float:
    """The first call in this process."""
    workload = WORKLOADS[name]
    inputs = workload.inputs()
    tools, missing = installed(["wengert"])
    if missing:
        raise SystemExit("wengert is not installed")
    function = tools["wengert"].bind(workload)
    start = time.perf_counter()
    function(*inputs)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps({"name": sys.argv[1], "seconds": probe(sys.argv[1])}))
