"""Programs compiled as several texts at the same time: the same results, by either loader."""

from __future__ import annotations

import gc
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu import machine
from wengert.backends.cpu.executable import Executable
from wengert.backends.cpu.llvm import alike
from wengert.backends.cpu.llvm.program import SETTLED
from wengert.backends.cpu.load import _load_by_llvm, load
from wengert.backends.cpu.routines.runtime_text import PLAN
from wengert.backends.cpu.support import resolve

R = np.random.default_rng(0)


def loss(w: Any, x: Any) -> Any:
    """Products, a softmax over rows on the threads, sums of chunks."""
    y = np.tanh(x @ w)
    e = np.exp(y - np.max(y, axis=1, keepdims=True))
    return -np.sum(np.log(e / np.sum(e, axis=1, keepdims=True))[:, 0])


def rows(x: Any, k: Any) -> Any:
    """A check that can fail, and a loop whose turns run on the threads."""
    total = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        total[i] = np.sum(np.sqrt(np.abs(x[i])) * x[i, k])
    return np.sum(total), np.cumsum(x, axis=0)


CASES = [
    (wg.value_and_grad(loss), (R.normal(size=(80, 90)), R.normal(size=(300, 80)))),
    (rows, (R.normal(size=(400, 120)), np.int64(3))),
]


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize(("fun", "args"), CASES, ids=["loss", "rows"])
@pytest.mark.parametrize("loader", [load, _load_by_llvm])
def test_several_texts_compute_what_one_does(fun: Any, args: Any, number: int, loader: Any) -> None:
    lowered = wg.jit(fun).lower(*args)
    one = lowered.executable
    units = machine._printed(lowered._kernels).units(number)
    assert len(units) == number and all("define hidden" in unit for unit in units)
    addresses, code = loader(machine.object_codes(units), [PLAN], resolve)
    several = Executable(one.signature, one.constants, addresses[PLAN], code, one.text)
    for found, expected in zip(several.run([np.asarray(a) for a in args]), one(*args), strict=True):
        np.testing.assert_array_equal(found, expected)
    if fun is rows:
        with pytest.raises(IndexError):
            several.run([args[0], np.asarray(500)])


def mixed(x: Any) -> Any:
    """A sum, which is printed as vectors, and a recurrence, which is not."""
    y = x.copy()
    for i in range(1, x.shape[0]):
        y[i] = y[i - 1] * 0.5 + x[i]
    return np.sum(np.exp(x)), y


def test_kernels_of_both_kinds_are_never_in_one_text() -> None:
    program = machine._printed(wg.jit(mixed).lower(np.ones(4000))._kernels)
    if machine.target().vector:
        assert {group.settled for group in program.groups} == {False, True}
    for number in (1, 2, 3, 9):
        units = program.units(number)
        assert "@wengert_plan = constant" in units[0]
        for unit in units:
            kinds = {group.head for group in program.groups if group.text in unit}
            assert len(kinds) == 1 and all(map(unit.startswith, kinds))
            assert {kind != "" for kind in kinds} == {unit.startswith(SETTLED)}


def test_a_text_that_llvm_rejects_is_an_error_in_the_thread_that_asked() -> None:
    good = "define i64 @f() {\n  ret i64 0\n}"
    with pytest.raises(RuntimeError, match="parsing"):
        machine.object_codes([good, "not LLVM text"])


def test_a_module_is_disposed_of_before_its_context(monkeypatch: Any) -> None:
    """Also when both are found in a cycle, as after an interrupt."""
    gc.collect()
    order: list[str] = []
    for kind in (llvm.ModuleRef, llvm.ContextRef):  # only noted: the wrong order would crash
        monkeypatch.setattr(kind, "_dispose", lambda self: order.append(type(self).__name__))
    cycle: list[Any] = [machine._parsed("", machine._machine(2, 0)[1])]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert order == ["ModuleRef", "ContextRef"]


def steps(x: Any, w: Any) -> Any:
    """Kernels of a few forms, many times."""
    for k in (1, 2, 3, 1, 2, 3):
        x = np.sin(x @ w) + np.roll(x, k, axis=0) * -0.0
    return x


@pytest.mark.parametrize(
    ("fun", "args"), [*CASES, (steps, (R.normal(size=(5, 5)), R.normal(size=(5, 5))))]
)
def test_kernels_of_a_known_form_have_the_text_that_is_known(
    fun: Any, args: Any, monkeypatch: Any
) -> None:
    kernels = wg.jit(fun).lower(*args)._kernels
    texts: list[str] = []
    for least in (1, len(kernels.steps) + 1):
        monkeypatch.setattr(alike, "LEAST", least)
        texts.append(machine.text(kernels))
    assert texts[0] == texts[1]


def test_short_loops_are_not_left_to_the_optimiser() -> None:
    """Those that cannot be vectors have too few turns for it to make any of."""

    def fun(a: Any) -> Any:
        return np.sum(np.linalg.eigh(a)[1][..., 0] ** 4)

    lowered = wg.jit(wg.grad(fun)).lower(R.normal(size=(300, 8, 8)))
    (text,) = machine._printed(lowered._kernels).units(1)
    assert text.startswith(SETTLED) or not machine.target().vector
