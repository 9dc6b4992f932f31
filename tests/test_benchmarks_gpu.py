"""The benchmarks on a GPU, dry: tiny inputs on the stand-in for CuPy; times mean nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fake_cupy
import pytest
from cuda_device import forget_devices, use_stand_in

from benchmarks.gpu.lines import lines
from benchmarks.gpu.run import Bench, Effort, Outcome, copy_rate, missed, saver, table
from benchmarks.gpu.tools import load_wengert

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

QUICK = Effort(sample=1e-6, rounds=1, tiny=True)


@pytest.mark.slow
def test_every_line_runs_and_is_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu = fake_cupy.Gpu()
    use_stand_in(monkeypatch, gpu)
    cupy = fake_cupy.module(gpu)
    monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
    forget_devices()
    bench = Bench({"wengert": load_wengert(cupy)}, cupy.cuda.runtime.deviceSynchronize, QUICK)
    save = saver(tmp_path, {"device": "none: a dry run"})
    found = bench.run(lines(), copy_rate(cupy, cupy.cuda.runtime.deviceSynchronize), save)
    monkeypatch.undo()
    forget_devices()
    assert [o.faults for o in found] == [{}] * len(found)
    assert all(o.seconds["wengert"] > 0 for o in found)
    written = json.loads((tmp_path / "latest.json").read_text())
    assert [line["name"] for line in written["lines"]] == [x.name for x in lines()]


def test_what_is_missed_is_marked() -> None:
    line = next(x for x in lines() if x.name == "chain/256 MiB")
    fine = Outcome(
        line.name, {"wengert": 1.0, "jax": 2.0, "torch.compile": 1.1}, share_of_copy=0.95
    )
    assert missed(line, fine) == []
    slow = Outcome(line.name, {"wengert": 1.0, "jax": 0.5}, share_of_copy=0.5)
    assert missed(line, slow) == ["93% of a copy", "1 of jax"]
    slow.missed = missed(line, slow)
    assert "jax 0.50, ! 93% of a copy" in table([slow])


def test_lines_without_time_are_left_out() -> None:
    bench = Bench({}, lambda: None, Effort(budget=-1.0))
    (found,) = bench.run(lines()[:1], lambda traffic: 1.0, lambda outcomes: None)
    assert found.faults == {"all": "left out: no time"}
