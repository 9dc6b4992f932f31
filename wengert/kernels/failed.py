"""The exception that a failed check of a compiled program stands for."""

from __future__ import annotations

from wengert import errors
from wengert.errors import WengertError, located
from wengert.kernels.loops import Failure
from wengert.world import caught

WAITING = "{waiting}"
"""The message of a failure whose own exception waits in `wengert.world`."""


def failed(failure: Failure, value: int) -> BaseException:
    """The exception of a check that `value` did not pass; it names the line of the user's code."""
    if failure.message == WAITING:
        raised = caught()
        return located(raised, failure.location) if isinstance(raised, WengertError) else raised
    message, where = failure.message.replace("{value}", str(value)), errors.at(failure.location)
    found = errors.exception(failure.error, f"{message}{where}".removeprefix(" "))
    if isinstance(found, KeyError):  # it shows its argument in quotes, the key
        found.args = (message,)
        found.add_note(where.strip())
    return found
