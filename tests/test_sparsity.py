"""Patterns of Jacobians from programs alone, colourings, and the matrices that come of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import OPS, floats, named, program_of, run, samples_of
from scipy import sparse
from strategies import random_program

import wengert as wg
from wengert.api.colouring import column_colours, count, star_colours
from wengert.errors import DifferentiationError, InputTypeError
from wengert.ir.op import Op
from wengert.ir.program import Program, equations
from wengert.ir.sparsity.analysis import analysed
from wengert.ir.sparsity.dense import dense_jacobian
from wengert.ir.sparsity.pattern import from_rows
from wengert.ir.sparsity.runs import SLICES, runs_of
from wengert.ir.sparsity.selections import take_apart
from wengert.ir.sparsity.walk import effort, jacobian_pattern, sampled_density
from wengert.ir.transforms.jacobian import jacobian
from wengert.ir.types import FLOAT64

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
RNG = np.random.default_rng(0)


def dense(program: Program, args: Any, active: list[bool]) -> np.ndarray:
    """The Jacobian of all outputs in all active inputs, as one matrix."""
    count_of = len(program.outputs)
    blocks = run(jacobian(program, active, count_of, True), args)[count_of:]
    ins = sum(active)
    rows = [
        np.concatenate([b.reshape(t.size, -1) for b in blocks[k * ins : (k + 1) * ins]], axis=1)
        for k, t in enumerate(program.out_types)
    ]
    return np.concatenate(rows)


def moving(op: Op) -> list[tuple[str, Any]]:
    if op.name == "pure_call":  # refuses to be differentiated
        return []
    return [
        (name, s)
        for name, s in samples_of(op)
        if floats(s.args)
        and all(s.args[i].dtype == FLOAT64 and s.args[i].size for i in floats(s.args))
        and all(t.dtype == FLOAT64 and t.size for t in program_of(op, s.args, s.params).out_types)
    ]


@pytest.mark.parametrize("op", [o for o in OPS if moving(o)], ids=lambda op: op.name)
def test_patterns_cover_the_jacobian_of_every_op(op: Op) -> None:
    for name, sample in moving(op)[:6]:
        with named(name):
            program = program_of(op, sample.args, sample.params)
            active = [i in floats(sample.args) for i in range(len(sample.args))]
            found = jacobian_pattern(program, active).toarray()
            assert found.shape[0] == sum(t.size for t in program.out_types)
            assert not (dense(program, sample.args, active)[~found] != 0).any()


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_coloured_jacobians_of_random_programs(seed: int, mode: str) -> None:
    program, args = random_program(seed, 15, smooth=True)
    active = [t.dtype == FLOAT64 for t in program.in_types]
    outputs = tuple(a for a in program.outputs if a.type.dtype == FLOAT64)
    program = Program(program.inputs, program.eqns, outputs)
    if not any(active) or not outputs:
        return
    found = analysed(program, active)
    pattern = found.pattern if mode == "forward" else found.picked.T.tocsr()
    if not found.pattern.nnz:
        return
    made = dense_jacobian(program, active, len(outputs), found, mode, column_colours(pattern))
    plain = jacobian(program, active, len(outputs), True)
    for x, y in zip(run(made, args), run(plain, args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


# functions


def tridiagonal(x: Any) -> Any:
    r = 2 * x - x * x * 0.5 + np.sin(x)
    r[1:] -= x[:-1]
    r[:-1] -= np.exp(0.1 * x[1:])
    return r


def laplace(x: Any) -> Any:
    u = np.pad(x.reshape(5, 6), 1)
    neighbours = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    return np.ravel(4 * u[1:-1, 1:-1] ** 2 - neighbours)


def periodic(x: Any) -> Any:
    return x * np.roll(x, 1) - np.roll(x, -1)


def same_twice(x: Any) -> Any:
    i, j = np.array([0, 1, 2, 2, 5]), np.array([1, 1, 3, 2, 0])
    return x[i] * x[j] ** 2


def blocks(x: Any) -> Any:
    y = x.reshape(6, 5)
    return np.sin(y) * np.sum(y, axis=1, keepdims=True)


def constant_matrix(x: Any) -> Any:
    return np.tanh(np.diag(np.arange(30.0), 0) @ x + np.eye(30, k=2) @ x)


def in_a_loop(x: Any) -> Any:
    y = np.zeros(30)
    for i in range(1, 29):
        y[i] = x[i - 1] * x[i] if i % 2 else x[i + 1] ** 2
    return y


def masked(x: Any) -> Any:
    return np.where(np.arange(30) < 10, x, np.sum(x))


def cumulative(x: Any) -> Any:
    return np.cumsum(x**2)


def branches(x: Any) -> Any:
    return np.where(x > 0, x**2, x[::-1])


def independent(x: Any) -> Any:
    return np.floor(x) + np.arange(30.0)


FUNCTIONS: list[Callable[[Any], Any]] = [
    *(tridiagonal, laplace, periodic, same_twice, blocks, constant_matrix, in_a_loop, masked),
    *(cumulative, branches, independent),
]


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("fun", FUNCTIONS, ids=lambda f: f.__name__)
def test_sparse_jacobians(fun: Callable[[Any], Any], mode: str) -> None:
    x = RNG.standard_normal(30)
    expected = wg.jacrev(fun)(x).reshape(-1, 30)
    found = wg.sparse_jacobian(fun, mode=mode)(x)
    assert isinstance(found, sparse.csr_array) and found.has_canonical_format
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-13, atol=1e-13)


ENTRIES = {
    "tridiagonal": 88,
    "periodic": 90,
    "constant_matrix": 29 + 28,
    "in_a_loop": 14 * 2 + 14,
    "masked": 10 + 20 * 30,
    "cumulative": 30 * 31 // 2,
    "same_twice": 2 * 3 + 2,
    "independent": 0,
}


@pytest.mark.parametrize("name", ENTRIES)
def test_patterns_have_no_more_entries_than_there_are(name: str) -> None:
    fun = next(f for f in FUNCTIONS if f.__name__ == name)
    assert wg.sparse_jacobian(fun).prepare(np.ones(30)).pattern.nnz == ENTRIES[name]


def test_few_colours() -> None:
    x = np.ones(30)
    assert wg.sparse_jacobian(tridiagonal, mode="forward").prepare(x).count == 3
    picked = wg.sparse_jacobian(tridiagonal).prepare(x)
    assert (picked.mode, picked.count) == ("reverse", 1)
    assert wg.sparse_jacobian(blocks).prepare(x).count == 5


def chain(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def arrow(x: Any) -> Any:
    return np.sum(np.sin(x) * x[0]) + np.prod(x[3:5])


def pairs(x: Any) -> Any:
    i = np.array([0, 3, 7, 3, 19])
    return np.sum(np.exp(x[i] * x[i[::-1]]))


@pytest.mark.slow
@pytest.mark.parametrize("fun", [chain, arrow, pairs], ids=lambda f: f.__name__)
def test_sparse_hessians(fun: Callable[[Any], Any]) -> None:
    x = RNG.standard_normal(20)
    found = wg.sparse_hessian(fun)(x)
    np.testing.assert_allclose(found.toarray(), wg.hessian(fun)(x), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_an_arrow_needs_two_colours() -> None:
    assert wg.sparse_hessian(arrow).prepare(np.ones(40)).count <= 3


def test_several_arguments_and_results() -> None:
    def f(p: Any, scale: Any, *, power: int) -> Any:
        return {"a": p["w"] ** power * scale, "b": (p["v"][1:] - p["v"][:-1], np.sum(p["w"]))}

    p = {"w": RNG.standard_normal((2, 3)), "v": RNG.standard_normal(4)}
    found = wg.sparse_jacobian(f, argnums=(1, 0))(p, np.float64(1.5), power=2)
    assert found.shape == (6 + 3 + 1, 1 + 4 + 6)
    whole = wg.jacrev(lambda s, v, w: f({"w": w, "v": v}, s, power=2), argnums=(0, 1, 2))
    rows = whole(np.float64(1.5), p["v"], p["w"])
    leaves = [rows["a"], rows["b"][0], rows["b"][1]]
    expected = np.concatenate(
        [
            np.concatenate([np.reshape(b, (n, -1)) for b in row], axis=1)
            for row, n in zip(leaves, (6, 3, 1), strict=True)
        ]
    )
    np.testing.assert_allclose(found.toarray(), expected)


def test_mixed_precision_keeps_the_widest() -> None:
    found = wg.sparse_jacobian(lambda x: x * x)(np.ones(3, np.float32))
    assert found.dtype == np.float32


def test_entries_of_halves_are_single_as_scipy_has_no_halves() -> None:
    found = wg.sparse_jacobian(lambda x: x * x)(np.ones(3, np.float16))
    np.testing.assert_array_equal(found.toarray(), 2 * np.eye(3, dtype=np.float32))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    ("fun", "shape"),
    [(lambda x: x[:0] * x[:0], (0, 3)), (lambda x: np.zeros(2), (2, 3)), (np.floor, (3, 3))],
)
def test_matrices_without_entries(fun: Any, shape: tuple[int, int], mode: str) -> None:
    found = wg.sparse_jacobian(fun, mode=mode)(np.ones(3))
    assert found.shape == shape and found.nnz == 0 and not found.toarray().any()


# reuse


def picked(x: Any, places: Any) -> Any:
    return x[places] ** 2


def test_prepared_once_and_used_again() -> None:
    places = np.array([4, 0, 2])
    prepared = wg.sparse_jacobian(picked).prepare(np.ones(5), places)
    x = RNG.standard_normal(5)
    np.testing.assert_allclose(prepared(x, places.copy()).toarray()[0, 4], 2 * x[4])
    with pytest.raises(InputTypeError, match="prepared for other arguments: integers"):
        prepared(x, places[::-1])
    with pytest.raises(InputTypeError, match=r"one is float64\[6\], not float64\[5\]"):
        prepared(np.ones(6), places)


def test_other_integers_have_another_pattern() -> None:
    jac = wg.sparse_jacobian(picked)
    for places in (np.array([4, 0, 2]), np.array([1, 1, 3])):
        found = jac(np.ones(5), places).toarray()
        np.testing.assert_array_equal(np.nonzero(found), (np.arange(3), places))


def test_matrices_do_not_change_one_another() -> None:
    jac = wg.sparse_jacobian(tridiagonal)
    first = jac(np.ones(5))
    first.data[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        first.eliminate_zeros()
    assert jac(np.ones(5)).nnz == first.copy().nnz == 13


# bad input


def test_a_result_that_is_not_sparse_is_refused() -> None:
    with pytest.raises(DifferentiationError, match="not sparse as far as the program shows"):
        wg.sparse_jacobian(np.cumsum)(np.ones(200_000))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wg.sparse_jacobian(np.sin)(np.arange(3)), "differentiates real floats"),
        (lambda: wg.sparse_jacobian(lambda x: x > 0)(np.ones(3)), "float results"),
        (lambda: wg.jit(wg.sparse_jacobian(np.sin))(np.ones(3)), "cannot be used inside jit"),
    ],
)
def test_errors_of_arguments(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(DifferentiationError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wg.sparse_jacobian(np.sin, mode="sideways"), "mode of sparse_jacobian is one of"),
        (lambda: wg.jacobian(np.sin, mode="sideways"), "mode of jacobian is one of"),
        (lambda: wg.sparse_jacobian(np.sin, argnums=3)(np.ones(3)), "positional argument 3"),
        (lambda: wg.sparse_jacobian(np.sin, argnums=(0, -1))(np.ones(3)), "names an argument"),
        (lambda: wg.sparse_jacobian(3), "needs a function"),  # type: ignore[arg-type]
    ],
)
def test_errors_of_settings(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputTypeError, match=words):
        call()


# dense Jacobians


@pytest.mark.parametrize("fun", FUNCTIONS, ids=lambda f: f.__name__)
def test_dense_jacobians_by_colours(fun: Callable[[Any], Any]) -> None:
    x = RNG.standard_normal(30)
    expected = wg.jacfwd(fun)(x)
    for jac in (wg.jacobian(fun, mode="sparse"), wg.jit(wg.jacobian(fun))):
        np.testing.assert_allclose(jac(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_hessians_with_many_zeros_take_few_sweeps() -> None:
    def energy(p: Any) -> Any:
        x, y = p["x"], p["y"]
        return np.sum(np.sin(x[1:]) * x[:-1] ** 2) + np.sum(np.exp(y) * x), np.sum(x)

    p = {"x": RNG.standard_normal(40), "y": RNG.standard_normal(40)}
    found, aux = wg.hessian(energy, has_aux=True)(p)
    wanted, _ = wg.jacfwd(wg.jacrev(energy, has_aux=True), has_aux=True)(p)
    np.testing.assert_allclose(aux, np.sum(p["x"]))
    for a in p:
        for b in p:
            np.testing.assert_allclose(found[a][b], wanted[a][b], rtol=1e-12, atol=1e-14)
    program = wg.make_ir(wg.hessian(energy, has_aux=True))(p).program
    computed = [e for e in equations(program) if e.op.name in ("mul", "add")]
    assert max(v.type.size for e in computed for v in e.outputs) < 80 * 80 // 4


def test_what_is_not_sparse_or_takes_long_to_walk_is_seen_soon() -> None:
    matrix = RNG.standard_normal((300, 300))
    full = wg.make_ir(lambda x: np.tanh(matrix @ x))(np.ones(300)).program
    band = wg.make_ir(tridiagonal)(np.ones(300)).program
    assert sampled_density(full, [True], 16) == 1
    assert sampled_density(band, [True], 16) < 0.02

    def recurrence(x: Any) -> Any:
        for _ in range(1000):
            x = np.sin(x) * 0.5
        return x

    assert effort(wg.make_ir(recurrence)(np.ones(3)).program) >= 2000


def test_the_choice_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    x = RNG.standard_normal(60)
    wg.jacobian(tridiagonal, explain=True)(x)
    assert "sparse mode. Sweeps needed: forward 60, reverse 60, sparse (reverse) 1;" in (
        capsys.readouterr().out
    )
    matrix = RNG.standard_normal((60, 60))
    wg.jacobian(lambda x: np.tanh(matrix @ x), explain=True)(x)
    assert "forward mode" in capsys.readouterr().out
    wg.jacobian(lambda x: np.sum(x**2), explain=True)(x)
    assert "reverse mode" in capsys.readouterr().out


# colourings


@pytest.mark.parametrize("seed", range(6))
def test_colourings_are_valid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = sparse.random_array((40, 25), density=0.08, rng=rng).tocsr().astype(bool)
    colours = column_colours(drawn)
    for c in range(count(colours)):
        assert drawn.toarray()[:, colours == c].sum(axis=1).max() <= 1
    symmetric = (drawn.T @ drawn).tocsr()
    stars, whole = star_colours(symmetric), symmetric.toarray()
    for i, j in zip(*np.nonzero(whole), strict=True):
        assert 1 in ((stars[whole[i]] == stars[j]).sum(), (stars[whole[j]] == stars[i]).sum())
    assert count(stars) <= count(column_colours(symmetric))


def test_what_is_picked_is_taken_apart() -> None:
    program = wg.make_ir(same_twice)(np.ones(30)).program
    parts = take_apart(program, [True])
    assert [t.shape for t in parts.picks.out_types] == [(5,), (5,)]
    assert all(e.op.family == "elementwise" for e in parts.rest.eqns)


def bands(x: Any) -> Any:
    inner = x[:-2] * x[1:-1] - np.sin(x[2:])
    return np.concatenate([x[:1] ** 2, inner, x[-1:] * x[-2:-1]])


def two_rows_for_each(x: Any) -> Any:
    y = x.reshape(-1, 3)
    return np.stack([y[:, 0] * y[:, 2], np.cos(y[:, 1])], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("fun", [bands, two_rows_for_each, np.sin, lambda x: x[::2] * x[1::2]])
def test_regular_entries_are_read_by_slices(fun: Callable[[Any], Any], mode: str) -> None:
    x = np.random.default_rng(0).standard_normal(120)
    ready = wg.sparse_jacobian(fun, mode=mode).prepare(x)
    assert "gather" not in str(ready._program)
    dense = wg.jacobian(lambda v: fun(v).ravel())(x)
    np.testing.assert_allclose(ready(x).toarray(), dense, rtol=1e-12, atol=1e-12)


def test_runs_are_the_places_again() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        rows, places = [], []
        for _ in range(rng.integers(1, 4)):  # stretches, each of groups of rows
            lengths = rng.integers(0, 3, rng.integers(1, 4))
            first, steps = (rng.integers(0, 3, lengths.sum()) * 50 for _ in range(2))
            for k in range(rng.integers(1, 30)):
                rows += lengths.tolist()
                places += (first + k * steps).tolist()
        pattern = from_rows(np.array(rows), np.zeros(len(places), np.int64), 1)
        runs = runs_of(pattern, np.array(places, np.int64), [10_000])
        if runs or len(places) <= SLICES:
            groups = [np.arange(r.count)[:, None] * r.steps + r.places for r in runs]
            assert np.concatenate([np.zeros(0), *map(np.ravel, groups)]).tolist() == places
