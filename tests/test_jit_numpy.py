"""NumPy's functions through `wg.jit` on the CPU back end, against NumPy itself.

Each test compiles a few programs of many functions, over the tables of the tracer's own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import test_numpy_derivatives as derivatives
import test_numpy_functions as functions
import test_numpy_indexing as indexing
import test_numpy_products as products
import test_numpy_ufuncs as ufuncs
from numpy_oracle import expected, same, traced

import wengert as wg

pytestmark = pytest.mark.slow  # compiles large programs

Case = tuple[str, Callable[..., Any], Sequence[Any]]
AT_ONCE = 60


def agree_at_once(cases: Iterable[Case], tolerance: float = 50) -> None:
    """Compiles the cases on which NumPy succeeds, many in one program, and compares them."""
    good = [c for c in map(_as_arrays, cases) if not isinstance(expected(c[1], *c[2]), Exception)]
    assert good
    for start in range(0, len(good), AT_ONCE):
        part = good[start : start + AT_ONCE]

        def program(*args: Any, part: Sequence[Case] = part) -> dict[int, Any]:
            rest = iter(args)
            return {n: f(*[next(rest) for _ in given]) for n, (_, f, given) in enumerate(part)}

        found = wg.jit(program)(*[x for _, _, args in part for x in args])
        for n, (label, f, args) in enumerate(part):
            same(found[n], expected(f, *args), tolerance, label)


def _as_arrays(case: Case) -> Case:
    label, f, args = case
    return label, f, [x if type(x) is float else np.asarray(x) for x in args]


@pytest.mark.parametrize("group", functions.TABLE)
def test_functions(group: str) -> None:
    cases = enumerate(functions.TABLE[group])
    agree_at_once((f"{group} {n}", f, args) for n, (f, args) in cases)


@pytest.mark.parametrize("group", functions.METHODS)
def test_methods(group: str) -> None:
    agree_at_once(
        (f"{group} {n} of {np.asarray(x).dtype}{np.shape(x)}", f, (x,))
        for n, f in enumerate(functions.METHODS[group])
        for x in functions.ARRAYS
    )


@pytest.mark.parametrize("names", np.array_split(sorted(functions.REDUCTIONS), 5), ids="-".join)
def test_reductions(names: Sequence[str]) -> None:
    def cases() -> Iterator[Case]:
        for name in names:
            f, options = functions.REDUCTIONS[str(name)]
            for x in (*functions.ARRAYS, functions.NAN):
                if str(name).startswith("nan") and np.ndim(x) == 0:
                    continue  # NumPy allows axis=0 of a 0-d array here
                for given in options:
                    yield f"{name} {given}", lambda v, f=f, o=given: f(v, **o), (x,)

    agree_at_once(cases())


def test_unary_ufuncs() -> None:
    agree_at_once(
        ((f"{u.__name__} {d}", lambda v, u=u: u(v), (ufuncs.numbers(d),))
         for u in ufuncs.UNARY for d in ufuncs.DTYPES),
        tolerance=1,
    )  # fmt: skip


PAIRS = ["f8 f8", "f4 f4", "f2 f2", "i8 i8", "i4 i4", "i8 u8", "u1 u1", "? ?", "i1 f4", "? f8"]


@pytest.mark.parametrize("pair", PAIRS)
def test_binary_ufuncs(pair: str) -> None:
    x, y = map(np.dtype, pair.split())
    agree_at_once(
        ((u.__name__, lambda v, w, u=u: u(v, w), ufuncs.operands(u, x, y)) for u in ufuncs.BINARY),
        tolerance=40,
    )


def test_special_functions() -> None:
    points = np.linspace(0.2, 3, 7)

    def cases() -> Iterator[Case]:
        for name in ufuncs.UFUNC_NAMES:
            f = getattr(ufuncs.scipy.special, name)
            if f.nin == 1:
                for dtype in ("f8", "f4"):
                    yield name, lambda v, f=f: f(v), (ufuncs.POINTS.astype(dtype),)
            else:
                yield name, lambda v, w, f=f: f(v, w), (points, points[::-1].copy())

    agree_at_once(cases())


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_products(dtype: str) -> None:
    shapes = products.SHAPES
    agree_at_once(
        (f"{name} {x} {y}", f, (products.drawn(x, dtype), products.drawn(y, dtype)))
        for name, f in products.PAIRS.items()
        for x in shapes
        for y in shapes[:: 1 if dtype == "f8" else 3]
    )


def test_einsum_and_indexing() -> None:
    agree_at_once(
        (text, lambda *a, t=text: np.einsum(t, *a), [products.drawn(s, "f8") for s in shapes])
        for text, shapes in products.EINSUMS
    )
    agree_at_once((repr(i), lambda x, i=i: x[i], (indexing.X,)) for i in indexing.INDICES)


def test_smooth_functions() -> None:
    agree_at_once((name, f, (derivatives.X,)) for name, f in derivatives.SMOOTH.items())


# the memory that arguments come in


def layouts(x: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The same array in every kind of memory."""
    back = tuple(slice(None, None, -1) for _ in x.shape)
    yield "contiguous", x
    yield "column-major", np.asfortranarray(x)
    yield "negative strides", x[back].copy()[back]
    wide = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    view = wide[(..., *[slice(1, None, 2)] * x.ndim)]
    view[...] = x
    yield "strided", view
    fixed = x.copy()
    fixed.flags.writeable = False
    yield "read-only", fixed
    moved = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    yield "unaligned", moved
    yield "byteswapped", x.astype(x.dtype.newbyteorder("S"))
    record = np.zeros(x.shape, [("a", "u1"), ("x", x.dtype)])
    record["x"] = x
    yield "a field of records", record["x"]
    yield "broadcast", np.broadcast_to(x[:1], x.shape) if x.ndim else x


