"""How the corpus is checked: outcomes of calls, scalars made of them, derivatives by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from corpus.case import Case

import wengert as wg
from wengert.ir.program import Program

STEP = 2e-4  # of central differences of fourth order: truncation and rounding are both about 1e-12


@dataclass(frozen=True)
class Outcome:
    """What a call gave, and what it left in its arguments."""

    result: Any
    arguments: tuple[Any, ...]


def fresh(arguments: Any) -> Any:
    """The same arguments in arrays of their own."""
    return wg.tree_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, arguments)


def called(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
    """The outcome of a call on copies of the arguments."""
    own = fresh(arguments)
    with np.errstate(all="ignore"):
        return Outcome(fn(*own), own)


def assert_same_outcome(found: Outcome, expected: Outcome, rtol: float) -> None:
    """Results and arguments agree in structure, dtype, shape and value."""
    for what in ("result", "arguments"):
        a, b = getattr(found, what), getattr(expected, what)
        assert wg.tree_structure(a) == wg.tree_structure(b), what
        for i, (x, y) in enumerate(zip(wg.tree_leaves(a), wg.tree_leaves(b), strict=True)):
            assert_same_array(x, y, rtol, f"leaf {i} of the {what}")


def assert_same_array(found: Any, expected: Any, rtol: float, name: str) -> None:
    """Two arrays or numbers agree; single precision has its own tolerance."""
    x, y = np.asarray(found), np.asarray(expected)
    if isinstance(y[()], str):
        assert found == expected, name
        return
    assert (x.dtype, x.shape) == (y.dtype, y.shape), name
    allowed = max(rtol, 1e-5) if y.dtype == np.float32 else rtol
    np.testing.assert_allclose(x, y, rtol=allowed, atol=allowed, err_msg=name)


# scalars made of outcomes


def is_float(x: Any) -> bool:
    """Whether derivatives flow through `x`."""
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    return kind in ("f", "c") or isinstance(x, float | complex)


def floats(tree: Any) -> list[Any]:
    """The leaves of `tree` that are floats."""
    return [x for x in wg.tree_leaves(tree) if is_float(x)]


def changed(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[int]:
    """The places of the arguments that a call has changed."""
    return [
        i
        for i, (a, b) in enumerate(zip(before, after, strict=True))
        if any(
            not np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind == "f")
            for x, y in zip(wg.tree_leaves(a), wg.tree_leaves(b), strict=True)
            if not isinstance(x, str)
        )
    ]


@dataclass(frozen=True)
class Scalar:
    """A case as a scalar function of the arguments that are differentiated.

    The scalar is the inner product of random weights with every float that the function returns or
    leaves in an argument.
    """

    case: Case
    arguments: tuple[Any, ...]
    mutated: tuple[int, ...]
    weights: tuple[Any, ...]

    @staticmethod
    def of(case: Case, seed: int = 0, n: int | None = None) -> Scalar:
        """The scalar function for the arguments of `seed`."""
        arguments = case.draw(seed, n)
        outcome = called(case.fn, arguments)
        mutated = tuple(changed(arguments, outcome.arguments))
        rng = np.random.default_rng(99)
        leaves = floats((outcome.result, [outcome.arguments[i] for i in mutated]))
        assert leaves, "nothing to differentiate"
        weights = tuple(rng.uniform(0.5, 1.5, np.shape(x)) for x in leaves)
        return Scalar(case, arguments, mutated, weights)

    @property
    def point(self) -> tuple[Any, ...]:
        """The arguments to differentiate, in arrays of their own."""
        return fresh(tuple(self.arguments[i] for i in self.case.diff))

    @property
    def rest(self) -> tuple[Any, ...]:
        """The other arguments."""
        return fresh(tuple(x for i, x in enumerate(self.arguments) if i not in self.case.diff))

    def function(self) -> Callable[..., Any]:
        """The scalar as a function of (the differentiated arguments, the others)."""
        fn, diff, mutated, weights = self.case.fn, self.case.diff, self.mutated, self.weights
        count = len(self.arguments)

        def scalar(point: tuple[Any, ...], rest: tuple[Any, ...]) -> Any:
            moving, fixed = iter(point), iter(rest)
            arguments = [next(moving) if i in diff else next(fixed) for i in range(count)]
            result = fn(*arguments)
            leaves = floats((result, [arguments[i] for i in mutated]))
            total = 0.0
            for weight, leaf in zip(weights, leaves, strict=True):
                total = total + np.sum(weight * leaf)
            return total

        return scalar


# derivatives of plain functions


def plain_gradient(scalar: Scalar) -> list[Any]:
    """The derivatives with respect to each leaf of the point, by calls of the plain function."""
    leaves = wg.tree_leaves(scalar.point)
    one = by_differences if scalar.case.differences else by_complex_step
    found = []
    for k, leaf in enumerate(leaves):
        slope = np.empty(np.shape(leaf))
        for place in np.ndindex(slope.shape):
            slope[place] = one(scalar, k, place)
        found.append(slope)
    return found


def moved(scalar: Scalar, leaf: int, place: tuple[int, ...], step: Any) -> Any:
    """The value of the plain function where one number has moved by `step`."""
    dtype = np.complex128 if isinstance(step, complex) else np.float64
    leaves = [np.array(x, dtype)[()] if is_float(x) else x for x in wg.tree_leaves(scalar.point)]
    if np.shape(leaves[leaf]) == ():
        leaves[leaf] = leaves[leaf] + step
    else:
        leaves[leaf][place] += step
    point = wg.tree_unflatten(wg.tree_structure(scalar.point), leaves)
    rest = wg.tree_map(
        lambda x: np.array(x, dtype) if isinstance(x, np.ndarray) and is_float(x) else x,
        scalar.rest,
    )
    with np.errstate(all="ignore"):
        return scalar.function()(point, rest)


def by_differences(scalar: Scalar, leaf: int, place: tuple[int, ...]) -> float:
    """A derivative by central differences of fourth order."""
    ahead, behind, far_ahead, far_behind = (
        moved(scalar, leaf, place, k * STEP) for k in (1, -1, 2, -2)
    )
    return (8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * STEP)


def by_complex_step(scalar: Scalar, leaf: int, place: tuple[int, ...]) -> float:
    """A derivative to full precision, of a function that takes complex numbers."""
    return np.imag(moved(scalar, leaf, place, 1e-40j)) / 1e-40


def assert_gradient(found: Sequence[Any], expected: Sequence[Any], rtol: float) -> None:
    """Gradients agree, relative to the largest number of each."""
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        scale = np.max(np.abs(y), initial=1.0)
        np.testing.assert_allclose(
            np.asarray(x), y, rtol=rtol, atol=rtol * scale, err_msg=f"slope of leaf {i}"
        )


# programs


def count_equations(program: Program) -> int:
    """The number of equations, those inside regions included."""
    return sum(1 + sum(map(inside, eqn.params.values())) for eqn in program.eqns)


def inside(param: Any) -> int:
    """The number of equations inside a parameter."""
    if isinstance(param, Program):
        return count_equations(param)
    if isinstance(param, tuple):
        return sum(map(inside, param))
    return 0
