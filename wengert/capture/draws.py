"""Random numbers of NumPy and Python in compiled functions: the same ones in every call.

They are drawn once, while the function is traced, and are constants of the program. That is what
Python does only if the generator is seeded in the function itself; otherwise it is an error.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wengert.capture.journal import made
from wengert.errors import CaptureError, located
from wengert.tracer.stack import user_location

Function = Callable[..., Any]
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
QUIET = ("get_state", "getstate", "spawn")


class _Compiled(threading.local):
    seeded: dict[int, Any] | None = None


_compiled = _Compiled()


@contextmanager
def kept() -> Iterator[None]:
    """Within the block a function is traced for a program that is kept for later calls."""
    outer = _compiled.seeded
    _compiled.seeded = {} if outer is None else outer
    try:
        yield
    finally:
        _compiled.seeded = outer


def note_seeded(generator: Any) -> Any:
    """Notes that the numbers of a generator are the same in every call; gives it back."""
    if _compiled.seeded is not None:
        _compiled.seeded[id(generator)] = generator
    return generator


def seeding(make: Any) -> Function:
    """What stands for a function that makes a generator."""

    def seeded(*args: Any, **options: Any) -> Any:
        generator = made(make(*args, **options))
        known = any(x is not None for x in (*args, *options.values()))
        return note_seeded(generator) if known else generator

    return seeded


def seed_numpy(seed: Any = None) -> None:
    """`numpy.random.seed`"""
    np.random.seed(seed)
    if seed is not None:
        note_seeded(getattr(np.random.rand, "__self__", None))


def check_draw(generator: Any, name: str, arguments: tuple[Any, ...]) -> None:
    """Raises CaptureError if a program that is kept would draw from a generator outside of it."""
    if _compiled.seeded is None or name in QUIET:
        return
    if name in ("seed", "set_state", "setstate") and arguments:
        note_seeded(generator)
    elif id(generator) not in _compiled.seeded:
        raise located(
            CaptureError(
                f"{name}() draws random numbers while the function is traced, so that each call of "
                "the compiled function would use the same ones; pass a key and use wg.random "
                "(wg.random.normal(key, shape)), pass the numbers as an argument, or make the "
                "generator inside from a seed"
            ),
            user_location(),
        )
