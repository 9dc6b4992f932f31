"""`raise` under a condition that is known only at run time: the program checks the condition.

The part of an `if` that raises has no results, so the other part is all that is left of the `if`:
`if c: raise E` becomes a requirement that c is false, and the other part stands in the open. That
is right wherever the part surely raises when it is entered, and no handler is waiting for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wengert.capture.journal import in_arm, is_conditional
from wengert.errors import CaptureError, Location, WengertError, located, named
from wengert.ir.builder import Value
from wengert.tracer.stack import open_trace, user_location


class Raised(BaseException):
    """Leaves the traced part of an `if` that raises; no handler of the user's may take it."""

    def __init__(self, error: str, message: str, location: Location | None) -> None:
        self.error, self.message, self.location = error, message, location


class _Handlers(threading.local):
    count = 0


_handlers = _Handlers()


@contextmanager
def guarded() -> Iterator[None]:
    """The body of a `try` with an `except`."""
    _handlers.count += 1
    try:
        yield
    finally:
        _handlers.count -= 1


def raising(make: Any, kind: Any) -> Any:
    """The error of `raise make()`; leaves the part of an `if` that is traced.

    `kind` is what `make` calls, if that has a name; `make` may be an error itself.
    """
    if not is_conditional():
        return make() if callable(make) else make
    try:
        error: Any = make() if callable(make) else make
    except (WengertError, TypeError, ValueError):
        if kind is None:
            raise
        error = kind  # the message shows traced values, whose numbers are not known yet
    found: Any = error if isinstance(error, type) else type(error)
    if _handlers.count or not in_arm() or not issubclass(found, BaseException):
        raise located(
            CaptureError(
                f"{found.__name__} would be raised under a condition that is known only at run "
                "time, in a try or a loop of its own, which compiled code cannot do; return a "
                "flag, or check the arguments before the compiled function"
            ),
            user_location(),
        )
    args: tuple[Any, ...] = () if error is found else error.args
    message = "" if not args else str(args[0] if len(args) == 1 else error)
    raise Raised(named(found), message, user_location())


def require(holds: Value, raised: Raised) -> None:
    """Makes the condition under which nothing is raised part of the program."""
    builder = open_trace().builder
    before, builder.location = builder.location, raised.location
    holds.require(message=raised.message, error=raised.error)
    builder.location = before
