"""Calls of libraries that are written to the array API standard, with constants as arguments.

Such libraries ask their arguments for their namespace and refuse two of them. NumPy arrays beside
traced ones are constants of the program, so they are handed on as traced ones with known elements.
SciPy is told to ask while it is called. Functions of `scipy.linalg`, and others that call compiled
code, know no namespaces; `wengert.linalg` and `wengert.standins` take their place.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from wengert.tracer.array import Tracer, enter
from wengert.tracer.closures import closed
from wengert.tracer.functions.making import constant
from wengert.tracer.functions.operands import holds_tracers
from wengert.tracer.functions.scipy_linalg import TRACED
from wengert.tracer.functions.special_functions import FUNCTIONS as SPECIAL
from wengert.tracer.stack import current

LIBRARIES = frozenset({"scipy", "array_api_extra", "array_api_compat", "sklearn"})
_SWITCH = "SCIPY_ARRAY_API"
COMPILED = frozenset({"SuperLU"})
"""Classes of SciPy's compiled code, which do not tell their module."""
_KINDS = (types.FunctionType, types.MethodType, type)


def of_library(f: Any) -> bool:
    """Whether `f` is of a library whose functions ask for the namespace of their arguments.

    Objects of SciPy's classes that can be called are so too: interpolants and distributions.
    """
    if current() is None or not callable(f):
        return False
    libraries = LIBRARIES if isinstance(f, _KINDS) else ("scipy",)
    return _library(getattr(f, "__module__", None)) in libraries


def _library(module: Any) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def in_one_namespace(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, which gets NumPy arrays as traced ones where other arguments are traced."""

    @functools.wraps(f, updated=())
    def called(*args: Any, **kwargs: Any) -> Any:
        owner = getattr(f, "__self__", None)
        given = [*args, *kwargs.values()]
        traced = holds_tracers(given) or _has_tracers(owner)
        if not traced and not any(map(_reads_tracers, given)):
            return f(*args, **kwargs)
        module = str(getattr(f, "__module__", ""))
        standing = _in_place_of(f, owner, module)
        if standing is not None:
            return standing(*args, **kwargs)
        if not traced:
            return f(*args, **kwargs)
        options = {k: constant(v) for k, v in kwargs.items() if not _idle(k, v)}
        with _asking(module):
            return f(*map(constant, args), **options)

    return called


def of_operator(symbol: str, a: Any, b: Any) -> Callable[[], Any] | None:
    """What stands in for an operator between an object of SciPy's and a traced value."""
    for owner, other, mirror in ((a, b, ""), (b, a, "r")):
        if isinstance(other, Tracer) and _library(type(owner).__module__) == "scipy":
            standins: Any = importlib.import_module("wengert.standins")
            found = standins.of_instance(owner, f"__{mirror}{symbol}__")
            return None if found is None else functools.partial(found, other)
    return None


def _idle(name: str, given: Any) -> bool:
    """An option that asks for what SciPy does anyway, but refuses for arrays not of NumPy."""
    return (name, given) in (("nan_policy", "propagate"), ("keepdims", False))


def _in_place_of(f: Any, owner: Any, module: str) -> Callable[..., Any] | None:
    """What takes the place of a function, class or method of SciPy."""
    if not module.startswith("scipy") and type(owner).__name__ not in COMPILED:
        return None
    name = getattr(f, "__name__", "")
    if module.startswith("scipy.special") and name in SPECIAL:
        return functools.partial(enter, SPECIAL[name])
    if module.startswith("scipy.linalg"):
        # above this module in the import order; it has functions of its own for the table
        importlib.import_module("wengert.linalg")
        return TRACED.get(name)
    standins: Any = importlib.import_module("wengert.standins")
    if not name:
        return standins.of_instance(f, "__call__")
    if owner is not None and not isinstance(owner, type):
        return standins.of_instance(owner, name)
    return standins.FUNCTIONS.get((standins.package_of(module), name))


@contextlib.contextmanager
def _asking(module: str) -> Iterator[None]:
    """SciPy asks arguments for their namespace meanwhile, as SCIPY_ARRAY_API=1 makes it do."""
    override = sys.modules.get("scipy._lib._array_api_override")
    if not module.startswith("scipy") or not hasattr(override, _SWITCH):
        yield
        return
    before = getattr(override, _SWITCH)
    setattr(override, _SWITCH, True)
    try:
        yield
    finally:
        setattr(override, _SWITCH, before)


def _reads_tracers(x: Any) -> bool:
    """Whether a function, or one of a list of them, reads traced values of those around it."""
    if isinstance(x, list | tuple):
        return any(map(_reads_tracers, x))
    if not callable(x) or isinstance(x, type):
        return False
    return _has_tracers(getattr(x, "__self__", x)) or bool(closed((), [x]).arrays)


def _has_tracers(owner: Any) -> bool:
    return owner is not None and holds_tracers(list(getattr(owner, "__dict__", {}).values()))
