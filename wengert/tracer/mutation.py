"""Reading and writing of arrays: which trace sees what.

Arrays of the IR are values; a traced array is a name whose contents are replaced by assignments.
A view has no contents of its own: it is read and written through its base.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.types import Dim, is_supported, type_of
from wengert.tracer.array import Tracer
from wengert.tracer.sharing import is_argument, note_change, root
from wengert.tracer.stack import Trace, open_trace, user_location

Array = np.ndarray[Any, Any]


def read(tracer: Tracer, trace: Trace | None = None) -> Value:
    """The contents of `tracer` as the current trace, or `trace`, sees them."""
    return (trace or open_trace(tracer)).read(tracer)


def write(tracer: Tracer, value: Value, trace: Trace | None = None) -> None:
    """Gives `tracer`, an array or a view of one, other contents of its own type.

    Arrays of the current trace change themselves, those of traces around it in `Trace.written`.
    """
    trace = trace or open_trace(tracer)
    if tracer.base is None:
        trace.write(tracer, value)
        return
    assert tracer.lens is not None
    whole = tracer.lens.write(trace, trace.read(tracer.base), value)
    write(tracer.base, whole, trace)
    tracer.saw(trace.read(tracer.base), value)


def known(tracer: Tracer, note: bool = True) -> Array | None:
    """The elements of an array made while tracing, if the current trace may rely on them."""
    return tracer.concrete(note)


def adopt(x: Any) -> Any:
    """What NumPy made of known arrays: arrays as traced ones whose elements are known.

    Scalars, and what is no array, stay as they are.
    """
    if isinstance(x, tuple | list):
        return type(x)(map(adopt, x)) if type(x) in (tuple, list) else x
    if type(x) is not np.ndarray or not is_supported(x.dtype.newbyteorder("=")):
        return x
    trace = open_trace()
    elements = np.array(x, dtype=x.dtype.newbyteorder("="), order="C")
    found = Tracer.__new__(Tracer)
    found.owner, found.type = trace, type_of(elements)
    found.weak, found.made, found.locked = False, True, False
    found.latest, found.elements = None, elements
    found.base = found.lens = found.links = found._seen = None  # pyright: ignore[reportPrivateUsage]
    return found


def all_known(x: Any) -> bool:
    """Whether nothing in a nest of containers is traced, but for arrays with known elements."""
    if isinstance(x, Tracer):
        return known(x, note=False) is not None
    if isinstance(x, tuple | list):
        return all(map(all_known, x))
    if isinstance(x, dict):
        return all(map(all_known, x.values()))
    return not isinstance(x, Value | Dim) and not hasattr(x, "refuse_other_mask")


def stripped(x: Any) -> Any:
    """A nest of containers with known arrays as NumPy's."""
    if isinstance(x, Tracer):
        return known(x)
    if isinstance(x, dict):
        return {k: stripped(v) for k, v in x.items()}
    return type(x)(map(stripped, x)) if type(x) in (tuple, list) else x


def lock_argument(result: Tracer, values: Iterable[Tracer], name: str) -> None:
    """Makes the result of a loop or branch read-only if it may be an argument.

    Its contents are a copy, and the caller, who sees the argument, would miss what is done to it.
    """
    if any(map(is_argument, values)):
        result.locked = (
            f"'{name}' may be an argument of the function or another array, by a condition or a "
            "number of turns that is known only at run time, so it cannot be changed in place; "
            "change a copy of it (x = x.copy()), or make the condition static (static_argnums)"
        )


def set_known(x: Tracer) -> None:
    """To be called after the record of the elements of `x`, or of its base, was changed."""
    whole = root(x)
    whole.latest = None
    if whole.links is not None:
        note_change(open_trace(), whole, user_location())


def forget(tracer: Tracer) -> None:
    """Makes the elements of a known array unknown: from now on they are traced."""
    whole = root(tracer)
    if whole.elements is not None:
        whole.replace(whole.contents())


def forget_changed(body: Trace, *others: Trace) -> bool:
    """Forgets the elements of arrays that a loop's body changes and that it, or the loop's
    condition, took for known; says whether there were any, for then it must be traced again.
    """
    assumed = {i: t for trace in (body, *others) for i, t in trace.assumed.items()}
    changed = [t for i, t in assumed.items() if i in body.written]
    for tracer in changed:
        forget(tracer)
    return bool(changed)
