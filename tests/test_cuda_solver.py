"""Libraries of CUDA programs through the driver: cuSOLVER, cuBLAS and cuFFT as a stand-in has them.

Each routine of LAPACK and each transform gives what its op means, so that only the driver's part is
in question: layouts, batches, workspaces, and the kernels that make rows of results.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import fake_solver
import numpy as np
import pytest
from cuda_device import forget_devices, use_stand_in
from fake_cupy import Array, Gpu
from op_cases import samples_of

import wengert as wg
from wengert.backends.cuda.device import LibrarySpec
from wengert.backends.cuda.gpu import current_device
from wengert.backends.cuda.host.routines import results
from wengert.errors import SingularMatrixError
from wengert.ir.forms import Transform
from wengert.ir.op import REGISTRY

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


def run(spec: LibrarySpec, given: list[Any]) -> Any:
    """What the device's library gives."""
    device = current_device()
    call = device.prepare_library(spec)
    sources = [Array.of(x) for x in given]
    out = Array.of(np.full((spec.batch, spec.count), 77, spec.result))
    room = device.allocate(max(1, call.workspace))
    device.run_library(call, [*(x.data.ptr for x in sources), out.data.ptr], room.address)
    found = out.get()
    for source, x in zip(sources, given, strict=True):
        np.testing.assert_array_equal(source.get(), x)  # operands stay as they are
    return found


def lapack(routine: str, *given: Any) -> tuple[Any, Any]:
    """The library's results, and those of the op; complex operands as pairs of floats."""
    if given[0].dtype.kind == "c":
        routine, given = "z" + routine, tuple(x.view(x.real.dtype) for x in given)
    stacks = [x.reshape(-1, *x.shape[-2:]) for x in given]
    shapes = tuple(x.shape[1:] for x in stacks)
    dtype = stacks[0].dtype
    count = REGISTRY["lapack"].evaluate(*stacks, routine=routine).shape[-1]
    spec = LibrarySpec("lapack", routine, dtype, shapes, dtype, count, len(stacks[0]))
    return run(spec, stacks), results(spec, stacks)


def matrices(batch: int, n: int, m: int, dtype: Any) -> Any:
    x = RNG.normal(size=(batch, n, m)) + 1j * RNG.normal(size=(batch, n, m))
    return (x if np.dtype(dtype).kind == "c" else x.real).astype(dtype)


BOTH = [np.float64, np.complex128]
# One matrix, a batch of small ones, and one of matrices that go one after the other.
SIZES = [(1, 5), (3, 7), (2, 140)]


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize(("batch", "n"), SIZES)
def test_factors_of_square_matrices(gpu: Gpu, batch: int, n: int, dtype: Any) -> None:
    a = matrices(batch, n, n, dtype)
    square = a @ np.swapaxes(a, 1, 2).conj() + np.eye(n)
    for routine, x in (("potrf", square), ("getrf", a), ("syevd", square)):
        found, expected = lapack(routine, x)
        if routine == "potrf":  # the upper triangle may be anything
            keep = np.tril(np.ones((n, n))).repeat(2 if a.dtype.kind == "c" else 1, axis=-1)
            flags = np.append(keep.reshape(-1), 1)
            found, expected = found * flags, expected * flags
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize(("n", "m"), [(3, 5), (6, 4), (40, 36)])
def test_factors_of_other_matrices(gpu: Gpu, n: int, m: int, dtype: Any) -> None:
    for batch in (1, 3):
        for routine in ("geqrf", "gesdd"):
            found, expected = lapack(routine, matrices(batch, n, m, dtype))
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize(
    ("routine", "size", "alone"),
    [("geqrf", (34, 33), 0), ("geqrf", (131, 130), 3), ("syevd", (33, 33), 0)],
)
def test_batches_are_factorised_together(
    gpu: Gpu,
    monkeypatch: pytest.MonkeyPatch,
    routine: str,
    size: tuple[int, int],
    alone: int,
    dtype: Any,
) -> None:
    """By one call for all matrices; those that fill a device go one after the other."""
    calls: list[str] = []
    for name in ("_geqrf", "_syevd"):
        old = getattr(fake_solver.Solver, name)
        spy = lambda *args, old=old, name=name: calls.append(name) or old(*args)  # noqa: E731
        monkeypatch.setattr(fake_solver.Solver, name, spy)
    x = matrices(3, *size, dtype)
    found, expected = lapack(routine, x + np.swapaxes(x, 1, 2).conj() if routine == "syevd" else x)
    assert len(calls) == alone
    if routine == "syevd":  # vectors may have any sign: what matters is that they are such
        found, expected = found[:, -34:], expected[:, -34:]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [*BOTH, np.float32])
def test_general_eigenvalues(gpu: Gpu, dtype: Any) -> None:
    for batch in (1, 3):
        found, expected = lapack("geev", matrices(batch, 5, 5, dtype))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("flags", ["LNN", "LTN", "UNU", "UTN"])
