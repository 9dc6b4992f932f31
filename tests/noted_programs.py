"""Plain Python programs that are noted where they stand, and compared with what Python gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import wengert as wg

Program = TypeVar("Program", bound=Callable[..., Any])


def noting(programs: list[Program]) -> Callable[[Program], Program]:
    """A decorator that puts programs on a list."""

    def program(f: Program) -> Program:
        programs.append(f)
        return f

    return program


def assert_is_pythons(f: Callable[..., Any], *args: Any, static: tuple[int, ...] = ()) -> None:
    """What a program gives, captured, is what Python gives."""
    found = wg.tree_leaves(wg.jit(f, backend="reference", static_argnums=static)(*args))
    for made, wanted in zip(found, wg.tree_leaves(f(*args)), strict=True):
        np.testing.assert_allclose(made, wanted, rtol=1e-12)
