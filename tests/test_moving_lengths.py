"""Every function on arrays whose lengths depend on the index of a loop: right, or a typed error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_oracle import run
from test_traced_indexing import A, X, Y, in_a_loop, xp

import wengert as wg
from wengert.errors import WengertError

FUNCTIONS: list[Callable[..., Any]] = [
    lambda x, a: np.roll(x, 1),
    lambda x, a: np.diff(x),
    lambda x, a: np.ediff1d(x),
    lambda x, a: np.trapezoid(x),
    lambda x, a: np.gradient(np.concatenate([x, x, x])),
    lambda x, a: np.convolve(x, np.ones(2)),
    lambda x, a: np.convolve(x, x),
    lambda x, a: np.correlate(x, x),
    lambda x, a: np.interp(x, xp.arange(6.0), xp.arange(6.0)),
    lambda x, a: np.interp(0.3, np.cumsum(x * x), x),
    lambda x, a: np.pad(x, 1),
    lambda x, a: np.pad(x, 2, mode='edge'),
    lambda x, a: np.pad(x, 1, mode='wrap'),
    lambda x, a: np.array_split(x, 2)[0],
    lambda x, a: np.array_split(x, [1])[1],
    lambda x, a: np.repeat(x, 2),
    lambda x, a: np.tile(x, 3),
    lambda x, a: np.diagonal(a),
    lambda x, a: np.trace(a),
    lambda x, a: np.diag(x),
    lambda x, a: np.diag(a),
    lambda x, a: np.tril(a),
    lambda x, a: np.triu(a, 1),
    lambda x, a: np.concatenate([x, x[:1]]),
    lambda x, a: np.append(x, 1.0),
    lambda x, a: np.kron(x, np.ones(2)),
    lambda x, a: np.cross(a[:, :1] * np.ones(3), np.array([1.0, 2, 3])),
    lambda x, a: np.stack([x, x]),
    lambda x, a: np.hstack([x, x]),
    lambda x, a: np.vstack([x, x]),
    lambda x, a: np.column_stack([x, x]),
    lambda x, a: np.block([x, x]),
    lambda x, a: np.sort(x),
    lambda x, a: np.argsort(x),
    lambda x, a: np.median(x),
    lambda x, a: np.flip(x) * np.cumsum(x),
    lambda x, a: np.rot90(a) * a,
    lambda x, a: np.fliplr(a) * a,
    lambda x, a: np.cumsum(x),
    lambda x, a: np.cumprod(x),
    lambda x, a: np.maximum.accumulate(x),
    lambda x, a: np.searchsorted(np.cumsum(x * x), 0.5),
    lambda x, a: np.digitize(x, [0.0, 1.0]),
    lambda x, a: np.isin(x, [1.0]),
    lambda x, a: np.delete(x, 0),
    lambda x, a: np.insert(x, 0, 5.0),
    lambda x, a: np.where(x > 0, x, 0),
    lambda x, a: np.select([x > 0], [x], 1.0),
    lambda x, a: np.clip(x, 0, 1),
    lambda x, a: np.nan_to_num(x),
    lambda x, a: np.isclose(x, x),
    lambda x, a: np.allclose(x, x),
    lambda x, a: np.array_equal(x, x),
    lambda x, a: np.linalg.norm(x),
    lambda x, a: np.linalg.norm(x, 1),
    lambda x, a: np.linalg.norm(x, np.inf),
    lambda x, a: np.linalg.norm(a),
    lambda x, a: np.linalg.norm(a, 1),
    lambda x, a: np.linalg.matrix_power(a, 3),
    lambda x, a: np.linalg.multi_dot([a, a, a]),
    lambda x, a: np.cov(np.concatenate([x, x]), np.concatenate([x, x * x])),
    lambda x, a: np.corrcoef(np.concatenate([x, x * 2]), np.concatenate([x, x * x])),
    lambda x, a: np.average(x, weights=np.abs(x)),
    lambda x, a: np.ptp(x),
    lambda x, a: np.nanmean(x),
    lambda x, a: np.nanvar(x),
    lambda x, a: np.var(a),
    lambda x, a: np.std(a, axis=0),
    lambda x, a: np.mean(a),
    lambda x, a: a.mean(axis=1),
    lambda x, a: np.var(np.concatenate([x, x]), ddof=1),
    lambda x, a: a - a.mean(axis=1, keepdims=True),
    lambda x, a: np.einsum('ij,jk->ik', a, a),
    lambda x, a: np.einsum('ii', a),
    lambda x, a: np.tensordot(a, a, 1),
    lambda x, a: np.outer(x, x),
    lambda x, a: np.inner(a, a),
    lambda x, a: np.vdot(a, a),
    lambda x, a: a @ a,
    lambda x, a: a @ x,
    lambda x, a: np.polyval(np.array([1.0, 2.0]), x),
    lambda x, a: np.polyval(x, 0.5),
    lambda x, a: a.ravel(),
    lambda x, a: x.reshape(1, -1),
    lambda x, a: a.T * a,
    lambda x, a: a.swapaxes(0, 1) * a,
    lambda x, a: np.expand_dims(x, 0),
    lambda x, a: np.squeeze(x[None]),
    lambda x, a: np.broadcast_to(x, (3, x.shape[0])),
    lambda x, a: np.broadcast_arrays(x[:, None], x)[0],
    lambda x, a: np.meshgrid(x, x)[0],
    lambda x, a: np.resize(x, 4),
    lambda x, a: np.argmax(a, axis=0),
    lambda x, a: np.argmin(x),
    lambda x, a: np.any(x > 0),
    lambda x, a: np.count_nonzero(x > 0),
    lambda x, a: np.take(x, [0]),
    lambda x, a: np.take(x, -1),
    lambda x, a: np.take_along_axis(a, np.argsort(a, axis=1), axis=1),
    lambda x, a: x[-1],
    lambda x, a: x[[0, -1]],
    lambda x, a: x[::-1][:1],
    lambda x, a: x[:-1],
    lambda x, a: x[1:],
    lambda x, a: x[::2],
    lambda x, a: x[x > 0].sum(),
    lambda x, a: xp.linspace(0, 1, x.shape[0]),
    lambda x, a: xp.eye(x.shape[0]),
    lambda x, a: xp.eye(x.shape[0], k=1),
    lambda x, a: xp.ones_like(a),
    lambda x, a: xp.full(x.shape[0], 2.0),
    lambda x, a: np.full_like(x, 3.0),
    lambda x, a: np.copy(a),
    lambda x, a: np.vander(x, 3),
    lambda x, a: np.logaddexp.reduce(x),
    lambda x, a: np.minimum.reduce(a),
    lambda x, a: np.add.outer(x, x),
    lambda x, a: np.cumsum(a, axis=1),
    lambda x, a: np.choose((x > 0).astype(int), [x, x * 2]),
    lambda x, a: (lambda y: (np.putmask(y, y > 0, [9.0, 8.0]), y)[1])(x.copy()),
    lambda x, a: (lambda y: (np.place(y, y > 0, [9.0, 8.0]), y)[1])(x.copy()),
    lambda x, a: (lambda y: (np.put(y, [-1], [8.0]), y)[1])(x.copy()),
    lambda x, a: (lambda y: (np.fill_diagonal(y, 2.0), y)[1])(a.copy()),
    lambda x, a: (lambda y: (y.sort(), y)[1])(x.copy()),
    lambda x, a: (lambda y: (np.add.at(y, [0, 0, -1], 2.0), y)[1])(x.copy()),
    lambda x, a: (lambda y: (y.__setitem__(y > 0, 1.0), y)[1])(x.copy()),
    lambda x, a: (lambda y: (y.flat.__setitem__(0, 1.0), y)[1])(a.copy()),
    lambda x, a: (lambda y: (np.multiply.at(y, [0, 0, -1], 2.0), y)[1])(x.copy()),
    lambda x, a: np.partition(x, 0)[0],
    lambda x, a: np.piecewise(x, [x > 0], [lambda v: v, 0.0]),
    lambda x, a: np.sinc(x),
    lambda x, a: np.round(x, 1),
    lambda x, a: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
    lambda x, a: np.unstack(np.stack([x, x]))[0],
    lambda x, a: x.size * 1.0,
    lambda x, a: np.size(a) * 1.0,
    lambda x, a: np.average(a, axis=0, weights=x * x),
]  # fmt: skip


def total(g: Callable[..., Any]) -> Callable[..., Any]:
    """A number that all elements of g's result matter to, for each i."""

    def f(x: Any, y: Any, a: Any, i: Any) -> Any:
        found = g(x[:i], a[:i, :i]) * 1.0
        return np.sum(found * found) + 0.5 * np.sum(found)

    return f


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_right_or_refused(number: int) -> None:
    f = total(FUNCTIONS[number])
    wanted = in_a_loop(f, X, Y, A, compiled=False)
    try:
        found = run(lambda x, y, a: in_a_loop(f, x, y, a, compiled=True), X, Y, A)
    except WengertError as error:
        assert "test_moving_lengths.py" in str(error)
        return
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    native = wg.jit(lambda x, y, a: in_a_loop(f, x, y, a, compiled=True))(X, Y, A)
    np.testing.assert_allclose(native, wanted, rtol=1e-12)
