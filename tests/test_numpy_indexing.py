"""Indexing: NumPy's rules for every kind of index, and seeded random index expressions."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy_oracle import agree, run, traced

import wengert.numpy as wnp
from wengert.errors import OutOfBoundsError, TracerConversionError

X = np.arange(120.0).reshape(2, 3, 4, 5)
M = np.arange(12.0).reshape(3, 4)

INDICES: list[Any] = [
    0, -1, 2, -3, np.int32(1), (0, 1), (0, -1, 2, 3), (0, 1, 2, 3, 4), ..., (), None, (..., 0),
    (0, ..., 0), (..., None), (None, 0, None), (..., ..., 0), slice(None), slice(1), slice(1, None),
    slice(None, None, 2), slice(None, None, -1), slice(5, 1, -2), slice(-2, None), slice(3, 1),
    slice(100, None), slice(None, -100, -1), (slice(None), slice(None, None, -1)),
    (slice(0, 2), 1, ..., slice(3, 0, -2)), [0, 1], [0, -1, 0], np.array([1, 0]), [[0, 1], [1, 0]],
    np.zeros((0,), int), [], ([0, 1], [1, 2]), ([0, 1], [[1], [2]]), ([0, 1], slice(None), [1, 2]),
    (slice(None), [0, 1], [1, 2]), (slice(None), [0, 1], None, [1, 2]), (0, slice(None), [1, 2]),
    (slice(None), 0, [1, 2]), (slice(None), 0, ..., [1, 2, 0], [1]),
    (slice(None), [0, 1, 1], 1, ..., [1, 2, 0]), ([0, 1], 0), ([0, 1], ..., 0), (..., [0, 1]), (..., [0, 1], [0, 1]),
    (None, [0, 1]), ([0, 1], None), ([0, 1], None, [0, 1]), (slice(None, None, -1), [1, 1]),
    True, False, (True, 0), (slice(None), True), np.array(True), (False, [0, 1]), ([0, 1], True),
    X > 60, (X > 60)[0, 0], X[..., 0] > 60, (slice(None), np.array([True, False, True])),
    (np.array([True, False]), [0]), (np.array([True, True]), [0, 2]),
    np.array([True, False, True]), (0, np.array([True, False, True]), slice(1, 3)),
    (np.zeros((2, 3), bool),), ([0, 1], slice(1, 2), slice(None), [3, 3]), 5, (0, 3), [0, 2],
    (slice(None), [0, -4]), 1.0, "a", [1.5], np.array(1.0), (0, "x"), np.uint8(1),
    np.array([1, 0], np.uint8), np.array(1), (np.array(1), [0, 1]), (np.array(1), slice(None), [0]),
    range(2), ((0, 1),), ([[[0]]], [1, 2]), slice(0, 2, 0), slice("a"), 2**70,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(INDICES)))
def test_indices(number: int) -> None:
    index = INDICES[number]
    agree(lambda x: x[index], X, label=f"x[{index!r}]")
    agree(lambda x: x[index], M, label=f"m[{index!r}]")
    agree(lambda x: x[index], np.zeros((0, 2)), label=f"empty[{index!r}]")
    if not isinstance(index, slice):  # NumPy's order of complaints about scalars differs
        agree(lambda x: x[index], np.float64(1), label=f"scalar[{index!r}]")


def random_entry(generator: random.Random, n: int, lengths: list[int]) -> Any:
    """A random index of one axis of length n."""
    kind = generator.randrange(8)
    if kind == 0:
        return generator.randint(-n, n - 1)
    if kind in (1, 2, 3):
        ends = [generator.choice([None, generator.randint(-n - 1, n + 1)]) for _ in range(2)]
        return slice(*ends, generator.choice([None, 1, 2, 3, -1, -2, -3]))
    if kind == 4:
        return np.array([generator.random() < 0.6 for _ in range(n)])
    shape = generator.choice([(lengths[0],), (1,), (2, lengths[0]), ()])
    return np.array(generator.choices(range(-n, n), k=int(np.prod(shape)))).reshape(shape)


def random_index(generator: random.Random) -> tuple[Any, ...]:
    shape = X.shape[: generator.randint(0, 4)]
    lengths = [generator.randint(1, 3)]
    entries = [random_entry(generator, n, lengths) for n in shape]
    for _ in range(generator.choice([0, 0, 1, 2])):
        entries.insert(generator.randint(0, len(entries)), None)
    if generator.random() < 0.3 and len(shape) < 4:
        entries = [*entries, ...]
    return tuple(entries)


@pytest.mark.parametrize("seed", range(8))
def test_random_indices(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(120):
        index = random_index(generator)
        agree(lambda x, i=index: x[i], X, label=f"x[{index!r}]")


@pytest.mark.parametrize("seed", range(4))
def test_random_traced_indices(seed: int) -> None:
    """Integer arrays of random indices given as arguments instead of constants."""
    generator = random.Random(100 + seed)
    for _ in range(60):
        index = random_index(generator)
        places = [
            i for i, e in enumerate(index) if isinstance(e, np.ndarray) and e.dtype != np.bool_
        ]

        def take(x: Any, *arrays: Any, index: Any = index, places: Any = places) -> Any:
            entries = list(index)
            for place, array in zip(places, arrays, strict=True):
                entries[place] = array
            return x[tuple(entries)]

        agree(take, X, *(index[p] for p in places), label=f"x[{index!r}]")


def test_traced_scalars() -> None:
    i = np.int64(1)
    agree(lambda x, k: x[k], X, i)
    agree(lambda x, k: x[..., k], X, np.int32(-2))
    agree(lambda x, k: x[k, :, k], X, i)
    agree(lambda x, k: x[:, k, None, 1:3], X, np.uint8(2))
    agree(lambda x, k: x[k, [0, 1]], X, i)
    agree(lambda x, k: x[[k, 0]], X, i)
    agree(lambda x, k: np.take(x, k + np.arange(2), axis=1), X, i)


def test_out_of_bounds_at_run_time() -> None:
    for f in (lambda x, k: x[k], lambda x, k: np.take(x, k), lambda x, k: x[:, k]):
        with pytest.raises(IndexError):
            run(f, M, np.int64(50))
        with pytest.raises(IndexError):
            run(f, M, np.array([0, -51]))


TAKES = [
    {}, {"axis": 0}, {"axis": 1}, {"axis": -1}, {"axis": 2}, {"axis": 0, "mode": "wrap"},
    {"axis": 1, "mode": "clip"}, {"mode": "wrap"}, {"mode": "clip"}, {"mode": "no"},
]  # fmt: skip


@pytest.mark.parametrize("options", TAKES, ids=str)
def test_take(options: dict[str, Any]) -> None:
    for index in (1, [0, 2], [[0, 1], [2, -1]], [], 9, [-7, 50], np.array(0), [True, False]):
        agree(lambda x, i=index: np.take(x, i, **options), M, label=f"{index} {options}")
        known = np.asarray(index)
        if options.get("mode") != "no" and known.dtype.kind == "i":
            agree(lambda x, i: np.take(x, i, **options), M, known, label=f"traced {index}")


def test_take_along_axis() -> None:
    for axis in (0, 1, -1, None, 2):
        x = M.ravel() if axis is None else M
        order = np.argsort(-x, axis=-1 if axis in (None, 2) else axis)
        agree(lambda v, a=axis, i=order: np.take_along_axis(v, i, a), x)
        agree(lambda v, i, a=axis: np.take_along_axis(v, i, a), x, order)
    first = np.zeros((1, 4), int)
    agree(lambda v: np.take_along_axis(v, first, 0), M)
    agree(lambda v, i: np.take_along_axis(v, i, 0), M, first)
    agree(lambda v: np.take_along_axis(v, first + 9, 0), M)
    agree(lambda v: np.take_along_axis(v, np.zeros(3, int), 0), M)
    agree(lambda v: np.take_along_axis(v, np.zeros((2, 9), int), 0), M)
    agree(lambda v: np.compress([True, False, True], v, axis=0), M)


def test_known_positions_become_slices() -> None:
    def ops(f: Any) -> set[str]:
        return {e.op.name for e in traced(f, [M]).program.eqns}

    assert ops(lambda x: x[np.arange(2)]) == {"slice"}
    assert ops(lambda x: x[:, ::-1]) == {"rev"}
    assert ops(lambda x: x[1:, None]) <= {"slice", "reshape"}
    assert "gather" not in ops(lambda x: np.pad(x, 3, "edge"))
    assert "gather" in ops(lambda x: x[[0, 2, 1, 0, 2]])


def test_constants_are_indexed_by_traced_values() -> None:
    table = np.array([10.0, 20.0, 30.0])
    agree(lambda i: wnp.take(table, i), np.array([2, 0]))
    agree(lambda i: wnp.take(table, i, 0, mode="wrap"), np.int64(-7))


def test_masks_that_depend_on_values_are_refused() -> None:
    for f in (lambda x: x[x > 0], lambda x: np.nonzero(x), lambda x: np.where(x > 0),
              lambda x: np.compress(x[0] > 0, x, axis=1), lambda x: x.nonzero(),
              lambda x: np.unique(x), lambda x: np.argwhere(x)):  # fmt: skip
        with pytest.raises(TracerConversionError, match=r"np\.where|before tracing"):
            run(f, M)


def test_messages() -> None:
    with pytest.raises(OutOfBoundsError, match="index 7 is out of bounds for axis 1 with size 4"):
        run(lambda x: x[:, 7], M)
    with pytest.raises(OutOfBoundsError, match="too many indices"):
        run(lambda x: x[0, 0, 0], M)
    with pytest.raises(TracerConversionError, match="shapes are fixed while tracing"):
        run(lambda x, k: x[:k], M, np.int64(2))
