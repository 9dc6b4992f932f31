"""Views see later writes to their base; arrays made inside know their elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy_oracle import run, same
from test_mutation import M, T, V, alike

import wengert as wg
from wengert.errors import MutationError, ReadOnlyError
from wengert.ir.evaluate import evaluate
from wengert.tracer.functions.assignment import setitem
from wengert.tracer.functions.creation import CREATION
from wengert.tracer.functions.making import tracked
from wengert.tracer.mutation import known
from wengert.tracer.stack import opened

VIEWS: list[Any] = [
    lambda x: x[1], lambda x: x[..., 1:], lambda x: x[::-1, ::2], lambda x: x[:, None, 1], lambda x: x.T,
    lambda x: x.T[1:].T, lambda x: x.reshape(-1), lambda x: x.reshape(2, -1)[1], lambda x: x.reshape(4, 3).T,
    lambda x: x.ravel()[3:7], lambda x: x.T.ravel(), lambda x: x.T.reshape(-1), lambda x: x[:, 1:].reshape(-1),
    lambda x: x[1:].reshape(-1, order="F"), lambda x: np.transpose(x, (1, 0))[2], lambda x: x.swapaxes(0, 1),
    lambda x: np.moveaxis(x, 0, -1), lambda x: np.rollaxis(x, 1), lambda x: np.squeeze(x[:1]),
    lambda x: np.expand_dims(x, (0, 2)), lambda x: np.atleast_3d(x), lambda x: np.flip(x, 1), lambda x: np.fliplr(x),
    lambda x: np.flipud(x)[0], lambda x: np.rot90(x), lambda x: np.rot90(x, 2), lambda x: np.split(x, 2, axis=1)[1],
    lambda x: np.array_split(x, 3)[2], lambda x: np.hsplit(x, 2)[0], lambda x: np.unstack(x)[1],
    lambda x: x[np.array([0, 1])], lambda x: x.copy(), lambda x: x.flatten(), lambda x: x.astype(float),
    lambda x: x + 0, lambda x: +x, lambda x: x[...], lambda x: np.real(x),
    lambda x: x.squeeze(), lambda x: x.view(), lambda x: x[()],
    lambda x: np.matrix_transpose(x), lambda x: x.mT[1:], lambda x: x[1:2, 1:2].reshape(()), lambda x: x.reshape(3, 4),
    lambda x: x.reshape(3, 4, copy=True), lambda x: np.ravel(x[:, 1:]), lambda x: np.ravel(x[1:]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_views_write_through_and_see_writes(number: int) -> None:
    view = VIEWS[number]

    def f(x: Any) -> Any:
        v = view(x)
        v[...] = v * 2
        x[0] += 100
        first = v.copy()
        v += 1
        x[:, 1] = -x[:, 1]
        return first, v.copy(), v.sum() + x.sum()

    alike(f, M, label=f"view {number}")


def test_read_only_views_see_writes() -> None:
    def f(x: Any) -> Any:
        d, b, e = np.diagonal(x), np.broadcast_to(x[0], (2, 4)), np.diag(x, 1)
        m = np.diag(x[0])
        x[0] = 7
        return d + 0, b + 0, e + 0, m + 0

    alike(f, M)
    for g in (np.diagonal, np.diag, lambda x: np.broadcast_to(x, (2, 3, 4))):
        with pytest.raises(ReadOnlyError, match="copy"):
            run(lambda x, g=g: g(x).fill(0), M)


def test_flat() -> None:
    def f(x: Any) -> Any:
        x.flat[3] = 7
        x.T.flat[1:3] += 1
        total = 0.0
        for v in x[:, 1].flat:
            total = total * 2 + v
        x[0].flat = 2
        return total

    alike(f, M)


def test_swaps_and_rebinding() -> None:
    def f(a: Any, b: Any) -> Any:
        for _ in range(3):
            b[1:-1] = (a[:-2] + a[2:]) / 2
            a, b = b, a
        a = a + 1
        a[0] = 5
        return a + 0, b + 0

    alike(f, V, V[::-1].copy())


def test_rows_in_loops() -> None:
    def f(x: Any) -> Any:
        for row in x:
            row -= row.mean()
            row[0] = 1
            for k in range(1, len(row)):
                row[k] += row[k - 1]
        for plane in x.T:
            plane *= 2
        return (
            np.array([row.sum() for row in x])
            if isinstance(x, np.ndarray)
            else np.stack([row.sum() for row in x])
        )

    alike(f, M)
    alike(lambda t: f(t[0].T), T)


def test_views_cost_nothing_without_writes() -> None:
    """As many equations as the functions themselves have."""
    from numpy_oracle import traced

    found = traced(lambda x: (x[1:, ::2], x.T, x.reshape(-1), x[0, 0]), [M])
    names = [e.op.name for e in found.program.eqns]
    assert sorted(names) == ["reshape", "reshape", "slice", "slice", "transpose"]


# arrays made inside

zeros, ones, array = CREATION[np.zeros], CREATION[np.ones], CREATION[np.array]
arange, empty, eye = CREATION[np.arange], CREATION[np.empty], CREATION[np.eye]


def recurrence(x: Any) -> Any:
    r = zeros(len(x))
    r[0] = x[0] ** 2
    for i in range(1, len(x)):
        r[i] = r[i - 1] * 0.5 + x[i]
    return r


def from_lists(x: Any) -> Any:
    a = array([[x[0], 1.0], [2, x[1] * x[2]]])
    a[0, 1] += a[1, 0]
    b = array([1, 2, 3])
    b[1] = 7
    return a, b, array(x[:2], dtype=np.float32), array([[1, 2]], ndmin=3), array(x[0])


def known_numbers(x: Any) -> Any:
    table = zeros(4, int)
    table[1:3] = [2, 1]
    total = 0.0
    for k in arange(int(table[1])):
        if table[k] > 1 or k == 0:
            total = total + x[k] * (k + 1)
    weights = array([0.5, 0.25])
    weights *= 2
    view = weights[::-1]
    view[0] = 3
    n = int(np.sum(table))
    return total, weights, ones((n, 2)), np.sqrt(view), table[table > 0], x[table[1]]


def other_makers(x: Any) -> Any:
    return (
        eye(3), CREATION[np.identity](2), CREATION[np.linspace](0, 1, 5), CREATION[np.full]((2,), x[0]),
        CREATION[np.full](3, 1.5), arange(1, 7, 2), arange(2.0), arange(3, dtype=float), CREATION[np.zeros_like](x),
        CREATION[np.full_like](x, 2, dtype=int), CREATION[np.copy](x), CREATION[np.float32](x[0]), arange(3000),
        CREATION[np.int64](7.9), CREATION[np.fromfunction](lambda i, j: i + j, (2, 2)), eye(2, 3, 1), eye(40),
        CREATION[np.asarray]([x[0], x[1]]), CREATION[np.ones_like](x[0]), arange(10, 4000, 3), zeros((50, 50)).sum(),
    )  # fmt: skip


def mixtures(x: Any) -> Any:
    a = zeros((2, 3))
    row = a[1]
    row[:] = x[:3]
    b = a.copy()
    b[0] = 1
    a[0, 0] = 2
    c = zeros(3)
    np.add(c, 1, out=c)
    d = c[1:]
    c[2] = x[0]
    np.add.at(c, [0, 0], 1)
    e = zeros(())
    e[()] = 4
    e += 1
    np.copyto(c[:1], x[1:2])
    f = c.reshape(3, 1)
    f[1:] *= 2
    return a, b, c, d, e, f


@pytest.mark.parametrize("f", [recurrence, from_lists, known_numbers, other_makers, mixtures])
def test_arrays_made_inside(f: Any) -> None:
    same(run(f, V), f(V.copy()))


def test_elements_are_known_until_traced_values_are_written() -> None:
    def f(x: Any) -> Any:
        a = zeros(3)
        a[0] = 5
        assert float(a[0]) == 5.0
        b = a[:2]
        assert known(b) is not None
        assert bool((a > 4)[0])
        assert [int(v) for v in a] == [5, 0, 0]
        a[1] = x[0]
        assert known(a) is None
        assert known(b) is None
        return b + 0

    same(run(f, V), np.array([5.0, 3.0]))


def test_constants_cannot_be_changed() -> None:
    table = np.zeros(3)

    def f(x: Any) -> Any:
        setitem(table, 0, 1.0)
        return x

    with pytest.raises(MutationError, match="test_views.py"):
        run(f, V)
    assert table[0] == 0
    setitem(table, 0, 1.0)
    assert table[0] == 1
    some: dict[str, Any] = {}
    setitem(some, "a", 1)
    assert some == {"a": 1}


def test_results_of_numpy_may_be_tracked() -> None:
    def f(x: Any) -> Any:
        a = tracked(np.sqrt(np.arange(3.0)))
        a[1] = x[0]
        return a

    same(run(f, V), np.array([0, 3.0, np.sqrt(2)]))


# inner traces


def test_writes_of_inner_traces_are_recorded() -> None:
    with opened("outer") as outer:
        x = zeros(3)
        y = zeros(2000)
        value = y.value
        with opened("inner") as inner:
            assert float(x[0]) == 0
            assert inner.assumed == {id(x): x}
            y[0] = 1
            view = y[1:]
            view[0] = 2
            assert list(inner.written) == [id(y)]
            assert inner.captured[id(y)][1].atom is not value.atom
            x[1] = 1.0
            assert known(x) is None
            program = inner.builder
            program.inputs.extend(v.atom for _, v in inner.captured.values())  # type: ignore[misc]
            found = program.finish([v for _, v in inner.written.values()])
        assert y.value is value
        assert known(x) is not None
        assert outer.written == {}
    contents = [np.zeros(t.shape) for t in found.in_types]
    outputs = evaluate(found, contents)
    np.testing.assert_array_equal(outputs[0][:3], [1, 2, 0])
    np.testing.assert_array_equal(outputs[1], [0, 1, 0])


@pytest.mark.slow
def test_ellipses_make_views_and_arrays_without_axes_copies() -> None:
    def f(x: Any, i: Any) -> Any:
        one, row = x[i, ..., 0], x[np.array(0)]
        one[...] = 9.0
        one += 1.0
        row *= 5.0
        known = np.zeros(3)
        known[1, ...][()] = 2.0
        x[:, ..., np.array([True, False, True])] += known[:2]
        return one * 1, row, known

    for k in (0, 1):
        mine, expected = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3)
        for found, wanted in zip(wg.jit(f)(mine, np.int64(k)), f(expected, k), strict=True):
            np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(mine, expected)
