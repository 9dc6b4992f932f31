"""Checks of derivatives against differences, for tests of functions that wengert differentiates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import abstract, fail, float0
from wengert.api.derivatives import jvp, vjp
from wengert.errors import InputTypeError
from wengert.ir.floats import BFLOAT16, kind_of
from wengert.ir.types import real_dtype
from wengert.tracer.pytree import flatten, paths

MODES = ("fwd", "rev")

# Central differences of order 1: the step is about the cube root of the rounding error, where the
# truncation error (step^2) and the rounding error (epsilon / step) are equal; each further order
# loses digits in the same way, so it is the derivative of order n - 1 that is differenced.
_STEPS = {BFLOAT16: 0.2, "float16": 0.1, "float32": 1e-2, "float64": 1e-5}
_TOLERANCES = {BFLOAT16: 0.4, "float16": 0.1, "float32": 2e-2, "float64": 2e-6}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] | str = MODES,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Checks derivatives of `f` at `args` along random directions, up to `order`.

    `modes` holds "fwd" (jvp against differences) and "rev" (vjp against differences); higher orders
    check the derivatives of these derivatives in each mode. Complex arguments are moved in
    directions of the complex plane, as pairs of real ones. Tolerances and the step `eps` depend
    on the lowest precision among `args` unless they are given. Raises AssertionError that names
    the mode, the order, the argument and both numbers.
    """
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    unknown = [m for m in chosen if m not in MODES]
    if unknown or order < 1:
        fail(InputTypeError(f"check_grads takes modes {MODES} and order >= 1, not {unknown}"))
    dtype = _precision(args)
    check = _Check(
        np.random.default_rng(seed),
        _TOLERANCES[dtype] if atol is None else atol,
        _TOLERANCES[dtype] if rtol is None else rtol,
        _STEPS[dtype] if eps is None else eps,
    )
    check.run(f, tuple(args), order, chosen, "")


def _precision(args: Sequence[Any]) -> str:
    leaves, _ = flatten(tuple(args))
    dtypes = [abstract(x, "an argument of check_grads").type.dtype for x in leaves]
    floats = [real_dtype(d) if d.kind == "c" else d for d in dtypes if kind_of(d) in "fc"]
    return min(floats, key=lambda d: d.itemsize).name if floats else "float64"


