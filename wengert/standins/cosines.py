"""Fourier transforms of real symmetry: `scipy.fft.dct`, `dst`, their inverses and `dctn`.

They are products with the matrix of what SciPy makes of unit vectors, up to `LARGEST` elements.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.standins.tables import by_matrix, in_floats, stands_in

LARGEST = 1024


def _of_rows(name: str) -> Callable[..., Any]:
    def transform(
        x: Any,
        type: int = 2,  # noqa: A002
        n: int | None = None,
        axis: int = -1,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Any:
        """As SciPy's, by a product with its matrix."""
        x = in_floats(x)
        given = x.shape[axis]
        count = given if n is None else n
        if count > LARGEST:
            raise ArgumentError(f"{name} of traced values takes rows of up to {LARGEST} elements")
        scipys = getattr(importlib.import_module("scipy.fft"), name)
        # row k is the transform of the unit vector k; n cuts rows, or fills them up with zeros
        options = {"n": count, "axis": -1, "norm": norm, "orthogonalize": orthogonalize}
        matrix = scipys(np.eye(given), type, **options)
        return by_matrix(x, matrix, axis)

    return transform


def _of_axes(one: Callable[..., Any]) -> Callable[..., Any]:
    def transform(
        x: Any,
        type: int = 2,  # noqa: A002
        s: Any = None,
        axes: Any = None,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        *,
        orthogonalize: bool | None = None,
    ) -> Any:
        """As SciPy's, axis by axis."""
        x = in_floats(x)
        sizes = None if s is None else np.atleast_1d(s).tolist()
        if axes is None:  # the last ones
            along = list(range(-x.ndim if sizes is None else -len(sizes), 0))
        else:
            along = np.atleast_1d(axes).tolist()
        sizes = [None] * len(along) if sizes is None else sizes
        if len(sizes) != len(along) or len({axis % x.ndim for axis in along}) != len(along):
            raise ArgumentError(f"axes must be unique, with a size each; got {axes} and {s}")
        for axis, n in zip(along, sizes, strict=True):
            x = one(x, type, None if n == -1 else n, axis, norm, orthogonalize=orthogonalize)
        return x

    return transform


for _name in ("dct", "idct", "dst", "idst"):
    _one = stands_in("fft", _name)(_of_rows(_name))
    stands_in("fft", _name + "n")(_of_axes(_one))
