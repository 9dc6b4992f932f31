"""What is said of loops whose state has not the same form after any number of traced turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.capture.info import Info
from wengert.errors import CaptureError, WengertError, located
from wengert.tracer.stack import user_location


def unsettled(info: Info, before: Sequence[Any]) -> WengertError:
    """Variables are bound to other objects in each turn, and turns change these."""
    rows = zip(info.names, before, strict=False)  # the rest of `before` is in places, not names
    held = [name for name, value in rows if isinstance(value, (list, dict))]
    error = CaptureError(
        f"{_listed(held or info.names)} may be bound to another object in each turn of the loop in "
        f"line {info.line}, one that a turn changes, as when lists change places (a, b = b, a); "
        "the number of turns is not known while tracing, so it cannot be unrolled; use arrays "
        "(np.zeros) in place of the lists, or make a new list in each turn"
    )
    return located(error, user_location())


def restless(info: Info, names: Sequence[str]) -> WengertError:
    """The dtypes of a loop's state go on changing from turn to turn."""
    error = CaptureError(
        f"the dtypes of {_listed(names)} do not stay the same from one turn of the loop in line "
        f"{info.line} to the next; give them before the loop the dtype that they keep (1.0, "
        "np.zeros, .astype)"
    )
    return located(error, user_location())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
