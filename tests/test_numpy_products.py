"""Products: every combination of dimensions and dtypes, and seeded random einsums."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_oracle import agree, expected, traced

from wengert.errors import ArgumentError, ShapeError
from wengert.tracer.functions.einsum import parse

F = Callable[..., Any]
RNG = np.random.default_rng(3)
SHAPES = [(), (3,), (3, 3), (2, 3), (3, 2), (2, 3, 3), (1, 3, 2), (5, 1, 2, 3), (0, 3), (3, 0)]
PAIRS: dict[str, F] = {
    "matmul": np.matmul,
    "dot": np.dot,
    "inner": np.inner,
    "outer": np.outer,
    "vdot": np.vdot,
    "kron": np.kron,
    "tensordot": lambda x, y: np.tensordot(x, y, 1),
    "tensordot2": lambda x, y: np.tensordot(x, y, 2),
    "tensordot0": lambda x, y: np.tensordot(x, y, 0),
    "tensordot_axes": lambda x, y: np.tensordot(x, y, ([0], [-1])),
    "vecdot": np.vecdot,
    "matvec": np.matvec,
    "vecmat": np.vecmat,
    "linalg.matmul": np.linalg.matmul,
    "linalg.outer": np.linalg.outer,
    "@": lambda x, y: x @ y,
    "cross": np.cross,
}


def drawn(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "?":
        return RNG.random(shape) > 0.5
    return (RNG.standard_normal(shape) * 3).astype(dtype)


@pytest.mark.parametrize("name", PAIRS)
def test_products(name: str) -> None:
    for x in SHAPES:
        for y in SHAPES:
            if (name == "kron" and len(x) + len(y) > 5) or (name == "@" and not x and not y):
                continue
            agree(PAIRS[name], drawn(x, "f8"), drawn(y, "f8"), label=name, tolerance=4)


@pytest.mark.parametrize("name", PAIRS)
def test_dtypes(name: str) -> None:
    kinds = ["f4", "f2", "i4", "u1", "?", "i8"]
    for a in kinds:
        for b in kinds:
            x, y = (
                (np.ones((3, 3)) * 2).astype(a),
                (np.arange(9).reshape(3, 3) % 4).astype(b),
            )
            if name == "cross" and "?" in a + b:
                continue  # NumPy multiplies into an uninitialised bool array here
            agree(PAIRS[name], x, y, label=name, tolerance=4)


def test_arguments() -> None:
    x, y = drawn((4, 2, 3), "f8"), drawn((3, 4, 5), "f8")
    agree(lambda a, b: np.matmul(a, b, axes=[(1, 2), (0, 2), (0, 1)]), x, drawn((3, 4, 5), "f8"))
    agree(lambda a, b: np.matmul(a, b, dtype="f8"), x[0].astype("f4"), y[:, 0].astype("f4"))
    agree(lambda a, b: np.vecdot(a, b, axis=0), x, x)
    agree(lambda a, b: np.linalg.vecdot(a, b, axis=1), x, x)
    agree(lambda a, b: np.tensordot(a, b, axes=([0, 2], [1, 0])), x, y)
    agree(lambda a, b: np.tensordot(a, b, axes=([0, 2], [1])), x, y)
    agree(lambda a, b: np.tensordot(a, b, axes=5), x, y)
    agree(lambda a, b: np.cross(a, b, axis=0), drawn((3, 4), "f8"), drawn((3, 4), "f8"))
    agree(lambda a, b: np.cross(a, b, 0, 1, 0), drawn((3, 4), "f8"), drawn((4, 3), "f8"))
    agree(np.linalg.cross, drawn((2, 3), "f8"), drawn((3,), "f8"))
    for n in (0, 1, 2, 3, 7):
        agree(lambda a, k=n: np.linalg.matrix_power(a, k), drawn((2, 3, 3), "f8"), tolerance=20)
    agree(lambda a: np.linalg.matrix_power(a, 2), drawn((2, 3), "f8"))
    shapes = [(10,), (10, 4), (4, 6), (6, 2), (2,)]
    chain = [drawn(s, "f8") for s in shapes]
    agree(lambda *a: np.linalg.multi_dot(a), *chain, tolerance=20)
    agree(lambda *a: np.linalg.multi_dot(a), *chain[1:4], tolerance=20)
    agree(lambda *a: np.linalg.multi_dot(a), chain[1], chain[3])


EINSUMS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij->ji", ((2, 3),)), ("ij", ((2, 3),)), ("ji", ((2, 3),)), ("ii", ((3, 3),)),
    ("ii->i", ((3, 3),)), ("iij->j", ((3, 3, 2),)), ("iii->i", ((2, 2, 2),)), ("i->", ((4,),)),
    ("ij,jk", ((2, 3), (3, 4))), ("ij,jk->ki", ((2, 3), (3, 4))), ("ij,ij->i", ((2, 3), (2, 3))),
    ("i,i", ((3,), (3,))), ("i,j->ij", ((3,), (2,))), ("ij,j->i", ((2, 3), (3,))),
    ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))), ("bij,jk->bik", ((2, 3, 4), (4, 5))),
    ("...ij,...jk->...ik", ((2, 3, 4), (4, 5))), ("...i,...i", ((2, 3), (3,))),
    ("i...,i...->...", ((3, 2), (3, 2))), ("...,...", ((2, 3), ())), ("...ij->...ji", ((5, 2, 3),)),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))), ("ij,kj,lj->ikl", ((2, 3), (4, 3), (5, 3))),
    ("i,i,i->i", ((3,), (3,), (3,))), ("a,b,c,d->dcba", ((2,), (3,), (4,), (5,))),
    ("ii,jj->", ((2, 2), (3, 3))), ("i,i->i", ((1,), (3,))), ("ij,j->", ((2, 1), (3,))),
    ("ab,b", ((2, 3), (3,))), ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))),
    (" i j , j k -> i k ", ((2, 3), (3, 4))), ("", ((),)), (",", ((), ())), ("ij->", ((0, 3),)),
    ("Aa,aA", ((2, 3), (3, 2))), ("i...->...", ((3,),)), ("...->...", ((2, 3),)),
    # faults
    ("ij,jk", ((2, 3), (4, 4))), ("ij", ((2,),)), ("i", ((2, 2),)), ("ij->ijk", ((2, 3),)),
    ("ij->ii", ((2, 3),)), ("i,i", ((2,),)), ("i1", ((2, 3),)), ("...i->i", ((2, 3),)),
    ("ii", ((2, 3),)), ("i->->i", ((2,),)), ("i....", ((2, 3),)), ("ij-ji", ((2, 3),)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(EINSUMS)))
def test_einsum(number: int) -> None:
    text, shapes = EINSUMS[number]
    for dtype in ("f8", "i4", "?"):
        args = [drawn(s, dtype) for s in shapes]
        agree(lambda *a: np.einsum(text, *a), *args, label=text, tolerance=4)
    if not isinstance(expected(lambda *a: np.einsum(text, *a), *args), Exception):
        agree(lambda *a: np.einsum(text, *a, optimize=True), *args, label=text)


def random_einsum(generator: random.Random) -> tuple[str, list[tuple[int, ...]]]:
    letters = "abcde"
    sizes = {letter: generator.randint(1, 4) for letter in letters}
    count = generator.choice([1, 2, 2, 2, 3, 4])
    terms = ["".join(generator.choices(letters, k=generator.randint(0, 3))) for _ in range(count)]
    shapes = [tuple(sizes[letter] for letter in t) for t in terms]
    if generator.random() < 0.3:
        terms[0] = "..." + terms[0]
        shapes[0] = (generator.choice([1, 2]), *shapes[0])
    text = ",".join(terms)
    if generator.random() < 0.7:
        used = sorted(set(text) & set(letters))
        kept = generator.sample(used, generator.randint(0, len(used)))
        text += "->" + ("..." if "..." in text else "") + "".join(kept)
    return text, shapes


@pytest.mark.parametrize("seed", range(6))
def test_random_einsums(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(60):
        text, shapes = random_einsum(generator)
        args = [drawn(s, "f8") for s in shapes]
        agree(lambda *a, t=text: np.einsum(t, *a), *args, label=text, tolerance=20)


def test_einsum_forms() -> None:
    x, y = drawn((2, 3), "f8"), drawn((3, 4), "f8")
    agree(lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), x, y)
    agree(lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), x, y)
    agree(lambda a: np.einsum(a, [Ellipsis, 1], [1, Ellipsis]), x)
    agree(lambda a: np.einsum(a, [0, 60]), x)
    agree(lambda a: np.einsum("ij->i", a, dtype="f8"), x.astype("f4"))
    path = ["einsum_path", (0, 1), (0, 1)]
    agree(lambda a, b: np.einsum("ij,jk,kl->il", a, b, b.T, optimize=path), x, y, tolerance=4)
    agree(lambda a, b: np.einsum("ij,jk->ik", a, np.ones((3, 2))) + b[0, 0], x, y)


def test_work_that_fuses() -> None:
    """Products without a shared sum, and those that reduce both operands whole, are elementwise."""

    def ops(f: F, *args: Any) -> list[str]:
        return [e.op.name for e in traced(f, args).program.eqns]

    v, m = np.ones(3), np.ones((3, 3))
    assert ops(lambda x: x @ x, v) == ["mul", "reduce_sum"]
    assert ops(lambda x: x @ x, m) == ["dot_general"]
    assert ops(lambda x: np.einsum("ij,ij->ij", x, x), m) == ["mul"]
    assert ops(lambda x: np.einsum("ij,kj->ik", x, x), m) == ["dot_general"]
    assert ops(lambda x: np.einsum("ij,jk->ki", x, x), m) == ["dot_general"]
    assert "dot_general" not in ops(np.outer, v, v)


def test_messages() -> None:
    with pytest.raises(ArgumentError, match="output subscript 'k' is in no operand"):
        parse("ij->ik", [2])
    with pytest.raises(ArgumentError, match="has 2 subscript.s., but its array has 3"):
        parse("ij", [3])
    with pytest.raises(ShapeError, match="differs from"):
        traced(lambda x, y: x @ y, [np.ones((2, 3)), np.ones((2, 3))])
    with pytest.raises(ShapeError, match="subscript 'j' has length 3"):
        traced(lambda x: np.einsum("ij,jk", x, x), [np.ones((2, 3))])
