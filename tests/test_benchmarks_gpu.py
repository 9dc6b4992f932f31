"""The benchmarks on a GPU, dry: tiny inputs on the stand-in for CuPy; times mean nothing."""

from __future__ import annotations

import json
import shutil
import sys
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
    cupy = sys.modules["cupy"]
    bench = Bench({"wengert": load_wengert(cupy)}, cupy.cuda.runtime.deviceSynchronize, QUICK)
    save = saver(tmp_path, {"device": "none: a dry run"})
    found = bench.run(lines(), copy_rate(cupy, cupy.cuda.runtime.deviceSynchronize), save)
    monkeypatch.undo()
    forget_devices()
    assert [o.faults for o in found] == [{}] * len(found)
    assert "20 kernels" in found[0].name
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
    assert missed(line, slow) == ["93% of a copy", "torch.compile has no time", "1 of jax"]
    slow.missed = missed(line, slow)
    assert "jax 0.50, ! 93% of a copy" in table([slow])


def test_a_product_with_an_epilogue_is_held_to_the_product_alone() -> None:
    line = next(x for x in lines() if x.against is not None)
    assert line.against is not None
    alone = Outcome(line.against[0], {"wengert": 1.0, "cupy": 0.9})
    assert missed(line, Outcome(line.name, {"wengert": 0.91}), [alone]) == []
    assert missed(line, Outcome(line.name, {"wengert": 0.95}), [alone]) == [
        "0.98 of the best of matmul/8192 float32"
    ]


@pytest.mark.slow
def test_the_line_of_twenty_kernels_has_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = fake_cupy.Gpu()
    use_stand_in(monkeypatch, gpu)
    cupy = sys.modules["cupy"]
    workload = lines()[0].workload
    tool = load_wengert(cupy)
    tool.bind(workload)(*tool.arguments(workload.inputs(True)))
    monkeypatch.undo()
    forget_devices()
    assert gpu.launches >= 20


def test_what_goes_wrong_in_one_line_stays_there() -> None:
    found = Bench({}, lambda: None, QUICK).run(lines()[:2], lambda traffic: 1.0, lambda x: None)
    assert [o.missed for o in found] == [["everything: wengert has no time"]] * 2


def test_lines_without_time_are_left_out() -> None:
    bench = Bench({}, lambda: None, Effort(budget=-1.0))
    (found,) = bench.run(lines()[:1], lambda traffic: 1.0, lambda outcomes: None)
    assert found.faults == {"all": "left out: no time"}
