"""Assignment and functions that change arrays in place, against NumPy."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_oracle import run, same

from wengert.errors import DTypeError, MutationError, OutOfBoundsError, ShapeError

M = np.arange(12.0).reshape(3, 4) - 5.5
T = np.arange(24.0).reshape(2, 3, 4)
V = np.array([3.0, -1.0, 2.0, 0.5, -2.0])
I = np.array([2, 0, 1, 2])


def outcome(f: Callable[..., Any], *args: Any) -> Any:
    """The result and the arrays afterwards as NumPy has them, or the exception."""
    arrays = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        try:
            return f(*arrays), [np.array(a) for a in arrays if isinstance(a, np.ndarray)]
        except Exception as error:
            return error


def alike(f: Callable[..., Any], *args: Any, label: str = "") -> None:
    """Asserts that `f` traced gives and changes what NumPy does, or fails alike."""
    wanted = outcome(f, *args)
    places = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]

    def whole(*xs: Any) -> Any:
        return f(*xs), [xs[i] for i in places]

    def clean(x: Any) -> Any:
        if isinstance(x, tuple | list):
            return [clean(i) for i in x]
        return np.zeros(0) if x is None else x

    if isinstance(wanted, Exception):
        kinds = tuple(
            k for k in (TypeError, IndexError, ValueError, OverflowError) if isinstance(wanted, k)
        )
        with pytest.raises(kinds):
            run(lambda *xs: clean(whole(*xs)), *args)
        return
    found = run(lambda *xs: clean(whole(*xs)), *args)
    same(found, clean(wanted), 1.0, label)


def assigning(index: Any, value: Any) -> Callable[..., None]:
    def f(x: Any) -> None:
        x[index] = value

    return f


def set_to(x: Any, index: Any, value: Any) -> None:
    x[index] = value


ASSIGNMENTS: list[tuple[Any, Any]] = [
    (0, 7.0), (-1, V[:4]), ((1, 2), 3), ((-1, -4), np.float32(2)), (slice(None), 1.5),
    (slice(None, None, -1), M), (slice(None, None, 2), 0), ((slice(None), slice(3, 0, -2)), 9),
    ((slice(None), 1), [1, 2, 3]), (..., V[:4]), ((..., 0), -1), ((None, 0), 4), ((0, None), [[1.0]]),
    ([0, 2], 1), ([0, 0, 1], [[1], [2], [3]]), ((slice(None), [3, 1]), 0.5),
    (([0, 1, 0], [1, 2, 1]), [1, 2, 3]), ((0, [1, 1, 3]), [4, 5, 6]), (M > 0, -1), (M < 0, M[M < 0] * 2),
    (np.array([True, False, True]), 5), ((slice(None), np.array([True, False, True, True])), 7),
    (np.array([True, False, True]), V[:4]), (True, 3), (False, 3), ((), 2), (slice(0, 0), 4),
    ([], 1), (np.zeros(0, int), np.zeros((0, 4))), (0, [1, 2]), (5, 1), ((0, 9), 1), ([0, 7], 1),
    (slice(None), np.ones((2, 3, 4))), (0, np.ones((1, 1, 4))), (1, 1j), (1, True), (([[0], [1]], [1, 2]), 5),
    ((slice(1, 3), [0, 1, 0]), [[1, 2, 3], [4, 5, 6]]), (([1, 0], slice(None), None), 3), ("a", 1),
    (M[:2] > 0, 1), ((0, True), 1), (np.array(1), 4), ((None, [1, 0]), 2), (slice(5, 1, -1), 3),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ASSIGNMENTS)))
@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_assignments(number: int, dtype: Any) -> None:
    index, value = ASSIGNMENTS[number]
    alike(assigning(index, value), M.astype(dtype), label=f"x[{index!r}] = {value!r}")
    if isinstance(value, np.ndarray | float):
        alike(lambda x, v: set_to(x, index, v), M.astype(dtype), value, label=f"x[{index!r}] = v")


@pytest.mark.parametrize("number", range(len(ASSIGNMENTS)))
def test_augmented_assignments(number: int) -> None:
    index, _ = ASSIGNMENTS[number]

    def f(x: Any) -> None:
        x[index] += 2
        x[index] *= x[index]

    alike(f, M, label=f"x[{index!r}] += 2")


def mask_of_rows(x: Any, y: Any) -> Any:
    x[y[:3] > 0] = np.arange(4.0)
    x[y[:3] < 0] = 1
    return x[y[:3] > 0].sum(axis=0)


def values_per_true(x: Any, y: Any) -> None:
    x[y > 0] = np.array([10.0, 20.0, 30.0])


def test_traced_masks() -> None:
    alike(mask_of_rows, M, V)
    alike(values_per_true, np.zeros(5), V)
    with pytest.raises(IndexError):
        run(lambda x, y: (values_per_true(x, y), x)[1], np.zeros(5), -V)

    def f(x: Any, y: Any) -> Any:
        x[x > 0] = y[x > 0] * 2 + 1
        y[y < 0] += 3
        negative = x < 0
        x[negative] = np.sqrt(-x[negative])
        row = x[0]
        row[row > 2] = 1.0
        x[1, y[1] > 0] *= 2
        x[:, y[2] > 0.5] = 0.5
        x[1:, ..., x[0] < -1] = 4
        y[np.int64(0), 1:][x[2, 1:] > 0] -= 1
        return y[y > 1].sum() + np.mean(y[y > 1]) + x[x > 1].max()

    alike(f, M, M[::-1].copy() * 0.5)


IN_PLACE: list[Callable[..., Any]] = [
    lambda x, y: x.fill(3), lambda x, y: x.fill(y[0]), lambda x, y: np.copyto(x, y[:4]),
    lambda x, y: np.copyto(x, 7, where=x > 0), lambda x, y: np.put(x, [0, -1, 5], [1, 2]),
    lambda x, y: np.put(x, [20, -20], 9, mode="clip"), lambda x, y: np.put(x, [20, -3], 9, mode="wrap"),
    lambda x, y: x.put([3, 3], [y[0], y[1]]), lambda x, y: np.put(x, 50, 1),
    lambda x, y: np.place(x, x > 0, [1, 2, 3]), lambda x, y: np.place(x, x > 0, y),
    lambda x, y: np.putmask(x, x > 0, x * 2), lambda x, y: np.putmask(x, x < 0, [1, 2, 3, 4, 5]),
    lambda x, y: np.fill_diagonal(x, 9), lambda x, y: np.fill_diagonal(x, y), lambda x, y: np.fill_diagonal(y, 1),
    lambda x, y: np.fill_diagonal(x.T, [1, 2], wrap=True),
    lambda x, y: np.put_along_axis(x, np.array([[0, 1, 1, 2]]), 5, axis=0),
    lambda x, y: np.put_along_axis(x, np.argmax(x, axis=1)[:, None], y[:3, None], axis=1),
    lambda x, y: np.add.at(x, [0, 0, 2], 1), lambda x, y: np.add.at(x, ([0, 0], [1, 1]), y[:2]),
    lambda x, y: np.subtract.at(y, [1, 1, 1], 2), lambda x, y: np.multiply.at(y, [1, 1, 0], [2, 3, 4]),
    lambda x, y: np.maximum.at(x, (slice(None), [0, 0, 1]), y[:3]), lambda x, y: np.minimum.at(y, slice(1, 3), -9),
    lambda x, y: np.add.at(x, x > 0, 1), lambda x, y: np.add.at(x, slice(None), y),
    lambda x, y: np.add(x, 1, out=x), lambda x, y: np.add(x, y[:4], out=x[:, ::-1]),
    lambda x, y: np.sqrt(x, out=x, where=x > 0), lambda x, y: np.multiply(y, y, y),
    lambda x, y: np.sum(x, axis=1, out=y[:3]), lambda x, y: x.sum(axis=0, out=y[1:]),
    lambda x, y: np.dot(x, y[:4], y[2:]), lambda x, y: np.clip(x, -1, 1, out=x),
    lambda x, y: np.cumsum(y, out=y), lambda x, y: np.divmod(y, 2, out=(y, x[0, 0:1])),
    lambda x, y: np.maximum(y, 0, out=y), lambda x, y: np.add(y, 1, out=x), lambda x, y: np.mean(x, axis=1, out=y[:3]),
    lambda x, y: np.matmul(x, x.T, out=y[:3]), lambda x, y: np.concatenate([y[:2], y[3:]], out=x[0]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(IN_PLACE)))
def test_functions_that_change_arrays(number: int) -> None:
    f = IN_PLACE[number]

    def g(x: Any, y: Any) -> None:
        f(x, y)

    alike(g, M, V, label=f"{number}")


def test_ufunc_at_casts_each_result_back() -> None:
    """As NumPy does, without a word: an int to which 1.5 is added twice has grown by 2."""

    def f(whole: Any, small: Any, flags: Any, x: Any) -> None:
        np.add.at(whole, [0, 1, 1], x[:3])
        np.divide.at(whole, [2, 2], 2)
        np.multiply.at(whole, slice(1, None), 1.5)
        np.maximum.at(whole, whole > 4, x[0])
        np.add.at(small, [0, 0], 300)
        np.subtract.at(flags, [1, 1, 2], 1)

    small, flags = np.arange(3, dtype=np.int8), np.array([True, False, False])
    alike(f, np.arange(4) * 3, small, flags, V + 0.75)


OPERATORS: list[Callable[..., Any]] = []
for _symbol in ("+=", "-=", "*=", "/=", "//=", "%=", "**="):
    _scope: dict[str, Any] = {}
    exec(f"def f(x, y):\n    z = x\n    x {_symbol} y\n    return z is x or z", _scope)
    OPERATORS.append(_scope["f"])


@pytest.mark.parametrize("f", OPERATORS)
def test_in_place_operators(f: Any) -> None:
    def g(x: Any, y: Any) -> Any:
        z = x[:2]
        f(x, y)
        return z.copy()

    alike(g, np.abs(M), V[:4])
    alike(g, np.abs(M), 2.0)
    alike(g, np.arange(12).reshape(3, 4) + 1, np.array([1, 2, 3, 4]))
    alike(g, np.arange(12).reshape(3, 4) + 1, V[:4])
    alike(g, M, np.ones((2, 3, 4)))
    alike(g, np.float32(M), V[:4])


def test_bits_in_place() -> None:
    def f(x: Any, y: Any) -> None:
        x &= y
        x |= 5
        x ^= y
        x <<= 1
        x >>= 2

    alike(f, np.arange(5), np.arange(5)[::-1].copy())


def test_matmul_in_place() -> None:
    def f(x: Any) -> Any:
        y = x.T
        x @= x
        return y.copy()

    alike(f, M[:, :3].copy())


def test_errors_are_typed() -> None:
    for kind, f in (
        (OutOfBoundsError, assigning(7, 1)), (ShapeError, assigning(0, [1, 2, 3])),
        (DTypeError, lambda x: x.__iadd__(1j)), (MutationError, lambda x: x[0, 0].__setitem__((), 1)),
    ):  # fmt: skip
        with pytest.raises(kind, match="test_mutation.py"):
            run(lambda x, f=f: (f(x), x)[1], M)


# random programs


def random_index(r: random.Random, shape: tuple[int, ...], arrays: bool = True) -> Any:
    entries: list[Any] = []
    for n in shape[: r.randint(0, len(shape))]:
        kind = r.randrange(6)
        if kind == 0 and n:
            entries.append(r.randrange(-n, n))
        elif kind == 1 and n and arrays:
            entries.append(np.array([r.randrange(-n, n) for _ in range(2)]))
        else:
            ends = [r.choice([None, r.randint(-n - 1, n + 1)]) for _ in range(2)]
            entries.append(slice(*ends, r.choice([None, 1, 2, -1, -2])))
    if r.random() < 0.2:
        entries.insert(r.randint(0, len(entries)), None)
    return tuple(entries)


def random_view(r: random.Random, x: Any) -> Callable[[Any], Any]:
    kind = r.randrange(10)
    # without index arrays: how NumPy lays out what they pick decides whether reshape copies it
    index = random_index(r, x.shape, arrays=False)
    perm = r.sample(range(x.ndim), x.ndim)
    options: list[Callable[[Any], Any]] = [
        lambda a: a[index], lambda a: a.T, lambda a: a.reshape(-1), lambda a: a.ravel(),
        lambda a: np.transpose(a, perm), lambda a: a[::-1] if a.ndim else a, np.squeeze,
        lambda a: np.expand_dims(a, 0), lambda a: np.flip(a), lambda a: a[index],
    ]  # fmt: skip
    return options[kind]


def random_steps(r: random.Random) -> list[Any]:
    """Views, views of views and writes through them, which NumPy has done on arrays of zeros."""
    shapes: list[Any] = [np.zeros((3, 4)), np.zeros((2, 3))]
    steps: list[Any] = []
    for _ in range(r.randint(3, 9)):
        source = r.randrange(len(shapes))
        if r.random() < 0.5:
            make = random_view(r, shapes[source])
            found = make(shapes[source])
            if isinstance(found, np.ndarray):
                steps.append(("view", source, make))
                shapes.append(found)
            continue
        index = random_index(r, shapes[source].shape)
        kind = r.choice(["number", "scalar", "own", "add"])
        steps.append((kind, source, index, r.randrange(len(shapes)), r.random()))
    return steps


def step(names: list[Any], kind: str, source: int, index: Any, other: int, number: float) -> None:
    """One write."""
    a = names[source]
    if kind == "number":
        a[index] = number
    elif kind == "own":
        a[index] = a[index] * number + 1
    elif kind == "add":
        a[index] += number
    else:
        a[index] = names[other].sum()


def random_program(seed: int) -> Callable[[Any, Any], Any]:
    """Views of views, writes through them, reads of all: the same steps for NumPy and traced."""
    steps = random_steps(random.Random(seed))

    def program(x: Any, y: Any) -> Any:
        names = [x, y]
        for kind, source, *rest in steps:
            if kind == "view":
                names.append(rest[0](names[source]))
            else:
                step(names, kind, source, *rest)
        return [np.array(n.copy()) if isinstance(n, np.ndarray) else n + 0 for n in names]

    return program


@pytest.mark.parametrize("seed", range(300))
def test_random_programs(seed: int) -> None:
    alike(random_program(seed), M, T[:, :, 0].copy(), label=f"seed {seed}")
