"""The array API standard: `wg.numpy` is the namespace of traced values, and SciPy finds it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from array_api_cases import CASES

import wengert as wg
import wengert.numpy as wnp
from wengert.errors import MutationError, TracerConversionError

STANDARD = """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2
    atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    bool broadcast_arrays broadcast_shapes broadcast_to can_cast ceil clip complex128 complex64
    concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty
    empty_like equal exp expand_dims expm1 eye finfo flip float32 float64 floor floor_divide
    from_dlpack full full_like greater greater_equal hypot iinfo imag inf int16 int32 int64 int8
    isdtype isfinite isin isinf isnan less less_equal linspace log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid
    min minimum moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones ones_like
    permute_dims pi positive pow prod real reciprocal remainder repeat reshape result_type roll
    round searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take
    take_along_axis tan tanh tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unique_all
    unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like
    __array_api_version__ __array_namespace_info__
"""
LINALG = """
    cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power
    matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot
    vector_norm
"""
FFT = "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"


@functools.cache
def outcomes() -> dict[str, str]:
    """What is wrong with each case, in a process where SciPy asks for namespaces."""
    program = Path(__file__).with_name("array_api_cases.py")
    root = str(program.parent.parent)
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow  # all cases run in one process of their own
@pytest.mark.parametrize("name", CASES)
def test_scipys_function_compiles_and_differentiates(name: str) -> None:
    assert not outcomes()[name]


@pytest.mark.parametrize("name", STANDARD.split())
def test_the_namespace_has_every_name_of_the_standard(name: str) -> None:
    assert hasattr(wnp, name)


@pytest.mark.parametrize(
    ("part", "name"),
    [("linalg", n) for n in LINALG.split()] + [("fft", n) for n in FFT.split()],
)
def test_the_extensions_have_every_name_of_the_standard(part: str, name: str) -> None:
    assert hasattr(getattr(wnp, part), name)


def test_code_that_asks_its_argument_for_the_namespace() -> None:
    def f(x: Any) -> Any:
        xp = x.__array_namespace__(api_version="2025.12")
        made = xp.zeros(3, dtype=xp.float64, device=x.device)
        made[1] = x[0]
        ramp = xp.astype(xp.arange(3.0), xp.float32)
        pair = xp.asarray([x[0], x[1]])
        return xp.sum(made * ramp) + xp.linalg.vector_norm(pair) + xp.mean(xp.full((2, 2), x[1]))

    x = np.array([3.0, 4.0])
    np.testing.assert_allclose(wg.jit(f)(x), 3.0 + 5.0 + 4.0)
    np.testing.assert_allclose(wg.grad(f)(x), [1.6, 1.8])


def test_what_the_namespace_makes_while_tracing_belongs_to_it() -> None:
    def f(x: Any) -> Any:
        one = wnp.asarray(2.0)
        for array in (wnp.asarray(np.ones(2)), one, one[()] - 1, wnp.sqrt(one), wnp.eye(2)):
            assert array.__array_namespace__() is wnp
        assert bool(wnp.all(wnp.asarray(np.ones(2)) > 0))
        return x * one

    assert wg.jit(f)(3.0) == 6.0
    assert isinstance(wnp.zeros(2), np.ndarray)


def test_constants_in_the_namespace_are_not_to_be_changed() -> None:
    constant = np.ones(2)

    def f(x: Any) -> Any:
        wnp.asarray(constant)[0] = x
        return x

    with pytest.raises(MutationError, match=r"np\.array"):
        wg.jit(f)(3.0)


def test_information_is_that_of_traced_values() -> None:
    info, numpys = wnp.__array_namespace_info__(), np.__array_namespace_info__()
    assert info.capabilities().keys() == numpys.capabilities().keys()
    assert not info.capabilities()["data-dependent shapes"]
    assert info.default_device() == numpys.default_device()
    assert info.devices() == numpys.devices()
    assert info.dtypes(kind="integral") == numpys.dtypes(kind="integral")
    assert info.default_dtypes() == numpys.default_dtypes()


def test_shapes_that_depend_on_elements_are_refused() -> None:
    with pytest.raises(TracerConversionError, match="unique_counts"):
        wg.jit(lambda x: wnp.unique_counts(x).values)(np.ones(2))


@pytest.mark.skipif("SCIPY_ARRAY_API" in os.environ, reason="SciPy asks for namespaces here")
def test_without_the_variable_scipys_functions_trace_too() -> None:
    x = np.array([0.5, 1.5])
    np.testing.assert_allclose(wg.jit(scipy.special.expit)(x), scipy.special.expit(x))
    np.testing.assert_allclose(wg.jit(scipy.special.logsumexp)(x), scipy.special.logsumexp(x))
