"""One function of the corpus: what it is called with, and what is checked."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arguments = Callable[[np.random.Generator, int], tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """A plain function, `args(rng, n)` that makes its arguments, and what is known of it.

    `n` is the size that the tests use. `captured` says that a loop with `n` turns becomes a loop of
    the program, whose number of equations then does not depend on `n`. `diff` are the arguments to
    differentiate. Expected derivatives come from complex steps, exact to rounding, or from central
    `differences` where the function takes no complex numbers. `rtol` is for derivatives,
    `value_rtol` for values. `slow` cases take a second or more.
    """

    fn: Callable[..., Any]
    args: Arguments
    n: int = 6
    diff: tuple[int, ...] = ()
    captured: bool = False
    differences: bool = False
    rtol: float = 1e-7
    value_rtol: float = 1e-12
    slow: bool = False
    notes: str = ""

    @property
    def name(self) -> str:
        """The name of the function, unique in the corpus."""
        return self.fn.__name__

    def draw(self, seed: int = 0, n: int | None = None) -> tuple[Any, ...]:
        """Fresh arguments: the same ones for the same seed."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        return self.args(rng, self.n if n is None else n)


# arguments that many functions take


def vector(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """A vector of normal numbers."""
    return (rng.normal(size=n),)


def positive(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """A vector of numbers in 0.5 .. 2."""
    return (rng.uniform(0.5, 2, n),)


def two_vectors(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """Two vectors of normal numbers."""
    return rng.normal(size=n), rng.normal(size=n)


def square(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """A square matrix of normal numbers."""
    return (rng.normal(size=(n, n)),)


def number(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """One number."""
    return (rng.normal(),)


def integers(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    """A vector of integers in -9 .. 9."""
    return (rng.integers(-9, 10, n),)


def dominant(rng: np.random.Generator, n: int) -> Any:
    """A matrix with a large diagonal."""
    return rng.normal(size=(n, n)) + 2 * n * np.eye(n)


def definite(rng: np.random.Generator, n: int) -> Any:
    """A symmetric positive definite matrix."""
    a = rng.normal(size=(n, n))
    return a @ a.T / n + np.eye(n)
