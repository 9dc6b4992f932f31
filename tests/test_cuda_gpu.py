"""The driver of GPUs against a stand-in for CuPy: streams, graphs, memory, arguments, errors.

The stand-in runs the kernels on the host device and refuses nothing that CuPy allows, so what is
tested is what the driver asks for and in which order, not whether a GPU does it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import Any

import fake_cupy
import numpy as np
import pytest
from cuda_device import forget_devices, use_stand_in
from fake_cupy import Array, Gpu, Stream

import wengert as wg
from wengert.errors import (
    DeviceMemoryError,
    DeviceUnavailableError,
    InputTypeError,
    LaunchError,
    OutOfBoundsError,
)

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

RNG = np.random.default_rng(0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpu]:
    made = Gpu()
    use_stand_in(monkeypatch, made)
    yield made
    monkeypatch.undo()
    forget_devices()


def on_gpu(*shape: int) -> Array:
    return Array.of(RNG.normal(size=shape))


def wave(x: Any) -> Any:
    return np.sin(x) * 2 + x.sum(axis=0)


def test_cupy_arrays_choose_the_back_end(gpu: Gpu) -> None:
    f = wg.jit(wave)
    x = on_gpu(40, 30)
    found = f(x)
    assert isinstance(found, Array)
    np.testing.assert_allclose(found.get(), wave(x.get()))
    plain = f(x.get())
    assert type(plain) is np.ndarray
    np.testing.assert_allclose(plain, wave(x.get()))


def test_arrays_of_bfloat16(gpu: Gpu) -> None:
    x = Array.of(RNG.normal(size=(6, 40)).astype(wg.bfloat16))
    found, first = wg.jit(lambda x: (x * 2, x[0, 0]))(x)
    assert isinstance(found, Array) and found.dtype == first.dtype == wg.bfloat16
    np.testing.assert_array_equal(found.get(), x.get() + x.get())
    assert first.get() == x.get()[0, 0]


def test_steady_calls_are_replayed_without_waiting_or_copying(gpu: Gpu) -> None:
    f = wg.jit(lambda x, a: wave(x @ x) * a)
    x = on_gpu(40, 40)
    for _ in range(5):
        result = f(x, 2.0)
    np.testing.assert_allclose(result.get(), wave(x.get() @ x.get()) * 2.0, rtol=1e-9)
    before = (gpu.launches, gpu.synchronisations, gpu.copies_from_host, Array.pool.mallocs)
    replays = gpu.replays
    for _ in range(3):
        result = f(x, 2.0)
    assert (gpu.launches, gpu.synchronisations, gpu.copies_from_host, Array.pool.mallocs) == before
    assert gpu.replays == replays + 3
    np.testing.assert_allclose(f(x, 3.0).get(), wave(x.get() @ x.get()) * 3.0, rtol=1e-9)
    assert gpu.copies_from_host == before[2] + 1


def test_what_cannot_be_captured_is_launched(gpu: Gpu) -> None:
    gpu.refuses_capture = True
    f = wg.jit(wave)
    x = on_gpu(4, 4)
    for _ in range(4):
        np.testing.assert_allclose(f(x).get(), wave(x.get()))
    assert gpu.replays == 0


def test_another_stream_waits_for_the_temporaries(gpu: Gpu) -> None:
    f = wg.jit(lambda x: wave(x @ x))
    x, y = on_gpu(20, 20), on_gpu(20, 20)
    first = f(x)
    other = Stream(gpu, 77)
    with other:
        second = f(y)
        np.testing.assert_allclose(second.get(), wave(y.get() @ y.get()), rtol=1e-9)
    np.testing.assert_allclose(first.get(), wave(x.get() @ x.get()), rtol=1e-9)


def test_a_number_that_changes_waits_for_the_run_before(gpu: Gpu) -> None:
    f = wg.jit(lambda x, a: x * a)
    x = on_gpu(20)
    first = f(x, 2.0)
    with Stream(gpu, 78) as other:
        second = f(x, 3.0)
        other.flush()
    np.testing.assert_allclose(second.get(), x.get() * 3.0)
    np.testing.assert_allclose(first.get(), x.get() * 2.0)


def sorted_in_python(x: Any) -> Any:
    return wg.pure_callback(np.sort, wg.ShapeDtypeStruct(x.shape, x.dtype), x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.complex128])
def test_python_is_called_between_kernels(gpu: Gpu, dtype: Any) -> None:
    x = RNG.normal(size=40).astype(dtype)
    f = wg.jit(lambda x: sorted_in_python(x * 2) + 1)
    on_device = Array.of(x)
    for _ in range(4):
        np.testing.assert_allclose(f(on_device).get(), np.sort(x * 2) + 1)
    launches, replays = gpu.launches, gpu.replays
    np.testing.assert_allclose(f(on_device).get(), np.sort(x * 2) + 1)
    assert gpu.launches == launches and gpu.replays == replays + 2  # what is around it


def test_python_prints_in_order_and_raises(gpu: Gpu, capsys: pytest.CaptureFixture[str]) -> None:
    def steps(x: Any) -> Any:
        wg.debug.print("first {}", x.sum())
        y = sorted_in_python(x)
        wg.debug.print("then {}", y[0])
        return y

    f = wg.jit(steps)
    for _ in range(3):
        np.testing.assert_array_equal(f(Array.of(np.array([3.0, 1.0]))).get(), [1.0, 3.0])
    assert capsys.readouterr().out.split() == ["first", "4.0", "then", "1.0"] * 3

    def wrong(x: Any) -> Any:
        raise KeyError("mine")

    g = wg.jit(lambda x: wg.pure_callback(wrong, wg.ShapeDtypeStruct((2,), float), x) + 1)
    with pytest.raises(KeyError, match="mine"):
        g(Array.of(np.ones(2)))


def test_python_is_not_called_after_a_failed_check(gpu: Gpu) -> None:
    seen: list[Any] = []

    def look(x: Any) -> Any:
        seen.append(x)
        return x

    kind = wg.ShapeDtypeStruct((2,), float)
    f = wg.jit(lambda x, i: wg.pure_callback(look, kind, x[i] * 2))
    x = on_gpu(5)
    f(x, Array.of(np.array([1, 4])))
    with pytest.raises(OutOfBoundsError, match="7"):
        f(x, Array.of(np.array([1, 7])))
    assert len(seen) == 1


def test_donated_arrays_hold_the_results(gpu: Gpu) -> None:
    def step(params: Any, x: Any) -> Any:
        loss, slopes = wg.value_and_grad(lambda p: (np.tanh(x @ p["w"] + p["b"]) ** 2).sum())(
            params
        )
        return loss, {k: params[k] - 0.01 * slopes[k] for k in params}

    host = {"w": RNG.normal(size=(32, 16)), "b": RNG.normal(size=16)}
    x = on_gpu(64, 32)
    f = wg.jit(step, donate_argnums=0)
    params = {k: Array.of(v) for k, v in host.items()}
    given = dict(params)
    for _ in range(4):
        loss, params = f(params, x)
        expected, host = step(host, x.get())
        np.testing.assert_allclose(loss.get(), expected, rtol=1e-9)
    for k in host:
        assert params[k] is given[k]
        np.testing.assert_allclose(params[k].get(), host[k], rtol=1e-9)


@pytest.mark.parametrize("donated", [(), (0,)])
def test_results_that_are_arguments_constants_or_come_twice(gpu: Gpu, donated: Any) -> None:
    fixed = np.arange(4.0)

    def fun(x: Any, a: Any) -> Any:
        y = x * a
        return y, x, fixed, y, x, fixed, a

    f = wg.jit(fun, donate_argnums=donated)
    for _ in range(3):
        x = on_gpu(4)
        before = x.get()
        found = f(x, 3.0)
        for got, want in zip(found, fun(before, 3.0), strict=True):
            np.testing.assert_array_equal(got.get(), want)
        places = [r.data.ptr for r in found]
        assert len(set(places)) == len(places)  # nobody's results are changed by others


def test_arguments_are_changed_in_place(gpu: Gpu) -> None:
    def change(x: Any) -> Any:
        x[1:] += x[:-1].copy()
        return x.sum()

    x = on_gpu(50)
    expected = x.get()
    total = change(expected)
    np.testing.assert_allclose(wg.jit(change)(x).get(), total)
    np.testing.assert_allclose(x.get(), expected)


def test_turned_arrays_are_copied(gpu: Gpu) -> None:
    x = on_gpu(6, 4)
    np.testing.assert_allclose(wg.jit(wave)(x.T).get(), wave(x.get().T))


def test_checks_name_the_line_and_recordings_go_on(gpu: Gpu) -> None:
    f = wg.jit(lambda x, i: x[i] * 2)
    x, good = on_gpu(5), Array.of(np.array([1, 4]))
    for _ in range(4):
        np.testing.assert_allclose(f(x, good).get(), x.get()[[1, 4]] * 2)
    with pytest.raises(OutOfBoundsError, match=r"7.*test_cuda_gpu.py"):
        f(x, Array.of(np.array([1, 7])))
    np.testing.assert_allclose(f(x, good).get(), x.get()[[1, 4]] * 2)


def test_arrays_of_two_places_are_refused(gpu: Gpu) -> None:
    f = wg.jit(lambda x, y: x + y)
    with pytest.raises(InputTypeError, match="cupy.asarray"):
        f(on_gpu(3), np.ones(3))
    np.testing.assert_allclose(f(np.ones(3), np.ones(3)), 2.0)
    with gpu.use(1):
        elsewhere = on_gpu(3)
    with pytest.raises(InputTypeError, match="cuda:1"):
        f(on_gpu(3), elsewhere)


def test_numpy_arrays_go_to_the_device_on_request(gpu: Gpu) -> None:
    x = RNG.normal(size=(5, 6))
    found = wg.jit(wave, backend="cuda")(x)
    assert isinstance(found, Array)
    np.testing.assert_allclose(found.get(), wave(x))


def test_other_back_ends_refuse_cupy_arrays(gpu: Gpu) -> None:
    with pytest.raises(InputTypeError, match="backend='cpu'"):
        wg.jit(wave, backend="cpu")(on_gpu(2, 2))
    with pytest.raises(InputTypeError, match=r"wg\.jit"):
        wg.grad(lambda x: (x * x).sum())(on_gpu(2))


def test_too_little_memory_is_an_error_with_a_cure(gpu: Gpu) -> None:
    x = on_gpu(100, 1000)
    f = wg.jit(wave)
    f(x)
    gpu.memory = 100_000
    with pytest.raises(DeviceMemoryError, match=r"cuda:0 has not 800,000 bytes left.*donate"):
        f(x)
    np.testing.assert_allclose(f(x.get()), wave(x.get()))


def test_a_failed_launch_is_an_error_and_the_cpu_goes_on(gpu: Gpu) -> None:
    f = wg.jit(wave)
    x = on_gpu(4, 4)
    gpu.fails = "CUDA_ERROR_ILLEGAL_ADDRESS"
    with pytest.raises(LaunchError, match=r"cuda:0.*ILLEGAL_ADDRESS.*CPU back end still works"):
        f(x)
    np.testing.assert_allclose(f(x.get()), wave(x.get()))


@pytest.mark.parametrize(
    ("driver", "devices", "words"),
    [(0, 0, "no NVIDIA driver"), (12_080, 1, r"knows CUDA 12\.8"), (13_000, 0, "CUDA_VISIBLE")],
)
def test_what_is_missing_is_named(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, driver: int, devices: int, words: str
) -> None:
    fake = fake_cupy.module(Gpu(devices, driver))
    monkeypatch.setitem(sys.modules, "cupy", fake)
    forget_devices()
    with pytest.raises(DeviceUnavailableError, match=words):
        wg.jit(np.exp, backend="cuda")(np.ones(3))
    np.testing.assert_allclose(wg.jit(np.exp)(np.ones(3)), np.e)


def test_without_cupy_the_error_says_how_to_install_it(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    forget_devices()
    with pytest.raises(DeviceUnavailableError, match=r"pip install 'wengert\[cuda13\]'"):
        wg.jit(np.exp, backend="cuda")(np.ones(3))


def test_donated_numbers_beyond_the_parameters_are_refused() -> None:
    with pytest.raises(InputTypeError, match="donate_argnums has 3"):
        wg.jit(lambda x: x, donate_argnums=3)
