"""The benchmarks on a GPU, dry: tiny inputs on the stand-in for CuPy; times mean nothing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import fake_cupy
import numpy as np
import pytest
from cuda_device import forget_devices, use_stand_in

from benchmarks.gpu.goals import goals
from benchmarks.gpu.lines import Line, lines
from benchmarks.gpu.outcome import Outcome
from benchmarks.gpu.programs import normals
from benchmarks.gpu.report import saver, table
from benchmarks.gpu.run import Bench, Call, Effort, copy_rate
from benchmarks.gpu.tools import load_wengert
from benchmarks.peers import Tool, numpy_namespace

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

QUICK = Effort(sample=1e-6, rounds=1, tiny=True)
BY_NAME = {line.name: line for line in lines()}


def one_of_each() -> list[Line]:
    """The lines without those of the same function on other sizes."""
    found = {(id(x.workload.build), x.workload.mode, x.workload.name[:4]): x for x in lines()[::-1]}
    return list(found.values())[::-1]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_cupy.Gpu]:
    made = fake_cupy.Gpu()
    use_stand_in(monkeypatch, made)
    yield made
    monkeypatch.undo()
    forget_devices()


@pytest.mark.slow
def test_every_line_runs_and_is_right(gpu: fake_cupy.Gpu, tmp_path: Path) -> None:
    cupy = sys.modules["cupy"]
    some = one_of_each()
    bench = Bench({"wengert": load_wengert(cupy)}, cupy.cuda.runtime.deviceSynchronize, QUICK)
    save = saver(tmp_path, {"device": "none: a dry run"}, BY_NAME)
    found = bench.run(some, copy_rate(cupy, cupy.cuda.runtime.deviceSynchronize), save)
    assert [o.faults for o in found] == [{}] * len(found)
    assert "20 kernels" in found[0].name
    for line, outcome in zip(some, found, strict=True):
        assert set(outcome.seconds) == set(outcome.host) == {"wengert", *line.ceilings}
        assert outcome.first_call["wengert"] >= 0
    written = json.loads((tmp_path / "latest.json").read_text())
    assert [line["name"] for line in written["lines"]] == [x.name for x in some]
    assert all(line["goals"] for line in written["lines"])


def test_the_lines_have_all_that_the_back_end_must_reach() -> None:
    """Names and goals, of issue 4's table: shares of a copy, ratios, microseconds."""
    for mib in (256, 1024):
        assert BY_NAME[f"chain/{mib} MiB"].bandwidth == 0.93
    for family in ("softmax", "layernorm", "cross_entropy"):
        for columns in (256, 512, 1024, 4096, 8192):
            for kind in ("value", "gradient"):
                line = BY_NAME[f"{family}/{kind}/{columns}"]
                assert line.bandwidth == (0.9 if columns >= 4096 else 0.7)
                assert line.targets == {"torch.compile": 1.2}
    assert all(BY_NAME[n].bandwidth == 0.9 for n in ("sum/all", "sum/rows", "sum/columns"))
    assert BY_NAME["transpose"].bandwidth == 0.9
    product = BY_NAME["matmul/8192 bfloat16, bias, gelu"]
    assert product.targets == {"cublasLt": 0.98} and set(product.ceilings) == {"cublasLt"}
    for name in ("mlp/step", "transformer/step"):
        assert BY_NAME[name].graphs
        assert BY_NAME[name].targets == {"torch.compile": 1.2, "jax": 1.2}
    for what in ("gradient", "value"):
        assert BY_NAME[f"lorenz/100,000 x 1,000 steps, {what}"].targets == {"jax": 10.0}
    assert any("lstm" in n and "128" in n and x.targets == {"jax": 10} for n, x in BY_NAME.items())
    assert BY_NAME["host/20 kernels"].host_us == 25
    assert all(line.cold == 2.0 for line in BY_NAME.values())


def test_goals_say_whether_they_are_reached() -> None:
    line = BY_NAME["chain/256 MiB"]
    times = {"wengert": 1.0, "jax": 2.0, "torch.compile": 1.1}
    fine = Outcome(line.name, times, {"wengert": 1.5, "jax": 4.0}, share_of_copy=0.95)
    assert all(g.reached for g in goals(line, fine))
    slow = Outcome(line.name, {"wengert": 1.0, "jax": 0.5}, {"wengert": 2.0, "jax": 2.0})
    assert [(g.reached, g.figure) for g in goals(line, slow)] == [
        (False, None),
        (False, None),
        (False, 0.5),
        (False, 1.5),  # of compilations: what the calls take beyond the work
    ]
    text = table([slow], BY_NAME)
    assert "jax's time / wengert's 0.5 (>= 1: MISSED)" in text
    assert text.endswith("0 of 4 goals reached")
    host = BY_NAME["host/20 kernels"]
    found = goals(host, Outcome(host.name, {"wengert": 1.0}, host={"wengert": 24e-6}))
    assert found[0].reached
    assert "us on the host 24 (<= 25: reached)" in str(found[0])


@pytest.mark.slow
def test_the_line_of_twenty_kernels_has_twenty(gpu: fake_cupy.Gpu) -> None:
    workload = lines()[0].workload
    tool = load_wengert(sys.modules["cupy"])
    tool.bind(workload)(*tool.arguments(workload.inputs(True)))
    assert gpu.launches >= 20


def test_what_goes_wrong_in_one_line_stays_there() -> None:
    found = Bench({}, lambda: None, QUICK).run(lines()[:2], lambda traffic: 1.0, lambda x: None)
    assert all(o.seconds == {} for o in found)
    assert table(found, BY_NAME).count("MISSED all") == 2


def test_lines_without_time_are_left_out() -> None:
    bench = Bench({}, lambda: None, Effort(budget=-1.0))
    (found,) = bench.run(lines()[:1], lambda traffic: 1.0, lambda outcomes: None)
    assert found.faults == {"all": "left out: no time"}


def test_a_peer_that_has_used_up_its_time_is_left_out() -> None:
    def slow() -> Call:
        raise RuntimeError("cannot")

    bench = Bench({}, lambda: None, Effort(allowance=0.0))
    outcome = Outcome("line")
    assert bench.bounded("jax", outcome, slow) is None
    assert outcome.faults["jax"] == "RuntimeError: cannot"
    assert bench.bounded("jax", outcome, slow) is None
    assert "left out: its compilations took" in outcome.faults["jax"]
    bench.spent["wengert"] = 100.0
    assert isinstance(bench.bounded("wengert", outcome, lambda: Call(lambda: None)), Call)


def test_a_tool_that_is_wrong_is_not_timed() -> None:
    wrong = {"value": lambda f, argnums: lambda *x: f(*x) + 1}
    tool = Tool("wrong", numpy_namespace(), wrong)
    outcome = Bench({"wrong": tool}, lambda: None, QUICK).outcome(BY_NAME["sum/all"], lambda t: 1.0)
    assert "is off by" in outcome.faults["wrong"] and outcome.seconds == {}


def test_large_inputs_repeat_what_is_drawn() -> None:
    (x,) = normals("float32", (3000, 1000))(np.random.default_rng(0), False)
    assert x.shape == (3000, 1000) and x.dtype == np.float32
    assert abs(float(x.mean())) < 0.01 and abs(float(x.std()) - 1) < 0.01
    assert len(np.unique(x[:, 0])) > 2900
