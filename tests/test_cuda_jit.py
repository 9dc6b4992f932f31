"""`backend="cuda"` from the user's side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.special
import test_corpus
from corpus.case import Case
from corpus_laws import Scalar, assert_gradient, assert_same_outcome, called, plain_gradient
from cuda_device import forget_devices, jit, use_device

import wengert as wg

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow  # each program takes g++ a third of a second

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_device(monkeypatch)
    yield
    monkeypatch.undo()
    forget_devices()


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("width", [5, 64, 96, 1024])
def test_softmax_and_its_gradient(width: int) -> None:
    x = RNG.normal(size=(6, width)).astype(np.float32)
    f = jit(softmax)
    np.testing.assert_allclose(f(x), softmax(x), rtol=1e-5)
    g = jit(wg.grad(lambda x: (softmax(x) ** 2).sum()))
    expected = wg.jit(wg.grad(lambda x: (softmax(x) ** 2).sum()))(x)
    np.testing.assert_allclose(g(x), expected, rtol=1e-4, atol=1e-7)


def test_special_functions_of_parameters() -> None:
    """Against SciPy: sizes over decades, where series and fractions meet, and at all edges."""
    rng = np.random.default_rng(5)
    a, b = 10 ** rng.uniform(-2, 4, (2, 3000))
    near = np.abs(a + np.sqrt(a) * rng.normal(size=3000))
    share = np.clip(a / (a + b) * (1 + 0.1 * rng.normal(size=3000)), 0, 1)
    ends = [0.0, 1.0, 0.5, 2.0, -1.0, np.inf, np.nan]
    p, q, x = (g.ravel() for g in np.meshgrid(ends, ends, ends))
    turns = rng.uniform(-5, 5, 3000), rng.uniform(0.1, 5, 3000), rng.uniform(-60, 60, 3000)
    for name, args, tolerance in (
        *(("gammainc", (a, x), 1e-10) for x in (near, a / 3, a * 3)),
        *(("gammaincc", (a, x), 1e-10) for x in (near, a / 3, a * 3)),
        ("betainc", (a, b, share), 1e-8),
        *((name, (p, x), 1e-12) for name in ("gammainc", "gammaincc")),
        ("betainc", (p, q, x), 1e-12),
        ("hyp1f1", turns, 1e-8),
        (
            "hyp1f1",
            (np.array([-2.0, -3, -2, 0, 1, 2]), np.array([-3.0, -2, 0, 1, -1, 2]), a[:6]),
            1e-12,
        ),
    ):
        fun = getattr(wg.special, name)
        found = jit(lambda *v, fun=fun: fun(*v))(*args)
        wanted = getattr(scipy.special, name)(*args)
        np.testing.assert_allclose(found, wanted, tolerance, 1e-250, err_msg=name)


def test_special_functions_of_other_libraries() -> None:
    """Against SciPy, in one program: over decades, and at all edges."""
    rng, special = np.random.default_rng(5), wg.special
    ends = np.array([0.0, 1.0, 0.5, 2.0, -1.0, np.inf, -np.inf, np.nan])
    x, y = (np.concatenate([10 ** rng.uniform(-7, 2.5, 600), ends]) for _ in range(2))
    a, b = (10 ** rng.uniform(-1, 2, x.size) for _ in range(2))
    q = np.concatenate([rng.uniform(0, 1, 600), ends])
    pairs = [g.ravel()[: x.size] for g in np.meshgrid(ends, np.append(ends, x[:67]))]

    def one(x: Any) -> Any:
        names = ("expi", "erfi", "spence", "y0", "y1", "k0e", "k1e", "ellipk", "ellipkm1", "ellipe")
        orders = {
            "expn": (1, 4),
            "kv": (0.5, 3),
            "kve": (20.3,),
            "iv": (2.5, -3),
            "ive": (-0.3, 40),
        }
        known = [getattr(special, n)(v, x) for n, values in orders.items() for v in values]
        return [*(getattr(special, n)(x) for n in names), *known]

    def several(a: Any, b: Any, q: Any, x: Any, y: Any, h: Any, k: Any) -> Any:
        inverses = (
            special.gammaincinv(a, q),
            special.gammainccinv(a, q),
            special.betaincinv(a, b, q),
        )
        return *inverses, special.owens_t(x, y - x), special.owens_t(h, k)

    for found, wanted in (
        (jit(one)(x), one(x)),
        (
            jit(lambda x: special.ellipe(x) + special.expi(x))(-x),
            special.ellipe(-x) + special.expi(-x),
        ),
        (jit(several)(a, b, q, x, y, *pairs), several(a, b, q, x, y, *pairs)),
    ):
        for k, (one_found, one_wanted) in enumerate(
            zip(wg.tree_leaves(found), wg.tree_leaves(wanted), strict=True)
        ):
            np.testing.assert_allclose(one_found, one_wanted, 1e-10, 1e-14, err_msg=str(k))


def test_special_functions_of_known_orders() -> None:
    """Bessel and hypergeometric functions where each of their expansions begins and ends."""
    rng, sp = np.random.default_rng(6), scipy.special
    x = np.concatenate([10 ** rng.uniform(-5, 3, 200), rng.uniform(1.8, 2.2, 20), [0.0, np.inf]])
    orders = (0, 1, 0.5, -2.3, -3, 7, 20.5, 60, 3 + 1e-7)
    z = np.concatenate([rng.uniform(-0.9, 1, 99), -x[:99], 1 - x[:50] * 1e-4, [0, -1.0]])
    sets = (
        (0.5, 1.2, 2.3),
        (1.5, 1.5, 2),
        (0.5, 1.5, 2),
        (0.5, 0.7, 3.2),
        (-3, 1.2, 0.7),
        (0.3, 0.3, 0.9),
    )
    limits = (1.3, 4.0, 20.0, -1.5)

    def bessel(x: Any) -> Any:
        return [f(v, x) for v in orders for f in (sp.jv, sp.yv)]

    def gauss(z: Any) -> Any:
        return [sp.hyp2f1(*p, z) for p in sets]

    def limit(z: Any) -> Any:
        return [sp.hyp0f1(b, z) for b in limits]

    # waves lose what their phase loses, relative to their size
    wave = 1e-12 * np.maximum(x, 10) / np.sqrt(np.maximum(x, 1)) * (x < np.inf)
    for f, points, absolute in ((bessel, x, wave), (gauss, z, 0.0), (limit, z, 1e-12)):
        for found, wanted in zip(jit(f)(points), f(points), strict=True):
            same = (found == wanted) | np.isnan(found) & np.isnan(wanted)
            huge = np.abs(wanted) > 1e300
            close = np.abs(found - wanted) <= 1e-10 * np.abs(wanted) + absolute
            assert np.all(same | huge | close), points[~(same | huge | close)]


def test_rows_of_bfloat16() -> None:
    """Read and written as such; sums and the product are those of float32, rounded at their end."""
    x = RNG.normal(size=(6, 1024)).astype(wg.bfloat16)
    w = RNG.normal(size=(1024, 40)).astype(wg.bfloat16)

    def loss(x: Any, w: Any) -> Any:
        return (softmax(softmax(x) @ w) ** 2).sum()

    for f in (softmax, lambda x: (x.T, x.sum(0), np.cumsum(x, axis=1))):
        assert_equal_in_bfloat16(jit(f)(x), wg.jit(f)(x))
    gradient = wg.grad(loss, (0, 1))
    assert_equal_in_bfloat16(jit(gradient)(x, w), wg.jit(gradient)(x, w))


def assert_equal_in_bfloat16(found: Any, expected: Any) -> None:
    """Float32 results that differ by their own rounding may be rounded to neighbours."""
    for a, b in zip(wg.tree_leaves(found), wg.tree_leaves(expected), strict=True):
        assert a.dtype == b.dtype == wg.bfloat16
        wide = b.astype(np.float32)
        size = np.abs(wide).max()
        np.testing.assert_allclose(a.astype(np.float32), wide, 2.0**-7, 2.0**-7 * size)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(70, 300), (1, 40_000), (3000, 7)])
def test_sums_are_cut_into_chunks(axis: int | None, shape: tuple[int, int]) -> None:
    x = RNG.normal(size=shape)
    f = jit(lambda x: (x.sum(axis), (x * x).max(axis)))
    for found, expected in zip(f(x), (x.sum(axis), (x * x).max(axis)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("shape", [(64, 96), (33, 70), (40, 5, 50)])
def test_transposed_reads_go_through_tiles(shape: tuple[int, ...]) -> None:
    x, order = RNG.normal(size=shape).astype(np.float32), (*range(1, len(shape)), 0)
    f = jit(lambda x: np.transpose(x, order) * 2)
    np.testing.assert_array_equal(f(x), np.transpose(x, order) * 2)
    assert "block for" in f.lower(x).kernels


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gain + shift


def test_sums_over_rows_are_made_in_chunks() -> None:
    x, gain, shift = RNG.normal(size=(300, 64)), RNG.normal(size=64), RNG.normal(size=64)
    f = wg.grad(lambda *args: (layer_norm(*args) ** 2).sum(), (0, 1, 2))
    compiled = jit(f)
    for found, expected in zip(compiled(x, gain, shift), wg.jit(f)(x, gain, shift), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    assert "block for i1 in 0 : 75" in compiled.lower(x, gain, shift).kernels


def test_results_have_the_same_bits_in_each_call() -> None:
    x = RNG.normal(size=100_000).astype(np.float32)
    f = jit(lambda x: x.sum())
    assert len({f(x).tobytes() for _ in range(3)}) == 1


def test_products_and_training_steps() -> None:
    w, x = RNG.normal(size=(32, 48)), RNG.normal(size=(64, 32))
    f = wg.value_and_grad(lambda w, x: (np.tanh(x @ w) ** 2).mean())
    value, slope = jit(f)(w, x)
    expected = wg.jit(f)(w, x)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float16, wg.bfloat16])
def test_layers_of_halves_are_products_with_epilogues(dtype: Any) -> None:
    x, w, b = (RNG.normal(size=s).astype(dtype) for s in ((32, 48), (48, 40), (40,)))
    f = jit(lambda x, w, b: np.maximum(x @ w + b, 0))
    wide = [a.astype(np.float32) for a in (x, w, b)]
    expected = np.maximum(wide[0] @ wide[1] + wide[2], 0)
    found = f(x, w, b)
    assert found.dtype == dtype
    rounding = 2.0**-8 if dtype == wg.bfloat16 else 2.0**-11
    np.testing.assert_allclose(found.astype(np.float32), expected, rounding, 16 * rounding)
    assert f.lower(x, w, b).kernels.count("kernel ") == 1


def test_batched_products() -> None:
    x, y = RNG.normal(size=(5, 24, 32)), RNG.normal(size=(5, 32, 20))
    np.testing.assert_allclose(jit(np.matmul)(x, y), x @ y, rtol=1e-12)


def relax(grid: Any, sweeps: Any) -> Any:
    for _ in range(sweeps):
        new = grid.copy()
        new[1:-1] = 0.5 * (grid[:-2] + grid[2:])
        grid = new
    return grid


@pytest.mark.parametrize("size", [40, 20_000])
def test_loops_stay_on_the_device(size: int) -> None:
    """A small one is one block's work, a large one that of the whole grid."""
    x = RNG.normal(size=size)
    f = jit(relax, static_argnums=1)
    np.testing.assert_allclose(f(x, 20), relax(x, 20), rtol=1e-12)
    assert f.lower(x, 20).source.count("WG_KERNEL(") <= 6


