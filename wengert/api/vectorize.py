"""np.vectorize on traced values: a Python function of numbers, mapped over arrays by `vmap`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.mapping import vmap
from wengert.capture.runtime_calls import INSTANCES
from wengert.capture.scalars import is_traced
from wengert.errors import ArgumentError, ShapeError, WengertError, located
from wengert.ir.floats import kind_of
from wengert.tracer.array import enter
from wengert.tracer.functions.operands import materialise, wrapped
from wengert.tracer.pytree import tree_leaves
from wengert.tracer.stack import current, user_location

_PLAIN = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}
"""NumPy hands elements to the function as Python's own numbers, which are of these dtypes."""


@dataclass(frozen=True)
class _Call:
    """A call of `function`, whose arguments `mapped` are arrays and all others stay as they are."""

    function: np.vectorize
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def mapped(self) -> list[int | str]:
        """Positions and names of the arguments that are mapped over."""
        excluded = self.function.excluded
        places: list[int | str] = [*range(len(self.args)), *self.keywords]
        return [p for p in places if p not in excluded]

    def argument(self, place: int | str) -> Any:
        """The argument at a position or of a name."""
        return self.args[place] if isinstance(place, int) else self.keywords[place]

    def of(self, elements: Sequence[Any]) -> Any:
        """The function of these in the place of the arguments that are mapped."""
        args, keywords = list(self.args), dict(self.keywords)
        for place, element in zip(self.mapped, elements, strict=True):
            if isinstance(place, int):
                args[place] = element
            else:
                keywords[place] = element
        return self.function.pyfunc(*args, **keywords)


def vectorized(f: np.vectorize) -> Callable[..., Any]:
    """What to call in place of `f`; the same for arguments that are not traced."""

    def mapped(*args: Any, **keywords: Any) -> Any:
        if current() is None or not any(map(is_traced, tree_leaves((args, keywords)))):
            return f(*args, **keywords)
        try:
            return _mapped(_Call(f, args, keywords))
        except WengertError as error:
            raise located(error, user_location()) from None

    return mapped


def _mapped(call: _Call) -> Any:
    """The function of all elements, in arrays of the shape that they have together.

    With a signature '(n),(m,n)->(k)' the function gets arrays of the last axes named in it. Results
    have the dtype that the function gives, as far as it is known before it runs.
    """
    signature = call.function.signature
    arrays = [enter(wrapped, materialise(call.argument(p))) for p in call.mapped]
    if signature is None:
        arrays = [x.astype(_PLAIN[kind_of(x.dtype)]) for x in arrays]
    cores = [()] * len(arrays) if signature is None else _cores(signature, arrays)
    around = [x.shape[: x.ndim - len(c)] for x, c in zip(arrays, cores, strict=True)]
    shape = np.broadcast_shapes(*around)
    rows = [
        np.reshape(np.broadcast_to(x, (*shape, *x.shape[len(a) :])), (-1, *x.shape[len(a) :]))
        for x, a in zip(arrays, around, strict=True)
    ]
    found = vmap(lambda *elements: call.of(elements))(*rows)
    several = isinstance(found, tuple)
    outs = [np.reshape(x, (*shape, *x.shape[1:])) for x in (found if several else (found,))]
    outs = [
        x.astype(t)
        for x, t in zip(outs, call.function.otypes or [x.dtype for x in outs], strict=True)
    ]
    return tuple(outs) if several else outs[0]


def _cores(signature: str, arrays: Sequence[Any]) -> list[tuple[str, ...]]:
    """The names of the last axes of each argument; raises ShapeError where lengths differ."""
    listed = re.findall(r"\(([^()]*)\)", signature.partition("->")[0])
    cores = [tuple(n.strip() for n in names.split(",") if n.strip()) for names in listed]
    if len(cores) != len(arrays):
        raise ArgumentError(
            f"np.vectorize: the signature {signature!r} is of {len(cores)} arguments, and there "
            f"are {len(arrays)}"
        )
    sizes: dict[str, int] = {}
    for k, (x, core) in enumerate(zip(arrays, cores, strict=True)):
        if x.ndim < len(core):
            raise ShapeError(
                f"np.vectorize: argument {k} has shape {x.shape}, and the signature {signature!r} "
                f"needs {len(core)} axes at least"
            )
        for name, size in zip(core, x.shape[x.ndim - len(core) :], strict=True):
            wanted = int(name) if name.isdecimal() else sizes.setdefault(name, size)
            if wanted != size:
                raise ShapeError(
                    f"np.vectorize: the axis {name!r} of the signature {signature!r} has length "
                    f"{size} in argument {k}, and {wanted} before"
                )
    return cores


INSTANCES[np.vectorize] = vectorized
