"""Calls of libraries that are written to the array API standard, with constants as arguments.

Such libraries ask their arguments for their namespace and refuse two of them. NumPy arrays beside
traced ones are constants of the program, so they are handed on as traced ones with known elements.
Functions of `scipy.linalg` know no namespaces, and those of `scipy.special` only where SciPy is
told to ask for them; the tracer's own take their place.
"""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

from wengert.tracer.array import enter
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers
from wengert.tracer.functions.scipy_linalg import TRACED
from wengert.tracer.functions.special import (
    log_softmax,
    logsumexp,
    multigammaln,
    polygamma,
    softmax,
)
from wengert.tracer.stack import current

LIBRARIES = frozenset({"scipy", "array_api_extra", "array_api_compat", "sklearn"})
_SPECIAL = {f.__name__: f for f in (log_softmax, logsumexp, multigammaln, polygamma, softmax)}
_KINDS = (types.FunctionType, types.MethodType, type)


def of_library(f: Any) -> bool:
    """Whether `f` is of a library whose functions ask for the namespace of their arguments."""
    if not isinstance(f, _KINDS) or current() is None:
        return False
    return (getattr(f, "__module__", None) or "").partition(".")[0] in LIBRARIES


def in_one_namespace(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, which gets NumPy arrays as traced ones where other arguments are traced."""

    @functools.wraps(f, updated=())
    def called(*args: Any, **kwargs: Any) -> Any:
        owner = getattr(f, "__self__", None)
        traced = holds_tracers(args) or holds_tracers(list(kwargs.values()))
        if not traced and not _has_tracers(owner):
            return f(*args, **kwargs)
        module = str(f.__module__)
        if module.startswith("scipy.special") and f.__name__ in _SPECIAL:
            return enter(_SPECIAL[f.__name__], *args, **kwargs)
        if module.startswith("scipy.linalg"):
            # above this module in the import order; it has functions of its own for the table
            importlib.import_module("wengert.linalg")
            if f.__name__ in TRACED:
                return TRACED[f.__name__](*args, **kwargs)
        return f(*map(constant, args), **{k: constant(v) for k, v in kwargs.items()})

    return called


def _has_tracers(owner: Any) -> bool:
    return owner is not None and holds_tracers(list(getattr(owner, "__dict__", {}).values()))
