"""`raise` under a condition that is known only at run time: the program checks the condition.

The part of an `if` that raises has no results, so the other part is all that is left of the `if`:
`if c: raise E` becomes a requirement that c is false, and the other part stands in the open. What
may fail in the first part before it raises stays behind under its condition. That is right wherever
the part surely raises when it is entered, and no handler takes the error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.capture.handlers import takes
from wengert.capture.journal import in_arm, is_conditional
from wengert.capture.region import emit_branch
from wengert.errors import CaptureError, Location, WengertError, is_named, located, named
from wengert.ir.builder import Value
from wengert.ir.program import Eqn, acts, can_fail
from wengert.ir.types import BOOL
from wengert.tracer.stack import Trace, current, open_trace, opened, user_location


class Raised(BaseException):
    """Leaves the traced part of an `if` that raises; no handler of the user's may take it.

    `before` is the trace of the part, if something in it may fail before.
    """

    def __init__(self, error: str, message: str, location: Location | None) -> None:
        self.error, self.message, self.location = error, message, location
        self.before: Trace | None = None


def left_by_error(part: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
    """`part`, to be run in a trace of its own, which an error that leaves it takes along."""

    def traced() -> list[Any]:
        try:
            return part()
        except Raised as raised:
            here = open_trace()
            if raised.before is None and any(can_fail(e) or acts(e) for e in here.builder.eqns):
                raised.before = here
            raise

    return traced


def raising(make: Any, kind: Any) -> Any:
    """The error of `raise make()`; leaves the part of an `if` that is traced.

    `kind` is what `make` calls, if that has a name; `make` may be an error itself.
    """
    if not is_conditional():
        error = make() if callable(make) else make
        earlier = None if takes(_kind(error)) else _raise_before()
        if earlier is not None:
            raise _always(error, earlier)
        return error
    try:
        error: Any = make() if callable(make) else make
    except (WengertError, TypeError, ValueError):
        if kind is None:
            raise
        error = kind  # the message shows traced values, whose numbers are not known yet
    found = _kind(error)
    if not issubclass(found, BaseException) or takes(found) or not in_arm():
        raise located(
            CaptureError(
                f"{found.__name__} would be raised under a condition that is known only at run "
                "time, in a try or with that would take it, or in a loop of its own, which "
                "compiled code cannot do; return a flag, or check the arguments before the "
                "compiled function"
            ),
            user_location(),
        )
    args: tuple[Any, ...] = () if error is found else error.args
    message = "" if not args else str(args[0] if len(args) == 1 else error)
    raise Raised(named(found), message, user_location())


def _kind(error: Any) -> Any:
    return error if isinstance(error, type) else type(error)


def _raise_before() -> Eqn | None:
    """A condition of run time under which the program has raised another error already."""
    trace = current()
    while trace is not None:
        for eqn in trace.builder.eqns:
            if eqn.op.name == "require" and is_named(eqn.params.get("error", "")):
                return eqn
        trace = trace.parent
    return None


def _always(error: Any, earlier: Eqn) -> WengertError:
    """The error for code of which every way ends with an error, and which one is not known."""
    kind = _kind(error)
    second = kind.__name__ if error is kind or not error.args else f"{kind.__name__}: {error}"
    first = f"{earlier.params['error'].rsplit('.', 1)[-1]}: {earlier.params['message']}"
    where = f" (line {earlier.location.line})" if earlier.location else ""
    text = (
        "every way through this code ends with an error, and which one is known only at run time: "
        f"'{first}'{where}, or else '{second}'. A compiled function has to have a result; check "
        "first what is known while tracing, or return something"
    )
    return located(CaptureError(text), user_location())


def require(index: Value, part: int, raised: Raised) -> None:
    """Makes it part of the program that part number `part` of an `if` is not the one that runs.

    `index` has the number of the one that does.
    """
    parent, here = open_trace(), raised.before
    if here is None:
        _at(raised, parent, lambda: index.ne(part))
        return
    _at(raised, here, lambda: here.builder.literal(False, BOOL))  # after what may fail before it
    with opened("a branch") as nothing:
        pass
    emit_branch(parent, index, [nothing, here] if part else [here, nothing], [[], []])


def _at(raised: Raised, trace: Trace, holds: Callable[[], Value]) -> None:
    """Requires a condition, in the line of the error."""
    builder = trace.builder
    before, builder.location = builder.location, raised.location
    holds().require(message=raised.message, error=raised.error)
    builder.location = before
