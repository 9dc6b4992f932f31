"""The C entry of compiled programs: what it takes, what it leaves to the slow path."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import weakref
from typing import Any

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, executable

from wengert import errors
from wengert.backends.cpu import elf
from wengert.backends.cpu.executable import Executable


@pytest.fixture(scope="module")
def twice() -> Executable:
    """Twice each element of a float64 array of shape (4, 6)."""
    made = build.elementwise(lambda x: S.mul(x, 2.0), ["f8"], "f8", 24)
    return executable(made, [(4, 6)], [(4, 6)])


def _data() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(4, 6))


def test_exact_arguments_take_the_fast_way(twice: Executable) -> None:
    x = _data()
    assert twice.fast is not None
    (out,) = twice.fast(x)
    np.testing.assert_array_equal(out, 2 * x)
    assert type(out) is np.ndarray
    assert out.dtype is np.dtype("f8")
    assert out.flags.owndata and out.flags.c_contiguous and out.flags.writeable


def _unaligned(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raw = np.empty(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _read_only(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


FORMS = {
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "column-major": np.asfortranarray,
    "unaligned": _unaligned,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "broadcast": lambda x: np.broadcast_to(x[:1, :1], x.shape),
    "read-only": _read_only,
    "subclass": lambda x: x.view(np.matrix),
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_of_the_argument(twice: Executable, form: str) -> None:
    argument = FORMS[form](_data())
    before = np.array(argument)
    assert twice.fast is not None
    if form != "read-only":
        assert twice.fast(argument) is NotImplemented
    (out,) = twice(argument)
    np.testing.assert_array_equal(out, 2 * before)
    np.testing.assert_array_equal(np.array(argument), before)


@pytest.mark.parametrize(
    "argument",
    [
        np.ones((4, 6), "f4"),
        np.ones((4, 6), "i8"),
        np.ones((6, 4)),
        np.ones(24),
        np.ones((4, 6, 1)),
    ],
)
def test_other_types_are_refused(twice: Executable, argument: Any) -> None:
    assert twice.fast is not None
    assert twice.fast(argument) is NotImplemented
    with pytest.raises(errors.InputTypeError, match="was compiled for float64"):
        twice(argument)


def test_wrong_number_of_arguments(twice: Executable) -> None:
    assert twice.fast is not None
    assert twice.fast() is NotImplemented
    assert twice.fast(_data(), _data()) is NotImplemented
    with pytest.raises(TypeError, match="takes 1 arrays, but was called with 2"):
        twice(_data(), _data())


def test_odd_arguments_are_refused(twice: Executable) -> None:
    assert twice.fast is not None
    for odd in (None, 1.0, "text", object(), [1.0], np.float64(1), np.ones((4, 6), object)):
        assert twice.fast(odd) is NotImplemented


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8"])
def test_numbers(dtype: str) -> None:
    f = executable(build.elementwise(lambda x: S.max(x, x), [dtype], dtype, 1), [()], [()])
    scalar = np.dtype(dtype).type(1)
    assert f.fast is not None
    for argument in (scalar, np.asarray(scalar)):
        (result,) = f.fast(argument)
        assert type(result) is type(scalar)
        assert result == 1
    assert (f.fast(1.0) is NotImplemented) == (dtype != "f8")


def test_long_long_is_int64() -> None:
    f = executable(build.elementwise(lambda x: S.add(x, 1), ["i8"], "i8", 3))
    assert f.fast is not None
    for code in "lq":
        np.testing.assert_array_equal(f.fast(np.arange(3, dtype=code))[0], [1, 2, 3])


def test_many_dimensions_and_results() -> None:
    shape = (1, 2, 1, 3, 1, 1, 2)
    made = build.elementwise(lambda x: S.neg(x), ["f4"], "f4", 12)
    f = executable(made, [shape], [shape])
    x = np.arange(12, dtype="f4").reshape(shape)
    np.testing.assert_array_equal(f(x)[0], -x)


def test_nothing_is_leaked(twice: Executable) -> None:
    x = _data()
    number = executable(build.elementwise(lambda a: S.neg(a), ["f8"], "f8", 1), [()], [()])
    assert twice.fast is not None and number.fast is not None
    objects = (np.dtype("f8"), NotImplemented, np.ndarray, x)

    def counts() -> list[int]:
        return [sys.getrefcount(o) for o in objects]

    for _ in range(2):
        before = counts()
        for _ in range(200):
            twice.fast(x)
            twice.fast(1.0)
            number.fast(2.5)
        after = counts()
    assert after == before


def test_results_do_not_share_memory(twice: Executable) -> None:
    x = _data()
    results = [twice(x)[0] for _ in range(20)]
    assert len({r.ctypes.data for r in results}) == 20


@pytest.mark.slow
def test_program_is_freed_and_its_entry_outlives_it() -> None:
    f = executable(build.elementwise(lambda x: S.neg(x), ["f8"], "f8", 3))
    entry = f.fast
    assert entry is not None
    image = weakref.ref(f.code)
    del f
    gc.collect()
    np.testing.assert_array_equal(entry(np.ones(3))[0], -np.ones(3))
    assert image() is not None
    del entry
    gc.collect()
    assert image() is None


def test_slow_run_agrees(twice: Executable) -> None:
    x = _data()
    np.testing.assert_array_equal(twice.run([x])[0], 2 * x)


def test_printed_forms(twice: Executable) -> None:
    assert "@wengert_plan = constant" in twice.source
    assert "wengert_plan" in twice.asm()
    assert twice.compile_seconds > 0


def test_llvm_loads_what_the_small_loader_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes, resolve: Any) -> Any:
        raise elf.UnsupportedObject("as on another platform")

    monkeypatch.setattr(elf, "load", refuse)
    x = np.random.default_rng(0).normal(size=16000)
    f = executable(build.chunked_sum(16000, 16), out_shapes=[()])
    np.testing.assert_allclose(f(x)[0], x.sum())
    g = executable(build.elementwise(lambda a: S.frem(a, 0.75), ["f8"], "f8", 5))
    np.testing.assert_array_equal(g(x[:5])[0], np.fmod(x[:5], 0.75))


PROBE = """
import resource, numpy as np, wengert as wg
f = wg.jit(lambda x: (x + 1, x * 2))
x = np.ones(400_000)
for _ in range(5): f(x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20): f(x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_results_in_memory_that_was_freed() -> None:
    """Results of 6 MB in each call take no new pages once there are some."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    command = [sys.executable, "-c", PROBE]
    found = subprocess.run(command, capture_output=True, text=True, env=env)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < 500
