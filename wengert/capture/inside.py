"""Bodies of `wg.scan` and its kin change nothing around them but arrays: state is explicit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wengert.capture.journal import watching
from wengert.capture.outside import reachable
from wengert.errors import CaptureError, located
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import Trace


@contextmanager
def kept_inside(here: Trace, body: Callable[..., Any], name: str) -> Iterator[None]:
    """Within the block a function, the body `name`, is traced in `here`.

    Raises CaptureError if it leaves values of that trace in objects from outside, which get back
    what they held.
    """
    with watching() as watched:
        yield
        found = [
            (place, old, line)
            for place, old, line in watched.changed
            if any(isinstance(x, Tracer) and x.owner is here for x in flatten(place.get())[0])
        ]
        found = list(reachable(found, body, ()))
    for place, old, _ in found:
        place.set(old)
    for place, _, line in reversed(found):
        error = CaptureError(
            f"'{name}', which is traced once for all turns, stores a value in {place}, a place "
            "outside of it; make it part of the state that the function takes and returns, store "
            "it in an array (np.zeros), or write a plain for or while loop, which may change lists "
            "and dicts"
        )
        raise located(error, line)
