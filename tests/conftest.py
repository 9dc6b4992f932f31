"""Settings of test runs, markers, and a count of what was skipped and why."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import tempfile
from collections import Counter
from typing import Any

import hypothesis
import pytest

# before anything reads it: every pass is followed by the verifier
os.environ.setdefault("WENGERT_VERIFY", "1")

# Read once, when wengert, NumPy and the OpenMP library are loaded; xdist's workers inherit them.
# Workers share the cores, so a thread that waits must not spin, and neither BLAS nor the compiler
# needs threads of its own (`test_cpu_units.py` asks for them).
SETTINGS = {
    "OMP_WAIT_POLICY": "passive",
    "OPENBLAS_NUM_THREADS": "1",
    "WENGERT_COMPILE_THREADS": "1",
    "WENGERT_VERIFY": "1",
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
OWN_CACHE: str | None = None  # compiled programs of this run; never the user's own
if "WENGERT_CACHE_DIR" not in os.environ:
    OWN_CACHE = os.environ["WENGERT_CACHE_DIR"] = tempfile.mkdtemp(prefix="wengert-tests-")

# A shell has what it runs in the background ignore interrupts; tests send some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(
    "wengert",
    deadline=None,  # a first call compiles
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("wengert")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bless` writes what the filetests give as what they expect; `--cases` leaves some out."""
    parser.addoption("--bless", action="store_true", help="rewrite the expected parts of filetests")
    parser.addoption("--cases", type=int, help="run at most so many cases of each test")


def gpu_missing() -> str | None:
    """Why tests marked gpu cannot run here, or None if they can."""
    if importlib.util.find_spec("cupy") is None:
        return "no GPU tests: CuPy is not installed"
    import cupy  # only where it is installed

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as fault:
        return f"no GPU tests: {fault}"
    return None if count else "no GPU tests: CUDA finds no device"


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips what is marked gpu where there is none, and leaves cases out on request."""
    most = config.getoption("--cases")
    if most is not None:
        kept = some_cases(items, most)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    reason = gpu_missing() if gpu_items else None
    if reason:
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason=reason))


def some_cases(items: list[pytest.Item], most: int) -> set[pytest.Item]:
    """At most so many cases of each test, from all of their range."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {
        group[k * len(group) // min(most, len(group))]
        for group in cases.values()
        for k in range(min(most, len(group)))
    }


def pytest_collection_finish() -> None:
    """Spares the collector what lives until the end: some million objects, each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Removes the cache of this run; only the process that made it does."""
    if OWN_CACHE is not None:
        shutil.rmtree(OWN_CACHE, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says how many tests were skipped, with each reason once."""
    reasons = Counter(skip_reason(report) for report in terminalreporter.getreports("skipped"))
    terminalreporter.write_line(f"skipped: {reasons.total()}")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"  {count} x {reason}")


def skip_reason(report: Any) -> str:
    """The reason of a skipped test, without pytest's file and line."""
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")
