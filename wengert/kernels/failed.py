"""The exception that a failed check of a compiled program stands for."""

from __future__ import annotations

from wengert import errors
from wengert.kernels.loops import Failure

_BUILT_IN: dict[str, type[Exception]] = {
    e.__name__: e
    for e in (IndexError, ValueError, TypeError, ZeroDivisionError, OverflowError, ArithmeticError)
}


def failed(failure: Failure, value: int) -> Exception:
    """The exception of a check that `value` did not pass; it names the line of the user's code."""
    kind = getattr(errors, failure.error, None) or _BUILT_IN.get(failure.error, RuntimeError)
    message = failure.message.replace("{value}", str(value))
    return kind(message + errors.at(failure.location))
