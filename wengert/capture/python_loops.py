"""Loops that Python runs, each turn traced by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from wengert.capture.info import Info
from wengert.capture.runtime_branches import run_branch
from wengert.errors import CaptureError, located
from wengert.tracer.array import Tracer
from wengert.tracer.stack import user_location

MOST_AFTER_BREAK = 2000
_TOO_MANY = (
    "the loop in line {} runs over what Python gives one by one, so each turn is traced by itself; "
    f"it may be left by a break that is known only at run time, and more than {MOST_AFTER_BREAK} "
    "items follow. Use `while True:`, or a `for` over range() or an array"
)

Get = Callable[[], Any]
Set = Callable[[Any], None]


def python_for(
    items: Any, body: Callable[[Any], None], stop: Any, info: Info, get: Get, set_: Set
) -> None:
    """The loop in Python; what follows a traced `break` runs under its condition."""
    if stop is None:
        for item in items:
            body(item)
        return
    for item in items:
        body(item)
        stopped = stop()
        if isinstance(stopped, Tracer):
            rest = list(itertools.islice(items, MOST_AFTER_BREAK + 1))
            if len(rest) > MOST_AFTER_BREAK:
                raise located(CaptureError(_TOO_MANY.format(info.line)), user_location())
            if rest:
                _after_traced_break(rest, body, stop, info, get, set_, stopped)
            return
        if stopped:
            return


def _after_traced_break(
    rest: list[Any], body: Any, stop: Any, info: Info, get: Get, set_: Set, stopped: Any
) -> None:
    run_branch(
        info, stopped, lambda: None, lambda: python_for(iter(rest), body, stop, info, get, set_),
        get, set_,
    )  # fmt: skip
