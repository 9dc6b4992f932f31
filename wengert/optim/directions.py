"""Directions of descent: quasi-Newton, Newton with conjugate gradients, the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from wengert.ir.floats import finfo

Vector = np.ndarray[Any, Any]


class Direction(Protocol):
    """Gives directions at points, and learns from steps."""

    def at(self, x: Vector, gradient: Vector) -> Vector:
        """The direction in which to step from x."""
        ...

    def learn(self, step: Vector, change: Vector) -> None:
        """A step was made, and the gradient changed."""
        ...

    def forget(self) -> None:
        """Begins anew."""
        ...

    @property
    def informed(self) -> bool:
        """Whether it knows of the curvature, so that a step of length one is a good guess."""
        ...


def curved(step: Vector, change: Vector) -> bool:
    """Whether a step has the positive curvature that keeps an approximate Hessian positive."""
    least = finfo(step.dtype).eps * float(np.linalg.norm(step) * np.linalg.norm(change))
    return float(step @ change) > least


@dataclass(slots=True)
class Steepest:
    """The negative gradient, scaled by the last step's curvature (Barzilai and Borwein 1988)."""

    scale: float | None = None

    def at(self, x: Vector, gradient: Vector) -> Vector:
        return -gradient * (self.scale or 1.0)

    def learn(self, step: Vector, change: Vector) -> None:
        self.scale = float(step @ step / (step @ change)) if curved(step, change) else None

    def forget(self) -> None:
        self.scale = None

    @property
    def informed(self) -> bool:
        return self.scale is not None


@dataclass(slots=True)
class Lbfgs:
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4) from `memory` pairs."""

    memory: int = 10
    steps: list[Vector] = field(default_factory=list[Vector])
    changes: list[Vector] = field(default_factory=list[Vector])

    def at(self, x: Vector, gradient: Vector) -> Vector:
        q = gradient.copy()
        pairs = list(zip(self.steps, self.changes, strict=True))
        shares: list[Any] = []
        for s, y in reversed(pairs):
            shares.append((s @ q) / (s @ y))
            q -= shares[-1] * y
        if pairs:
            s, y = pairs[-1]
            q *= (s @ y) / (y @ y)
        for s, y in pairs:
            q += s * (shares.pop() - (y @ q) / (s @ y))
        return -q

    def learn(self, step: Vector, change: Vector) -> None:
        if curved(step, change):
            self.steps = [*self.steps, step][-self.memory :]
            self.changes = [*self.changes, change][-self.memory :]

    def forget(self) -> None:
        self.steps, self.changes = [], []

    @property
    def informed(self) -> bool:
        return bool(self.steps)


@dataclass(slots=True)
class Bfgs:
    """BFGS with the approximate inverse of the Hessian (Nocedal and Wright 2006, (6.17))."""

    inverse: Vector | None = None

    def at(self, x: Vector, gradient: Vector) -> Vector:
        return -gradient if self.inverse is None else -(self.inverse @ gradient)

    def learn(self, step: Vector, change: Vector) -> None:
        if not curved(step, change):
            return
        product = step @ change
        if self.inverse is None:
            scale = product / (change @ change)
            self.inverse = scale * np.eye(step.size, dtype=step.dtype)
        along = self.inverse @ change
        outer = np.outer(along, step)
        weight = (1.0 + (change @ along) / product) / product
        self.inverse = self.inverse - (outer + outer.T) / product + weight * np.outer(step, step)

    def forget(self) -> None:
        self.inverse = None

    @property
    def informed(self) -> bool:
        return self.inverse is not None


@dataclass(slots=True)
class NewtonCg:
    """Newton's direction by conjugate gradients (Nocedal and Wright 2006, algorithm 7.1).

    `curvature(x, d)` is the product of the Hessian at x with d. Iterations end at a residual that
    falls with the gradient, or at a direction of negative curvature.
    """

    curvature: Callable[[Vector, Vector], Vector]

    def at(self, x: Vector, gradient: Vector) -> Vector:
        size = math.sqrt(float(gradient @ gradient))
        enough = min(0.5, math.sqrt(size)) * size
        z, r = np.zeros_like(gradient), gradient.copy()
        d = -r
        for _ in range(2 * gradient.size):
            image = self.curvature(x, d)
            bend = float(d @ image)
            if not bend > finfo(d.dtype).eps * float(d @ d):
                return z if z.any() else d
            square = r @ r
            share = square / bend
            z = z + share * d
            r = r + share * image
            if math.sqrt(float(r @ r)) <= enough:
                return z
            d = (r @ r) / square * d - r
        return z

    def learn(self, step: Vector, change: Vector) -> None:
        """Newton's direction needs no history."""

    def forget(self) -> None:
        """There is nothing to forget."""

    @property
    def informed(self) -> bool:
        return True
