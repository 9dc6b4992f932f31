"""Reading and writing of arrays: which trace sees what.

Arrays of the IR are values; a traced array is a name whose contents are replaced by assignments.
A view has no contents of its own: it is read and written through its base.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.tracer.array import Tracer
from wengert.tracer.stack import Trace, open_trace

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


def known(tracer: Tracer) -> Array | None:
    """The elements of an array made while tracing, if the current trace may rely on them.

    A read-only array, for it is the record of them. Relying on them is noted in `Trace.assumed`.
    """
    if tracer.elements is None:
        return None
    return tracer.elements


def forget(tracer: Tracer) -> None:
    """Makes the elements of a known array unknown: from now on they are traced."""
    root = tracer
    while root.base is not None:
        root = root.base
    if root.elements is not None:
        root.put(root.contents())