def test_triangular_systems(gpu: Gpu, flags: str) -> None:
    for dtype in BOTH:
        for batch, n in SIZES:
            a = matrices(batch, n, n, dtype) / n + 2 * np.eye(n)
            found, expected = lapack(f"trsm_{flags}", a.astype(dtype), matrices(batch, n, 3, dtype))
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_statuses_tell_of_failures(gpu: Gpu) -> None:
    bad = np.stack([np.eye(4), -np.eye(4), np.eye(4)])
    found, _ = lapack("potrf", bad)
    np.testing.assert_array_equal(found[:, -1] != 0, [False, True, False])
    found, expected = lapack("getrf", np.zeros((2, 4, 4)))
    np.testing.assert_array_equal(found[:, -1], expected[:, -1])
    assert found[0, -1] > 0


def test_transforms(gpu: Gpu) -> None:
    for name, sample in samples_of(REGISTRY["pocketfft"]):
        (x,), routine = sample.args, sample.params["routine"]
        made = Transform.named(routine)
        rows = x.reshape(-1, x.shape[-1])
        if made.inner == 1:  # one call for all rows, else one for each
            shape, batch, count = rows.shape, 1, len(rows) * made.row_after
        else:
            shape = (made.before, made.inner * made.pair_before)
            batch, count = len(rows), made.row_after
        spec = LibrarySpec("pocketfft", routine, x.dtype, (shape,), x.dtype, count, batch)
        found = run(spec, [rows])
        expected = results(spec, [rows]).reshape(found.shape)
        tolerance = 1e-4 if x.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found, expected, tolerance, tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint8])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("routine", ["values", "order"])
def test_sorted_rows(gpu: Gpu, routine: str, rows: int, dtype: Any) -> None:
    x = (RNG.normal(size=(rows, 90)) * 5).round().astype(dtype)
    if np.dtype(dtype).kind == "f":
        x[:, 3::20], x[:, 4::20], x[:, 5::20] = np.nan, -np.nan, -0.0
        x[:, 6::20], x[:, 7::20] = np.inf, -np.inf
    result = np.dtype(dtype if routine == "values" else np.int64)
    spec = LibrarySpec("sort", routine, x.dtype, ((1, 90),), result, 90, rows)
    found = run(spec, [x])
    expected = np.sort(x) if routine == "values" else np.argsort(x, kind="stable")
    if routine == "order" and np.dtype(dtype).kind == "f" and rows == 1:
        found, expected = np.take(x, found), np.take(x, expected)  # zeros of both signs are equal
    np.testing.assert_array_equal(found, expected)


def test_short_rows_are_sorted_in_kernels(gpu: Gpu) -> None:
    x = RNG.normal(size=(40, 7))
    f = wg.jit(lambda x: np.sort(x, axis=1))
    np.testing.assert_array_equal(f(Array.of(x)).get(), np.sort(x))
    assert "sort" not in f.lower(x).kernels
    long = wg.jit(lambda x: np.sort(x, axis=0) * 2)
    np.testing.assert_array_equal(long(Array.of(x)).get(), np.sort(x, axis=0) * 2)


def test_programs_replay_what_is_around_a_routine(gpu: Gpu) -> None:
    """cuSOLVER's calls are made again in each call, kernels and transforms are in graphs."""

    def f(a: Any, b: Any) -> Any:
        x = np.linalg.solve(np.sin(a) + 5 * np.eye(8), b)
        return np.fft.irfft(np.fft.rfft(np.cos(x), axis=0) * 2, 8, axis=0)

    a, b = (RNG.normal(size=s) for s in ((8, 8), (8, 3)))
    compiled = wg.jit(f)
    on_device = [Array.of(x) for x in (a, b)]
    for _ in range(5):
        np.testing.assert_allclose(compiled(*on_device).get(), f(a, b), rtol=1e-9)
    before = gpu.replays, gpu.launches
    other = Array.of(a + 1)
    np.testing.assert_allclose(compiled(*on_device).get(), f(a, b), rtol=1e-9)
    assert gpu.replays > before[0]
    np.testing.assert_allclose(compiled(other, on_device[1]).get(), f(a + 1, b), rtol=1e-9)
    np.testing.assert_allclose(compiled(*on_device).get(), f(a, b), rtol=1e-9)


def test_a_singular_matrix_names_its_line_and_the_next_call_works(gpu: Gpu) -> None:
    f = wg.jit(lambda a, b: np.linalg.solve(a, b))
    a, b = RNG.normal(size=(8, 8)), RNG.normal(size=(8, 3))
    on_device = Array.of(b)
    with pytest.raises(SingularMatrixError, match="test_cuda_solver.py"):
        f(Array.of(a * 0), on_device)
    np.testing.assert_allclose(f(Array.of(a), on_device).get(), np.linalg.solve(a, b), rtol=1e-9)
