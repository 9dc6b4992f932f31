"""Programs in processes of their own, started by mpiexec: `mpi_program.py` has what they do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHER = Path(sys.executable).parent / "mpiexec"
PROGRAM = Path(__file__).parent / "mpi_program.py"

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None or not LAUNCHER.exists(),
        reason="mpi4py and mpich (wengert[mpi]) are not installed",
    ),
    pytest.mark.slow,
]


def run(count: int, *words: str) -> subprocess.CompletedProcess[str]:
    """`mpi_program.py` in `count` processes."""
    command = [str(LAUNCHER), "-n", str(count), sys.executable, str(PROGRAM), *words]
    root = str(PROGRAM.parent.parent)
    env = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def bits(found: subprocess.CompletedProcess[str]) -> set[str]:
    return {line for line in found.stdout.splitlines() if line.startswith("bits")}


@pytest.mark.parametrize(("case", "count"), [("collectives", 2), ("collectives", 3), ("mesh", 4)])
def test_collectives(case: str, count: int) -> None:
    found = run(count, case)
    assert found.stdout.splitlines().count("done") == count, found.stderr


def test_fit_as_one_process_does() -> None:
    first, second = run(2, "fit"), run(2, "fit")
    assert first.returncode == 0, first.stderr
    assert len(bits(first)) == 1  # the same in all processes, and from run to run
    assert bits(first) == bits(second)


def test_a_killed_process_costs_the_steps_since_the_checkpoint(tmp_path: Path) -> None:
    whole = run(2, "resumed", str(tmp_path / "whole"))
    killed = run(2, "resumed", str(tmp_path / "parts"), "7")
    assert killed.returncode != 0
    resumed = run(2, "resumed", str(tmp_path / "parts"))
    assert resumed.returncode == 0, resumed.stderr
    assert bits(resumed) == bits(whole) != set()


def test_what_only_one_process_has(tmp_path: Path) -> None:
    found = run(2, "lopsided", str(tmp_path))
    assert found.stdout.splitlines().count("done") == 2, found.stderr
    again = run(2, "lopsided", str(tmp_path))  # without a step that both have: from the start
    assert again.stdout.splitlines().count("done") == 2, again.stderr


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("different", "about to communicate differently"),
        ("fails", "one process has enough"),
        ("late", "waited 1 s for the others"),
        ("leaves", "process 1 has ended, and process 0 waits"),
    ],
)
def test_nobody_waits_for_ever(case: str, words: str) -> None:
    found = run(2, case)
    assert found.returncode != 0
    assert words in found.stderr
