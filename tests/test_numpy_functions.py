"""NumPy's functions and methods on traced values against NumPy, over their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_oracle import agree

F = Callable[..., Any]
RNG = np.random.default_rng(7)


def filled(*shape: int, dtype: str = "f8") -> np.ndarray[Any, Any]:
    if dtype == "?":
        return RNG.random(shape) > 0.4
    return (RNG.standard_normal(shape) * 3 + (2 if dtype[0] == "u" else 0)).astype(dtype)


V, M, T3 = filled(6), filled(3, 4), filled(2, 3, 4)
N, I3 = filled(5, dtype="f4"), filled(2, 3, 4, dtype="i4")
NAN = np.where(filled(3, 4) > 1, np.nan, filled(3, 4))
ARRAYS = [V, M, T3, N, I3, np.float64(2.5), filled(0, 3), filled(3, 4, dtype="?"),
          filled(3, 4, dtype="f2"), np.abs(filled(3, 4, dtype="i1")).astype("u1")]  # fmt: skip

AXES = [{}, {"axis": 0}, {"axis": -1}, {"axis": 1}, {"axis": (0, -1)}, {"axis": ()}, {"axis": 7},
        {"axis": (0, 0)}, {"keepdims": True}, {"axis": -1, "keepdims": True}]  # fmt: skip
MASK = {"where": np.array([True, False, True, True])}

REDUCTIONS: dict[str, tuple[F, list[dict[str, Any]]]] = {
    "sum": (np.sum, [*AXES, MASK, {"initial": 3}, {"dtype": "f4"}, {"dtype": int}, {"axis": None}]),
    "prod": (np.prod, [*AXES, MASK, {"initial": 2}, {"dtype": "f8"}]),
    "max": (np.max, [*AXES, {**MASK, "initial": -50}, {"initial": 0}, MASK]),
    "min": (np.min, [*AXES, {**MASK, "initial": 50}, {"initial": 0}]),
    "mean": (np.mean, [*AXES, MASK, {"dtype": "f4"}, {**MASK, "axis": -1, "keepdims": True}]),
    "var": (np.var, [*AXES, MASK, {"ddof": 1}, {"correction": 1}, {**MASK, "axis": -1}]),
    "std": (np.std, [*AXES, MASK, {"ddof": 1}, {"dtype": "f4"}, {"ddof": 1, "correction": 1}]),
    "any": (np.any, [*AXES, MASK]),
    "all": (np.all, [*AXES, MASK]),
    "argmax": (np.argmax, [{}, {"axis": 0}, {"axis": -1}, {"axis": 5}, {"keepdims": True},
                           {"axis": 0, "keepdims": True}]),
    "argmin": (np.argmin, [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]),
    "ptp": (np.ptp, [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]),
    "count_nonzero": (np.count_nonzero, [{}, {"axis": 0}, {"axis": (0, 1)}, {"keepdims": True}]),
    "cumsum": (np.cumsum, [{}, {"axis": 0}, {"axis": -1}, {"axis": 4}, {"dtype": "f4"}]),
    "cumprod": (np.cumprod, [{}, {"axis": 0}, {"axis": -1}, {"dtype": "f8"}]),
    "cumulative_sum": (np.cumulative_sum, [{}, {"axis": 0}, {"axis": 0, "include_initial": True}]),
    "cumulative_prod": (np.cumulative_prod, [{"axis": -1, "include_initial": True}]),
    "average": (np.average, [{}, {"axis": 0}, {"axis": -1, "keepdims": True},
                             {"weights": [1.0, 2, 3, 4], "axis": -1}, {"returned": True},
                             {"weights": np.ones((3, 4))}, {"weights": [1.0, 2, 3, 4]},
                             {"weights": [1, 2, 3, 4], "axis": -1, "returned": True}]),
    "nansum": (np.nansum, [{}, {"axis": 0}]),
    "nanprod": (np.nanprod, [{}, {"axis": 0}]),
    "nanmax": (np.nanmax, [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]),
    "nanmin": (np.nanmin, [{}, {"axis": 0}]),
    "nanmean": (np.nanmean, [{}, {"axis": 0}, {"keepdims": True}]),
    "nanvar": (np.nanvar, [{}, {"axis": 0, "ddof": 1}]),
    "nanstd": (np.nanstd, [{}, {"axis": 0}]),
    "nancumsum": (np.nancumsum, [{}, {"axis": 0}]),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    f, options = REDUCTIONS[name]
    for x in (*ARRAYS, NAN):
        for given in options:
            if (name == "average" and x.size == 0) or (name.startswith("nan") and x.ndim == 0):
                continue  # NumPy raises ZeroDivisionError; allows axis=0 of a 0-d array
            tolerance = 4 if np.asarray(x).dtype != np.float16 else 8
            agree(lambda v, o=given: f(v, **o), x, label=f"{name} {given}", tolerance=tolerance)


METHODS: dict[str, list[F]] = {
    "reductions": [
        lambda x: x.sum(), lambda x: x.sum(0), lambda x: x.sum(axis=-1, keepdims=True),
        lambda x: x.prod(), lambda x: x.max(), lambda x: x.min(axis=-1), lambda x: x.mean(),
        lambda x: x.mean(0), lambda x: x.std(), lambda x: x.var(axis=0, ddof=1),
        lambda x: x.any(), lambda x: x.all(axis=0), lambda x: x.argmax(), lambda x: x.argmin(0),
        lambda x: x.cumsum(), lambda x: x.cumprod(axis=0),
    ],
    "shapes": [
        lambda x: x.T, lambda x: x.reshape(-1), lambda x: x.reshape((2, -1)),
        lambda x: x.reshape(-1, 2), lambda x: x.reshape(-1, order="F"), lambda x: x.ravel(),
        lambda x: x.flatten("F"), lambda x: x.transpose(), lambda x: x.transpose(1, 0),
        lambda x: x.transpose((-1, 0)), lambda x: x.swapaxes(0, -1), lambda x: x.squeeze(),
        lambda x: x.reshape(5, 7), lambda x: x.transpose(0, 0), lambda x: x.repeat(2),
        lambda x: x.repeat(2, axis=0), lambda x: x.diagonal(), lambda x: x.trace(),
        lambda x: x.mT, lambda x: x.copy(), lambda x: x.reshape(3, -1, 2, order="F"),
    ],
    "others": [
        lambda x: x.astype("f4"), lambda x: x.astype(int), lambda x: x.astype(bool),
        lambda x: x.clip(0, 1), lambda x: x.clip(max=1), lambda x: x.round(1), lambda x: x.round(),
        lambda x: x.dot(x), lambda x: x.dot(x.T), lambda x: x.take([0, 1]),
        lambda x: x.take([0, 1], axis=-1), lambda x: x.conj(), lambda x: x.real,
        lambda x: x.astype("f4", casting="safe"),
        lambda x: x.compress([True, False, True], axis=0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", METHODS)
def test_methods(group: str) -> None:
    for i, f in enumerate(METHODS[group]):
        for x in ARRAYS:
            agree(f, np.asarray(x), label=f"{group} {i}", tolerance=8)


TABLE: dict[str, list[tuple[F, tuple[Any, ...]]]] = {
    "reshape": [
        (lambda x: np.reshape(x, (4, 3)), (M,)), (lambda x: np.reshape(x, -1), (T3,)),
        (lambda x: np.reshape(x, (4, -1), order="F"), (T3,)),
        (lambda x: np.reshape(x, (5, -1)), (M,)), (lambda x: np.reshape(x, (-1, -1)), (M,)),
        (lambda x: np.reshape(x, (0, -1)), (filled(0, 3),)), (lambda x: np.reshape(x, ()), (M,)),
        (lambda x: np.reshape(x, ()), (filled(1, 1),)), (np.ravel, (T3,)),
        (lambda x: np.ravel(x, "F"), (T3,)), (lambda x: np.resize(x, (2, 5)), (V,)),
        (lambda x: np.resize(x, (2, 5)), (filled(0),)),
    ],
    "transpose": [
        (np.transpose, (T3,)), (lambda x: np.transpose(x, (1, 2, 0)), (T3,)),
        (lambda x: np.transpose(x, (1, 0)), (T3,)), (lambda x: np.transpose(x, (1, 1, 0)), (T3,)),
        (lambda x: np.moveaxis(x, 0, -1), (T3,)), (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (T3,)),
        (lambda x: np.moveaxis(x, (0, 1), (1,)), (T3,)), (lambda x: np.moveaxis(x, 3, 0), (T3,)),
        (lambda x: np.rollaxis(x, 2), (T3,)), (lambda x: np.rollaxis(x, 0, 3), (T3,)),
        (lambda x: np.rollaxis(x, 1, -1), (T3,)), (lambda x: np.rollaxis(x, 1, 4), (T3,)),
        (lambda x: np.swapaxes(x, 0, 2), (T3,)), (lambda x: np.swapaxes(x, 0, 3), (T3,)),
        (np.matrix_transpose, (T3,)), (np.matrix_transpose, (V,)),
        (np.linalg.matrix_transpose, (T3,)), (lambda x: np.permute_dims(x, (2, 0, 1)), (T3,)),
    ],
    "squeeze": [
        (np.squeeze, (filled(1, 3, 1),)), (lambda x: np.squeeze(x, 0), (filled(1, 3, 1),)),
        (lambda x: np.squeeze(x, (0, 2)), (filled(1, 3, 1),)),
        (lambda x: np.squeeze(x, 1), (filled(1, 3, 1),)),
        (lambda x: np.expand_dims(x, 0), (M,)), (lambda x: np.expand_dims(x, (0, -1)), (M,)),
        (lambda x: np.expand_dims(x, 4), (M,)), (lambda x: np.expand_dims(x, (0, 0)), (M,)),
        (np.atleast_1d, (np.float64(2),)), (np.atleast_2d, (V,)), (np.atleast_3d, (V,)),
        (np.atleast_3d, (M,)), (np.atleast_2d, (T3,)), (lambda x, y: np.atleast_2d(x, y), (V, M)),
        (lambda x: np.atleast_1d(x, 3, [1.0]), (V,)),
    ],
    "broadcast": [
        (lambda x: np.broadcast_to(x, (2, 3, 4)), (M,)), (lambda x: np.broadcast_to(x, (3,)), (M,)),
        (lambda x: np.broadcast_to(x, (5, 4)), (M,)), (lambda x: np.broadcast_to(x, 3), (V[:1],)),
        (lambda x, y: np.broadcast_arrays(x, y), (M, M[0])), (np.broadcast_arrays, (M, V)),
        (lambda x: np.broadcast_to(x, (0, 4)), (M[:1],)),
    ],
    "flip": [
        (np.flip, (T3,)), (lambda x: np.flip(x, 1), (T3,)), (lambda x: np.flip(x, (0, -1)), (T3,)),
        (lambda x: np.flip(x, 3), (T3,)), (np.fliplr, (M,)), (np.flipud, (M,)), (np.fliplr, (V,)),
        (np.rot90, (M,)), (lambda x: np.rot90(x, 2), (M,)), (lambda x: np.rot90(x, -1), (T3,)),
        (lambda x: np.rot90(x, 1, (2, 0)), (T3,)), (np.rot90, (V,)),
        (lambda x: np.roll(x, 2), (M,)), (lambda x: np.roll(x, -7), (M,)),
        (lambda x: np.roll(x, 1, 0), (M,)), (lambda x: np.roll(x, (1, 2), (0, 1)), (M,)),
        (lambda x: np.roll(x, 1, (0, 1)), (M,)), (lambda x: np.roll(x, 1, 2), (M,)),
        (lambda x: np.roll(x, 1), (filled(0),)),
        *[(lambda x, k, a=a: np.roll(x, k, a), (M, np.array(k))) for a, k in (
            (None, 5), (None, [1, 2]), (0, -1), ((0, -1), [1, 6]), ((0, 1), 1), (3, 1))],
    ],
    "joining": [
        (lambda x, y: np.concatenate([x, y]), (M, M)),
        (lambda x, y: np.concatenate((x, y), axis=1), (M, M)),
        (lambda x, y: np.concatenate((x, y), axis=None), (M, V)),
        (lambda x, y: np.concatenate((x, y)), (M, V)),
        (lambda x, y: np.concatenate((x, y)), (M, M.T)),
        (lambda x: np.concatenate((x, [1, 2])), (N,)), (lambda x: np.concatenate(x), (T3,)),
        (lambda x: np.concatenate((x, [1.5]), dtype="f4"), (N,)),
        (lambda x: np.concatenate((x, [1.5]), dtype="i4"), (N,)),
        (lambda x: np.concatenate((x, np.zeros((0, 4)))), (M,)),
        (lambda x: np.concatenate((x, x), axis=2), (M,)), (lambda x: np.concatenate([]), (M,)),
        (lambda x: np.concatenate((x, x)), (np.float64(1),)),
        (lambda x: np.concat([x, x]), (I3,)), (lambda x: np.append(x, 3), (M,)),
        (lambda x: np.append(x, x, axis=0), (M,)),
        (lambda x, y: np.stack([x, y]), (M, M)), (lambda x, y: np.stack([x, y], -1), (M, M)),
        (lambda x, y: np.stack([x, y]), (M, V)), (lambda x: np.stack([x, 1.0]), (np.float64(2),)),
        (lambda x: np.stack([x, x], axis=3), (M,)), (lambda x: np.stack(x), (T3,)),
        (np.vstack, ([V, V],)) if False else (lambda x: np.vstack([x, x]), (V,)),
        (lambda x: np.vstack([x, x]), (M,)), (lambda x: np.hstack([x, x]), (V,)),
        (lambda x: np.hstack([x, x]), (M,)), (lambda x: np.hstack([x, 1]), (np.float64(1),)),
        (lambda x: np.dstack([x, x]), (V,)), (lambda x: np.dstack([x, x]), (M,)),
        (lambda x, y: np.column_stack([x, y]), (M, M[:, 0])),
        (lambda x, y: np.block([[x, x], [y, y]]), (M, I3[0])), (lambda x: np.block([x, 1.0]), (V,)),
        (lambda x: np.block([[x], x]), (V,)), (lambda x: np.unstack(x), (T3,)),
        (lambda x: np.unstack(x, axis=-1), (M,)),
    ],
    "splitting": [
        (lambda x: np.split(x, 2), (V,)), (lambda x: np.split(x, 4), (V,)),
        (lambda x: np.split(x, [1, 3]), (V,)), (lambda x: np.split(x, [1, 3, 9]), (V,)),
        (lambda x: np.split(x, [4, 2]), (V,)), (lambda x: np.split(x, [-2]), (V,)),
        (lambda x: np.split(x, 2, axis=1), (M,)), (lambda x: np.array_split(x, 4), (V,)),
        (lambda x: np.array_split(x, 4, axis=1), (T3,)), (lambda x: np.array_split(x, 9), (V,)),
        (lambda x: np.array_split(x, 0), (V,)), (lambda x: np.hsplit(x, 2), (M,)),
        (lambda x: np.hsplit(x, 2), (V,)), (lambda x: np.vsplit(x, 3), (M,)),
        (lambda x: np.vsplit(x, 3), (V,)), (lambda x: np.dsplit(x, 2), (T3,)),
        (lambda x: np.split(x, 2, axis=3), (M,)),
    ],
    "repetition": [
        (lambda x: np.tile(x, 2), (V,)), (lambda x: np.tile(x, (2, 3)), (V,)),
        (lambda x: np.tile(x, (2, 1, 3)), (M,)), (lambda x: np.tile(x, (2,)), (M,)),
        (lambda x: np.tile(x, 0), (V,)), (lambda x: np.tile(x, ()), (M,)),
        (lambda x: np.repeat(x, 3), (M,)), (lambda x: np.repeat(x, 3, axis=1), (M,)),
        (lambda x: np.repeat(x, [1, 0, 2], axis=0), (M,)), (lambda x: np.repeat(x, 0), (M,)),
        (lambda x: np.repeat(x, [1, 2], axis=0), (M,)), (lambda x: np.repeat(x, -1), (M,)),
        (lambda x: np.repeat(x, [2], axis=0), (M,)), (lambda x: np.repeat(x, 1.5), (M,)),
        (lambda x, y: np.meshgrid(x, y), (V, N)), (lambda x: np.meshgrid(x, [1, 2], [3.0]), (V,)),
        (lambda x, y: np.meshgrid(x, y, indexing="ij"), (V, N)),
        (lambda x, y: np.meshgrid(x, y, sparse=True), (V, N)), (np.meshgrid, (V,)),
    ],
    "pad": [
        (lambda x, w=w, m=m: np.pad(x, w, m), (x,))
        for m in ("constant", "edge", "reflect", "symmetric", "wrap")
        for x in (V, M, filled(2, 1))
        for w in (1, 2, 7, ((0, 1),), (2, 3))
    ] + [
        (lambda x: np.pad(x, 1, constant_values=3), (M,)),
        (lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4))), (M,)),
        (lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=(5, 6)), (M,)),
        (lambda x: np.pad(x, {-1: (1, 2)}), (M,)), (lambda x: np.pad(x, {0: 3}), (M,)),
        (lambda x: np.pad(x, -1), (M,)), (lambda x: np.pad(x, (1, 2, 3)), (M,)),
        (lambda x: np.pad(x, 1.5), (M,)), (lambda x: np.pad(x, 1, "edge"), (filled(0),)),
        (lambda x: np.pad(x, 0), (M,)), (lambda x: np.pad(x, 1), (I3,)),
        (lambda x: np.pad(x, 1, "nonsense"), (M,)), (lambda x: np.pad(x, 1, "edge", a=1), (M,)),
    ] + [
        (lambda x, w=w, m=m: np.pad(x, w, **m), (x,))
        for m in (
            {"mode": "linear_ramp", "end_values": (1, -2)}, {"mode": "maximum"},
            {"mode": "mean", "stat_length": 2}, {"mode": "median", "stat_length": ((1, 9),)},
            {"mode": "minimum", "stat_length": 0}, {"mode": "reflect", "reflect_type": "odd"},
            {"mode": "symmetric", "reflect_type": "odd"},
        )
        for x in (V, I3, filled(2, 3, dtype="u1"), filled(1, 2))
        for w in (1, (2, 7))
    ],
    "quantiles": [
        (lambda x, q=q, m=m: np.percentile(x, q, axis=-1, method=m), (x,))
        for m in ("linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
                  "nearest", "midpoint", "weibull")
        for q in (30, [0, 50, 100])
        for x in (M, I3, N)
    ] + [
        (lambda x: np.quantile(x, 1), (I3,)), (lambda x: np.quantile(x, [0, 1], axis=0), (I3,)),
        (lambda x: np.quantile(x, np.float32(0.25)), (V,)),
        (lambda x: np.nanquantile(x, [0.2, 0.9], (0, 1), method="lower"), (NAN,)),
        *[(lambda x, w, f=f, o=o: f(x, [0.0, 0.3, 0.9], weights=w, method="inverted_cdf", **o), (x, w))
          for f in (np.quantile, np.nanquantile)
          for x, w, o in ((M, M**2, {}), (NAN, M**2, {"axis": 1}), (I3, -I3, {"axis": 0}))],
        (lambda x: np.quantile(x, 0.5, weights=[1, 2], method="hazen"), (V,)),
        (lambda x: np.quantile(x, 0.5, method="nonsense"), (V,)),
        *[(lambda x, o=o: np.median(x, **o), (x,)) for x in (T3, I3, NAN[None])
          for o in ({"axis": (0, 2)}, {"axis": (-1, 0), "keepdims": True}, {"axis": ()})],
        (np.median, (filled(0),)), (lambda x: np.nanstd(x, ddof=12), (NAN,)),
        (lambda x: np.nanvar(x, axis=-1, ddof=4, keepdims=True), (NAN,)),
        (lambda x, w: np.average(x, axis=0, weights=w), (I3.astype("i2")[0, :, 0], N[:3])),
    ],
    "histograms": [
        *[(lambda x, o=o: np.histogram(x, **o), (x,)) for x in (V, N, I3, filled(0))
          for o in ({"bins": 4}, {"bins": 7, "range": (-3, 4), "density": True},
                    {"bins": 2, "range": (1, 1)}, {"bins": [0, 2, 1]}, {"bins": [0, 1, 1, 5]})],
        (lambda x: np.histogram(x, 3), (NAN,)), (lambda x: np.histogram(x, 49, (0, 49)), (I3,)),
        (lambda x, y: np.histogram2d(x, y, 3), (N, I3[0, 0, [0, 1, 2, 3, 0]])),
        (lambda x: np.histogramdd(x, (2, 3), density=True), (filled(5, 2, dtype="f4"),)),
        (lambda x: np.bincount(x, minlength=9), (np.array([1, -1]),)),
    ],
    "diagonals": [
        *[(lambda x, k=k: np.diag(x, k), (x,)) for k in (-5, -2, -1, 0, 1, 3, 6) for x in (V, M)],
        *[(lambda x, k=k: np.diagonal(x, k, 0, 2), (T3,)) for k in (-3, -1, 0, 2, 5)],
        *[(lambda x, k=k: np.tril(x, k), (x,)) for k in (-4, -1, 0, 2) for x in (M, T3, V)],
        *[(lambda x, k=k: np.triu(x, k), (x,)) for k in (-4, -1, 0, 2) for x in (M, I3)],
        (np.diag, (T3,)), (np.diagflat, (M,)), (lambda x: np.diagflat(x, -1), (V,)),
        (np.trace, (M,)), (np.trace, (I3,)), (lambda x: np.trace(x, 1, 2, 1), (T3,)),
        (np.trace, (V,)), (np.linalg.trace, (T3,)), (np.linalg.diagonal, (T3,)),
        (lambda x: np.diagonal(x, 0, 1, 1), (T3,)), (np.vander, (V,)),
        (lambda x: np.vander(x, 3, increasing=True), (V,)), (np.tril, (filled(0, 3),)),
        (np.diag, (filled(0),)), (np.vander, (I3[0, 0],)),
    ],
    "choosing": [
        (lambda x, y: np.where(x > 0, x, y), (M, M[0])), (lambda x: np.where(x > 0, x, 0), (N,)),
        (lambda x: np.where(x > 0, 1, 2), (N,)), (lambda x: np.where(x > 1, x, -1), (np.uint8([0, 9]),)), (lambda x: np.where(x, 1.0, x), (I3,)),
        (lambda x: np.where([True, False] * 3, x, 1), (V,)), (lambda x: np.where(True, x, 1.5), (I3,)),
        (lambda x: np.where(x > 0, x, np.ones(5)), (M,)), (lambda x: np.where(x, x), (M,)),
        (lambda x: np.select([x > 1, x > 0], [x, x * 2]), (M,)),
        (lambda x: np.select([x > 1, x > 0], [1, x * 2], 7), (N,)),
        (lambda x: np.select([x > 1], [x, x]), (N,)), (lambda x: np.select([x], [x]), (N,)),
        (lambda x: np.piecewise(x, [x < 0, x >= 1], [-1, lambda v: v * 2]), (M,)),
        (lambda x: np.piecewise(x, [x < 0], [lambda v: -v, 3]), (I3,)),
        (lambda x: np.clip(x, 0, 1), (M,)), (lambda x: np.clip(x, None, 1), (M,)),
        (lambda x: np.clip(x, [0, 0, 1, 2], None), (M,)), (lambda x: np.clip(x, 0, 1), (I3,)),
        (lambda x: np.clip(x, 0.5, 1), (I3,)), (lambda x: np.clip(x, -1, 300), (I3.astype("u1"),)),
        (lambda x: np.clip(x, min=0), (M,)), (lambda x: np.clip(x, 0, 1), (NAN,)),
        (lambda x: np.clip(x, 2, 1), (M,)), (lambda x: np.clip(x, None, None), (M,)),
        (lambda x: np.clip(x, False, True), (M > 0,)), (lambda x: np.clip(x, 0, 1), (M > 0,)),
        (lambda x: np.clip(x, 0, 1e9), (filled(3, dtype="f2"),)),
        *[(lambda x, d=d: np.round(x, d), (x,)) for d in (-1, 0, 1, 3) for x in (M * 10, N, I3 * 7)],
        (np.round, (M > 0,)), (np.fix, (M,)), (np.around, (M,)),
        (np.nan_to_num, (np.array([np.nan, np.inf, -np.inf, 1.0]),)), (np.nan_to_num, (I3,)),
        (lambda x: np.nan_to_num(x, nan=1, posinf=2, neginf=3), (np.array([np.nan, np.inf, -np.inf], "f4"),)),
        (np.isposinf, (np.array([np.inf, -np.inf, 1]),)), (np.isneginf, (np.array([np.inf, -np.inf]),)),
        (lambda x: np.isclose(x, x + 1e-9), (M,)), (lambda x: np.isclose(x, [1, 2, 3, 4]), (I3,)),
        (lambda x: np.isclose(x, x, equal_nan=True), (NAN,)), (lambda x: np.isclose(x, np.inf), (M,)),
        (lambda x: np.isclose(x, x), (np.array([np.inf, -np.inf, np.nan]),)),
        (lambda x: np.allclose(x, x), (M,)), (lambda x: np.array_equal(x, x), (NAN,)),
        (lambda x: np.array_equal(x, x, equal_nan=True), (NAN,)),
        (lambda x: np.array_equal(x, [1]), (M,)), (lambda x: np.array_equiv(x, x[0]), (M,)),
        (np.sinc, (np.array([0, 0.5, 1, -2.5]),)), (np.sinc, (I3,)), (np.i0, (V,)),
        (np.real, (M,)), (np.imag, (M,)), (np.isreal, (M,)), (np.iscomplexobj, (M,)), (np.copy, (M,)),
        (lambda x: x.astype(np.result_type(x, 1.5)), (I3,)), (lambda x: x.astype(np.result_type(x, 1.5)), (N,)),
        (lambda x: x.astype(np.result_type(x, "f8")), (N,)),
        (lambda x: np.can_cast(x, "f4"), (M,)), (np.shape, (M,)), (np.ndim, (M,)), (np.size, (M,)), (lambda x: np.size(x, 1), (M,)),
    ],
    "creation": [
        (np.zeros_like, (M,)), (np.ones_like, (I3,)), (lambda x: np.zeros_like(x, dtype="i4"), (M,)),
        (lambda x: np.full_like(x, 2.7), (I3,)), (lambda x: np.full_like(x, x[0]), (M,)),
        (lambda x: np.ones_like(x, shape=(2, 2)), (M,)), (lambda x: np.empty_like(x).shape, (M,)),
        (lambda x: np.full_like(x, [1, 2]), (M,)),
        (lambda a: np.linspace(a, 2.0, 5), (np.float64(1),)), (lambda a: np.linspace(a, 2, 1), (V[0],)),
        (lambda a: np.linspace(0, a, 5, endpoint=False), (N[0],)), (lambda a: np.linspace(0, a, 0), (V[0],)),
        (lambda x: np.linspace(x, 1, 4, axis=-1), (M,)), (lambda x: np.linspace(0, x, 4, retstep=True), (V,)),
        (lambda a: np.linspace(a, 10, 5, dtype=int), (V[0],)), (lambda a: np.linspace(a, 1, -1), (V[0],)),
        (lambda a: np.logspace(a, 2.0, 4), (np.float64(1),)), (lambda a: np.geomspace(a, 100.0, 4), (np.float64(1),)),
        (lambda x: np.astype(x, np.float32), (I3,)),
    ],
    "calculus": [
        (np.diff, (V,)), (lambda x: np.diff(x, 2), (V,)), (lambda x: np.diff(x, axis=0), (I3,)),
        (lambda x: np.diff(x, prepend=0, append=[1, 2]), (V,)), (lambda x: np.diff(x, -1), (V,)),
        (lambda x: np.diff(x, 9), (V,)), (np.diff, (M > 0,)), (np.diff, (np.float64(1),)),
        (lambda x: np.diff(x, 0), (V,)), (lambda x: np.diff(x, axis=2), (M,)),
        (np.ediff1d, (M,)), (lambda x: np.ediff1d(x, 1, [0, 2]), (V,)),
        (np.trapezoid, (V,)), (lambda x: np.trapezoid(x, dx=0.1, axis=0), (M,)),
        (lambda x, y: np.trapezoid(x, y), (M, M[0])), (lambda x: np.trapezoid(x, x * 2), (M,)),
        (lambda x: np.trapezoid(x, [0, 1, 3], axis=0), (M,)), (np.trapezoid, (I3,)),
        (np.gradient, (V,)), (np.gradient, (M,)), (lambda x: np.gradient(x, 0.5), (V,)),
        (lambda x: np.gradient(x, axis=0), (M,)), (lambda x: np.gradient(x, edge_order=2), (V,)),
        (lambda x: np.gradient(x, np.arange(6.0) ** 2), (V,)), (np.gradient, (V[:1],)),
        (lambda x: np.gradient(x, np.arange(6.0) ** 2, edge_order=2), (V,)),
        (lambda x: np.gradient(x, 1.0, 2.0), (M,)), (lambda x: np.gradient(x, 1, 2, 3), (M,)),
        (lambda x: np.interp(x, [-1, 0, 2], [3, 1, 4]), (M,)),
        (lambda x, f: np.interp(x, np.arange(6.0) - 3, f), (M, V)),
        (lambda x: np.interp(x, [0, 1], [0, 1], left=-5, right=7), (V,)),
        (lambda x, p: np.interp(x, [0, 1, 3], [2, 5, -1], 9, period=p), (M, np.array(-2.5))),
        (lambda x, f: np.interp(x, [0, 1, 3], f, left=7, right=2j), (V, V[:3] + 1j)),
        (lambda x: np.interp(x, [0, 1], [2, 5], period=0), (V,)),
        (lambda x: np.interp(x, [0], [2]), (V,)), (lambda x: np.interp(x, [0, 1], [2]), (V,)),
    ],
    "norms": [
        (np.linalg.norm, (x,)) for x in (V, M, T3, N, I3)
    ] + [
        (lambda x, o=o, a=a: np.linalg.norm(x, o, axis=a), (M,))
        for o in (None, 1, 2, 3, 0.5, -1, -2, 0, np.inf, -np.inf) for a in (0, -1)
    ] + [
        (lambda x, o=o: np.linalg.norm(x, o), (M,)) for o in ("fro", 1, -1, np.inf, -np.inf, 7)
    ] + [
        (lambda x: np.linalg.norm(x, "fro"), (V,)), (lambda x: np.linalg.norm(x, 3), (V,)),
        (lambda x: np.linalg.norm(x, 1, axis=(2, 0)), (T3,)), (lambda x: np.linalg.norm(x, axis=5), (M,)),
        (lambda x: np.linalg.norm(x, np.inf, axis=(0, 2), keepdims=True), (T3,)),
        (lambda x: np.linalg.norm(x, axis=(0, 0)), (T3,)), (lambda x: np.linalg.norm(x, 2), (T3,)),
        (lambda x: np.linalg.norm(x, axis=-1, keepdims=True), (T3,)),
        (lambda x: np.linalg.vector_norm(x, axis=(0, 1)), (T3,)), (np.linalg.vector_norm, (I3,)),
        (np.linalg.matrix_norm, (T3,)), (lambda x: np.linalg.matrix_norm(x, ord=1, keepdims=True), (T3,)),
        (lambda x: np.linalg.norm(x, axis=0), (filled(3, 4, dtype="f2"),)),
    ],
    "sequences": [
        *[
            (lambda a, v, f=f, m=m: f(a, v, m), (x, y))
            for f in (np.convolve, np.correlate)
            for m in ("full", "same", "valid")
            for x, y in ((V, V[:3]), (V[:2], V), (V, N[:4]), (I3[0, 0], I3[0, 1]))
        ],
        (lambda a, v: np.convolve(a, v), (filled(40), filled(30))),
        (lambda a, v: np.convolve(a, v), (filled(0), V)),
        (lambda a, v: np.convolve(a, v, "odd"), (V, V)), (np.convolve, (M, V)),
        (lambda x: np.polyval([1, 2.0, 3], x), (M,)), (np.polyval, (V, M)),
        (lambda x: np.polyval([1, 2], x), (I3,)), (lambda x: np.polyval([], x), (V,)),
        (np.polyval, (M, M[0])), (np.polyval, (np.float64(2), V)),
        (np.polysub, (np.uint8([3, 4]), np.array(7))), (lambda x: np.polyint(x, 1, [2, 3]), (V,)),
        (lambda x: np.polyder(x, -1), (V,)), (np.vander, (N,)), (np.vander, (np.uint8([20, 3, 2]),)),
        (lambda x: np.unravel_index(x, (4, 5)), (np.uint8([3, 19]),)), (np.imag, (NAN,)),
        (lambda a, k: np.searchsorted(a, 0.3, sorter=k), (V, np.argsort(V))),
        (np.searchsorted, (np.sort(V), M)), (lambda x: np.searchsorted(x, 0.0), (np.sort(V),)),
        (lambda a, x: np.searchsorted(a, x, "right"), (np.array([0, 1, 1, 2, np.nan]), NAN)),
        (lambda x: np.digitize(x, [-1, 0, 1]), (M,)),
        (lambda x: np.digitize(x, [1, 0, -1], right=True), (np.round(M),)),
        (lambda x: np.digitize(x, [1, 0, -1]), (np.round(M),)),
        (lambda x: np.digitize(x, [1, 0, 3]), (M,)), (lambda x: np.isin(x, [0, 1, 2]), (I3,)),
        (lambda x: np.isin(x, [0, 1, 2], invert=True), (I3,)),
        *[(lambda x, p=p: np.delete(x, p, axis=1), (M,)) for p in (0, [0, 2], -1, slice(1, 3), 9)],
        (lambda x: np.delete(x, [0, 5]), (M,)), (lambda x: np.delete(x, 0, axis=3), (M,)),
        (lambda x: np.insert(x, 1, 7), (V,)), (lambda x: np.insert(x, [1, 4], [7, 8]), (V,)),
        (lambda x: np.insert(x, 1, x[:, 0], axis=1), (M,)),
        (lambda x: np.insert(x, [1], [[1], [2], [3]], axis=1), (M,)),
        (lambda x: np.insert(x, 0, 5, axis=0), (I3,)), (lambda x: np.insert(x, 9, 5), (V,)),
        (lambda x: np.insert(x, 1, [1.5, 2], axis=0), (M[:, :2],)),
        (lambda x: np.choose(x, [x * 2, 10, 20], mode="clip"), (I3,)),
        (lambda x: np.choose(x, [1, 2]), (np.array([0, -1]),)),
        (lambda i, x: np.choose(i, [x, -1]), (np.array([0, 1]), np.uint8([1, 2]))),
        *[(lambda x, k=k: np.partition(x, k, axis=None), (M,)) for k in (11, (0, 12))],
        (np.angle, (M,)), (lambda x: np.angle(x, deg=True), (M,)), (np.amax, (M,)),
        (lambda x: np.amin(x, axis=0), (M,)), (lambda x: np.angle(x, deg=True), (np.uint8([1, 2]),)),
        (lambda x: np.histogram(x, bins=[-1, 0, 1]), (M,)),
        (lambda x: (np.nan_to_num(x, copy=False), x + 1), (NAN,)),
        (lambda x: np.geomspace(x, 100, 3), (np.uint8([1, 2]),)),
        (lambda x: np.geomspace(-1.0, x, 4, axis=-1), (-np.abs(M) - 1,)),
        (lambda x: np.geomspace(1.0, x, 3, endpoint=False), (np.float32([2, 3.3, np.inf]),)),
    ],
    "covariance": [
        (np.cov, (M,)), (lambda x: np.cov(x, rowvar=False), (M,)), (lambda x: np.cov(x, bias=True), (M,)),
        (np.cov, (V,)), (lambda x, y: np.cov(x, y), (V, V[::-1].copy())), (np.corrcoef, (M,)),
        (lambda x: np.cov(x, ddof=2), (M,)), (np.cov, (T3,)), (np.cov, (I3[0],)),
        (lambda x: np.cov(x, rowvar=False), (M[:1],)), (lambda x: np.cov(x, rowvar=False), (M[:, :1],)),
        (lambda x: np.cov(x, M[0], rowvar=False), (M.T,)), (lambda x: np.cov(x, ddof=0.5), (M,)),
        *[(lambda x, f, a=a, o=o: np.cov(x, fweights=f, aweights=a, **o), (M, np.array([1, 0, 3, 2])))
          for a in (np.abs(M[1]), None) for o in ({}, {"bias": True}, {"ddof": 2})],
        (lambda x: np.cov(x, aweights=M[1]), (M,)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", TABLE)
def test_functions(group: str) -> None:
    for i, (f, args) in enumerate(TABLE[group]):
        agree(f, *args, label=f"{group} {i} {getattr(f, '__name__', '')}", tolerance=20)