def test_a_batch_of_loops() -> None:
    def walk(x: Any) -> Any:
        for k in range(30):
            x = x + 0.1 * np.sin(x) * k
        return x

    x = RNG.normal(size=50)
    f = wg.vmap(wg.grad(walk))
    np.testing.assert_allclose(jit(f)(x), wg.jit(f)(x), rtol=1e-10)


def test_an_index_out_of_range_names_its_line_and_the_next_call_works() -> None:
    f = jit(lambda x, i: x[i] * 2)
    x = np.arange(5.0)
    with pytest.raises(IndexError, match=r"7.*test_cuda_jit.py"):
        f(x, np.array([1, 7]))
    np.testing.assert_array_equal(f(x, np.array([1, 4])), [2.0, 8.0])


def test_numbers_are_arguments_and_inputs_are_results() -> None:
    f = jit(lambda x, a: (x, x * a, x))
    x = np.arange(3.0)
    for a in (2.0, 3.0, 4.0):
        same, scaled, again = f(x, a)
        np.testing.assert_array_equal(scaled, x * a)
        np.testing.assert_array_equal(same, x)
        assert not np.shares_memory(same, x)
        assert not np.shares_memory(same, again)


def test_recorded_calls_keep_to_their_own_arguments() -> None:
    f = jit(lambda x: np.tanh(x @ x) + x)
    x, y = RNG.normal(size=(2, 4, 4))
    for argument in (x, x, x, y, x, y, x, y, y):
        np.testing.assert_allclose(f(argument), np.tanh(argument @ argument) + argument)


