"""The same text compiled by Numba: the twin of a plain function and of the helpers it calls."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.workload import Function


def numba_twin(function: Function, *helpers: Function) -> Callable[[], Any]:
    """A builder of new `numba.njit` copies of a plain function and of its `helpers`.

    Helpers come before those that call them.
    """

    def build() -> Any:
        import numba

        # Slices of columns are slow there; a version that Numba likes better is as slow.
        warnings.filterwarnings("ignore", category=numba.NumbaPerformanceWarning)
        known: dict[str, Any] = {}
        for each in (*helpers, function):
            copy = types.FunctionType(
                each.__code__, each.__globals__ | known, each.__name__, each.__defaults__
            )
            known[each.__name__] = numba.njit(copy)
        return known[function.__name__]

    return build