class _Check:
    """Compares derivatives with differences, for one set of tolerances."""

    def __init__(self, rng: np.random.Generator, atol: float, rtol: float, eps: float) -> None:
        self.rng = rng
        self.atol = atol
        self.rtol = rtol
        self.eps = eps

    def run(
        self, f: Callable[..., Any], args: tuple[Any, ...], order: int, modes: Any, before: str
    ) -> None:
        """Checks one order, then the derivatives of the derivatives."""
        for mode in modes:
            label = f"{before}{mode}"
            if mode == "fwd":
                self.forward(f, args, label)
                derivative = self.forward_derivative(f, args)
            else:
                self.reverse(f, args, label)
                derivative = self.reverse_derivative(f, args)
            if order > 1:
                self.run(derivative, args, order - 1, modes, f"{label} of ")

    def forward(self, f: Callable[..., Any], args: tuple[Any, ...], label: str) -> None:
        """The derivative along a direction in each argument alone, then in all together."""
        for name, direction in self.directions(args):
            _, found = jvp(f, args, direction)
            weights = self.like(found)
            self.compare(
                _dot(weights, found), self.difference(f, args, direction, weights), label, name
            )

    def reverse(self, f: Callable[..., Any], args: tuple[Any, ...], label: str) -> None:
        """The pullback of a random cotangent, in the same directions."""
        out, pullback = vjp(f, *args)
        weights = self.like(out)
        slopes = pullback(weights)
        for name, direction in self.directions(args):
            self.compare(
                _dot(direction, slopes), self.difference(f, args, direction, weights), label, name
            )

    def forward_derivative(self, f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The derivative along one direction, as a function of the arguments."""
        direction = self.like(args)
        return lambda *point: jvp(f, point, direction)[1]

    def reverse_derivative(self, f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The pullback of one cotangent, as a function of the arguments; floats only."""
        weights = self.like(vjp(f, *args)[0])

        def pulled(*point: Any) -> Any:
            return _floats(vjp(f, *point)[1](weights))

        return pulled

    def directions(self, args: tuple[Any, ...]) -> list[tuple[str, tuple[Any, ...]]]:
        """Random tangents of one leaf at a time, and of all if there are several."""
        leaves, tree = flatten(args)
        whole, _ = flatten(self.like(args))
        found: list[tuple[str, tuple[Any, ...]]] = []
        moving = [i for i, x in enumerate(leaves) if _is_float(x)]
        for i in moving:
            parts = [t if j == i or not _is_float(t) else t * 0 for j, t in enumerate(whole)]
            found.append(
                (f"argument {paths(args)[i][1:].replace(']', '', 1)}", tree.unflatten(parts))
            )
        if len(moving) > 1:
            found.append(("all arguments together", tree.unflatten(whole)))
        return found

    def like(self, tree: Any) -> Any:
        """Random normal numbers in the form of `tree`; float0 zeros for what is no float."""
        leaves, treedef = flatten(tree)
        return treedef.unflatten([self._like(x) for x in leaves])

    def _like(self, x: Any) -> Any:
        kind = abstract(x, "a leaf").type
        if not kind.is_float:
            return np.zeros(kind.shape, float0)
        drawn = self.rng.standard_normal(kind.shape)
        if kind.is_complex:
            drawn = drawn + 1j * self.rng.standard_normal(kind.shape)
        return np.asarray(drawn).astype(kind.dtype)[()]

    def difference(
        self, f: Callable[..., Any], args: tuple[Any, ...], direction: Any, weights: Any
    ) -> float:
        """The central difference of <weights, f> along `direction`."""
        step = self.eps
        ahead, behind = (
            _dot(weights, f(*_moved(args, direction, s))) for s in (step / 2, -step / 2)
        )
        return (ahead - behind) / step

    def compare(self, found: float, expected: float, label: str, name: str) -> None:
        """Raises unless the two numbers agree."""
        allowed = self.atol + self.rtol * max(abs(expected), abs(found))
        same_nan = np.isnan(found) and np.isnan(expected)
        if not (abs(found - expected) <= allowed or same_nan):
            depth = label.count(" of ") + 1
            raise AssertionError(
                f"derivative of order {depth} ({label}) with respect to {name}: wengert gives "
                f"{found:.10g}, differences give {expected:.10g} (they differ by "
                f"{abs(found - expected):.3g}, allowed {allowed:.3g})"
            )


def _is_float(x: Any) -> bool:
    return kind_of(np.asarray(x).dtype) in "fc"


def _floats(tree: Any) -> list[Any]:
    return [x for x in flatten(tree)[0] if getattr(x, "dtype", None) != float0]


def _dot(x: Any, y: Any) -> float:
    """The pairing of two pytrees in double precision: the real part of the sum of products."""
    pairs = zip(flatten(x)[0], flatten(y)[0], strict=True)
    return float(
        sum(
            np.sum(np.asarray(a, np.complex128) * np.asarray(b, np.complex128)).real
            for a, b in pairs
            if getattr(a, "dtype", None) != float0 and getattr(b, "dtype", None) != float0
        )
    )


def _moved(args: tuple[Any, ...], direction: Any, step: float) -> tuple[Any, ...]:
    leaves, tree = flatten(args)
    moves = flatten(direction)[0]
    return tree.unflatten(
        [
            x if getattr(d, "dtype", None) == float0 else _add(x, d, step)
            for x, d in zip(leaves, moves, strict=True)
        ]
    )


def _add(x: Any, direction: Any, step: float) -> Any:
    """`x + step * direction` in the dtype of `x`."""
    array = np.asarray(x)
    return (array + step * np.asarray(direction)).astype(array.dtype)[()]