def test_arrays_in_another_byte_order_are_copied() -> None:
    x = np.arange(5.0)
    f = jit(lambda x: x * 2)
    np.testing.assert_array_equal(f(x.astype(">f8")), f(x))


def test_arguments_are_changed_in_place() -> None:
    def change(x: Any) -> Any:
        x[1:] += x[:-1].copy()
        return x.sum()

    x, y = np.arange(6.0), np.arange(6.0)
    assert jit(change)(x) == change(y)
    np.testing.assert_array_equal(x, y)


def test_the_source_is_cuda() -> None:
    source = jit(np.exp).lower(np.ones(3)).source
    assert "WG_KERNEL(wg_kernel0, 256)" in source
    assert "exp(" in source


@pytest.mark.parametrize("case", test_corpus.CASES, ids=lambda c: c.name)
def test_plain_functions(case: Case) -> None:
    compiled = jit(case.fn)
    arguments = case.draw(0)
    tolerance = max(case.value_rtol, 1e-11)
    assert_same_outcome(called(compiled, arguments), called(case.fn, arguments), tolerance)
    if case.diff:
        scalar = Scalar.of(case, 0)
        gradient = jit(wg.grad(scalar.function()))
        found = wg.tree_leaves(gradient(scalar.point, scalar.rest))
        assert_gradient(found, plain_gradient(scalar), case.rtol)