def many(x: Any, y: Any) -> list[Any]:
    f = x.astype(float)
    some = [x + y, x * y, np.sum(x), np.cumsum(y), np.flip(x), np.transpose(y), np.exp(f / 9)]
    if x.ndim:
        some += [np.sum(y, axis=0), x[::-1] + y]
    if x.ndim == 2:
        some += [f @ f.T, f.T @ f, f @ np.ones(f.shape[1]), x[::-1, 1:], y.T + x.T]
    return some


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u1", "?"])
def test_layouts(dtype: str) -> None:
    generator = np.random.default_rng(0)
    for shape in [(), (1,), (0,), (31,), (13, 17), (65, 33), (3, 0), (2, 3, 5)]:
        drawn = generator.integers(0, 2 if dtype == "?" else 5, shape)
        x = np.asarray(drawn, dtype)
        compiled = wg.jit(many)
        for name, given in layouts(x):
            before = given.tobytes()
            for y in (x, given):
                wanted = many(np.array(given, dtype), np.array(y, dtype))
                same(compiled(given, y), wanted, 50, f"{name} {shape}")
            assert given.tobytes() == before


# programs of a size that users write by accident


def test_large_programs_compile() -> None:
    def chain(x: Any) -> Any:
        for _ in range(160):
            x = np.sin(x) * 1.01 + x[::-1] * 1e-3
        return x

    def choices(x: Any) -> Any:
        for _ in range(500):
            x = np.where(x > 0, x * 0.99, x - 1) + 0.5
        return x

    x = np.linspace(0, 3, 5)
    agree_at_once([("chain", chain, (x,)), ("choices", choices, (x,))], tolerance=1e4)
    assert len(traced(choices, [x]).program.eqns) >= 2000
    assert wg.jit(choices).lower(x).kernels.count("kernel ") > 1


def test_long_chains_are_cut() -> None:
    """The loops of a long chain and of its gradient have bounded bodies; no work is lost."""

    def chain(x: Any) -> Any:
        for factor in [1.01] * 300:  # a list, whose loop stays Python
            x = np.sin(x) * factor
        return np.sum(x)

    x = np.linspace(0, 3, 5)
    for f in (chain, wg.grad(chain)):
        kernels = wg.jit(f).lower(x).kernels.split("kernel ")[1:]
        assert len(kernels) >= 4
        assert max(k.count("sin(") + k.count("cos(") for k in kernels) <= 200
    reference = wg.jit(wg.grad(chain), backend="reference")(x)
    np.testing.assert_allclose(wg.jit(wg.grad(chain))(x), reference, rtol=1e-9)


@pytest.mark.parametrize("shape", [(3, 4), (7, 5), (40, 33), (300, 200)], ids=str)
def test_temporaries_in_one_place(shape: tuple[int, int]) -> None:
    """Values that die in the kernel that makes the next ones, which may not overwrite them yet."""
    x = np.random.default_rng(3).standard_normal(shape)
    agree_at_once([
        ("var", lambda x: x.var(axis=0, ddof=1), (x,)),
        ("moments", lambda x: ((x - x.mean(0)) ** 3).mean(0) / x.std(0) ** 3, (x,)),
        ("softmax", lambda x: np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0), (x,)),
        ("in turn", lambda x: ((x - x.sum(0)) / x.sum(0)).sum(0) * x.std(0), (x,)),
        ("products", lambda x: ((x @ (x.T @ x)) * 1e-3).sum(0) @ x.T, (x,)),
    ])  # fmt: skip


def test_sums_of_half_precision() -> None:
    """They do not stop at 2048, where one more is less than half a unit in the last place."""
    x = np.ones((5000, 2), np.float16)
    agree_at_once([
        ("sum", np.sum, (x,)),
        ("last axis", lambda x: np.sum(x, -1), (np.ascontiguousarray(x.T),)),
        ("dot", lambda x: x @ x, (x[:, 0],)),
        ("matmul", lambda x: x.T @ x, (x,)),
        ("norm", np.linalg.norm, (x,)),
    ])  # fmt: skip
    bias = wg.jit(wg.grad(lambda b, x: np.sum((x + b).astype(np.float32))))(np.float16(1), x[:, 0])
    assert bias == 5000


@pytest.mark.parametrize(
    "f", [np.sum, np.mean, lambda x: x @ x, lambda x: np.sum(x.reshape(1001, -1), axis=0)[0]]
)
def test_long_sums_are_accurate(f: Callable[[Any], Any]) -> None:
    """Within NumPy's error for its pairwise sums, and the same bits each time."""
    x = np.random.default_rng(0).random(1001 * 999).astype(np.float32)
    compiled = wg.jit(f)
    exact = f(x.astype(float))
    assert abs(float(compiled(x)) - exact) <= 4e-6 * exact
    assert compiled(x).tobytes() == compiled(x).tobytes()


def test_scalar_results_share_their_work() -> None:
    def price(s: Any, k: Any, v: Any) -> Any:
        d = np.log(s / k) / v + v / 2
        return s * np.tanh(d) - k * np.exp(-d)

    given = (100.0, 90.0, 0.2)
    stages = wg.jit(wg.value_and_grad(price, (0, 1, 2))).lower(*given)
    assert stages.kernels.count("kernel ") == 1
    value, slopes = wg.jit(wg.value_and_grad(price, (0, 1, 2)))(*given)
    assert value == pytest.approx(price(*given), rel=1e-14)
    np.testing.assert_allclose(slopes, wg.grad(price, (0, 1, 2))(*given), rtol=1e-12)
