"""What can be looked at between a function and its machine code, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import InputTypeError

X = np.array([0.5, 1.0, 2.0])


def test_stages() -> None:
    fun = wg.jit(wg.grad(lambda x: np.sum(np.tanh(x) ** 2)))
    lowered = fun.lower(X)
    assert lowered.ir.startswith("program(")
    assert repr(lowered.ir) == lowered.ir
    assert "tanh" in lowered.kernels
    assert "define" in lowered.source
    assert lowered.asm.strip()
    compiled = lowered.compile()
    assert_allclose(compiled(X), fun(X))
    assert compiled.compile_seconds > 0
    assert_allclose(wg.jit(lambda x: compiled(x) * 2)(X), 2 * fun(X))
    shaped = fun.lower(wg.ShapeDtypeStruct((3,), np.float64)).compile()
    assert_allclose(shaped(X), fun(X))
    with pytest.raises(InputTypeError, match=r"as float64\[3\], not float64\[2\]"):
        compiled(X[:2])
    with pytest.raises(InputTypeError, match="structure"):
        compiled(X, X)


def test_stages_of_static_arguments() -> None:
    fun = wg.jit(lambda x, n, m: x * n + m, static_argnames="n", backend="reference")
    compiled = fun.lower(X, 2, 3).compile()
    assert_array_equal(compiled(X, 2, 3), 2 * X + 3)
    with pytest.raises(InputTypeError, match="static"):
        compiled(X, 3, 3)
    with pytest.raises(InputTypeError, match="the constant 3, not the constant 4"):
        compiled(X, 2, 4)
    with pytest.raises(InputTypeError, match="reference backend"):
        _ = fun.lower(X, 2, 3).source


def test_times() -> None:
    fun = wg.jit(lambda x: np.exp(x) * 3)
    assert fun.compile_seconds == 0
    fun(X)
    assert fun.compile_seconds > 0
    assert fun.recompilations == 0
    fun(X[:2])
    assert fun.recompilations == 1


DUMPING = """
import numpy as np, wengert as wg
wg.jit(wg.grad(lambda x: np.sum(np.sin(x))))(np.ones(3))
"""


@pytest.mark.slow
def test_every_stage_is_written_when_asked_for(tmp_path: Path) -> None:
    environment = {
        "WENGERT_DUMP": str(tmp_path),
        "WENGERT_CACHE": "0",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    subprocess.run([sys.executable, "-c", DUMPING], env=environment, check=True, timeout=120)
    suffixes = {path.suffix for path in tmp_path.iterdir()}
    assert {".ir", ".kernels", ".ll"} <= suffixes


@pytest.mark.slow
def test_import_is_light() -> None:
    program = (
        "import sys, wengert; "
        "heavy = ('numba', 'llvmlite', 'scipy.linalg', 'scipy.special', 'matplotlib'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        timeout=60,
        capture_output=True,
    )
    assert found.stdout.strip() == b"[]"
